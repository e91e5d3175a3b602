// Rows of floats and conversions, every variant this machine runs against the definitions, bit for bit.
// In:  seeds.  Out: GoogleTest's verdict.
// Not here: codes alone (ops_codes_test.cpp, ops_pools_test.cpp).
#include <cmath>
#include <cstdint>
#include <limits>

#include "tests/unit/runtime/ops_variants.h"
#include "workload/numerics/float64.h"
#include "workload/numerics/sums.h"

namespace octile::runtime {
namespace {

using namespace test;  // NOLINT: the helpers of this folder

constexpr uint64_t kSeed = 97;

std::vector<float> random_floats(Rng& rng, int64_t count) {
  const double spread = rng.log_uniform(1e-3, 1e3);
  std::vector<float> v(static_cast<size_t>(count));
  const bool cancel = rng.chance(0.2);
  for (float& f : v) f = cancel ? cancelling(rng) : static_cast<float>(rng.normal() * spread);
  if (count > 0 && rng.chance(0.15)) {
    v[static_cast<size_t>(rng.below(count))] = rng.pick({INFINITY, -INFINITY, NAN, -0.0F, 3e38F, 1e-45F});
  }
  return v;
}

TEST(OpsRows, Quantize) {
  Rng rng(kSeed);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 400; ++i) {
      const int64_t c = draw_length(rng);
      std::vector<float> x = random_floats(rng, c);
      const QuantizeForm to = draw_form(rng, true);
      if (i % 2 == 0) {
        for (float& f : x) f = (static_cast<float>(rng.code(-600, 600)) / 2.0F) * to.scale;  // ties
      }
      const Floats src(x);
      const RowBytes dst(rng, c, 1, c);
      std::vector<uint8_t> want;
      for (float f : x) want.push_back(code(f, to));
      v.ops->quantize(src.data(), to, dst.data(), c);
      ASSERT_EQ(dst.bytes(), want) << v.name << " case " << i;
      EXPECT_TRUE(dst.intact());
    }
  }
}

TEST(OpsRows, Dequantize) {
  Rng rng(kSeed + 1);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 200; ++i) {
      const int64_t c = draw_length(rng);
      const RowBytes src(rng, c, 1, c);
      const Floats dst(std::vector<float>(static_cast<size_t>(c)));
      const float scale = odd_scale(rng);
      const int32_t zp = zero_point(rng);
      std::vector<float> want;
      for (int64_t k = 0; k < c; ++k) want.push_back(dequantize(src.at(0, k), scale, zp));
      v.ops->dequantize(src.data(), scale, zp, dst.data(), c);
      ASSERT_EQ(bits(dst.all()), bits(want)) << v.name << " case " << i;
      EXPECT_TRUE(dst.intact());
    }
  }
}

TEST(OpsRows, RangePassesOverNaN) {
  Rng rng(kSeed + 7);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 300; ++i) {
      const int64_t c = draw_length(rng), rows = rng.range(0, 4), stride = c + rng.below(4);
      std::vector<float> x = random_floats(rng, rows * stride);
      float lo = 0, hi = 0, want_lo = 0, want_hi = 0;
      for (int64_t k = 0; k < std::ssize(x); ++k) {
        float& f = x[static_cast<size_t>(k)];
        if (rng.chance(0.1)) f = std::numeric_limits<float>::quiet_NaN();
        if (k % stride >= c) f = 1e30F;  // of no row
        if (k % stride >= c) continue;
        want_lo = std::min(want_lo, f);
        want_hi = std::max(want_hi, f);
      }
      const Floats src(x);
      v.ops->range({reinterpret_cast<const uint8_t*>(src.data()), 4 * stride}, c, rows, &lo, &hi);
      ASSERT_EQ(bits({lo, hi}), bits({want_lo, want_hi})) << v.name << " case " << i;
    }
  }
}

