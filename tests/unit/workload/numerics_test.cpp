// The normative arithmetic against numbers worked out elsewhere.
// In:  published cases.  Out: assertions.
// Not here: loops over tensors (reference_test.cpp).
#include <gtest/gtest.h>

#include <cfenv>
#include <cmath>
#include <limits>

#include "workload/numerics/requantize.h"

namespace octile {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

int32_t quantize_u8(float v, float scale, int32_t zp) { return quantize_onnx_rne(v, scale, zp, 0, 255); }
int32_t quantize_s8(float v, float scale, int32_t zp) { return quantize_onnx_rne(v, scale, zp, -128, 127); }

TEST(Numerics, QuantizeAffineAndSymmetric) {
  const float symmetric = 7.2F / 127.0F, affine = 7.8F / 255.0F;
  EXPECT_EQ(quantize_s8(6.8F, symmetric, 0), 120);
  EXPECT_EQ(quantize_s8(7.2F, symmetric, 0), 127);
  EXPECT_EQ(quantize_s8(-0.6F, symmetric, 0), -11);
  EXPECT_EQ(quantize_u8(6.8F, affine, 20), 242);
  EXPECT_EQ(quantize_u8(7.2F, affine, 20), 255);
  EXPECT_EQ(quantize_u8(-0.6F, affine, 20), 0);
  // The range [-5, 10] maps its ends to the ends of the type.
  const float range = 15.0F / 255.0F;
  EXPECT_EQ(quantize_u8(-5.0F, range, 85), 0);
  EXPECT_EQ(quantize_u8(10.0F, range, 85), 255);
  EXPECT_EQ(quantize_s8(-5.0F, range, -43), -128);
  EXPECT_EQ(quantize_s8(10.0F, range, -43), 127);
}

TEST(Numerics, TiesGoToEvenBeforeTheZeroPoint) {
  const int32_t expected[] = {-4, -2, -2, 0, 0, 2, 2, 4};  // of -3.5, -2.5 ... 3.5
  for (int i = 0; i < 8; ++i) {
    const auto acc = static_cast<int32_t>(2 * i - 7);
    EXPECT_EQ(requantize_f32_rne(acc, 0.5F, 0, -128, 127), expected[i]) << acc;
    EXPECT_EQ(requantize_f32_rne(acc, 0.5F, 1, -128, 127), expected[i] + 1) << acc;
    EXPECT_EQ(quantize_s8(static_cast<float>(acc), 2.0F, 1), expected[i] + 1) << acc;
  }
}

TEST(Numerics, RoundingDoesNotFollowTheHostsMode) {
  for (int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    EXPECT_EQ(requantize_f32_rne(5, 0.5F, 0, -128, 127), 2);
    EXPECT_EQ(requantize_f32_rne(-3, 0.5F, 0, -128, 127), -2);
    EXPECT_EQ(requantize_f32_rne(7, 0.5F, 0, -128, 127), 4);
    std::fesetround(FE_TONEAREST);
  }
}

// Where a 31-bit multiplier gives 7, the float32 pipeline lands on the tie 6.5 and gives 6.
TEST(Numerics, FloatPipelineOrder) {
  const float mult = multiplier(0.05296124517917633F, 0.024093778803944588F, 0.11484327912330627F);
  EXPECT_EQ(585.0F * mult, 6.5F);
  EXPECT_EQ(requantize_f32_rne(585, mult, -126, -128, 127), -120);
}

// The operations of the multiplier do not commute: the order is part of the contract.
TEST(Numerics, MultiplierRoundsProductThenQuotient) {
  int different = 0;
  for (int i = 1; i < 1000; ++i) {
    const float a = 0.001F * static_cast<float>(i), b = 0.0037F, c = 0.0523F;
    volatile float product = a * b;
    EXPECT_EQ(multiplier(a, b, c), product / c);
    if (multiplier(a, b, c) != a * (b / c)) ++different;
  }
  EXPECT_GT(different, 100);
}

TEST(Numerics, LargeAccumulatorsRoundToFloatFirst) {
  const int32_t big = (1 << 24) + 1;  // float(big) is 2^24
  EXPECT_EQ(requantize_f32_rne(big, std::ldexp(1.0F, -18), 0, -128, 127), 64);
  EXPECT_EQ(requantize_f32_rne(big + 2, std::ldexp(2.5F, -24), 0, -128, 127), 3);  // 2^24 + 4 (even): 2.5000006
  EXPECT_EQ(requantize_f32_rne(big, std::ldexp(2.5F, -24), 0, -128, 127), 2);      // exactly 2.5
  EXPECT_EQ(requantize_f32_rne(std::numeric_limits<int32_t>::min(), 1.0F, 3, 0, 255), 0);
  EXPECT_EQ(requantize_f32_rne(std::numeric_limits<int32_t>::max(), 1.0F, 3, 0, 255), 255);
}

TEST(Numerics, ClampIsInDstCodesAndNanGivesLo) {
  EXPECT_EQ(requantize_f32_rne(-50, 1.0F, 3, 3, 255), 3);
  EXPECT_EQ(requantize_f32_rne(50, 1.0F, 3, 3, 40), 40);
  EXPECT_EQ(requantize_f32_rne(0, kInf, 3, 1, 255), 1);
  EXPECT_EQ(requantize_f32_rne(1, kInf, 3, 1, 255), 255);
  EXPECT_EQ(requantize_f32_rne(-1, kInf, 3, 1, 255), 1);
  EXPECT_EQ(requantize_f32_rne(77, 0.0F, 3, 1, 255), 3);
  EXPECT_EQ(requantize_f32_rne(INT32_MAX, std::numeric_limits<float>::denorm_min(), 3, 0, 255), 3);
  EXPECT_EQ(quantize_u8(kNan, 1.0F, 9), 0);
  EXPECT_EQ(quantize_u8(kInf, 1.0F, 9), 255);
  EXPECT_EQ(quantize_s8(-kInf, 1.0F, 9), -128);
}

TEST(Numerics, QuantizeDividesTruly) {
  int different = 0;
  for (int i = 0; i < 200000; ++i) {
    const float v = 0.0005F * static_cast<float>(i), scale = 0.0509F;
    if (quantize_u8(v, scale, 0) != quantize_onnx_rne(v * (1.0F / scale), 1.0F, 0, 0, 255)) ++different;
  }
  const float tie = 3.5F * 0.1F;
  EXPECT_EQ(quantize_u8(tie, 0.1F, 0), static_cast<int32_t>(std::nearbyint(tie / 0.1F)));
  RecordProperty("reciprocal_differs", different);
}

TEST(Numerics, DequantizePerSlice) {
  EXPECT_EQ(dequantize(12, 0.02F, 0), 12.0F * 0.02F);
  EXPECT_EQ(dequantize(-45, 0.02F, 0), -45.0F * 0.02F);
  for (int c = 1; c <= 3; ++c) EXPECT_EQ(dequantize(10, static_cast<float>(c), c), static_cast<float>((10 - c) * c));
}

TEST(Numerics, ClampOfPostOps) {
  OpQuant q;
  q.dst_scale = 0.05F;
  q.dst_zp = 3;
  set_clamp(q, DType::u8, Post::none, 0, 0);
  EXPECT_EQ(std::pair(q.clamp_lo, q.clamp_hi), std::pair(0, 255));
  set_clamp(q, DType::u8, Post::relu, 0, 0);
  EXPECT_EQ(std::pair(q.clamp_lo, q.clamp_hi), std::pair(3, 255));
  set_clamp(q, DType::u8, Post::relu6, 0, 0);
  EXPECT_EQ(std::pair(q.clamp_lo, q.clamp_hi), std::pair(3, 123));
  set_clamp(q, DType::s8, Post::none, 0, 0);
  EXPECT_EQ(std::pair(q.clamp_lo, q.clamp_hi), std::pair(-128, 127));
  set_clamp(q, DType::s8, Post::clip, -1.0F, 1.0F);
  EXPECT_EQ(std::pair(q.clamp_lo, q.clamp_hi), std::pair(-17, 23));
  set_clamp(q, DType::s8, Post::clip, -kInf, kInf);
  EXPECT_EQ(std::pair(q.clamp_lo, q.clamp_hi), std::pair(-128, 127));
  set_clamp(q, DType::s8, Post::clip, 2.0F, 1.0F);
  EXPECT_EQ(std::pair(q.clamp_lo, q.clamp_hi), std::pair(23, 23));
}

TEST(Numerics, ValidateRefusesContradictions) {
  const OpSpec s = *parse_op("conv2d ic4oc3 src=u8 wei=s8 dst=u8");
  OpQuant q;
  EXPECT_TRUE(validate(s, q).ok());
  const auto refused = [&](auto change) {
    OpQuant broken = q;
    change(broken);
    return !validate(s, broken).ok();
  };
  EXPECT_TRUE(refused([](OpQuant& b) { b.src_zp = 1; }));
  EXPECT_TRUE(refused([](OpQuant& b) { b.dst_zp = 1; }));
  EXPECT_TRUE(refused([](OpQuant& b) { b.wei_zp = {1}; }));
  EXPECT_TRUE(refused([](OpQuant& b) { b.wei_scale = {1, 1, 1}; }));
  EXPECT_TRUE(refused([](OpQuant& b) { b.wei_scale = {}; }));
  EXPECT_TRUE(refused([](OpQuant& b) { b.src_scale = 0; }));
  EXPECT_TRUE(refused([](OpQuant& b) { b.dst_scale = kInf; }));
  EXPECT_TRUE(refused([](OpQuant& b) { b.bias = {1, 2, 3}; }));
  EXPECT_TRUE(refused([](OpQuant& b) { b.clamp_lo = -1; }));
  EXPECT_TRUE(refused([](OpQuant& b) { b.clamp_hi = 256; }));
  EXPECT_TRUE(refused([](OpQuant& b) { b.clamp_lo = 9, b.clamp_hi = 8; }));
}

}  // namespace
}  // namespace octile
