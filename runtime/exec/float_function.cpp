// The walk over blocks; see float_function.h.
// In:  rows of floats.  Out: rows of floats.  Not here: arithmetic.
#include "runtime/exec/float_function.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numbers>
#include <optional>
#include <utility>

namespace octile::runtime {
namespace {

constexpr int64_t kBlock = 512;  // floats: all that a function of a few operations makes of them fits the first cache
constexpr int64_t kFloat = sizeof(float);

const float* floats(const uint8_t* data) { return reinterpret_cast<const float*>(data); }

using Operation = FloatFunction::Operation;

bool is_product(const Operation& op) { return op.unary.kind == NodeKind::mul; }
bool is_share(const Operation& op) { return op.unary.kind == NodeKind::div && op.b == FloatFunction::kConstant; }
bool near(double number, double wanted) { return std::fabs(number / wanted - 1) < 0x1p-22; }

// One operand is `made` or the source, the other the constant.
bool with_constant(const Operation& op, int operand) {
  return std::minmax(op.a, op.b) == std::minmax(FloatFunction::kConstant, operand);
}

// x * sigmoid(x)
bool is_silu(const std::vector<Operation>& ops) {
  constexpr int kSource = FloatFunction::kSource, kGate = FloatFunction::kMade;
  return ops.size() == 2 && ops[0].unary.kind == NodeKind::sigmoid && ops[0].a == kSource && is_product(ops[1]) &&
         std::minmax(ops[1].a, ops[1].b) == std::minmax(kSource, kGate);
}

// Of the operands whose product an operand is, those of products among them in their place; of quotients by constants
// the inverse.
using Factor = std::pair<int, float>;
void factors_of(const std::vector<Operation>& ops, int operand, float constant, std::vector<Factor>& found) {
  const int made = operand - FloatFunction::kMade;
  const Operation* const op = made < 0 ? nullptr : &ops[static_cast<size_t>(made)];
  if (op != nullptr && is_product(*op)) {
    factors_of(ops, op->a, op->constant, found);
    factors_of(ops, op->b, op->constant, found);
  } else if (op != nullptr && is_share(*op)) {
    factors_of(ops, op->a, op->constant, found);
    found.emplace_back(FloatFunction::kConstant, 1 / op->constant);
  } else {
    found.emplace_back(operand, operand == FloatFunction::kConstant ? constant : 0.0F);
  }
}
// Of what the last operation makes, in order.
std::vector<Factor> factors_of(const std::vector<Operation>& ops) {
  std::vector<Factor> found;
  factors_of(ops, FloatFunction::kMade + static_cast<int>(ops.size()) - 1, 0, found);
  std::sort(found.begin(), found.end());
  return found;
}

// What an operand is of the source: coefficients of its powers from 0 on, all of one sign, so that nothing cancels and
// the order of its operations hardly matters; none if it is anything else.
using Polynomial = std::array<double, 4>;
std::optional<Polynomial> product_of(const Polynomial& p, const Polynomial& q) {
  Polynomial out{};
  for (size_t power = 0; power < 2 * p.size() - 1; ++power) {
    double sum = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      if (i <= power && power - i < q.size()) sum += p[i] * q[power - i];
    }
    if (power < out.size()) {
      out[power] = sum;
    } else if (sum != 0) {
      return {};
    }
  }
  return out;
}
std::optional<Polynomial> polynomial_of(const std::vector<Operation>& ops, int operand, float constant) {
  if (operand == FloatFunction::kSource) return Polynomial{0, 1, 0, 0};
  if (operand == FloatFunction::kConstant && constant > 0) return Polynomial{constant, 0, 0, 0};
  if (operand < FloatFunction::kMade) return {};
  const Operation& op = ops[static_cast<size_t>(operand - FloatFunction::kMade)];
  const std::optional<Polynomial> p = polynomial_of(ops, op.a, op.constant);
  const std::optional<Polynomial> q =
      op.b == FloatFunction::kNone ? std::nullopt : polynomial_of(ops, op.b, op.constant);
  if (!p || !q) return {};
  switch (op.unary.kind) {
    case NodeKind::mul: return product_of(*p, *q);
    case NodeKind::div: return op.b == FloatFunction::kConstant ? product_of(*p, {1 / (*q)[0]}) : std::nullopt;
    case NodeKind::add: {
      Polynomial sum = *p;
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += (*q)[i];
      const bool odd = sum[1] != 0 || sum[3] != 0, even = sum[0] != 0 || sum[2] != 0;
      return odd && even ? std::nullopt : std::optional(sum);
    }
    case NodeKind::pow: {
      if (op.b != FloatFunction::kConstant || (op.constant != 2 && op.constant != 3)) return {};
      const std::optional<Polynomial> square = product_of(*p, *p);
      return op.constant == 2 || !square ? square : product_of(*square, *p);
    }
    default: return {};
  }
}

// The argument of the tanh in a GELU.
bool is_tanh_argument(const std::vector<Operation>& ops, int operand) {
  const std::optional<Polynomial> u = polynomial_of(ops, operand, 0);
  const double once = std::sqrt(2 / std::numbers::pi);
  return u && (*u)[0] == 0 && (*u)[2] == 0 && near((*u)[1], once) && near((*u)[3], once * 0.044715);
}

// x / sqrt 2, the quotient perhaps a product.
bool is_erf_argument(const std::vector<Operation>& ops, int operand) {
  constexpr int kSource = FloatFunction::kSource;
  if (operand < FloatFunction::kMade) return false;
  const Operation& t = ops[static_cast<size_t>(operand - FloatFunction::kMade)];
  const bool divides = is_share(t) && t.a == kSource;
  const bool scales = is_product(t) && with_constant(t, kSource);
  return (divides && near(t.constant, std::numbers::sqrt2)) || (scales && near(t.constant, std::numbers::sqrt2 / 2));
}

// x, (1 + erf or tanh of what belongs there) and 1/2 multiplied in any order.
Quick gelu_of(const std::vector<Operation>& ops) {
  constexpr int kSource = FloatFunction::kSource, kConstant = FloatFunction::kConstant, kMade = FloatFunction::kMade;
  if (ops.size() == 1) {
    const bool gelu = ops[0].unary.kind == NodeKind::gelu && ops[0].a == kSource;
    return !gelu ? Quick::none : ops[0].unary.tanh_form ? Quick::gelu_tanh : Quick::gelu;
  }
  const auto bent = std::find_if(ops.begin(), ops.end(), [](const Operation& op) {
    return op.unary.kind == NodeKind::erf || op.unary.kind == NodeKind::tanh;
  });
  if (bent == ops.end()) return Quick::none;
  const bool tanh = bent->unary.kind == NodeKind::tanh;
  if (!(tanh ? is_tanh_argument : is_erf_argument)(ops, bent->a)) return Quick::none;
  const int made = kMade + static_cast<int>(bent - ops.begin());
  const auto one = std::find_if(ops.begin(), ops.end(), [&](const Operation& op) {
    return op.unary.kind == NodeKind::add && with_constant(op, made) && op.constant == 1.0F;
  });
  if (one == ops.end()) return Quick::none;
  const std::vector<Factor> wanted{
      {kConstant, 0.5F}, {kSource, 0.0F}, {kMade + static_cast<int>(one - ops.begin()), 0.0F}};
  return factors_of(ops) != wanted ? Quick::none : tanh ? Quick::gelu_tanh : Quick::gelu;
}

// clip(x / 6 + 1/2, 0, 1) times `share`, or clip(x + 3, 0, 6) times a sixth of it.
bool is_hard_gate(const std::vector<Operation>& ops, int operand, double share) {
  constexpr int kSource = FloatFunction::kSource;
  if (operand < FloatFunction::kMade) return false;
  const Operation& gate = ops[static_cast<size_t>(operand - FloatFunction::kMade)];
  const Unary& u = gate.unary;
  if (u.kind == NodeKind::hard_sigmoid) return gate.a == kSource && near(u.a, 1 / 6.0) && u.b == 0.5F && share == 1;
  if (u.kind != NodeKind::clip || u.a != 0.0F || u.b != 6.0F || gate.a < FloatFunction::kMade) return false;
  const Operation& moved = ops[static_cast<size_t>(gate.a - FloatFunction::kMade)];
  return moved.unary.kind == NodeKind::add && with_constant(moved, kSource) && moved.constant == 3.0F &&
         near(share, 1 / 6.0);
}

bool is_hard_swish(const std::vector<Operation>& ops) {
  constexpr int kSource = FloatFunction::kSource;
  if (ops.size() == 1 && ops[0].unary.kind == NodeKind::hard_swish) return ops[0].a == kSource;
  if (ops.size() < 2) return false;
  const std::vector<Factor> factors = factors_of(ops);  // constants come first, then the source
  double share = 1;
  size_t i = 0;
  for (; factors[i].first == FloatFunction::kConstant && i + 2 < factors.size(); ++i) share *= factors[i].second;
  return i + 2 == factors.size() && factors[i].first == kSource && is_hard_gate(ops, factors[i + 1].first, share);
}

}  // namespace

