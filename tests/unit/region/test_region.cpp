// Regions of convolutions and elementwise ops, bit for bit against the oracle composed by hand.
// In:  drawn nets.  Out: verdicts.  Not here: matrices (test_region_dense), threads and shapes (test_region_runs).
#include <gtest/gtest.h>

#include "region_kit.h"

namespace octile::runtime::test {
namespace {

OpSpec depthwise(int64_t c, int64_t k, int64_t stride, int64_t pad) {
  OpSpec s = filter(c, c, k, pad, stride);
  s.g = c;
  return s;
}

TEST(Region, Chain) {
  for (DType type : {DType::u8, DType::s8}) {
    Kit kit(11);
    const int32_t zp = type == DType::u8 ? 131 : -5;
    int v = kit.input(type, 0.02F, zp);
    v = kit.conv(v, filter(3, 16, 3, 1, 2), type, zp);
    v = kit.conv(v, filter(16, 24, 1), type, 0);
    v = kit.conv(v, depthwise(24, 3, 1, 1), type, zp);
    v = kit.conv(v, filter(24, 10, 3, 1), type, 1);
    kit.output(v);
    check(kit, {{2, 3, 13, 17}});
  }
}

TEST(Region, DiamondWithOutputsInTheMiddle) {
  Kit kit(12);
  const int x = kit.input(DType::s8, 0.02F, 3);
  const int a = kit.conv(x, filter(8, 12, 3, 1), DType::s8, -7);
  const int b = kit.conv(a, filter(12, 20, 1), DType::u8, 9);
  OpSpec wide = filter(12, 20, 5, 2);
  const int c = kit.conv(a, wide, DType::s8, 0);
  const int d = kit.conv(b, filter(20, 7, 3, 1), DType::u8, 200);
  const int e = kit.conv(c, filter(20, 7, 1), DType::s8, 4);
  kit.output(e);
  kit.output(a);
  kit.output(d);
  check(kit, {{1, 8, 9, 11}});
}

TEST(Region, AsymmetricPadsStridesDilationGroups) {
  Kit kit(13);
  const int x = kit.input(DType::u8, 0.02F, 77);
  OpSpec s = filter(6, 9, 3);
  s.g = 3;
  s.kw = 2;
  s.pt = 2;
  s.pl = 0;
  s.pb = 1;
  s.pr = 3;
  s.sh = 2;
  int v = kit.conv(x, s, DType::u8, 13);
  OpSpec dilated = filter(9, 16, 3, 2);
  dilated.dh = dilated.dw = 2;
  v = kit.conv(v, dilated, DType::s8, -128);
  v = kit.conv(v, depthwise(16, 5, 2, 1), DType::s8, 127);
  kit.output(v);
  check(kit, {{1, 6, 15, 12}});
}

// A halo above and below alone leaves no gaps between rows, so all pixels of the source are written as one row.
TEST(Region, TallFiltersBehindPointwiseOnes) {
  for (const int64_t k : {3, 7}) {
    Kit kit(24);
    OpSpec tall = filter(24, 16, 1);
    tall.kh = k;
    tall.pt = k / 2;
    tall.pb = k / 2;
    const int x = kit.conv(kit.input(DType::u8, 0.02F, 3), filter(6, 24, 1), DType::s8, 9);
    kit.output(kit.conv(x, tall, DType::u8, 5));
    for (const Shape& shape : {Shape{1, 6, 17, 17}, Shape{1, 6, 8, 2}, Shape{1, 6, 1, 9}, Shape{2, 6, 9, 12}}) {
      for (const int threads : {1, 3})
        check(kit, *make(kit.desc, Isa::avx512vnni, threads), {shape}, test_threads(threads));
    }
  }
}

TEST(Region, OneDimension) {
  Kit kit(14);
  int v = kit.input(DType::s8, 0.02F, -9);
  OpSpec s;
  s.ic = 5;
  s.oc = 18;
  s.kw = 3;
  s.pl = s.pr = 1;
  v = kit.conv(v, s, DType::s8, 2, 1);
  OpSpec t = s;
  t.ic = t.oc = t.g = 18;
  t.sw = 2;
  v = kit.conv(v, t, DType::u8, 30, 1);
  kit.output(v);
  check(kit, {{3, 5, 29}});
}

TEST(Region, AutoPad) {
  for (const char* mode : {"SAME_UPPER", "SAME_LOWER", "VALID"}) {
    SCOPED_TRACE(mode);
    Kit kit(15);
    int v = kit.input(DType::u8, 0.02F, 5);
    OpSpec s = filter(4, 8, 4, 0, 2);
    s.kw = 3;
    v = kit.conv(v, s, DType::u8, 6, 2, mode);
    OpSpec dilated = filter(8, 8, 2);
    dilated.dh = dilated.dw = 2;
    kit.output(kit.conv(v, dilated, DType::s8, -1, 2, mode));
    const auto region = make(kit.desc);
    for (int64_t h = 10; h < 14; ++h) check(kit, *region, {{1, 4, h, h + 3}});
  }
}

TEST(Region, QuantizedEnds) {
  for (DType type : {DType::u8, DType::s8}) {
    Kit kit(16);
    const int x = kit.input(DType::f32);
    const int q = kit.quantize(x, type, 0.02F, type == DType::u8 ? 120 : -8);
    const int a = kit.conv(q, filter(3, 20, 3, 1), type, 3);
    const int b = kit.conv(a, filter(20, 6, 3, 1, 2), type, -0);
    kit.output(kit.dequantize(b));
    kit.output(kit.dequantize(a));
    kit.output(q);
    check(kit, {{2, 3, 14, 9}});
    check(kit, {{1, 3, 2, 2}});
  }
}

TEST(Region, FloatInsideTheRegion) {
  Kit kit(17);
  const int x = kit.input(DType::u8, 0.02F, 3);
  const int a = kit.conv(x, filter(4, 11, 3, 1), DType::s8, 3);
  const int f = kit.dequantize(a);
  const int b = kit.quantize(f, DType::u8, 0.9F, 17);
  kit.output(kit.conv(b, filter(11, 4, 3, 1), DType::u8, 0));
  kit.output(f);
  check(kit, {{1, 4, 8, 9}});
}

TEST(Region, RequantizeAndAccumulators) {
  Kit kit(18);
  const int x = kit.input(DType::u8, 0.02F, 3);
  const int acc = kit.conv(x, filter(8, 10, 3, 1), DType::s32, 0);
  const int q = kit.requantize(acc, DType::s8, 700.0F, 5, 10);
  kit.output(kit.conv(q, filter(10, 4, 3, 1), DType::u8, 128));
  kit.output(acc);
  const int y = kit.input(DType::s8, 0.5F, 1);
  kit.output(kit.requantize(y, DType::u8, 0.7F, 100));
  check(kit, {{2, 8, 6, 7}, {3, 5}});
}

TEST(Region, OnePixelAndOneChannelNeedNoTurning) {
  Kit kit(19);
  const int x = kit.input(DType::u8);
  const int a = kit.conv(x, filter(32, 16, 1), DType::u8, 0);
  kit.output(kit.conv(a, filter(16, 24, 1), DType::u8, 9));
  kit.output(kit.conv(a, filter(16, 1, 1), DType::u8, 50));
  const auto region = make(kit.desc);
  check(kit, *region, {{3, 32, 1, 1}});
  check(kit, *region, {{1, 32, 5, 6}});
  check(kit, *region, {{1, 32, 1, 7}});
}

TEST(Region, InputsReadByManyKinds) {
  Kit kit(20);
  const int x = kit.input(DType::f32);
  const int image = kit.quantize(x, DType::s8, 0.02F, 1);
  kit.output(kit.conv(image, filter(4, 6, 3, 1), DType::s8, 0));
  const int matrix = kit.quantize(x, DType::u8, 0.03F, 100);
  kit.output(kit.dense(matrix, 10, 8, DType::u8, 4));
  check(kit, {{2, 4, 6, 10}});
}

TEST(Region, EveryIsaGivesTheSame) {
  for (Isa isa : {Isa::portable, Isa::x86_64_v2, Isa::avx2, Isa::avx512vnni}) {
    Kit kit(21);
    const int x = kit.input(DType::f32);
    const int q = kit.quantize(x, DType::s8, 0.02F, 11);
    kit.output(kit.dequantize(kit.conv(q, filter(5, 33, 3, 1), DType::s8, 4)));
    const auto region = make(kit.desc, isa);
    check(kit, *region, {{1, 5, 20, 21}});
  }
}

TEST(Region, RandomNets) {
  for (uint32_t seed = 100; seed < 140; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    Kit kit(seed);
    const auto pick = [&](int64_t lo, int64_t hi) { return lo + static_cast<int64_t>(random() % (hi - lo + 1)); };
    const auto type = [&] { return random() % 2 == 0 ? DType::u8 : DType::s8; };
    const auto zp = [&](DType t) { return static_cast<int32_t>(random() % 256) + qmin_of(t); };
    struct Live {
      int value;
      int64_t channels;
    };
    std::vector<Live> live;
    const int64_t ic = pick(1, 20);
    const DType in = type();
    live.push_back({kit.input(in, 0.02F, zp(in)), ic});
    for (int64_t i = pick(2, 6); i > 0; --i) {
      const Live from = live[random() % live.size()];
      const DType to = type();
      const int64_t k = pick(0, 1) * 2 + 1;
      const bool dw = random() % 3 == 0;
      OpSpec s = dw ? depthwise(from.channels, k, 1, k / 2) : filter(from.channels, pick(1, 40), k, k / 2);
      live.push_back({kit.conv(from.value, s, to, zp(to)), s.oc});
      if (random() % 3 == 0) kit.output(live.back().value);
    }
    if (kit.desc.outputs.empty() || kit.desc.outputs.back() != live.back().value) kit.output(live.back().value);
    check(kit, {{pick(1, 2), ic, pick(1, 12), pick(1, 20)}});
  }
}

}  // namespace
}  // namespace octile::runtime::test
