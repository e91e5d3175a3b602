// Requantize: the int32 accumulator to u8, the one expression every generator shares.
// In:  accumulator, per-channel float32 multiplier, clamp bounds minus zero point, zero point.
// Out: the u8 expression, equal bit for bit to workload/numerics (mode f32-rne).
// Not here: schedules, target branches.  Rejected: round() and a conversion, two more operations than the magic add.
//
// After the clamp |f| < 2^9, so f + 1.5*2^23 holds rne(f) in its low mantissa bits (Hacker's Delight, 2nd ed., ch. 17;
// exact for |f| < 2^22). The clamp stands between the product and the sum, so no contraction can merge them, and the
// whole is strict: Halide's default float mode would reassociate. max comes first so that a NaN product gives lo.
#pragma once

#include <Halide.h>

namespace octile::generators {

// The code as an int32 in 0..255.
inline Halide::Expr round_to_code(const Halide::Expr& f, const Halide::Expr& lo, const Halide::Expr& hi,
                                  const Halide::Expr& zp) {
  using namespace Halide;  // NOLINT(google-build-using-namespace)
  const Expr clamped = strict_float(min(max(f, lo), hi));
  const Expr shifted = strict_float(clamped + Expr(12582912.0F));
  return reinterpret<int32_t>(shifted) - (Expr(0x4B400000) - zp);
}

inline Halide::Expr round_to_u8(const Halide::Expr& f, const Halide::Expr& lo, const Halide::Expr& hi,
                                const Halide::Expr& zp) {
  return Halide::cast<uint8_t>(round_to_code(f, lo, hi, zp));
}

inline Halide::Expr requantize_to_code(const Halide::Expr& acc, const Halide::Expr& mult, const Halide::Expr& lo,
                                       const Halide::Expr& hi, const Halide::Expr& zp) {
  return round_to_code(Halide::strict_float(Halide::cast<float>(acc) * mult), lo, hi, zp);
}

inline Halide::Expr requantize(const Halide::Expr& acc, const Halide::Expr& mult, const Halide::Expr& lo,
                               const Halide::Expr& hi, const Halide::Expr& zp) {
  return round_to_u8(Halide::strict_float(Halide::cast<float>(acc) * mult), lo, hi, zp);
}

}  // namespace octile::generators
