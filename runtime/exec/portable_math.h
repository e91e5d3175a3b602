// The requantize and store every portable kernel shares.
// In:  int32 accumulator, multiplier, clamp minus zero point, zero point.  Out: the code, as workload/numerics has it.
// Not here: loops.
#pragma once

#include <cstdint>

#include "packs/format/pack_abi.h"

namespace octile::runtime {

// Clamps to [lo, hi], NaN to lo, rounds half to even and adds zp. Truncation and the exact rest do not follow the
// rounding mode a host may have set, and compilers vectorize them.
inline int32_t clamp_round(float v, float lo, float hi, int32_t zp) {
  const float low = v > lo ? v : lo;  // false for NaN
  const float in = low < hi ? low : hi;
  const auto whole = static_cast<int32_t>(in);
  const float rest = in - static_cast<float>(whole);  // exact, of the sign of `in`
  const int32_t odd = whole & 1;                      // ties leave odd numbers only
  const int32_t up = static_cast<int32_t>(rest > 0.5F) | (static_cast<int32_t>(rest >= 0.5F) & odd);
  const int32_t down = static_cast<int32_t>(rest < -0.5F) | (static_cast<int32_t>(rest <= -0.5F) & odd);
  return whole + up - down + zp;
}

template <class T>
[[nodiscard]] T* host(const octile_buffer* b) {
  return reinterpret_cast<T*>(b->host);
}

}  // namespace octile::runtime
