// A hash of 128 bits in one pass, as fast as memory gives the bytes: for content that nobody means to forge.
// In:  bytes.  Out: two halves.  Not here: what must not be forged (sha256.h).
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace octile::packs {

[[nodiscard]] std::array<uint64_t, 2> quick_hash(std::span<const uint8_t> bytes);

}  // namespace octile::packs