Quick quick_of(const FloatFunction& f) {
  if (is_silu(f.operations)) return Quick::silu;
  return is_hard_swish(f.operations) ? Quick::hard_swish : gelu_of(f.operations);
}

void FloatFunction::run_block(const Ops& ops, const float* src, const float* other, float* dst, int64_t count) const {
  alignas(64) float made[kMost][kBlock];
  const auto operand = [&](const Operation& op, int which) -> FloatOperand {
    if (which == kConstant) return {&op.constant, true};
    return {which == kSource ? src : which == kOther ? other : made[which - kMade], false};
  };
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& op = operations[i];
    float* const to = i + 1 == operations.size() ? dst : made[i];
    const FloatOperand a = operand(op, op.a), b = op.b == kNone ? a : operand(op, op.b);
    if (!vector_kernel(op.unary.kind)) {
      for (int64_t k = 0; k < count; ++k) {
        const float x = a.data[a.repeated ? 0 : k], y = b.data[b.repeated ? 0 : k];
        to[k] = op.b == kNone ? op.unary(x) : binary(op.unary.kind, x, y);
      }
    } else if (op.b == kNone) {
      ops.float_unary(op.unary, a.data, to, count);
    } else {
      ops.float_binary(op.unary.kind, a, b, to, count);
    }
  }
}

