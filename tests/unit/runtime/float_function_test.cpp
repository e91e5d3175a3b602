// FloatFunction: which are quick ones, and codes and ranges told without their floats.
// In:  functions as models write them.  Out: passed or failed.  Not here: the kernels by themselves
// (ops_rows_test.cpp).
#include "runtime/exec/float_function.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "tests/unit/runtime/ops_variants.h"

namespace octile::runtime {
namespace {

using test::Rng;
using test::variants;
using Operation = FloatFunction::Operation;

constexpr int kSource = FloatFunction::kSource, kConstant = FloatFunction::kConstant, kMade = FloatFunction::kMade;
constexpr uint64_t kSeed = 20261130;

Operation two(NodeKind kind, int a, int b, double constant = 0) { return {{kind}, a, b, static_cast<float>(constant)}; }
Operation one(NodeKind kind, int a) { return {{kind}, a}; }

// x (1 + erf(x / sqrt 2)) / 2; its product's factors by `order`.
FloatFunction gelu(int order, bool divides, double root = std::numbers::sqrt2, double one_more = 1, double half = 0.5) {
  FloatFunction f;
  f.operations = {
      divides ? two(NodeKind::div, kSource, kConstant, root) : two(NodeKind::mul, kConstant, kSource, 1 / root),
      one(NodeKind::erf, kMade), two(NodeKind::add, kMade + 1, kConstant, one_more)};
  if (order == 0) {
    f.operations.push_back(two(NodeKind::mul, kSource, kMade + 2));
    f.operations.push_back(two(NodeKind::mul, kMade + 3, kConstant, half));
  } else if (order == 1) {
    f.operations.push_back(two(NodeKind::mul, kSource, kConstant, half));
    f.operations.push_back(two(NodeKind::mul, kMade + 3, kMade + 2));
  } else {
    f.operations.push_back(two(NodeKind::mul, kConstant, kMade + 2, half));
    f.operations.push_back(two(NodeKind::mul, kMade + 3, kSource));
  }
  return f;
}

// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2: with a power, as a product of three, as x times a sum.
FloatFunction gelu_tanh(int form, double share = 0.044715, double root = 0.7978845608028654) {
  constexpr NodeKind kMul = NodeKind::mul, kAdd = NodeKind::add;
  FloatFunction f;
  if (form == 0) {
    f.operations = {two(NodeKind::pow, kSource, kConstant, 3), two(kMul, kMade, kConstant, share),
                    two(kAdd, kSource, kMade + 1), two(kMul, kMade + 2, kConstant, root)};
  } else if (form == 1) {
    f.operations = {two(kMul, kSource, kSource), two(kMul, kSource, kMade), two(kMul, kConstant, kMade + 1, share),
                    two(kAdd, kSource, kMade + 2), two(kMul, kConstant, kMade + 3, root)};
  } else {
    f.operations = {two(kMul, kSource, kConstant, share), two(kMul, kMade, kSource), two(kAdd, kMade + 1, kConstant, 1),
                    two(kMul, kSource, kConstant, root), two(kMul, kMade + 3, kMade + 2)};
  }
  const int last = kMade + static_cast<int>(f.operations.size()) - 1;
  f.operations.push_back(one(NodeKind::tanh, last));
  f.operations.push_back(two(kAdd, last + 1, kConstant, 1));
  f.operations.push_back(two(kMul, kSource, kConstant, 0.5));
  f.operations.push_back(two(kMul, last + 3, last + 2));
  return f;
}

// x clip(x + 3, 0, 6) / 6, divided at the end, before, or multiplied; of hard sigmoid; one function.
std::vector<FloatFunction> hard_swishes(double three = 3, double six = 6, double sixth = 1 / 6.0) {
  constexpr NodeKind kMul = NodeKind::mul, kDiv = NodeKind::div;
  const auto six_of = static_cast<float>(six), sixth_of = static_cast<float>(sixth);
  const std::vector<Operation> gate{two(NodeKind::add, kSource, kConstant, three),
                                    {{NodeKind::clip, 0, six_of}, kMade}};
  std::vector<FloatFunction> all(3, {gate});
  const auto then = [&](size_t i, Operation a, Operation b) {
    all[i].operations.insert(all[i].operations.end(), {a, b});
  };
  then(0, two(kMul, kSource, kMade + 1), two(kDiv, kMade + 2, kConstant, six));
  then(1, two(kDiv, kMade + 1, kConstant, six), two(kMul, kMade + 2, kSource));
  then(2, two(kMul, kConstant, kMade + 1, sixth), two(kMul, kMade + 2, kSource));
  all.push_back({{{{NodeKind::hard_sigmoid, sixth_of, 0.5F}, kSource}, two(kMul, kSource, kMade)}});
  return all;
}

std::vector<FloatFunction> quick_ones() {
  std::vector<FloatFunction> all{{{one(NodeKind::sigmoid, kSource), two(NodeKind::mul, kMade, kSource)}},
                                 {{one(NodeKind::gelu, kSource)}}};
  for (const int order : {0, 1, 2}) {
    for (const bool divides : {false, true}) all.push_back(gelu(order, divides));
  }
  for (const int form : {0, 1, 2}) all.push_back(gelu_tanh(form));
  all.push_back({{{{NodeKind::gelu, 0, 0, true}, kSource}}});
  for (const FloatFunction& f : hard_swishes()) all.push_back(f);
  all.push_back({{{{NodeKind::hard_swish, 1 / 6.0F, 0.5F}, kSource}}});
  for (FloatFunction& f : all) f.quick = quick_of(f);
  return all;
}

TEST(FloatFunction, QuickOnesAreRecognized) {
  const std::vector<FloatFunction> all = quick_ones();
  for (size_t i = 0; i < all.size(); ++i) {
    const size_t left = all.size() - i;
    const Quick gelu = left > 9 ? Quick::gelu : Quick::gelu_tanh;
    EXPECT_EQ(all[i].quick, i == 0 ? Quick::silu : left > 5 ? gelu : Quick::hard_swish) << i;
  }
  const auto none = [](const FloatFunction& f) { EXPECT_EQ(quick_of(f), Quick::none); };
  none({});
  none(gelu(0, true, 1.4142));
  none(gelu(1, false, 1.5));
  none(gelu(0, true, std::numbers::sqrt2, 2));
  none(gelu(2, true, std::numbers::sqrt2, 1, 0.25));
  none(gelu_tanh(0, 0.04));
  none(gelu_tanh(1, 0.044715, 0.8));
  FloatFunction square = gelu_tanh(0);
  square.operations[0].constant = 2;
  none(square);
  FloatFunction cancels = gelu_tanh(0);
  cancels.operations[2].unary.kind = NodeKind::sub;
  none(cancels);
  none({{one(NodeKind::erf, kSource)}});
  for (const FloatFunction& f : hard_swishes(2, 6, 0.2)) none(f);
  for (size_t i = 0; i < 2; ++i) none(hard_swishes(3, 5)[i]);
  none({{two(NodeKind::mul, kSource, kSource)}});
  none({{one(NodeKind::sigmoid, kSource), two(NodeKind::mul, kMade, kMade)}});
  none({{one(NodeKind::sigmoid, kSource), two(NodeKind::mul, kMade, FloatFunction::kOther)}});
  FloatFunction moved = gelu(0, true);
  moved.operations[3] = two(NodeKind::mul, kMade, kMade + 2);  // not by x
  none(moved);
}

TEST(FloatFunction, CodesAndRangesAreThoseOfItsFloats) {
  Rng rng(kSeed);
  for (const FloatFunction& f : quick_ones()) {
    for (const int64_t count : {1, 63, 700, 9000}) {
      const double size = rng.pick({0.01, 1.0, 3.0, 40.0});
      std::vector<float> x, y(static_cast<size_t>(count));
      while (std::ssize(x) < count) x.push_back(static_cast<float>(rng.normal() * size));
      if (count == 700) x[650] = std::numeric_limits<float>::quiet_NaN();
      if (count == 63) {  // far from where the function turns
        for (size_t i = 0; i < x.size(); ++i) x[i] = std::clamp(x[i], -1.0F, 1.0F) + (i % 2 == 0 ? 2.0F : -4.0F);
      }
      const auto* const bytes = reinterpret_cast<const uint8_t*>(x.data());
      const QuantizeForm to{static_cast<float>(size / 50), -28.0F, 227.0F, 28};
      for (const auto& v : variants()) {
        f.run(*v.ops, {bytes, 0}, {}, {reinterpret_cast<uint8_t*>(y.data()), 0}, count, 1);
        std::vector<uint8_t> want(y.size()), got(y.size());
        v.ops->quantize(y.data(), to, want.data(), count);
        f.to_codes(*v.ops, x.data(), to, got.data(), count);
        EXPECT_TRUE(got == want) << v.name << " of " << count;
        float lo = 0, hi = 0, low = 0, high = 0;
        v.ops->range({reinterpret_cast<const uint8_t*>(y.data()), 0}, count, 1, &lo, &hi);
        f.range(*v.ops, {bytes, 0}, count, 1, &low, &high);
        EXPECT_EQ(lo, low) << v.name << " of " << count;
        EXPECT_EQ(hi, high) << v.name << " of " << count;
      }
    }
  }
}

}  // namespace
}  // namespace octile::runtime
