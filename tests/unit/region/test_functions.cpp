// Lines per channel: what lines_of() answers is right for every byte, and lines are found where there are some.
// In:  functions of a byte.  Out: GoogleTest's verdict.
// Not here: functions of two codes (tests/unit/runtime/ops_codes_test.cpp).
#include <gtest/gtest.h>

#include <cmath>
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
    ops_for(Isa::portable).gate(lines.form, {row.data(), 0}, {row.data(), 0}, c, 1);
    for (size_t i = 0; i < row.size(); ++i) ASSERT_EQ(row[i], k.codes[i * 256 + b]) << "channel " << i << " byte " << b;
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

}  // namespace
}  // namespace octile::runtime