void FloatFunction::run(const Ops& ops, Rows src, Rows other, RowsOut dst, int64_t c, int64_t rows) const {
  const int64_t bytes = c * kFloat, element = codes ? 1 : kFloat;
  const bool reads = other.data != nullptr;
  if (src.stride == bytes && dst.stride == bytes && (!reads || other.stride == c * element)) {
    c *= rows;
    rows = 1;
  }
  alignas(64) float from[kBlock], with[kBlock], to[kBlock];
  const auto size = static_cast<size_t>(bytes);
  const auto load = [&](const uint8_t* data, float* at, int64_t count) {
    if (codes) {
      to_floats(ops, *codes, data, at, count);
    } else {
      std::memcpy(at, data, static_cast<size_t>(count * kFloat));
    }
  };
  if (src.stride == bytes && dst.stride == bytes && reads && other.stride == 0 && c <= kBlock && rows > 1) {
    // One row for all, as often as it fits a block.
    const int64_t some = std::min(kBlock / c, rows);
    load(other.data, with, c);
    for (int64_t r = 1; r < some; ++r) std::memcpy(with + r * c, with, size);
    for (int64_t first = 0; first < rows; first += some) {
      run_block(ops, floats(src.data + first * bytes), with, reinterpret_cast<float*>(dst.data + first * bytes),
                std::min(some, rows - first) * c);
    }
    return;
  }
  if (c >= kBlock / 2 || rows == 1) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t at = 0; at < c; at += kBlock) {
        const int64_t count = std::min(kBlock, c - at);
        const uint8_t* const beside = reads ? other.data + r * other.stride + at * element : nullptr;
        if (reads && codes) load(beside, with, count);
        run_block(ops, floats(src.data + r * src.stride) + at, codes ? with : floats(beside),
                  reinterpret_cast<float*>(dst.data + r * dst.stride) + at, count);
      }
    }
    return;
  }
  // Short rows: several at a time, side by side.
  for (int64_t first = 0; first < rows; first += kBlock / c) {
    const int64_t count = std::min(kBlock / c, rows - first);
    for (int64_t r = 0; r < count; ++r) {
      std::memcpy(from + r * c, src.data + (first + r) * src.stride, size);
      if (reads) load(other.data + (first + r) * other.stride, with + r * c, c);
    }
    run_block(ops, from, with, to, count * c);
    for (int64_t r = 0; r < count; ++r) std::memcpy(dst.data + (first + r) * dst.stride, to + r * c, size);
  }
}