TEST(OpsRows, ScaleSums) {
  Rng rng(kSeed + 8);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 300; ++i) {
      const int64_t c = draw_length(rng);
      const std::vector<float> factors = random_floats(rng, c), addends = random_floats(rng, c);
      const int64_t rows = rng.range(1, c < 140 ? 40 : 2), row = c;  // rows share their channels
      const int64_t gap = rng.chance(0.3) ? 3 : 0;                   // between rows of sums
      std::vector<int32_t> sums, columns;
      for (int64_t k = 0; k < rows * (row + gap); ++k) {
        sums.push_back(static_cast<int32_t>(rng.range(INT32_MIN, INT32_MAX)));
      }
      for (int64_t k = 0; k < row; ++k) columns.push_back(static_cast<int32_t>(rng.range(INT32_MIN, INT32_MAX)));
      const bool add = rng.chance(0.6), counted = add && rng.chance(0.5);
      const SumsForm form{
          odd_scale(rng), zero_point(rng), columns.data(), factors.data(), add ? addends.data() : nullptr, counted};
      const auto scaled = [&](size_t k, size_t channel) {
        const float gain = form.scale * factors[channel], whole = std::floor(addends[channel] / gain);
        uint32_t taken = static_cast<uint32_t>(form.zp) * static_cast<uint32_t>(columns[channel]);
        if (counted) {
          const bool fits = whole >= -0x1p31F && whole < 0x1p31F;
          taken -= static_cast<uint32_t>(fits ? static_cast<int32_t>(whole) : INT32_MIN);
        }
        const auto real = static_cast<int32_t>(static_cast<uint32_t>(sums[k]) - taken);
        const float value = static_cast<float>(real) * gain;
        return add && !counted ? value + addends[channel] : value;
      };
      std::vector<float> want;
      for (int64_t k = 0; k < row * rows; ++k) {
        want.push_back(scaled(static_cast<size_t>(k / row * (row + gap) + k % row), static_cast<size_t>(k % row)));
      }
      const Floats dst(std::vector<float>(want.size()));
      v.ops->scale_sums(form, {reinterpret_cast<const uint8_t*>(sums.data()), 4 * (row + gap)},
                        {reinterpret_cast<uint8_t*>(dst.data()), 4 * row}, row, rows);
      ASSERT_EQ(bits(dst.all()), bits(want)) << v.name << " case " << i;
      EXPECT_TRUE(dst.intact());
    }
  }
}

std::vector<float> softmax_of(const std::vector<float>& x) {
  double most = x[0];
  for (double f : x) most = f > most || f != f ? f : most;
  std::vector<float> y;
  for (float f : x) {
    const float d = f - static_cast<float>(most);
    y.push_back(static_cast<float>(exp64(d)));
  }
  const auto sum =
      static_cast<float>(sum_in_order(std::ssize(y), [&](int64_t i) { return y[static_cast<size_t>(i)]; }));
  for (float& f : y) f = f / sum;
  return y;
}

TEST(OpsRows, Softmax) {
  Rng rng(kSeed + 2);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 500; ++i) {
      const int64_t c = draw_length(rng) + 1;
      const std::vector<float> x = random_floats(rng, c), want = softmax_of(x);
      const Floats src(x), apart(x);
      const Floats& dst = rng.chance(0.5) ? src : apart;
      v.ops->softmax(src.data(), dst.data(), c);
      ASSERT_EQ(bits(dst.all()), bits(want)) << v.name << " case " << i << " c " << c;
      EXPECT_TRUE(src.intact() && apart.intact());
    }
  }
}

// exp64 itself, through rows of two: the second is exp(x) over a sum that rounds to 1 or more. Enough numbers that some
// lie where the quick way cannot tell how to round.
TEST(OpsRows, ExponentialsEverywhere) {
  Rng rng(kSeed + 3);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 300'000; ++i) {
      const std::vector<float> x{0.0F, static_cast<float>(-rng.log_uniform(1e-30, 800))};
      std::vector<float> got(2);
      v.ops->softmax(x.data(), got.data(), 2);
      ASSERT_EQ(bits(got), bits(softmax_of(x))) << v.name << " exp of " << x[1];
    }
  }
}

