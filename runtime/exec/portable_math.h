// The requantize and store every portable kernel shares.
// In:  int32 accumulator, multiplier, clamp minus zero point, zero point.  Out: the code, as workload/numerics has it.
// Not here: loops.
#pragma once

#include <bit>
#include <cstdint>

#include "packs/format/pack_abi.h"

namespace octile::runtime {

// Clamps to [lo, hi], NaN to lo, rounds half to even and adds zp. Adding 1.5 * 2^23 leaves the rounded integer in the
// low bits of a float of magnitude below 2^22, which compilers vectorize, unlike a call of nearbyint.
inline int32_t clamp_round(float v, float lo, float hi, int32_t zp) {
  const float low = v > lo ? v : lo;  // false for NaN
  const float in = low < hi ? low : hi;
  constexpr float kMagic = 12582912.0F;
  return std::bit_cast<int32_t>(in + kMagic) - std::bit_cast<int32_t>(kMagic) + zp;
}

template <class T>
[[nodiscard]] T* host(const octile_buffer* b) {
  return reinterpret_cast<T*>(b->host);
}

}  // namespace octile::runtime
