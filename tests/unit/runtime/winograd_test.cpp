// Winograd against the oracle, on kernels that are portable ones under another name, so on every machine.
// In:  seeded ops of odd extents, pads, channels and extreme weights.  Out: GoogleTest's verdict.
// Not here: packs (tests/conformance), speed.
#include "runtime/exec/winograd.h"

#include <gtest/gtest.h>

#include "runtime/exec/portable.h"
#include "tests/unit/runtime/exact_op.h"

namespace octile::runtime {
namespace {

constexpr uint64_t kSeed = 20261127;

// The kernels of AVX2, or those of AVX-512.
struct Fake {
  KernelLibrary library;
  Isa isa;
  explicit Fake(const char* exact = nullptr, Isa of = Isa::avx2) : isa(of) {
    const bool wide = of == Isa::avx512vnni;
    const char* const direct = wide ? "k4n16" : "k2n8w";
    add(test::dot_entry(direct, "u8", "*", 1, wide ? 16 : 8));
    for (const int n : {8, 16}) {
      for (const int x : {1, 4}) add(test::dot_entry(wide ? "k2n16w" : "k2n8w", "s32", "*", x, n));
    }
    if (exact != nullptr) add(test::dot_entry(direct, "u8", exact, 1, wide ? 16 : 8));
  }
  void add(const packs::KernelEntry& e) {
    const auto fn = e.layout == "k4n16"    ? portable_dot_k4n16
                    : e.layout == "k2n16w" ? portable_dot_k2n16w
                                           : portable_dot_k2n8w;
    EXPECT_TRUE(library.add_kernel(e, reinterpret_cast<void*>(fn)).ok());
  }
};

OpSpec conv(test::RandomOps& ops) {
  OpSpec s;
  s.kind = OpKind::conv2d;
  ops.types(s);
  s.kh = s.kw = 3;
  s.mb = ops.pick(1, 2);
  s.ic = ops.pick(1, 40);
  s.oc = ops.pick(0, 3) == 0 ? ops.pick(60, 150) : ops.pick(1, 40);
  s.ih = ops.pick(1, 13);
  s.iw = ops.pick(1, 13);
  s.pt = ops.pick(0, 2);
  s.pl = ops.pick(0, 2);
  s.pb = ops.pick(0, 2);
  s.pr = ops.pick(0, 2);
  s.ih = std::max(s.ih, 3 - s.pt - s.pb);
  s.iw = std::max(s.iw, 3 - s.pl - s.pr);
  return s;
}

std::unique_ptr<PreparedOp> make(const Fake& fake, const test::OpCase& c, int tile) {
  auto op = Winograd::make(fake.library, fake.isa, c.spec, c.quant, c.wei.data(), tile);
  EXPECT_TRUE(op.ok()) << op.status().to_string();
  return std::move(*op);
}

std::string reason(const PreparedOp& op, const OpSpec& s) {
  const auto choice = op.choose(s, 1);
  EXPECT_TRUE(choice.ok());
  return op.explain(**choice)[0].reason;
}

TEST(Winograd, EqualsTheOracle) {
  const Fake fake, wide(nullptr, Isa::avx512vnni);
  test::RandomOps ops(kSeed);
  for (int i = 0; i < 150; ++i) {
    const test::OpCase c = ops.fill(conv(ops));
    for (const int tile : {2, 4}) test::expect_exact(*make(fake, c, tile), c, ops.pick(0, 1) * ops.pick(0, 9));
    test::expect_exact(*make(wide, c, 4), c, ops.pick(0, 1) * ops.pick(0, 9));
  }
}

TEST(Winograd, IsExactForTheLargestSums) {
  const Fake fake, wide(nullptr, Isa::avx512vnni);
  test::RandomOps ops(kSeed + 1);
  for (const char* line : {"conv2d mb1g1ic64ih7iw5oc9kh3kw3pt1pl1pb1pr1 src=u8 wei=s8 dst=u8",
                           "conv2d mb1g1ic100ih9iw6oc17kh3kw3pt1pl1pb1pr1 src=u8 wei=s8 dst=s32",
                           "conv2d mb1g1ic50ih6iw6oc8kh3kw3pt1pl1pb1pr1 src=s8:zp wei=u8:zp dst=s32"}) {
    for (int i = 0; i < 16; ++i) {
      test::OpCase c = ops.fill(*parse_op(line));
      for (uint8_t& v : c.src) v = i % 2 == 0 ? 255 : ops.coin() ? 255 : 0;
      for (uint8_t& v : c.wei) v = i % 4 < 2 ? (i < 8 ? 128 : 127) : ops.coin() ? 128 : 127;
      if (c.spec.wei_zp) c.quant.wei_zp[0] = i < 8 ? 0 : 255;
      for (const int tile : {2, 4}) test::expect_exact(*make(fake, c, tile), c, 0);
      if (const auto op = make(wide, c, 4); op != nullptr) test::expect_exact(*op, c, 0);
    }
  }
}

TEST(Winograd, TakesSmallerTilesOrNoneWhereSumsAreTooLarge) {
  const Fake fake;
  test::RandomOps ops(kSeed + 2);
  const auto draw = [&](int64_t ic) {
    const std::string size = "ic" + std::to_string(ic);
    test::OpCase c = ops.fill(*parse_op("conv2d mb1g1" + size + "ih4iw4oc1kh3kw3 src=u8 wei=u8 dst=s32"));
    c.wei.assign(c.wei.size(), 255);
    return c;
  };
  // 2^25 / (9 * 255 * 255) = 57.3; 2^29 is 16 times that.
  const test::OpCase first = draw(57), second = draw(58), third = draw(917);
  EXPECT_EQ(reason(*make(fake, first, 4), first.spec), "winograd 4x4");
  EXPECT_EQ(reason(*make(fake, second, 4), second.spec), "winograd 2x2");
  test::expect_exact(*make(fake, second, 4), second, 0);
  test::expect_exact(*make(fake, third, 2), third, 0);
  EXPECT_EQ(make(fake, draw(918), 4), nullptr);
  const Fake wide(nullptr, Isa::avx512vnni);
  EXPECT_EQ(reason(*make(wide, first, 4), first.spec), "winograd 4x4");
  test::expect_exact(*make(wide, first, 4), first, 0);
  EXPECT_EQ(make(wide, second, 4), nullptr);  // direct kernels are as good as tiles of 2x2 there
}

TEST(Winograd, TailsSeeTheCodesOfTheirCrop) {
  const Fake fake;
  test::RandomOps ops(kSeed + 3);
  for (int i = 0; i < 40; ++i) {
    OpSpec s = conv(ops);
    if (s.dst == DType::s32) s.dst = DType::u8;
    const test::OpCase c = ops.fill(s);
    test::expect_tails(*make(fake, c, i % 2 == 0 ? 2 : 4), c, ops, ops.pick(0, 5));
  }
}

TEST(Winograd, IsChosenWhereInt16ProductsAreTheBest) {
  const auto chosen = [](const KernelLibrary& library, Isa best, const std::string& line, bool whole = false) {
    return Winograd::may_run(library.kernels(), best, whole, *parse_op(line));
  };
  const std::string tail = " src=u8:zp wei=s8 dst=u8:zp", conv = "conv2d mb1g1ic64ih28iw28oc64kh3kw3";
  const std::string key = to_key(*parse_op(conv + tail));
  const Fake fake, tuned(key.c_str());
  EXPECT_TRUE(chosen(fake.library, Isa::avx2, conv + tail));
  EXPECT_TRUE(chosen(fake.library, Isa::avx2, "conv2d mb1g1ic512ih7iw7oc512kh3kw3" + tail));
  EXPECT_FALSE(chosen(fake.library, Isa::portable, conv + tail));
  EXPECT_FALSE(chosen(KernelLibrary(), Isa::avx2, conv + tail));
  const Fake wide(nullptr, Isa::avx512vnni), tuned_wide(key.c_str(), Isa::avx512vnni);
  EXPECT_TRUE(chosen(wide.library, Isa::avx512vnni, conv + tail));
  EXPECT_FALSE(chosen(wide.library, Isa::avx512vnni, "conv2d mb1g1ic512ih7iw7oc512kh3kw3" + tail));
  EXPECT_FALSE(chosen(wide.library, Isa::avx2, conv + tail));
  // Two vpdpbusd a cycle leave it the few channels that direct tiles do not fit.
  EXPECT_FALSE(chosen(wide.library, Isa::avx512vnni, conv + tail, true));
  EXPECT_TRUE(chosen(wide.library, Isa::avx512vnni, "conv2d mb1g1ic96ih40iw40oc24kh3kw3" + tail, true));
  EXPECT_TRUE(chosen(fake.library, Isa::avx2, conv + tail, true));
  EXPECT_FALSE(chosen(tuned_wide.library, Isa::avx512vnni, conv + tail));
  EXPECT_FALSE(chosen(tuned.library, Isa::avx2, conv + tail));
  EXPECT_FALSE(chosen(tuned.library, Isa::avx2, "conv2d mb1g1ic64ih3iw3oc64kh3kw3" + tail));
  EXPECT_TRUE(chosen(tuned.library, Isa::avx2, "conv2d mb1g1ic64ih3iw3oc32kh3kw3" + tail));
  for (const char* other : {"conv2d mb1g1ic64ih28iw28oc64kh3kw3sh2sw2", "conv2d mb1g1ic64ih28iw28oc64kh3kw3dh2dw2",
                            "conv2d mb1g2ic64ih28iw28oc64kh3kw3", "conv2d mb1g1ic64ih28iw28oc64kh1kw3",
                            "conv2d mb1g1ic3ih28iw28oc64kh3kw3", "conv2d mb1g1ic64ih28iw28oc4kh3kw3"}) {
    EXPECT_FALSE(chosen(fake.library, Isa::avx2, other + tail)) << other;
  }
  test::RandomOps ops(kSeed + 4);
  const test::OpCase c = ops.fill(*parse_op(conv + tail));
  const auto op = PreparedOp::prepare(fake.library, Isa::avx2, c.spec, c.quant, c.wei.data());
  ASSERT_TRUE(op.ok());
  EXPECT_EQ(reason(**op, c.spec), "winograd 4x4");
  // A kernel tuned for small weights serves those alone.
  const test::OpCase small = ops.fill(c.spec, 31);
  Fake for_small;
  for (const OpSpec& s : {c.spec, small.spec}) for_small.add(test::dot_entry("k4n8", "u8", to_key(s).c_str(), 1, 8));
  EXPECT_NE(make(for_small, c, 4), nullptr);
  EXPECT_EQ(make(for_small, small, 4), nullptr);
  EXPECT_NE(make(fake, small, 4), nullptr);
}

}  // namespace
}  // namespace octile::runtime