// What it is sure of is right, and it is sure of most rows.
TEST(OpsRows, CodesOfSoftmax) {
  Rng rng(kSeed + 15);
  for (const Variant& v : variants()) {
    int64_t all = 0, known = 0;
    for (int i = 0; i < 3000; ++i) {
      const int64_t c = rng.pick<int64_t>({1, 2, 15, 16, 17, 64, 100, 197, 500, rng.range(1, 4096)});
      const double size = rng.pick({0.1, 1.0, 5.0, 60.0});
      std::vector<float> x;
      while (std::ssize(x) < c) x.push_back(static_cast<float>(rng.normal() * size));
      const bool odd = rng.chance(0.1);
      float& one = x[static_cast<size_t>(rng.below(c))];
      if (odd)
        one = rng.pick({std::numeric_limits<float>::quiet_NaN(), std::bit_cast<float>(0x7FC00001U), 1e30F, -1e30F,
                        std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()});
      const float scale = rng.chance(0.05) ? 1e-30F : static_cast<float>(rng.log_uniform(1e-4, 0.02));
      const QuantizeForm to =
          rng.chance(0.5) ? QuantizeForm{scale, 0.0F, 255.0F, 0} : QuantizeForm{scale, -128, 127, 128};
      std::vector<uint8_t> want(x.size()), got(x.size() + 1, 77);
      v.ops->quantize(softmax_of(x).data(), to, want.data(), c);
      const bool sure = v.ops->quick_softmax(x.data(), to, got.data(), c);
      EXPECT_EQ(got.back(), 77) << v.name << " of " << c;
      got.pop_back();
      EXPECT_TRUE(!sure || got == want) << v.name << " of " << c << " case " << i;
      if (!odd && scale > 1e-5F) ++all;
      if (!odd && scale > 1e-5F && sure) ++known;
    }
    EXPECT_GT(known, all / 2) << v.name;
  }
}

TEST(OpsRows, LayerNorm) {
  Rng rng(kSeed + 4);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 300; ++i) {
      const int64_t c = draw_length(rng) + 1, rows = rng.range(1, 6);
      const std::vector<float> scale = random_floats(rng, c), bias = random_floats(rng, c);
      const bool biased = rng.chance(0.5);
      const auto epsilon = static_cast<float>(rng.pick({1e-5, 1e-12, 0.0}));
      std::vector<float> all, want;
      for (int64_t row = 0; row < rows; ++row) {
        std::vector<float> x = random_floats(rng, c);
        for (int64_t k = 0; i % 3 == 0 && k + 1 < c; k += 5) {  // a mean that depends on the order
          x[static_cast<size_t>(k)] = 0x1p60F;
          x[static_cast<size_t>(c - 1 - rng.below(c - 1 - k))] = -0x1p60F;
        }
        all.insert(all.end(), x.begin(), x.end());
        const auto n = static_cast<double>(c);
        const auto at = [&](int64_t j) { return x[static_cast<size_t>(j)]; };
        const double middle = sum_in_order(c, at) / n;
        const double squares = sum_in_order(c, [&](int64_t j) {
          const double d = at(j) - middle;
          return d * d;
        });
        const double r = 1.0 / std::sqrt(squares / n + static_cast<double>(epsilon));
        for (size_t j = 0; j < x.size(); ++j) {
          auto y = static_cast<float>((x[j] - middle) * r);
          y = y * scale[j];
          if (biased) y = y + bias[j];
          want.push_back(y);
        }
      }
      const Floats src(all), apart(all), s(scale), b(bias);
      const Floats& dst = rng.chance(0.5) ? src : apart;
      v.ops->layer_norm(src.data(), s.data(), biased ? b.data() : nullptr, epsilon, dst.data(), c, rows);
      ASSERT_EQ(bits(dst.all()), bits(want)) << v.name << " case " << i << " c " << c;
      EXPECT_TRUE(src.intact() && apart.intact());
    }
  }
}

