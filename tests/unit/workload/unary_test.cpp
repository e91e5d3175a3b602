// Elementwise functions: against the C library in float64 with a stated tolerance, and at their special values.
// In:  numbers.  Out: assertions.
// Not here: tensors.
#include "workload/numerics/unary.h"

#include <gtest/gtest.h>

#include <bit>
#include <cfenv>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "workload/numerics/float64.h"
#include "workload/numerics/float_mode.h"
#include "workload/numerics/sums.h"

namespace octile {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

NodeDesc node_of(NodeKind kind, std::vector<float> floats = {}, std::vector<int64_t> ints = {}) {
  NodeDesc node;
  node.kind = kind;
  node.floats = std::move(floats);
  node.ints = std::move(ints);
  return node;
}

float call(NodeKind kind, float x, std::vector<float> floats = {}, std::vector<int64_t> ints = {}) {
  const Result<Unary> f = unary_of(node_of(kind, std::move(floats), std::move(ints)));
  EXPECT_TRUE(f.ok()) << f.status().to_string();
  return f.ok() ? (*f)(x) : kNan;
}

// Numbers of every size and sign, denormals included, and more of those that matter.
std::vector<float> samples() {
  std::mt19937 random(7);
  std::vector<float> out{0.0F,  -0.0F,  1.0F, -1.0F,      0.5F,        0.46875F,
                         0.34F, -0.34F, 4.0F, 88.722839F, -87.336548F, -103.97F};
  std::uniform_real_distribution<float> near(-12.0F, 12.0F), far(-110.0F, 110.0F);
  for (int i = 0; i < 200000; ++i) {
    const auto any = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (std::isfinite(any)) out.push_back(any);
    out.push_back(near(random));
    out.push_back(far(random));
  }
  return out;
}

// Relative error in units of 2^-49; tiny results count absolutely.
double error_of(double got, double want) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e300;
  if (got == want) return 0;
  const auto narrow = [](double v) { return static_cast<float>(v); };
  if (narrow(got) == narrow(want) && (std::isinf(narrow(want)) || std::fabs(want) < 1e-300)) return 0;
  return std::fabs(got - want) / std::max(std::fabs(want), 1e-290) * 0x1p49;
}

void expect_close(const std::function<double(double)>& ours, const std::function<double(double)>& theirs,
                  const char* what) {
  double worst = 0;
  float at = 0;
  for (float x : samples()) {
    const double error = error_of(ours(x), theirs(x));
    if (error > worst) {
      worst = error;
      at = x;
    }
  }
  EXPECT_LT(worst, 1.0) << what << " at " << at << ": " << ours(at) << ", not " << theirs(at);
}

TEST(Float64, AsTheCLibrary) {
  expect_close(
      exp64, [](double x) { return std::exp(x); }, "exp");
  expect_close(
      log64, [](double x) { return std::log(x); }, "log");
  expect_close(
      expm1_64, [](double x) { return std::expm1(x); }, "expm1");
  expect_close(
      erf64, [](double x) { return std::erf(x); }, "erf");
  expect_close(
      tanh64, [](double x) { return std::tanh(x); }, "tanh");
  expect_close([](double x) { return log1p_64(std::fabs(x)); }, [](double x) { return std::log1p(std::fabs(x)); },
               "log1p");
  // Its exponent -x^2 loses a bit for every doubling.
  expect_close([](double x) { return erfc64(std::min(x, 9.0)); }, [](double x) { return std::erfc(std::min(x, 9.0)); },
               "erfc");
}

// How many of the results differ from the C library's float64 result rounded: next to none, and by one ulp.
void expect_rounded(NodeKind kind, const std::function<double(double)>& theirs, const std::vector<int64_t>& ints = {}) {
  const Result<Unary> f = unary_of(node_of(kind, {}, ints));
  ASSERT_TRUE(f.ok());
  int differ = 0;
  for (float x : samples()) {
    const float got = (*f)(x), want = static_cast<float>(theirs(x));
    if (got == want || (std::isnan(got) && std::isnan(want))) continue;
    ++differ;
    ASSERT_TRUE(got == std::nextafter(want, kInfinity) || got == std::nextafter(want, -kInfinity))
        << to_string(kind) << "(" << x << ") = " << got << ", not " << want;
  }
  EXPECT_LE(differ, 2) << to_string(kind);
}

TEST(Unary, RoundedOnceFromFloat64) {
  expect_rounded(NodeKind::exp, [](double x) { return std::exp(x); });
  expect_rounded(NodeKind::log, [](double x) { return std::log(x); });
  expect_rounded(NodeKind::erf, [](double x) { return std::erf(x); });
  expect_rounded(NodeKind::tanh, [](double x) { return std::tanh(x); });
  expect_rounded(NodeKind::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); });
  expect_rounded(NodeKind::softplus, [](double x) { return std::log1p(std::exp(-std::fabs(x))) + std::max(x, 0.0); });
  expect_rounded(NodeKind::elu, [](double x) { return x < 0 ? std::expm1(x) : x; });
  expect_rounded(NodeKind::gelu, [](double x) { return x * std::erfc(-x / std::sqrt(2.0)) / 2; });
  expect_rounded(
      NodeKind::gelu,
      [](double x) { return x / (1 + std::exp(-2 * std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x))); },
      {1});
}

