// The functions, one line each where they are one.
// In:  float32 numbers.  Out: float32 numbers.
// Not here: the series behind exp, log and erf (float64.cpp).
#include "workload/numerics/unary.h"

#include <cmath>
#include <limits>
#include <string>

#include "workload/numerics/float64.h"

namespace octile {
namespace {

constexpr double kSqrtHalf = 0.70710678118654752440;
constexpr double kSqrtTwoOverPi = 0.79788456080286535588;

// The one rounding of a float64 expression.
float narrow(double x) { return static_cast<float>(x); }

// ORT and ONNX agree on comparisons that let NaN through.
float clip(float x, float lo, float hi) {
  x = x < lo ? lo : x;
  return x > hi ? hi : x;
}

float hard_sigmoid(float x, float alpha, float beta) {
  const float product = alpha * x;
  return clip(product + beta, 0.0F, 1.0F);
}

// x * sigmoid(2 u) is x/2 * (1 + tanh(u)) without its cancellation.
double gelu(double x, bool tanh_form) {
  if (!tanh_form) return 0.5 * x * erfc64(-x * kSqrtHalf);
  const double u = kSqrtTwoOverPi * (x + 0.044715 * x * x * x);
  return x / (1.0 + exp64(-2.0 * u));
}

double softplus(double x) {
  const double rest = log1p_64(exp64(x < 0 ? x : -x));
  return x > 0 ? x + rest : rest;
}

float round_half_even(float x) {
  const float size = std::fabs(x);
  if (!(size < 0x1p23F)) return x;
  return std::copysign((size + 0x1p23F) - 0x1p23F, x);
}

struct Parameters {
  size_t count;
  float a, b;  // defaults
};

Parameters parameters_of(NodeKind kind) {
  switch (kind) {
    case NodeKind::leaky_relu: return {1, 0.01F, 0};
    case NodeKind::clip: return {2, std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max()};
    case NodeKind::hard_sigmoid: return {2, 0.2F, 0.5F};
    case NodeKind::hard_swish: return {0, static_cast<float>(1.0 / 6.0), 0.5F};
    case NodeKind::elu: return {1, 1.0F, 0};
    default: return {0, 0, 0};
  }
}

}  // namespace

bool is_unary(NodeKind kind) {
  return (kind >= NodeKind::relu && kind <= NodeKind::ceil) || kind == NodeKind::identity;
}

bool is_binary(NodeKind kind) { return kind >= NodeKind::add && kind <= NodeKind::prelu; }

float Unary::operator()(float x) const {
  const double wide = x;
  switch (kind) {
    case NodeKind::relu: return x <= 0 ? 0.0F : x;
    case NodeKind::leaky_relu: return x < 0 ? a * x : x;
    case NodeKind::clip: return clip(x, a, b);
    case NodeKind::sigmoid: return narrow(1.0 / (1.0 + exp64(-wide)));
    case NodeKind::hard_sigmoid: return hard_sigmoid(x, a, b);
    case NodeKind::hard_swish: return x * hard_sigmoid(x, a, b);
    case NodeKind::tanh: return narrow(tanh64(wide));
    case NodeKind::exp: return narrow(exp64(wide));
    case NodeKind::log: return narrow(log64(wide));
    case NodeKind::sqrt: return std::sqrt(x);
    case NodeKind::erf: return narrow(erf64(wide));
    case NodeKind::gelu: return narrow(gelu(wide, tanh_form));
    case NodeKind::neg: return -x;
    case NodeKind::abs: return std::fabs(x);
    case NodeKind::reciprocal: return 1.0F / x;
    case NodeKind::softplus: return narrow(softplus(wide));
    case NodeKind::elu: return x < 0 ? narrow(a * expm1_64(wide)) : x;
    case NodeKind::round: return round_half_even(x);
    case NodeKind::floor: return std::floor(x);
    case NodeKind::ceil: return std::ceil(x);
    case NodeKind::identity: return x;
    default: return std::numeric_limits<float>::quiet_NaN();
  }
}

Result<Unary> unary_of(const NodeDesc& node) {
  const auto bad = [&](const std::string& what) {
    return Status(Code::invalid_argument,
                  "node \"" + node.name + "\" (" + std::string(to_string(node.kind)) + "): " + what);
  };
  if (!is_unary(node.kind)) return bad("is no function of one operand");
  const Parameters p = parameters_of(node.kind);
  if (node.floats.size() > p.count) return bad("has " + std::to_string(node.floats.size()) + " parameters");
  Unary f{node.kind, p.a, p.b};
  if (!node.floats.empty()) f.a = node.floats[0];
  if (node.floats.size() > 1) f.b = node.floats[1];
  f.tanh_form = node.kind == NodeKind::gelu && !node.ints.empty() && node.ints[0] == 1;
  return f;
}

float binary(NodeKind kind, float a, float b) {
  switch (kind) {
    case NodeKind::add: return a + b;
    case NodeKind::sub: return a - b;
    case NodeKind::mul: return a * b;
    case NodeKind::div: return a / b;
    case NodeKind::pow: return narrow(pow64(a, b));
    case NodeKind::min: return a < b || a != a ? a : b;
    case NodeKind::max: return a > b || a != a ? a : b;
    case NodeKind::prelu: return a < 0 ? a * b : a;
    default: return std::numeric_limits<float>::quiet_NaN();
  }
}

}  // namespace octile
