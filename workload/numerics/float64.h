// Float64: exp, log, erf and what follows from them, by +, -, *, / alone in a fixed order.
// In:  float64 numbers.  Out: float64 numbers, relative error below 2^-49 (tested).
// Not here: rounding to float32 (unary.h), special cases beyond NaN and infinity.
//
// Vector code repeats exp64 bit for bit with lanes of float64: the steps are those of its body, every one a separate
// IEEE operation.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace octile {

// exp(x) = 2^n (1 + r Q(r)), n = x / ln 2 rounded, r = x - n ln 2, Q by Horner from kExpTaylor[0] on.
inline constexpr double kLog2E = 0x1.71547652b82fep0;
inline constexpr double kLn2Hi = 0x1.62e42feep-1;  // 32 bits: n * kLn2Hi is exact
inline constexpr double kLn2Lo = 0x1.a39ef35793c76p-33;
inline constexpr double kRoundToInteger = 0x1.8p52;  // adding and taking it away again rounds to an integer
inline constexpr double kExpLowest = -708.0, kExpHighest = 709.0;
// 1/12!, 1/11!, ..., 1/1!
inline constexpr std::array<double, 12> kExpTaylor{1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880,
                                                   1.0 / 40320,     1.0 / 5040,     1.0 / 720,     1.0 / 120,
                                                   1.0 / 24,        1.0 / 6,        1.0 / 2,       1.0};

// exp(r) - 1 for |r| <= ln(2) / 2.
[[nodiscard]] constexpr double expm1_near_zero(double r) {
  double q = kExpTaylor[0];
  for (std::size_t i = 1; i < kExpTaylor.size(); ++i) q = q * r + kExpTaylor[i];
  return q * r;
}

// Arguments beyond [-708, 709] are moved there: rounded to float32 the answers are 0 and infinity. NaN stays.
[[nodiscard]] constexpr double exp64(double x) {
  x = x < kExpLowest ? kExpLowest : x;
  x = x > kExpHighest ? kExpHighest : x;
  if (x != x) return x;
  const double n = (x * kLog2E + kRoundToInteger) - kRoundToInteger;
  const double r = (x - n * kLn2Hi) - n * kLn2Lo;
  const double scale = std::bit_cast<double>(static_cast<uint64_t>(static_cast<int64_t>(n) + 1023) << 52);
  return (expm1_near_zero(r) + 1.0) * scale;
}

[[nodiscard]] double expm1_64(double x);
// Of 0 minus infinity, of a negative number NaN.
[[nodiscard]] double log64(double x);
// log(1 + x) for x >= 0.
[[nodiscard]] double log1p_64(double x);
[[nodiscard]] double erf64(double x);
// 1 - erf(x), precise where it is small.
[[nodiscard]] double erfc64(double x);
[[nodiscard]] double tanh64(double x);
// As C's pow, special cases included.
[[nodiscard]] double pow64(double x, double y);

}  // namespace octile
