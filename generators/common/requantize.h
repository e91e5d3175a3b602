// Requantize: the int32 accumulator to u8, the one expression every generator shares.
// In:  accumulator, per-channel float32 multiplier, clamp bounds minus zero point, zero point.
// Out: the u8 expression, equal bit for bit to workload/numerics (mode f32-rne).
// Not here: schedules, target branches: the rounding is a marker that kernelc lowers (docs/generators.md).
#pragma once

#include <Halide.h>

#include "generators/common/markers.h"

namespace octile::generators {

// The product is strict: Halide's default float mode would reassociate. `small`: it is known to be below 2^31.
inline Halide::Expr requantize(const Halide::Expr& acc, const Halide::Expr& mult, const Halide::Expr& lo,
                               const Halide::Expr& hi, const Halide::Expr& zp, bool small) {
  return round(Halide::strict_float(Halide::cast<float>(acc) * mult), lo, hi, zp, small);
}

}  // namespace octile::generators