TEST(Unary, NanStaysNan) {
  for (int k = 0; k < kNodeKinds; ++k) {
    const auto kind = static_cast<NodeKind>(k);
    if (is_unary(kind)) {
      EXPECT_TRUE(std::isnan(call(kind, kNan))) << to_string(kind);
    }
    if (!is_binary(kind) || kind == NodeKind::pow) continue;
    EXPECT_TRUE(std::isnan(binary(kind, kNan, 1.0F))) << to_string(kind);
    EXPECT_TRUE(std::isnan(binary(kind, -1.0F, kNan))) << to_string(kind);
  }
}

TEST(Unary, SpecialValues) {
  EXPECT_EQ(call(NodeKind::exp, kInfinity), kInfinity);
  EXPECT_EQ(call(NodeKind::exp, -kInfinity), 0.0F);
  EXPECT_EQ(call(NodeKind::exp, 0.0F), 1.0F);
  EXPECT_EQ(call(NodeKind::exp, 88.8F), kInfinity);
  EXPECT_EQ(call(NodeKind::exp, -103.0F), 0x1p-149F);
  EXPECT_EQ(call(NodeKind::exp, -104.0F), 0.0F);
  EXPECT_EQ(call(NodeKind::log, 0.0F), -kInfinity);
  EXPECT_TRUE(std::isnan(call(NodeKind::log, -1.0F)));
  EXPECT_EQ(call(NodeKind::log, kInfinity), kInfinity);
  EXPECT_EQ(call(NodeKind::log, 1.0F), 0.0F);
  EXPECT_EQ(call(NodeKind::erf, kInfinity), 1.0F);
  EXPECT_EQ(call(NodeKind::erf, -kInfinity), -1.0F);
  EXPECT_EQ(call(NodeKind::tanh, -kInfinity), -1.0F);
  EXPECT_EQ(call(NodeKind::tanh, kInfinity), 1.0F);
  EXPECT_EQ(call(NodeKind::sigmoid, -kInfinity), 0.0F);
  EXPECT_EQ(call(NodeKind::sigmoid, kInfinity), 1.0F);
  EXPECT_EQ(call(NodeKind::sigmoid, 0.0F), 0.5F);
  EXPECT_EQ(call(NodeKind::softplus, kInfinity), kInfinity);
  EXPECT_EQ(call(NodeKind::softplus, -kInfinity), 0.0F);
  EXPECT_EQ(call(NodeKind::elu, -kInfinity), -1.0F);
  EXPECT_TRUE(std::isnan(call(NodeKind::sqrt, -1.0F)));
  EXPECT_EQ(call(NodeKind::reciprocal, 0.0F), kInfinity);
}

TEST(Unary, FormulasAsOnnxWritesThem) {
  EXPECT_EQ(call(NodeKind::relu, -3.0F), 0.0F);
  EXPECT_FALSE(std::signbit(call(NodeKind::relu, -0.0F)));
  EXPECT_EQ(call(NodeKind::leaky_relu, -2.0F), -2.0F * 0.01F);
  EXPECT_EQ(call(NodeKind::leaky_relu, -2.0F, {0.1F}), -0.2F);
  EXPECT_EQ(call(NodeKind::clip, 5.0F, {-1.0F, 1.0F}), 1.0F);
  EXPECT_EQ(call(NodeKind::clip, 5.0F, {3.0F, 1.0F}), 1.0F);  // min > max: max
  EXPECT_EQ(call(NodeKind::clip, -5.0F, {3.0F, 1.0F}), 1.0F);
  EXPECT_EQ(call(NodeKind::clip, kInfinity), std::numeric_limits<float>::max());
  EXPECT_EQ(call(NodeKind::hard_sigmoid, 1.0F), 0.7F);
  EXPECT_EQ(call(NodeKind::hard_sigmoid, -1.0F, {0.5F, 0.6F}), 0.6F - 0.5F);  // ONNX's example
  EXPECT_EQ(call(NodeKind::hard_sigmoid, 4.0F), 1.0F);
  const float third = 1.0F * static_cast<float>(1.0 / 6.0) + 0.5F;
  EXPECT_EQ(call(NodeKind::hard_swish, 1.0F), third);
  EXPECT_EQ(call(NodeKind::hard_swish, -4.0F), -0.0F);
  EXPECT_EQ(call(NodeKind::round, 2.5F), 2.0F);  // ONNX's examples of Round
  EXPECT_EQ(call(NodeKind::round, -1.5F), -2.0F);
  EXPECT_EQ(call(NodeKind::round, -4.5F), -4.0F);
  EXPECT_EQ(call(NodeKind::round, 0.9F), 1.0F);
  EXPECT_EQ(call(NodeKind::round, 1e30F), 1e30F);
  EXPECT_EQ(call(NodeKind::floor, -1.5F), -2.0F);
  EXPECT_EQ(call(NodeKind::ceil, -1.5F), -1.0F);
  EXPECT_TRUE(std::signbit(call(NodeKind::neg, 0.0F)));
  EXPECT_FALSE(std::signbit(call(NodeKind::abs, -0.0F)));
  EXPECT_FALSE(unary_of(node_of(NodeKind::relu, {1.0F})).ok());
  EXPECT_FALSE(unary_of(node_of(NodeKind::add)).ok());
}

