// Multiply and shift over words; see quick_hash.h.
// In:  bytes.  Out: two hashes.  Not here: SHA-256.
//
// Four interleaved streams of 8-byte words, so that the latency of one multiplication hides behind the others.
#include "packs/format/quick_hash.h"

#include <cstddef>
#include <cstring>

namespace octile::packs {

std::array<uint64_t, 2> quick_hash(std::span<const uint8_t> bytes) {
  const uint8_t* const data = bytes.data();
  const size_t size = bytes.size();
  constexpr size_t kStreams = 4, kStep = kStreams * sizeof(uint64_t);
  constexpr std::array<uint64_t, 2> kFactors{0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53};
  std::array<std::array<uint64_t, kStreams>, 2> h{};
  for (size_t k = 0; k < kStreams; ++k) {
    h[0][k] = 0x9E3779B97F4A7C15 * (k + 1) ^ size;
    h[1][k] = 0xC2B2AE3D27D4EB4F * (k + 1) ^ size;
  }
  const auto mix = [&](const std::array<uint64_t, kStreams>& words) {
    for (size_t which = 0; which < 2; ++which) {
      for (size_t k = 0; k < kStreams; ++k) {
        uint64_t v = (h[which][k] ^ words[k]) * kFactors[which];
        h[which][k] = v ^ (v >> 29);
      }
    }
  };
  std::array<uint64_t, kStreams> words{};
  size_t at = 0;
  for (; at + kStep <= size; at += kStep) {
    std::memcpy(words.data(), data + at, kStep);
    mix(words);
  }
  words.fill(0);
  if (at < size) std::memcpy(words.data(), data + at, size - at);
  mix(words);
  std::array<uint64_t, 2> out{};
  for (size_t which = 0; which < 2; ++which) {
    for (size_t k = 0; k < kStreams; ++k) {
      out[which] = (out[which] ^ h[which][k]) * kFactors[1 - which];
      out[which] ^= out[which] >> 32;
    }
  }
  return out;
}

}  // namespace octile::packs
