// The requantize and store every portable kernel shares.
// In:  int32 accumulator, multiplier, clamp minus zero point, zero point.  Out: the code, as workload/numerics has it.
// Not here: loops.
#pragma once

#include <cmath>
#include <cstdint>

#include "packs/format/pack_abi.h"

namespace octile::runtime {

// Clamps to [lo, hi], NaN to lo, rounds half to even (the thread's default rounding mode) and adds zp.
inline int32_t clamp_round(float v, float lo, float hi, int32_t zp) {
  const float low = v > lo ? v : lo;  // false for NaN
  const float in = low < hi ? low : hi;
  return static_cast<int32_t>(std::nearbyintf(in)) + zp;
}

template <class T>
[[nodiscard]] T* host(const octile_buffer* b) {
  return reinterpret_cast<T*>(b->host);
}

}  // namespace octile::runtime
