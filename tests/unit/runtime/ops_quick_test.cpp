// Functions of floats told quickly, every variant this machine runs against the definitions: enough numbers that some
// lie where the quick way cannot tell.  In:  seeds.  Out: GoogleTest's verdict.  Not here: other rows
// (ops_rows_test.cpp).
#include <cmath>
#include <cstdint>
#include <limits>

#include "tests/unit/runtime/ops_variants.h"

namespace octile::runtime {
namespace {

using namespace test;  // NOLINT: the helpers of this folder

constexpr uint64_t kSeed = 98;

// Numbers of all sizes up to `most`, and normal ones of `deviation`: enough that some hundred of each sign lie where
// the quick way cannot tell how to round.
void expect_everywhere(NodeKind kind, uint64_t seed, double least, double most, double deviation,
                       std::vector<float> x = {}) {
  Rng rng(seed);
  const Unary f{kind};
  for (int i = 0; i < 2'000'000; ++i) {
    const double size = i % 2 == 0 ? rng.log_uniform(least, most) : std::fabs(rng.normal() * deviation);
    x.push_back(static_cast<float>(rng.chance(0.5) ? size : -size));
  }
  std::vector<float> want;
  for (const float v : x) want.push_back(f(v));
  for (const Variant& v : variants()) {
    std::vector<float> got(x.size());
    v.ops->float_unary(f, x.data(), got.data(), std::ssize(x));
    ASSERT_TRUE(bits(got) == bits(want)) << v.name;
  }
}

TEST(OpsQuick, SigmoidEverywhere) { expect_everywhere(NodeKind::sigmoid, kSeed + 11, 1e-30, 120, 4); }
TEST(OpsQuick, TanhEverywhere) {
  expect_everywhere(NodeKind::tanh, kSeed + 15, 1e-40, 30, 2,
                    {0.0F, -0.0F, 9.1F, -9.1F, 9.01F, 0.17328F, std::numeric_limits<float>::infinity()});
}
TEST(OpsQuick, ErfEverywhere) {
  expect_everywhere(NodeKind::erf, kSeed + 13, 1e-40, 20, 2,
                    {0.0F, -0.0F, 3.925F, -3.925F, 3.8325F, std::numeric_limits<float>::infinity()});
}

// x * sigmoid(x); both gelus and hard swish as models write them and as one function.
std::vector<float> quick_of(Quick which, bool written, const std::vector<float>& x) {
  std::vector<float> y;
  for (const float v : x) {
    if (which == Quick::silu) {
      y.push_back(v * Unary{NodeKind::sigmoid}(v));
    } else if (which == Quick::hard_swish) {
      y.push_back(written ? v * std::min(std::max(v + 3.0F, 0.0F), 6.0F) / 6.0F
                          : Unary{NodeKind::hard_swish, 1 / 6.0F, 0.5F}(v));
    } else if (written && which == Quick::gelu_tanh) {
      const float u = 0.7978846F * (v + 0.044715F * (v * v * v));
      y.push_back(v * 0.5F * (Unary{NodeKind::tanh}(u) + 1.0F));
    } else if (written) {
      const float erf = Unary{NodeKind::erf}(v / std::sqrt(2.0F));
      y.push_back(v * (erf + 1.0F) * 0.5F);
    } else {
      y.push_back(Unary{NodeKind::gelu, 0, 0, which == Quick::gelu_tanh}(v));
    }
  }
  return y;
}

// Enough numbers that some lie where float32 cannot tell the code: there the kernel stops.
void expect_quick_codes(Quick which, bool written) {
  Rng rng(kSeed + 12);
  for (const float scale : {0.02F, 0.0731F, 0.5F, 1e-3F, 1e-30F, 1e30F}) {
    const QuantizeForm to{scale, -128.0F, 127.0F, 128};
    std::vector<float> x{std::numeric_limits<float>::quiet_NaN(),
                         std::numeric_limits<float>::infinity(),
                         -std::numeric_limits<float>::infinity(),
                         -0.0F,
                         0.0F,
                         80.5F,
                         -80.5F,
                         -104.0F};
    const int64_t count = rng.range(1, 200) + (scale < 0.1F ? 400'000 : 20'000);
    while (std::ssize(x) < count) x.push_back(static_cast<float>(rng.normal() * 4));
    const std::vector<float> y = quick_of(which, written, x);
    std::vector<uint8_t> want(y.size()), got(y.size());
    for (const Variant& v : variants()) {
      v.ops->quantize(y.data(), to, want.data(), count);
      int64_t left = 0;
      for (int64_t i = 0; i < count;) {
        i += v.ops->quick_codes(which, x.data() + i, to, got.data() + i, count - i);
        const int64_t few = std::min<int64_t>(64, count - i);
        std::copy_n(want.begin() + i, few, got.begin() + i);
        i += few;
        left += few;
      }
      ASSERT_TRUE(got == want) << v.name << " scale " << scale;
      const bool usual = scale >= 0.02F && scale <= 0.5F;
      EXPECT_TRUE(usual ? left > 0 && left < count / 20 : scale == 1e-3F || left == count) << v.name << " " << scale;
      for (const int64_t few : {1, 7, 31, 33}) {
        std::fill(got.begin(), got.end(), uint8_t{0});
        const int64_t sure = v.ops->quick_codes(which, x.data() + 8, to, got.data(), few);
        EXPECT_TRUE(std::equal(got.begin(), got.begin() + sure, want.begin() + 8)) << v.name << " of " << few;
        EXPECT_EQ(got[static_cast<size_t>(few)], 0) << v.name;
      }
    }
  }
}

// What it finds has the least and the greatest; it finds few.
TEST(OpsQuick, RangesOfQuickFunctions) {
  Rng rng(kSeed + 14);
  const auto range = [](const std::vector<float>& of) {
    float lo = 0, hi = 0;
    for (const float v : of) {
      lo = v < lo ? v : lo;
      hi = v > hi ? v : hi;
    }
    return std::pair{lo, hi};
  };
  for (const Quick which : {Quick::silu, Quick::gelu, Quick::gelu_tanh, Quick::hard_swish}) {
    for (const int64_t count : {1, 5, 16, 63, 64, 65, 1000, 4095, 4096}) {
      for (const double size : {0.02, 0.3, 2.0, 50.0}) {
        for (const double middle : {0.0, 0.0, 1.0, -1.0, -6.0}) {
          std::vector<float> x;
          while (std::ssize(x) < count) x.push_back(static_cast<float>(rng.normal() * size + middle));
          if (count == 1000) {  // beside the greatest
            x[700] = std::numeric_limits<float>::quiet_NaN();
            for (const size_t i : {636, 652, 668, 684}) x[i] = static_cast<float>(size * 9 + middle);
          }
          if (count == 4095) x[1] = 1e30F;
          const std::pair<float, float> all = range(quick_of(which, true, x));
          for (const Variant& v : variants()) {
            for (const int64_t piece : {count, int64_t{100}}) {
              std::vector<float> found;
              QuickRange seen;
              for (int64_t i = 0; i < count; i += piece) {
                const auto end = static_cast<ptrdiff_t>(found.size());
                found.resize(found.size() + kQuickMost + 64);
                const int64_t some = v.ops->quick_range(which, &x[static_cast<size_t>(i)], std::min(piece, count - i),
                                                        seen, found.data() + end);
                found.resize(static_cast<size_t>(end + some));
              }
              EXPECT_TRUE(seen.far(which) || range(quick_of(which, true, found)) == all)
                  << v.name << " of " << count << " around " << middle;
              EXPECT_TRUE(count < 1000 || size > 2 || middle == -6 || !seen.far(which))
                  << v.name << " around " << middle;
              EXPECT_TRUE(count < 1000 || size <= 0.02 || found.size() < 400) << v.name << " " << found.size();
            }
          }
        }
      }
    }
  }
}

TEST(OpsQuick, CodesOfSilu) { expect_quick_codes(Quick::silu, false); }
TEST(OpsQuick, CodesOfGeluByTanh) {
  expect_quick_codes(Quick::gelu_tanh, true);
  expect_quick_codes(Quick::gelu_tanh, false);
}
TEST(OpsQuick, CodesOfHardSwish) {
  expect_quick_codes(Quick::hard_swish, true);
  expect_quick_codes(Quick::hard_swish, false);
}
TEST(OpsQuick, CodesOfGelu) {
  expect_quick_codes(Quick::gelu, true);
  expect_quick_codes(Quick::gelu, false);
}

}  // namespace
}  // namespace octile::runtime
