// The oracle against published answers and against a second, differently written convolution.
// In:  small tensors.  Out: assertions.
// Not here: kernels.
#include "workload/reference/reference.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace octile {
namespace {

template <class Dst, class Src, class Wei>
std::vector<Dst> run(std::string_view line, const OpQuant& q, const std::vector<Src>& src,
                     const std::vector<Wei>& wei) {
  const Result<OpSpec> spec = parse_op(line);
  EXPECT_TRUE(spec.ok()) << spec.status().to_string();
  EXPECT_EQ(src.size(), static_cast<size_t>(spec->src_elements()));
  EXPECT_EQ(wei.size(), static_cast<size_t>(spec->wei_elements()));
  std::vector<Dst> dst(static_cast<size_t>(spec->dst_elements()));
  const Status status = reference::run(*spec, q, src.data(), wei.data(), dst.data());
  EXPECT_TRUE(status.ok()) << status.to_string();
  return dst;
}

// The qlinearconv case of the ONNX node tests.
TEST(Reference, OnnxQLinearConvRow) {
  OpQuant q;
  q.src_scale = 0.00369204697F, q.src_zp = 132;
  q.wei_scale = {0.00172794575F}, q.wei_zp = {255};
  q.dst_scale = 0.00162681262F, q.dst_zp = 123;
  const auto dst = run<uint8_t>("conv2d ih1iw7 src=u8:zp wei=u8:zp dst=u8:zp", q,
                                std::vector<uint8_t>{255, 174, 162, 25, 203, 168, 58}, std::vector<uint8_t>{0});
  EXPECT_EQ(dst, (std::vector<uint8_t>{0, 81, 93, 230, 52, 87, 197}));
}

TEST(Reference, UnsignedTimesSignedWithBothZeroPoints) {
  OpQuant q;
  q.src_zp = 42;
  q.wei_zp = {-26};
  const auto dst = run<int32_t>("dense m3k3n3 src=u8:zp wei=s8:zp dst=s32", q,
                                std::vector<uint8_t>{238, 115, 94, 245, 111, 102, 158, 225, 48},
                                std::vector<int8_t>{25, 36, 125, 42, -123, 76, -81, -86, 35});
  EXPECT_EQ(dst, (std::vector<int32_t>{12100, 1951, 40214, 11745, 2293, 41351, 18030, -10919, 36548}));
}

// Sums that saturate int16 pairs on the way: 64770 and -3132.
TEST(Reference, NoSaturationOnTheWay) {
  EXPECT_EQ(run<int32_t>("dense k2 dst=s32", OpQuant(), std::vector<uint8_t>{255, 255}, std::vector<int8_t>{127, 127}),
            (std::vector<int32_t>{64770}));
  EXPECT_EQ(run<int32_t>("dense k3 dst=s32", OpQuant(), std::vector<uint8_t>{210, 198, 234},
                         std::vector<int8_t>{-81, -80, 127}),
            (std::vector<int32_t>{-3132}));
  EXPECT_EQ(run<int32_t>("dense k3 dst=s32", OpQuant(), std::vector<uint8_t>{210, 198, 234},
                         std::vector<int8_t>{-80, -80, 127}),
            (std::vector<int32_t>{-2922}));
}

TEST(Reference, PerChannelScalesZeroPointsAndBias) {
  OpQuant q;
  q.src_scale = 0.5F;
  q.wei_scale = {1.0F, 2.0F, 4.0F};
  q.wei_zp = {1, 2, 3};
  q.bias = {10, 20, 30};
  q.clamp_lo = -128, q.clamp_hi = 127;
  const auto dst = run<int8_t>("conv2d ic2oc3 src=s8 wei=s8:zp:per_oc bia=s32 dst=s8", q, std::vector<int8_t>{-3, 5},
                               std::vector<int8_t>{1, 2, 3, 4, 5, 6});
  // acc = 5 + 10, -3 + 10 + 20, -6 + 15 + 30; times 0.5, 1, 2; 7.5 is a tie.
  EXPECT_EQ(dst, (std::vector<int8_t>{8, 27, 78}));
}

TEST(Reference, RequantizeQuantizeDequantize) {
  OpQuant q;
  q.src_scale = 0.25F;
  q.wei_scale = {1.0F, 4.0F};
  q.src_zp = -1;
  q.dst_zp = 7;
  EXPECT_EQ(run<uint8_t>("requantize m2c2 src=s32:zp mult=per_c dst=u8:zp", q,
                         std::vector<int32_t>{1, 1, -1000000, 1000000}, std::vector<int8_t>()),
            (std::vector<uint8_t>{7, 9, 0, 255}));
  OpQuant f;
  f.dst_scale = 0.5F;
  f.dst_zp = -3;
  f.clamp_lo = -128, f.clamp_hi = 127;
  EXPECT_EQ(
      run<int8_t>("quantize c4 dst=s8:zp", f, std::vector<float>{0.25F, 0.75F, -1e9F, 1e9F}, std::vector<int8_t>()),
      (std::vector<int8_t>{-3, -1, -128, 127}));
  OpQuant d;
  d.src_scale = 0.02F;
  EXPECT_EQ(run<float>("dequantize c4 src=s8", d, std::vector<int8_t>{12, -45, 7, -3}, std::vector<int8_t>()),
            (std::vector<float>{12 * 0.02F, -45 * 0.02F, 7 * 0.02F, -3 * 0.02F}));
}

TEST(Reference, DenseBatchesAndVariableWeights) {
  const std::vector<uint8_t> src{1, 2, 3, 4};
  EXPECT_EQ(run<int32_t>("dense mb2k2n2 dst=s32", OpQuant(), src, std::vector<int8_t>{1, 2, 3, 4}),
            (std::vector<int32_t>{7, 10, 15, 22}));
  EXPECT_EQ(
      run<int32_t>("dense mb2k2n2 wei=s8:var dst=s32", OpQuant(), src, std::vector<int8_t>{1, 2, 3, 4, -1, -2, -3, -4}),
      (std::vector<int32_t>{7, 10, -15, -22}));
}

// Scatter instead of gather: every source pixel is added to the outputs it reaches. The padding is materialised.
std::vector<int32_t> scatter_conv(const OpSpec& s, const OpQuant& q, const std::vector<uint8_t>& src,
                                  const std::vector<int8_t>& wei) {
  const int64_t h = s.ih + s.pt + s.pb, w = s.iw + s.pl + s.pr, icg = s.ic / s.g, ocg = s.oc / s.g;
  std::vector<int32_t> dst(static_cast<size_t>(s.dst_elements()));
  for (int64_t b = 0; b < s.mb; ++b)
    for (int64_t y = 0; y < h; ++y)
      for (int64_t x = 0; x < w; ++x)
        for (int64_t i = 0; i < s.ic; ++i) {
          const int64_t iy = y - s.pt, ix = x - s.pl;
          const bool inside = iy >= 0 && iy < s.ih && ix >= 0 && ix < s.iw;
          const int32_t a = inside ? src[static_cast<size_t>(((b * s.ih + iy) * s.iw + ix) * s.ic + i)] : q.src_zp;
          for (int64_t ky = 0; ky < s.kh; ++ky)
            for (int64_t kx = 0; kx < s.kw; ++kx) {
              const int64_t ty = y - ky * s.dh, tx = x - kx * s.dw;
              if (ty < 0 || tx < 0 || ty % s.sh != 0 || tx % s.sw != 0) continue;
              if (ty / s.sh >= s.oh() || tx / s.sw >= s.ow()) continue;
              for (int64_t o = i / icg * ocg; o < (i / icg + 1) * ocg; ++o) {
                const int32_t v = wei[static_cast<size_t>(((o * icg + i % icg) * s.kh + ky) * s.kw + kx)];
                dst[static_cast<size_t>(((b * s.oh() + ty / s.sh) * s.ow() + tx / s.sw) * s.oc + o)] +=
                    (a - q.src_zp) * (v - q.wei_zp[0]);
              }
            }
        }
  return dst;
}

TEST(Reference, ConvGeometryAgainstScatter) {
  std::mt19937 rng(1);
  for (const char* shape :
       {"mb2ic3ih5iw6oc4kh3kw3pt1pl1pb1pr1", "g2ic4ih7iw7oc6kh3kw2sh2sw3pt2pl0pb1pr3", "ic5ih9iw8oc3kh3kw3dh2dw3pl4",
        "g6ic6ih6iw6oc6kh5kw5pt2pl2pb2pr2sh2sw2", "ic7ih1iw11oc5kh1kw4pl3", "g3ic3ih4iw4oc6kh2kw2pb5pr5"}) {
    const std::string line = std::string("conv2d ") + shape + " src=u8:zp wei=s8:zp dst=s32";
    const OpSpec s = *parse_op(line);
    std::vector<uint8_t> src(static_cast<size_t>(s.src_elements()));
    std::vector<int8_t> wei(static_cast<size_t>(s.wei_elements()));
    for (auto& v : src) v = static_cast<uint8_t>(rng());
    for (auto& v : wei) v = static_cast<int8_t>(rng());
    OpQuant q;
    q.src_zp = 201;
    q.wei_zp = {-7};
    EXPECT_EQ((run<int32_t>(line, q, src, wei)), scatter_conv(s, q, src, wei)) << line;
  }
}

TEST(Reference, RefusesBadSpecsAndValues) {
  OpSpec s;
  s.kh = 9;
  EXPECT_FALSE(reference::run(s, OpQuant(), nullptr, nullptr, nullptr).ok());
  OpQuant q;
  q.src_zp = 5;
  EXPECT_FALSE(reference::run(OpSpec(), q, nullptr, nullptr, nullptr).ok());
}

}  // namespace
}  // namespace octile
