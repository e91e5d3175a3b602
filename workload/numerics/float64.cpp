// The bodies behind float64.h: argument reduction, then a series or a rational function.
// In:  float64 numbers.  Out: float64 numbers.
// Not here: the C library's transcendentals. (floor and sqrt are exact everywhere.)
#include "workload/numerics/float64.h"

#include <cmath>
#include <limits>

namespace octile {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// 2 atanh(s) = log((1 + s) / (1 - s)) for |s| <= 0.172: 2 s (1 + s^2/3 + s^4/5 + ...).
double twice_atanh(double s) {
  const double z = s * s;
  double sum = 0;
  for (int k = 23; k > 1; k -= 2) sum = (sum + 1.0 / k) * z;
  return 2.0 * s + 2.0 * s * sum;
}

// Rational approximations of W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23
// (1969): numerator and denominator, highest power first.
constexpr double kErfNum[] = {1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2,
                              3.77485237685302021e2, 3.20937758913846947e3};
constexpr double kErfDen[] = {1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
                              2.84423683343917062e3};
constexpr double kMidNum[] = {2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0,
                              6.61191906371416295e1,  2.98635138197400131e2,  8.81952221241769090e2,
                              1.71204761263407058e3,  2.05107837782607147e3,  1.23033935479799725e3};
constexpr double kMidDen[] = {1.0,
                              1.57449261107098347e1,
                              1.17693950891312499e2,
                              5.37181101862009858e2,
                              1.62138957456669019e3,
                              3.29079923573345963e3,
                              4.36261909014324716e3,
                              3.43936767414372164e3,
                              1.23033935480374942e3};
constexpr double kFarNum[] = {1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
                              1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4};
constexpr double kFarDen[] = {1.0,
                              2.56852019228982242e0,
                              1.87295284992346047e0,
                              5.27905102951428412e-1,
                              6.05183413124413191e-2,
                              2.33520497626869185e-3};
constexpr double kOneOverSqrtPi = 5.6418958354775628695e-1;
constexpr double kErfSeam = 0.46875;

template <std::size_t n>
double polynomial(const double (&c)[n], double x) {
  double p = c[0];
  for (std::size_t i = 1; i < n; ++i) p = p * x + c[i];
  return p;
}

double erf_near_zero(double x) { return x * (polynomial(kErfNum, x * x) / polynomial(kErfDen, x * x)); }

// erfc of x > 0.46875.
double erfc_far(double x) {
  const double decay = exp64(-x * x);
  if (x <= 4.0) return decay * (polynomial(kMidNum, x) / polynomial(kMidDen, x));
  const double z = 1.0 / (x * x);
  return decay * ((kOneOverSqrtPi - z * (polynomial(kFarNum, z) / polynomial(kFarDen, z))) / x);
}

// x to a whole power of at most 64.
double whole_power(double x, int n) {
  double result = 1.0;
  for (; n > 0; n >>= 1, x *= x) {
    if ((n & 1) != 0) result *= x;
  }
  return result;
}

bool is_whole(double y) { return std::floor(y) == y; }
bool is_odd(double y) { return is_whole(y) && !is_whole(y * 0.5); }

}  // namespace

double expm1_64(double x) { return x >= -0.34 && x <= 0.34 ? expm1_near_zero(x) : exp64(x) - 1.0; }

double log64(double x) {
  if (x != x || x == kInfinity) return x;
  if (x <= 0) return x == 0 ? -kInfinity : kNan;
  int exponent = 0;
  if (x < std::numeric_limits<double>::min()) {
    x *= 0x1p54;
    exponent = -54;
  }
  // x = m 2^exponent with m in [sqrt(1/2), sqrt(2)).
  const auto bits = std::bit_cast<uint64_t>(x);
  exponent += static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xFFFFFFFFFFFFFU) | (uint64_t{1023} << 52));
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double e = exponent;
  return e * kLn2Hi + (twice_atanh((m - 1.0) / (m + 1.0)) + e * kLn2Lo);
}

double log1p_64(double x) { return x < 0.4 ? twice_atanh(x / (2.0 + x)) : log64(1.0 + x); }

double erf64(double x) {
  if (x >= -kErfSeam && x <= kErfSeam) return erf_near_zero(x);
  return x > 0 ? 1.0 - erfc_far(x) : x < 0 ? erfc_far(-x) - 1.0 : x;
}

double erfc64(double x) {
  if (x >= -kErfSeam && x <= kErfSeam) return 1.0 - erf_near_zero(x);
  return x > 0 ? erfc_far(x) : x < 0 ? 2.0 - erfc_far(-x) : x;
}

double tanh64(double x) {
  const double t = expm1_64(-2.0 * (x < 0 ? -x : x));
  const double y = -t / (2.0 + t);
  return x < 0 ? -y : y;
}

double pow64(double x, double y) {
  if (y == 0 || x == 1) return 1.0;
  if (x != x || y != y) return kNan;
  const double size = x < 0 ? -x : x;
  if (y == kInfinity || y == -kInfinity) return size == 1 ? 1.0 : (size > 1) == (y > 0) ? kInfinity : 0.0;
  if (x == 0 || size == kInfinity) {
    const double result = (x == 0) == (y > 0) ? 0.0 : kInfinity;
    return is_odd(y) ? std::copysign(result, x) : result;
  }
  if (x < 0 && !is_whole(y)) return kNan;
  if (y == 0.5) return std::sqrt(x);
  if (is_whole(y) && y >= -64 && y <= 64) {
    const double p = whole_power(x, static_cast<int>(y < 0 ? -y : y));
    return y < 0 ? 1.0 / p : p;
  }
  const double p = exp64(y * log64(size));
  return x < 0 && is_odd(y) ? -p : p;
}

}  // namespace octile
