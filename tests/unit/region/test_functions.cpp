// Functions: what lines_of() answers is right for every byte, and lines are found where there are some; rows of bytes
// are what the definitions say of each.
// In:  functions of a byte or of two.  Out: GoogleTest's verdict.
// Not here: forms of functions of two codes (tests/unit/runtime/ops_codes_test.cpp).
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "runtime/region/functions.h"

namespace octile::runtime {
namespace {

struct Case {
  std::vector<FloatTable> floats;
  std::vector<uint8_t> codes;
  QuantizeTo to;

  template <class F>  // f(real, channel)
  Case(int channels, QuantizeTo quantize, const F& f) : floats(static_cast<size_t>(channels)), to(quantize) {
    const FloatFn real = dequantize_table(DType::u8, 0.05F, 117);
    for (size_t c = 0; c < floats.size(); ++c) {
      for (size_t b = 0; b < 256; ++b) {
        floats[c].at[b] = f(real->at[b], c);
        codes.push_back(to(floats[c].at[b]));
      }
    }
  }
};

// Every channel of every byte through Ops::gate.
void expect_right(const Case& k, const ChannelLines& lines) {
  const auto c = static_cast<int64_t>(k.floats.size());
  std::vector<uint8_t> row(k.floats.size());
  for (size_t b = 0; b < 256; ++b) {
    std::fill(row.begin(), row.end(), static_cast<uint8_t>(b));
    for (const Isa isa : {Isa::portable, Isa::avx512vnni}) {  // or the best this CPU has
      std::vector<uint8_t> got(row.size());
      ops_for(isa).gate(lines.form, {row.data(), 0}, {got.data(), 0}, c, 1);
      for (size_t i = 0; i < row.size(); ++i) {
        ASSERT_EQ(got[i], k.codes[i * 256 + b]) << "channel " << i << " byte " << b;
      }
    }
  }
}

TEST(LinesOf, NormalizationAndRectifier) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (const bool is_signed : {false, true}) {
    const QuantizeTo to{0.031F, is_signed ? -20 : 90, is_signed ? -128 : 0, is_signed ? 127 : 255, is_signed};
    for (const bool relu : {false, true}) {
      std::vector<float> gain(40), shift(40);
      for (float& g : gain) g = normal(random);
      for (float& s : shift) s = normal(random) * 2;
      const Case k(40, to, [&](float v, size_t c) {
        const float y = v * gain[c] + shift[c];
        return relu && !(y > 0) ? 0.0F : y;
      });
      const auto lines = lines_of(k.floats, k.codes, k.to);
      ASSERT_NE(lines, nullptr) << is_signed << relu;
      expect_right(k, *lines);
    }
  }
}

// Two lines that meet at 0, of few and of many channels, with slopes of either sign and none.
TEST(LinesOf, RectifiersWithASlope) {
  std::mt19937 random(9);
  std::uniform_real_distribution<float> slopes(-0.3F, 0.6F);
  for (const bool is_signed : {false, true}) {
    for (const int channels : {3, 40, 130}) {
      const QuantizeTo to{0.043F, is_signed ? -20 : 60, is_signed ? -128 : 0, is_signed ? 127 : 255, is_signed};
      std::vector<float> slope(static_cast<size_t>(channels));
      for (float& s : slope) s = slopes(random);
      slope[1] = 0;
      slope[2] = 1;
      const Case k(channels, to, [&](float v, size_t c) { return v < 0 ? v * slope[c] : v; });
      const auto lines = lines_of(k.floats, k.codes, k.to);
      ASSERT_NE(lines, nullptr) << is_signed << channels;
      EXPECT_NE(lines->form.below, nullptr);
      expect_right(k, *lines);
    }
  }
}

TEST(LinesOf, ConstantsStepsAndFullClamps) {
  const QuantizeTo to{1.0F, 0, 0, 255, false};
  const Case k(4, to, [](float v, size_t c) { return c == 0 ? 3.0F : c == 1 ? -1e30F : c == 2 ? 1e30F : v * 1e6F; });
  if (const auto lines = lines_of(k.floats, k.codes, k.to)) expect_right(k, *lines);
}

TEST(LinesOf, CurvesAndNansHaveNone) {
  const QuantizeTo to{0.01F, 128, 0, 255, false};
  const Case curve(2, to, [](float v, size_t c) { return c == 0 ? v * 0.1F : std::sin(v); });
  EXPECT_EQ(lines_of(curve.floats, curve.codes, curve.to), nullptr);
  const Case nan(1, to, [](float v, size_t) { return v > 0 ? std::nanf("") : v * 0.1F; });
  if (const auto lines = lines_of(nan.floats, nan.codes, nan.to)) expect_right(nan, *lines);
}

TEST(Functions, RowsQuantizeAsTheDefinitionDoes) {
  std::mt19937 rng(3);
  for (const QuantizeTo to : {QuantizeTo{0.25F, 0, 0, 255, false}, QuantizeTo{0.5F, 128, 0, 255, false},
                              QuantizeTo{0.0371F, -3, -128, 127, true}, QuantizeTo{1.0F, 255, 255, 255, false}}) {
    std::array<float, 256> from;
    for (size_t j = 0; j < from.size(); ++j) {
      const auto half = static_cast<float>(static_cast<int>(rng() % 600) - 300) * 0.5F * to.scale;  // ties, too
      from[j] = j % 2 == 0 ? half : std::uniform_real_distribution<float>(-40, 40)(rng);
    }
    from[0] = std::numeric_limits<float>::quiet_NaN();
    from[1] = std::numeric_limits<float>::infinity();
    from[2] = -std::numeric_limits<float>::infinity();
    from[3] = -0.0F;
    std::array<uint8_t, 256> got;
    to.row(from, got.data());
    for (size_t j = 0; j < from.size(); ++j) EXPECT_EQ(got[j], to(from[j])) << from[j] << " by " << to.scale;
  }
}

TEST(Functions, RowsOfPairsAreTheOperatorOfEveryPair) {
  const FloatFn a = dequantize_table(DType::u8, 0.1F, 7), b = dequantize_table(DType::s8, 0.03F, -2);
  const Unary relu{NodeKind::relu, 0, 0};
  for (const NodeKind kind : {NodeKind::add, NodeKind::sub, NodeKind::mul, NodeKind::div, NodeKind::min}) {
    const PairFunction f{kind, a, b, {relu}};
    for (const int i : {0, 7, 8, 255}) {
      const std::array<float, 256> row = f.row(i);
      for (size_t j = 0; j < row.size(); ++j) {
        const float want = relu(binary(kind, a->at[static_cast<size_t>(i)], b->at[j]));
        EXPECT_TRUE(std::bit_cast<uint32_t>(row[j]) == std::bit_cast<uint32_t>(want) ||
                    (std::isnan(want) && std::isnan(row[j])))
            << i << " " << j;
      }
    }
  }
}

}  // namespace
}  // namespace octile::runtime