// As nodes one by one have it: every result a float32.
TEST(OpsRows, Normalize) {
  using By = Divisor::By;
  Rng rng(kSeed + 40);
  std::vector<float> table = random_floats(rng, 256);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 400; ++i) {
      const int64_t c = draw_length(rng) + 1, rows = rng.range(1, 6);
      NormForm form;
      form.by = rng.pick({By::deviation, By::length, By::root_mean_square});
      form.times = rng.chance(0.4);
      form.root = rng.chance(0.7);
      form.inverse = rng.chance(0.3);
      form.addend = static_cast<float>(rng.pick({1e-5, 1e-12, 0.0, 3.0}));
      form.to = {static_cast<float>(rng.pick({1e-3, 0.5, 7.0})), -3, 252, 3};
      if (form.by != By::length && rng.chance(0.6)) form.table = table.data();
      std::vector<float> all, want;
      for (int64_t row = 0; row < rows; ++row) {
        std::vector<float> x = random_floats(rng, c);
        all.insert(all.end(), x.begin(), x.end());
        const auto n = static_cast<double>(c);
        const auto at = [&](int64_t j) { return x[static_cast<size_t>(j)]; };
        float by = 0;
        if (form.by == By::length) {
          by = static_cast<float>(std::sqrt(sum_in_order(c, [&](int64_t j) { return double{at(j)} * at(j); })));
          by = by < form.addend ? form.addend : by;
          by = by > std::numeric_limits<float>::max() ? std::numeric_limits<float>::max() : by;
        } else {
          const auto middle = static_cast<float>(sum_in_order(c, at) / n);
          for (float& f : x) f = form.by == By::deviation ? f - middle : f;
          const auto spread = static_cast<float>(sum_in_order(c, [&](int64_t j) { return at(j) * at(j); }) / n);
          by = spread + form.addend;
          if (form.root) by = std::sqrt(by);
          if (form.inverse) by = 1 / by;
          if (form.table != nullptr) {
            by = table[static_cast<size_t>(quantize_onnx_rne(by, form.to.scale, form.to.zp, 0, 255))];
          }
        }
        for (const float f : x) want.push_back(form.times ? f * by : f / by);
      }
      const Floats src(all), apart(all);
      const Floats& dst = rng.chance(0.5) ? src : apart;
      v.ops->normalize(form, src.data(), dst.data(), c, rows);
      ASSERT_EQ(bits(dst.all()), bits(want))
          << v.name << " case " << i << " c " << c << " by " << static_cast<int>(form.by);
      EXPECT_TRUE(src.intact() && apart.intact());
    }
  }
}

std::vector<NodeKind> kinds_with_kernels(NodeKind first, NodeKind last) {
  std::vector<NodeKind> all;
  for (int k = static_cast<int>(first); k <= static_cast<int>(last); ++k) {
    if (vector_kernel(static_cast<NodeKind>(k))) all.push_back(static_cast<NodeKind>(k));
  }
  return all;
}

TEST(OpsRows, FunctionsOfFloats) {
  Rng rng(kSeed + 8);
  for (const Variant& v : variants()) {
    for (const NodeKind kind : kinds_with_kernels(NodeKind::relu, NodeKind::ceil)) {
      for (int i = 0; i < 60; ++i) {
        const int64_t c = draw_length(rng);
        const Unary f{kind, static_cast<float>(rng.normal()), static_cast<float>(rng.normal())};
        const Floats src(random_floats(rng, c)), apart(src.all());
        const Floats& dst = rng.chance(0.5) ? src : apart;
        std::vector<float> want;
        for (float x : src.all()) want.push_back(f(x));
        v.ops->float_unary(f, src.data(), dst.data(), c);
        ASSERT_EQ(bits(dst.all()), bits(want)) << v.name << " " << to_string(kind) << " c " << c;
        EXPECT_TRUE(src.intact() && apart.intact());
      }
    }
  }
}

TEST(OpsRows, OperationsOfTwoFloats) {
  Rng rng(kSeed + 9);
  for (const Variant& v : variants()) {
    for (const NodeKind kind : kinds_with_kernels(NodeKind::add, NodeKind::prelu)) {
      for (int i = 0; i < 60; ++i) {
        const int64_t c = draw_length(rng);
        const bool one_a = rng.chance(0.3), one_b = !one_a && rng.chance(0.3);
        std::vector<float> second = random_floats(rng, one_b ? 1 : c);
        if (kind == NodeKind::pow && one_b) second[0] = rng.pick({2.0F, 3.0F, 0.5F});
        const Floats a(random_floats(rng, one_a ? 1 : c)), b(second);
        const Floats apart(std::vector<float>(static_cast<size_t>(c)));
        const Floats& dst = one_a ? b : one_b || rng.chance(0.5) ? a : apart;
        const std::vector<float> x = a.all(), y = b.all();
        std::vector<float> want;
        for (size_t k = 0; k < static_cast<size_t>(c); ++k) {
          want.push_back(binary(kind, x[one_a ? 0 : k], y[one_b ? 0 : k]));
        }
        v.ops->float_binary(kind, {a.data(), one_a}, {b.data(), one_b}, dst.data(), c);
        ASSERT_EQ(bits(dst.all()), bits(want)) << v.name << " " << to_string(kind) << " c " << c;
        EXPECT_TRUE(a.intact() && b.intact() && apart.intact());
      }
    }
  }
}

