// SHA-256 through libsodium's stateless function: no initialisation, no global state, safe in any thread.
// In:  bytes.  Out: hex.
// Not here: which bytes a pack hashes (pack_file.cpp).
#include "packs/format/sha256.h"

#include <sodium/crypto_hash_sha256.h>

namespace octile::packs {

std::string sha256_hex(std::span<const uint8_t> bytes) {
  unsigned char digest[crypto_hash_sha256_BYTES];
  crypto_hash_sha256(digest, bytes.data(), bytes.size());
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * sizeof digest);
  for (unsigned char byte : digest) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

std::string sha256_hex(std::string_view text) {
  return sha256_hex({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace octile::packs
