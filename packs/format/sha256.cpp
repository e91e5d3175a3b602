// SHA-256 through libsodium's stateless function: no initialisation, no global state, safe in any thread.
// In:  bytes.  Out: bytes or hex.
// Not here: which bytes a pack hashes (pack_file.cpp).
#include "packs/format/sha256.h"

#include <sodium/crypto_hash_sha256.h>

namespace octile::packs {

std::array<uint8_t, 32> sha256(std::span<const uint8_t> bytes) {
  std::array<uint8_t, crypto_hash_sha256_BYTES> digest;
  crypto_hash_sha256(digest.data(), bytes.data(), bytes.size());
  return digest;
}

std::string sha256_hex(std::span<const uint8_t> bytes) {
  const std::array<uint8_t, 32> digest = sha256(bytes);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest.size());
  for (uint8_t byte : digest) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

std::string sha256_hex(std::string_view text) {
  return sha256_hex({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace octile::packs