TEST(OpsRows, AverageFloatsSumsInOrder) {
  Rng rng(kSeed + 10);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 150; ++i) {
      const int64_t c = draw_length(rng) + 1, pixels = rng.range(1, 40), step = c + rng.below(5);
      std::vector<float> x(static_cast<size_t>((pixels - 1) * step + c));
      for (float& f : x) f = cancelling(rng);
      const Floats src(x), dst(std::vector<float>(static_cast<size_t>(c)));
      std::vector<float> want;
      for (int64_t k = 0; k < c; ++k) {
        const double sum = sum_in_order(pixels, [&](int64_t p) { return x[static_cast<size_t>(p * step + k)]; });
        want.push_back(static_cast<float>(sum / static_cast<double>(pixels)));
      }
      v.ops->average_floats(src.data(), pixels, step, dst.data(), c);
      ASSERT_EQ(bits(dst.all()), bits(want)) << v.name << " case " << i << " c " << c;
      EXPECT_TRUE(dst.intact());
    }
  }
}

TEST(OpsRows, MeansOfRowsSumInOrder) {
  Rng rng(kSeed + 41);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 150; ++i) {
      const int64_t c = draw_length(rng) + 1, rows = rng.range(1, 5);
      std::vector<float> x(static_cast<size_t>(rows * c)), want;
      for (float& f : x) f = cancelling(rng);
      for (int64_t r = 0; r < rows; ++r) {
        const double sum = sum_in_order(c, [&](int64_t j) { return x[static_cast<size_t>(r * c + j)]; });
        want.push_back(static_cast<float>(sum / static_cast<double>(c)));
      }
      const Floats src(x), dst(std::vector<float>(static_cast<size_t>(rows)));
      v.ops->mean_floats(src.data(), c, dst.data(), rows);
      ASSERT_EQ(bits(dst.all()), bits(want)) << v.name << " case " << i << " c " << c;
      EXPECT_TRUE(dst.intact());
    }
  }
}

// Any table does as exponentials: here the order of their sum shows.
TEST(OpsRows, SoftmaxOfCodesSumsInOrder) {
  Rng rng(kSeed + 6);
  std::vector<float> exps(65536);
  for (float& e : exps) e = cancelling(rng);
  for (const Variant& v : variants()) {
    std::vector<float> arranged = exps;
    v.ops->arrange_exps(arranged.data());
    for (int i = 0; i < 100; ++i) {
      const int64_t c = draw_length(rng) + 1;
      const RowBytes src(rng, c, 1, c), dst(rng, c, 1, c);
      const float* e = exps.data() + 256 * *std::max_element(src.data(), src.data() + c);
      const auto sum = static_cast<float>(sum_in_order(c, [&](int64_t k) { return e[src.at(0, k)]; }));
      const QuantizeForm to = draw_form(rng, false);
      std::vector<uint8_t> want;
      for (int64_t k = 0; k < c; ++k) want.push_back(code(e[src.at(0, k)] / sum, to));
      v.ops->softmax_codes(arranged.data(), to, src.rows(), dst.out(), c, 1);
      ASSERT_EQ(dst.bytes(), want) << v.name << " case " << i << " c " << c;
    }
  }
}