TEST(Binary, PowIsWhatItShouldBe) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> numbers(-20.0F, 20.0F), exponents(-6.0F, 6.0F);
  for (int i = 0; i < 100000; ++i) {
    const float x = numbers(random), y = exponents(random);
    EXPECT_EQ(binary(NodeKind::pow, x, 2.0F), x * x);
    EXPECT_EQ(binary(NodeKind::pow, std::fabs(x), 0.5F), std::sqrt(std::fabs(x)));
    EXPECT_EQ(binary(NodeKind::pow, x, -1.0F), 1.0F / x);
    EXPECT_EQ(binary(NodeKind::pow, x, 1.0F), x);
    const float got = binary(NodeKind::pow, std::fabs(x), y);
    const auto want = static_cast<float>(std::pow(std::fabs(double{x}), double{y}));
    ASSERT_NEAR(got, want, std::fabs(want) * 1.2e-7F) << x << " ^ " << y;
  }
  for (float x : {0.0F, -0.0F, 1.0F, -1.0F, 2.0F, -2.0F, 0.5F, kInfinity, -kInfinity, kNan}) {
    for (float y : {0.0F, -0.0F, 1.0F, -1.0F, 2.0F, 3.0F, -3.0F, 0.25F, -0.25F, 101.0F, kInfinity, -kInfinity, kNan}) {
      const float got = binary(NodeKind::pow, x, y);
      const auto want = static_cast<float>(std::pow(double{x}, double{y}));
      EXPECT_TRUE(std::bit_cast<uint32_t>(got) == std::bit_cast<uint32_t>(want) ||
                  (std::isnan(got) && std::isnan(want)))
          << x << " ^ " << y << " = " << got << ", not " << want;
    }
  }
}

TEST(Binary, Formulas) {
  EXPECT_EQ(binary(NodeKind::add, 1.0F, 2.0F), 3.0F);
  EXPECT_EQ(binary(NodeKind::sub, 1.0F, 2.0F), -1.0F);
  EXPECT_EQ(binary(NodeKind::mul, 3.0F, 2.0F), 6.0F);
  EXPECT_EQ(binary(NodeKind::div, 1.0F, 3.0F), 1.0F / 3.0F);
  EXPECT_EQ(binary(NodeKind::min, 1.0F, 2.0F), 1.0F);
  EXPECT_EQ(binary(NodeKind::max, 1.0F, 2.0F), 2.0F);
  EXPECT_EQ(binary(NodeKind::prelu, -3.0F, 0.25F), -0.75F);
  EXPECT_EQ(binary(NodeKind::prelu, 3.0F, 0.25F), 3.0F);
}

TEST(Sums, OrderIsSixteenLanesAndATree) {
  // Lane 0 holds 1 and -1 with 2^-60 between them: added in the other order the small one would be lost.
  std::vector<double> v(33, 0.0);
  v[0] = 1;
  v[16] = -1;
  v[32] = 0x1p-60;
  EXPECT_EQ(sum_in_order(33, [&](int64_t i) { return v[static_cast<size_t>(i)]; }), 0x1p-60);
  // Lanes 0 and 8 meet first, before 1 joins.
  v.assign(16, 0.0);
  v[0] = 1;
  v[8] = -1;
  v[1] = 0x1p-60;
  EXPECT_EQ(sum_in_order(16, [&](int64_t i) { return v[static_cast<size_t>(i)]; }), 0x1p-60);
  EXPECT_EQ(sum_in_order(0, [](int64_t) { return 1.0; }), 0.0);
}

TEST(FloatMode, RestoresWhatTheHostHad) {
  const volatile float tiny = 0x1p-126F, one = 1.0F;
  std::fesetround(FE_UPWARD);
#if defined(__SSE2__)
  __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040U);  // flush to zero, denormals are zero
  EXPECT_EQ(tiny * 0.5F, 0.0F);
#endif
  {
    const FloatMode mode;
    EXPECT_EQ(one + 0x1p-30F, one);
    EXPECT_GT(tiny * 0.5F, 0.0F);
  }
  EXPECT_GT(one + 0x1p-30F, one);
#if defined(__SSE2__)
  EXPECT_EQ(tiny * 0.5F, 0.0F);
#endif
  std::fesetenv(FE_DFL_ENV);
}

}  // namespace
}  // namespace octile