// What float32 does not tell is worked out, a few numbers at a time.
constexpr int64_t kFew = 64;

void FloatFunction::to_codes(const Ops& ops, const float* src, const QuantizeForm& to, uint8_t* dst,
                             int64_t count) const {
  alignas(64) float exact[kFew];
  for (int64_t i = 0; i < count;) {
    i += ops.quick_codes(quick, src + i, to, dst + i, count - i);
    const int64_t some = std::min(kFew, count - i);
    if (some == 0) return;
    run_block(ops, src + i, nullptr, exact, some);
    ops.quantize(exact, to, dst + i, some);
    i += some;
  }
}

void FloatFunction::range(const Ops& ops, Rows src, int64_t count, int64_t rows, float* lo, float* hi) const {
  alignas(64) float found[kQuickMost + 2 * kFew], exact[kFew];
  const auto take = [&](const float* from, int64_t some) {
    run_block(ops, from, nullptr, exact, some);
    ops.range({reinterpret_cast<const uint8_t*>(exact), some * kFloat}, some, 1, lo, hi);
  };
  QuickRange seen;
  int64_t pending = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const float* const row = floats(src.data + r * src.stride);
    for (int64_t i = 0; i < count; i += kQuickMost) {
      pending += ops.quick_range(quick, row + i, std::min(kQuickMost, count - i), seen, found + pending);
      for (; pending >= kFew; pending -= kFew) take(found + pending - kFew, kFew);
    }
  }
  if (pending > 0) take(found, pending);
  if (!seen.far(quick)) return;
  for (int64_t r = 0; r < rows; ++r) {
    const float* const row = floats(src.data + r * src.stride);
    for (int64_t i = 0; i < count; i += kFew) take(row + i, std::min(kFew, count - i));
  }
}

float power_of_two(const FloatFunction& f) {
  if (f.operations.size() != 1) return 0;
  const FloatFunction::Operation& op = f.operations[0];
  const bool times = op.unary.kind == NodeKind::mul, over = op.unary.kind == NodeKind::div;
  const bool by_constant = op.a == FloatFunction::kSource && op.b == FloatFunction::kConstant;
  const bool of_constant = op.a == FloatFunction::kConstant && op.b == FloatFunction::kSource;
  if (!(by_constant && (times || over)) && !(of_constant && times)) return 0;
  int exponent = 0;
  if (std::abs(std::frexp(op.constant, &exponent)) != 0.5F || std::abs(exponent) > 32) return 0;
  return over ? 1 / op.constant : op.constant;
}

}  // namespace octile::runtime
