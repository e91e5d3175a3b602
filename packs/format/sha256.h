// SHA-256 of bytes, as lower-case hex: the one hash packs and the build cache use.
// In:  bytes.  Out: 64 hex digits.
// Not here: keyed hashes, signatures.  The library behind it is linked statically and its symbols stay hidden.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace octile::packs {

[[nodiscard]] std::string sha256_hex(std::span<const uint8_t> bytes);
[[nodiscard]] std::string sha256_hex(std::string_view text);

}  // namespace octile::packs
