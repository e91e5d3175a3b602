// run_op against the oracle, on the portable kernels and each instruction set's layouts.
// In:  seeded random ops.  Out: bit-equal answers.  Not here: packs (loader_test), times.
#include <gtest/gtest.h>

#include "runtime/exec/portable.h"
#include "tests/unit/runtime/exact_op.h"

namespace octile::runtime {
namespace {

constexpr uint64_t kSeed = 20261124;

// The kernel that ran.
std::string expect_exact(const KernelLibrary& library, Isa best, const test::OpCase& c, uint64_t index) {
  const size_t bytes = static_cast<size_t>(c.spec.dst_elements() * size_of(c.spec.dst));
  std::vector<uint8_t> want(bytes, 0xAA), got(bytes + 64, 0x55);
  EXPECT_TRUE(reference::run(c.spec, c.quant, c.src.data(), c.wei.data(), want.data()).ok());
  std::vector<Decision> decisions;
  const Status status = run_op(library, best, c.spec, c.quant, c.src.data(), c.wei.data(), got.data(), {}, &decisions);
  EXPECT_TRUE(status.ok()) << status.to_string() << "\n" << to_key(c.spec);
  if (decisions.empty()) {
    ADD_FAILURE() << "no kernel: " << to_key(c.spec);
    return "";
  }
  EXPECT_EQ(std::count(got.end() - 64, got.end(), 0x55), 64) << "wrote past the end: " << to_key(c.spec);
  got.resize(bytes);
  const auto at = std::mismatch(want.begin(), want.end(), got.begin());
  EXPECT_TRUE(at.first == want.end()) << "seed " << kSeed << " op " << index << " byte " << at.first - want.begin()
                                      << ": " << to_key(c.spec) << " kernel " << decisions[0].kernel;
  return decisions[0].kernel;
}

TEST(RunOp, PortableConvEqualsOracle) {
  const KernelLibrary library;
  test::RandomOps ops(kSeed);
  for (uint64_t i = 0; i < 400; ++i) expect_exact(library, Isa::portable, ops.fill(ops.conv()), i);
}

TEST(RunOp, PortableDenseEqualsOracle) {
  const KernelLibrary library;
  test::RandomOps ops(kSeed + 1);
  for (uint64_t i = 0; i < 200; ++i) expect_exact(library, Isa::portable, ops.fill(ops.dense()), i);
}

TEST(RunOp, PortableElementwiseEqualsOracle) {
  const KernelLibrary library;
  test::RandomOps ops(kSeed + 2);
  for (uint64_t i = 0; i < 200; ++i) expect_exact(library, Isa::portable, ops.fill(ops.elementwise()), i);
}

// Kernels of packs convert products below 2^31 only: where scales may make larger ones, they must not run.
TEST(RunOp, ProductsTooLargeToConvertTakePortableKernels) {
  KernelLibrary library;
  const packs::KernelEntry entry = test::dot_entry("k2n8w", "u8", "*", 1, 8);
  ASSERT_TRUE(library.add_kernel(entry, reinterpret_cast<void*>(portable_dot_k2n8w)).ok());
  const std::string line = "dense mb1m3k20n8 src=u8 wei=s8 bia=s32 dst=u8";
  test::OpCase c = test::RandomOps(kSeed + 3).fill(*parse_op(line));
  EXPECT_EQ(expect_exact(library, Isa::avx2, c, 0), entry.name);
  c.quant.dst_scale = 1e-4F;  // multipliers beyond 1, sums that stay small
  EXPECT_EQ(expect_exact(library, Isa::avx2, c, 1), entry.name);
  c.quant.dst_scale = 1e-9F;
  EXPECT_NE(expect_exact(library, Isa::avx2, c, 2), entry.name);
  // Channels of trained networks that are dead: a large multiplier and a large bias, but not of one channel.
  c = test::RandomOps(kSeed + 3).fill(*parse_op("dense mb1m3k20n8 src=u8 wei=s8:per_oc bia=s32 dst=u8"));
  c.quant.wei_scale.resize(8, c.quant.wei_scale[0]);
  c.spec.bias = true;
  c.quant.bias.resize(8);
  c.quant.wei_scale[3] = c.quant.dst_scale / c.quant.src_scale * 1e-18F;
  c.quant.bias[3] = -2'000'000'000;
  c.quant.wei_scale[5] = c.quant.dst_scale / c.quant.src_scale * 1.5F;
  EXPECT_EQ(expect_exact(library, Isa::avx2, c, 3), entry.name);
  c.quant.bias[5] = 2'000'000'000;
  EXPECT_NE(expect_exact(library, Isa::avx2, c, 4), entry.name);
}

packs::KernelEntry depthwise_entry(int stride, int tile_n) {
  packs::KernelEntry e;
  e.name = stride == 0 ? "any " + std::to_string(tile_n) : "stride " + std::to_string(stride);
  e.family = "depthwise";
  e.op = "*";
  e.target = std::string(target(Isa::avx512vnni).name);
  e.layout = "t4c";
  e.src = e.dst = "u8";
  e.tile_x = e.tile_y = 1;
  e.tile_n = tile_n;
  e.kh = e.kw = stride == 0 ? 0 : 3;
  e.sh = e.sw = stride;
  e.cand =
      stride == 0 ? "layout=t4c tile=x1y1n" + std::to_string(tile_n) : "layout=t4c tile=x1y1n32 kxy=3x3 unpack=lane";
  return e;
}

// Kernels for one stride of both axes serve others a row at a time, and pixels of few channels together.
TEST(RunOp, DepthwiseRowByRow) {
  KernelLibrary library;
  for (const auto& [stride, n] : {std::pair{0, 8}, {0, 16}, {1, 32}, {2, 32}, {4, 32}, {4, 64}}) {
    ASSERT_TRUE(library.add_kernel(depthwise_entry(stride, n), reinterpret_cast<void*>(portable_depthwise_t4c)).ok());
  }
  test::RandomOps ops(kSeed + 4);
  const std::string pads = "kh3kw3pt1pl1pb1pr1", types = " src=u8:zp wei=s8:per_oc dst=u8:zp";
  const auto kernel = [&](const std::string& shape, const std::string& geometry) {
    const test::OpCase c = ops.fill(*parse_op("conv2d " + shape + geometry + types));
    const auto op = PreparedOp::prepare(library, Isa::avx512vnni, c.spec, c.quant, c.wei.data());
    EXPECT_TRUE(op.ok());
    for (const int64_t pitch : {0, 3}) test::expect_exact(**op, c, pitch);
    test::expect_tails(**op, c, ops, 2);
    return expect_exact(library, Isa::avx512vnni, c, 0);
  };
  EXPECT_EQ(kernel("mb2g16ic16ih9iw8oc16", pads), "stride 4");
  EXPECT_EQ(kernel("mb1g16ic16ih9iw10oc16", "kh3kw3sh2pt1pl1pb1pr1"), "stride 2");
  EXPECT_EQ(kernel("mb2g8ic8ih5iw8oc8", pads), "stride 4");
  EXPECT_EQ(kernel("mb1g8ic8ih9iw12oc8", "kh3kw3sh2pt1pl1pb1pr1"), "stride 4");
  EXPECT_EQ(kernel("mb1g8ic8ih9iw10oc8", pads), "any 8");
  EXPECT_EQ(kernel("mb1g16ic16ih9iw7oc16", pads), "any 16");  // an odd pixel is left
  EXPECT_EQ(kernel("mb1g16ic16ih9iw8oc16", "kh3kw3dw2pt1pl2pb1pr2"), "any 16");
  EXPECT_EQ(kernel("mb2g64ic64ih9iw7oc64", "kh3kw3sh2pt1pl1pb1pr1"), "stride 1");
  EXPECT_EQ(kernel("mb1g64ic64ih9iw7oc64", "kh3kw3sw2pt1pl1pb1pr1"), "stride 2");
  EXPECT_EQ(kernel("mb1g64ic64ih9iw7oc64", "kh3kw3sh2dh2pt2pl1pb2pr1"), "any 16");
  EXPECT_EQ(kernel("mb1g64ic64ih9iw7oc64", pads), "stride 1");
}

// A few weights beyond s8 leave depthwise sums to kernels of bytes; what those leave out is added.
TEST(RunOp, DepthwiseSumsOfAFewWeightsBeyondBytes) {
  KernelLibrary library;
  for (const auto& [stride, n] : {std::pair{0, 8}, {0, 16}, {2, 32}}) {
    packs::KernelEntry entry = depthwise_entry(stride, n);
    entry.dst = "s32";
    ASSERT_TRUE(library.add_kernel(entry, reinterpret_cast<void*>(portable_depthwise_t4c)).ok());
  }
  test::RandomOps ops(kSeed + 5);
  const auto kernel = [&](const std::string& shape, const std::string& types, int beyond) {
    test::OpCase c = ops.fill(*parse_op("conv2d " + shape + types));
    const bool u8 = c.spec.wei == DType::u8;
    const int zero = u8 ? 110 : 20;
    for (int32_t& z : c.quant.wei_zp) z = zero;
    for (uint8_t& w : c.wei) w = static_cast<uint8_t>(zero + ops.pick(u8 ? -110 : -128, u8 ? 127 : 107));
    for (int i = 0; i < beyond; ++i) {  // apart, in one channel, in one filter's corners
      c.wei[static_cast<size_t>(i == 1 ? 8 : i * 37)] = u8 ? 255 : static_cast<uint8_t>(-128);
    }
    const auto op = PreparedOp::prepare(library, Isa::avx512vnni, c.spec, c.quant, c.wei.data());
    EXPECT_TRUE(op.ok());
    for (const int64_t pitch : {0, 3}) test::expect_exact(**op, c, pitch);
    return expect_exact(library, Isa::avx512vnni, c, 0);
  };
  const std::string pads = "kh3kw3pt1pl1pb1pr1", u8 = " src=u8:zp wei=u8:zp dst=s32";
  EXPECT_EQ(kernel("mb2g24ic24ih9iw8oc24" + pads, u8, 0), "any 16");
  EXPECT_EQ(kernel("mb2g24ic24ih9iw8oc24" + pads, u8, 3), "any 16");
  EXPECT_EQ(kernel("mb1g24ic24ih9iw8oc24kh3kw3sh2sw2dh2dw2pt2pl1pb2pr1", u8, 3), "any 16");
  EXPECT_EQ(kernel("mb1g16ic16ih9iw8oc16" + pads, u8, 2), "stride 2");  // pixels taken together
  EXPECT_EQ(kernel("mb1g24ic24ih9iw8oc24" + pads, " src=s8:zp wei=s8:zp:per_oc dst=s32", 2), "any 16");
  EXPECT_NE(kernel("mb1g24ic24ih9iw8oc24" + pads, u8, 4), "any 16");
  EXPECT_NE(kernel("mb1g24ic24ih9iw8oc24" + pads, " src=u8:zp wei=u8:zp dst=u8:zp", 3), "any 16");
}

}  // namespace
}  // namespace octile::runtime