TEST(OpsRows, SoftmaxOfCodes) {
  Rng rng(kSeed + 5);
  std::vector<float> exps(65536), values(256);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 120; ++i) {
      const float scale = plain_scale(rng);
      const int32_t zp = zero_point(rng);
      for (int q = 0; q < 256; ++q) values[static_cast<size_t>(q)] = dequantize(q, scale, zp);
      make_softmax_exps(*v.ops, values.data(), exps.data());
      const int64_t c = rng.chance(0.1) ? 6625 : draw_length(rng) + 1, rows = rng.range(1, c > 40 ? 3 : 40);
      const RowBytes src(rng, c, rows, c + rng.below(4)), apart(rng, c, rows, c + rng.below(4));
      const RowBytes& dst = rng.chance(0.5) ? src : apart;
      const QuantizeForm to = draw_form(rng, true);
      std::vector<uint8_t> want = dst.bytes();
      for (int64_t r = 0; r < rows; ++r) {
        std::vector<float> x;
        for (int64_t k = 0; k < c; ++k) x.push_back(values[src.at(r, k)]);
        const std::vector<float> y = softmax_of(x);
        for (int64_t k = 0; k < c; ++k) {
          want[static_cast<size_t>(r * dst.out().stride + k)] = code(y[static_cast<size_t>(k)], to);
        }
      }
      v.ops->softmax_codes(exps.data(), to, src.rows(), dst.out(), c, rows);
      ASSERT_EQ(dst.bytes(), want) << v.name << " case " << i << " c " << c;
      EXPECT_TRUE(src.intact() && apart.intact());
    }
  }
}

// By the definition: NaN above any number, of equals the first or the last.
template <class At>
int64_t greatest(int64_t c, bool last, const At& at) {
  int64_t best = 0;
  for (int64_t k = 1; k < c; ++k) {
    const double v = at(k), most = at(best);
    const bool equal = v == most || (std::isnan(v) && std::isnan(most));
    if (equal ? last : std::isnan(v) || v > most) best = k;
  }
  return best;
}

TEST(OpsRows, WhereTheGreatestIs) {
  Rng rng(kSeed + 11);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 300; ++i) {
      const int64_t c = rng.chance(0.1) ? 6625 : draw_length(rng) + 1, rows = rng.range(1, c > 40 ? 3 : 40);
      const bool last = rng.chance(0.5);
      const RowBytes src(rng, c, rows, c + rng.below(4));
      const int levels = rng.pick({1, 2, 256});  // equal ones
      for (int64_t k = 0; k < std::ssize(src.bytes()); ++k) {
        src.data()[k] = static_cast<uint8_t>(256 - levels + src.data()[k] % levels);
        if (levels == 1) src.data()[k] = 0;
      }
      std::vector<float> x(static_cast<size_t>(c * rows));
      for (float& f : x) f = rng.chance(0.02) ? NAN : rng.pick({0.0F, -0.0F, static_cast<float>(rng.code(-levels, 0))});
      const Floats floats(x);
      std::vector<int64_t> want, want_floats;
      for (int64_t r = 0; r < rows; ++r) {
        want.push_back(greatest(c, last, [&](int64_t k) { return src.at(r, k); }));
        want_floats.push_back(greatest(c, last, [&](int64_t k) { return x[static_cast<size_t>(r * c + k)]; }));
      }
      std::vector<int64_t> got(static_cast<size_t>(rows), -1);
      v.ops->arg_max(last, src.rows(), c, rows, got.data());
      ASSERT_EQ(got, want) << v.name << " case " << i << " c " << c << " last " << last;
      std::vector<uint8_t> most(static_cast<size_t>(rows)), extremes = most;
      for (int64_t r = 0; r < rows; ++r) {
        const auto [lo, hi] =
            std::minmax_element(src.data() + r * src.rows().stride, src.data() + r * src.rows().stride + c);
        most[static_cast<size_t>(r)] = last ? *lo : *hi;
      }
      v.ops->max_rows(last, src.rows(), extremes.data(), c, rows);
      ASSERT_EQ(extremes, most) << v.name << " case " << i << " c " << c << " lowest " << last;
      v.ops->arg_max_floats(last, {reinterpret_cast<const uint8_t*>(floats.data()), 4 * c}, c, rows, got.data());
      ASSERT_EQ(got, want_floats) << v.name << " floats, case " << i << " c " << c << " last " << last;
    }
  }
}

}  // namespace
}  // namespace octile::runtime
