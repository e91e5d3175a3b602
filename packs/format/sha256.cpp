// SHA-256 by the CPU's instructions, else by libsodium's stateless function: no global state, safe in any thread.
// In:  bytes.  Out: bytes or hex.
// Not here: which bytes a pack hashes (pack_file.cpp).
#include "packs/format/sha256.h"

#include <sodium/crypto_hash_sha256.h>

#include <cstring>

#include "packs/format/sha256_blocks.h"

namespace octile::packs {
namespace {

constexpr size_t kBlock = 64;

// FIPS 180-4: the blocks, then a one bit, zeros, and the length in bits.
std::array<uint8_t, 32> sha256_by_blocks(std::span<const uint8_t> bytes) {
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const size_t whole = bytes.size() / kBlock, rest = bytes.size() % kBlock;
  sha256_blocks(state, bytes.data(), whole);
  std::array<uint8_t, 2 * kBlock> tail{};
  if (rest > 0) std::memcpy(tail.data(), bytes.data() + whole * kBlock, rest);
  tail[rest] = 0x80;
  const size_t tail_blocks = rest + 9 > kBlock ? 2 : 1;
  const uint64_t bits = uint64_t{bytes.size()} * 8;
  for (size_t i = 0; i < 8; ++i) tail[tail_blocks * kBlock - 1 - i] = static_cast<uint8_t>(bits >> (8 * i));
  sha256_blocks(state, tail.data(), tail_blocks);
  std::array<uint8_t, 32> digest;
  for (size_t i = 0; i < 32; ++i) digest[i] = static_cast<uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
  return digest;
}

}  // namespace

std::array<uint8_t, 32> sha256(std::span<const uint8_t> bytes) {
  if (has_sha256_blocks()) return sha256_by_blocks(bytes);
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
