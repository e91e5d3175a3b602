// SHA-256 of bytes: the one hash packs, plans and the build cache use.
// In:  bytes.  Out: 32 bytes, or 64 lower-case hex digits.
// Not here: keyed hashes, signatures.  The library behind it is linked statically and its symbols stay hidden.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace octile::packs {

[[nodiscard]] std::array<uint8_t, 32> sha256(std::span<const uint8_t> bytes);
[[nodiscard]] std::string sha256_hex(std::span<const uint8_t> bytes);
[[nodiscard]] std::string sha256_hex(std::string_view text);

}  // namespace octile::packs
