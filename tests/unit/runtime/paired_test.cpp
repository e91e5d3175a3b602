// Pairs of weights that cannot leave int16, and ops in their order against the oracle, on portable kernels under
// another name, so on every machine. In:  seeded weights and ops.  Out: GoogleTest's verdict. Not here: packs
// (tests/conformance), speed.
#include "runtime/exec/paired.h"

#include <gtest/gtest.h>

#include "runtime/exec/pairing.h"
#include "runtime/exec/portable.h"
#include "tests/support/guarded.h"
#include "tests/unit/runtime/exact_op.h"

namespace octile::runtime {
namespace {

constexpr uint64_t kSeed = 20261128;

using Rows = std::vector<std::array<int, kPairChannels>>;  // -255 to 254

PairedRows paired(const Rows& rows) {
  std::vector<int8_t> kept;
  PairedRows more, out;
  for (size_t k = 0; k < rows.size(); ++k) {
    const auto fits = [](int v) { return v >= -128 && v <= 127; };
    const bool all = std::all_of(rows[k].begin(), rows[k].end(), fits);
    if (!all) more.element.push_back(static_cast<int32_t>(k));
    for (const int v : rows[k]) {
      kept.push_back(static_cast<int8_t>(std::clamp(v, -128, 127)));
      if (!all) more.weights.push_back(static_cast<int8_t>(v - kept.back()));
    }
  }
  pair_rows(ops_for(Isa::avx512vnni), kept.data(), static_cast<int64_t>(rows.size()), kPairChannels, more, out);
  EXPECT_TRUE(more.element.empty() && more.weights.empty());
  return out;
}

// Neighbours are safe, and all rows of an element sum to what it had.
void expect_paired(const Rows& rows, size_t most = 2) {
  const PairedRows out = paired(rows);
  ASSERT_EQ(out.element.size() % 2, 0U);
  ASSERT_LE(out.element.size(), most * (rows.size() + 1));
  ASSERT_EQ(out.weights.size(), out.element.size() * kPairChannels);
  std::vector<std::array<int, kPairChannels>> sums(rows.size());
  for (size_t i = 0; i < out.element.size(); ++i) {
    const int8_t* const row = &out.weights[i * kPairChannels];
    const int8_t* const pair = &out.weights[(i ^ 1) * kPairChannels];
    for (size_t c = 0; c < kPairChannels; ++c) {
      EXPECT_LE(std::max<int>(row[c], 0) + std::max<int>(pair[c], 0), 128);
      EXPECT_GE(std::min<int>(row[c], 0) + std::min<int>(pair[c], 0), -128);
      if (out.element[i] < 0) {
        EXPECT_EQ(row[c], 0);
      } else {
        sums[static_cast<size_t>(out.element[i])][c] += row[c];
      }
    }
  }
  for (size_t k = 0; k < rows.size(); ++k) {
    for (size_t c = 0; c < kPairChannels; ++c) EXPECT_EQ(sums[k][c], rows[k][c]) << k << " " << c;
  }
}

TEST(Pairing, NeighboursAreSafeAndNothingIsLost) {
  test::RandomOps draw(kSeed);
  for (int i = 0; i < 400; ++i) {
    const auto channels = static_cast<int>(draw.pick(1, kPairChannels));
    const int64_t bound = i % 4 == 0 ? 128 : draw.pick(1, 127);
    Rows rows(static_cast<size_t>(draw.pick(1, 2 * kPairRows + 9)));
    for (auto& row : rows) {
      for (int c = 0; c < channels; ++c) {
        const int64_t v = i % 3 == 0 ? draw.pick(-bound, bound) / draw.pick(1, 8) : draw.pick(-bound, bound);
        row[static_cast<size_t>(c)] = static_cast<int>(std::min<int64_t>(v, 127));
        if (i % 5 == 0 && draw.pick(0, 20) == 0) row[static_cast<size_t>(c)] = static_cast<int>(draw.pick(-255, 254));
      }
    }
    expect_paired(rows, i % 5 == 0 ? 4 : 2);
  }
  Rows extreme(kPairRows + 1);
  for (auto& row : extreme) row.fill(-128);
  expect_paired(extreme);
}

// Two rows fit each other and nobody else: found even where the first choice would be another's only one.
TEST(Pairing, FindsTheMostPairs) {
  Rows rows(4);
  // A path of four: 0-1, 1-2, 2-3; channels forbid the other pairs.
  auto forbid = [&, channel = size_t{0}](size_t a, size_t b) mutable {
    rows[a][channel] = rows[b][channel] = 100;
    ++channel;
  };
  forbid(0, 2);
  forbid(0, 3);
  forbid(1, 3);
  EXPECT_EQ(paired(rows).element.size(), 4U);
}

struct Fake {
  KernelLibrary library;
  Fake() {
    for (const char* dst : {"u8", "s32"}) {
      for (const int n : {8, 16}) {
        for (const int x : {1, 4}) add(test::dot_entry("k4n8", dst, "*", x, n), portable_dot_k4n8);
      }
      add(test::dot_entry("k2n8w", dst, "*", 1, 8), portable_dot_k2n8w);
    }
  }
  void add(const packs::KernelEntry& e, octile_dot_fn fn) {
    EXPECT_TRUE(library.add_kernel(e, reinterpret_cast<void*>(fn)).ok());
  }
};

std::unique_ptr<PreparedOp> make(const Fake& fake, const test::OpCase& c) {
  if (!Paired::may_run(fake.library.kernels(), Isa::avx2, c.spec)) return nullptr;
  auto op = Paired::make(fake.library, Isa::avx2, c.spec, c.quant, c.wei.data());
  EXPECT_TRUE(op.ok()) << op.status().to_string();
  return std::move(*op);
}

TEST(Paired, EqualsTheOracle) {
  const Fake fake;
  test::RandomOps ops(kSeed + 1);
  int ran = 0;
  for (int i = 0; i < 600; ++i) {
    // Wide enough for unsafe pairs, which the order the weights have would hold, and some that stay.
    const test::OpCase c = ops.fill(i % 3 == 0 ? ops.dense() : ops.conv(), static_cast<int>(ops.pick(65, 74)));
    if (c.spec.depthwise() || c.spec.wei_var) continue;
    const auto op = make(fake, c);
    if (op == nullptr) continue;
    ++ran;
    for (const int threads : {1, 4}) {
      const auto choice = op->choose(c.spec, threads);
      ASSERT_TRUE(choice.ok()) << choice.status().to_string();
      EXPECT_EQ(op->explain(**choice)[0].reason, "paired");
    }
    test::expect_exact(*op, c, ops.pick(0, 1) * ops.pick(0, 9));
  }
  EXPECT_GT(ran, 60) << "of 600";
}

// Weights of a zero point beside the middle, as quantizers choose it from the least and the largest: few leave s8.
TEST(Paired, WhatDoesNotFitS8IsAFurtherRow) {
  const Fake fake;
  test::RandomOps ops(kSeed + 4);
  for (const char* line : {"dense mb1m5k70n64 src=u8:zp wei=u8:zp dst=s32", "dense mb1m5k64n64 src=s8 wei=s8:zp dst=u8",
                           "conv2d mb1g1ic24ih5iw4oc64kh3kw3pt1pl1pb1pr1 src=u8 wei=u8:zp dst=u8"}) {
    test::OpCase c = ops.fill(*parse_op(line));
    const bool is_signed = c.spec.wei == DType::s8, dense = c.spec.kind == OpKind::dense;
    const int32_t zp = is_signed ? 9 : 119;
    for (int32_t& z : c.quant.wei_zp) z = zp;
    const size_t inner = c.wei.size() / (dense ? static_cast<size_t>(c.spec.k) : static_cast<size_t>(c.spec.oc));
    for (size_t i = 0; i < c.wei.size(); ++i) {
      const size_t row = dense ? i / inner : i % inner, channel = dense ? i % inner : i / inner;
      const bool far = row == 3 && channel % 8 == 0;
      c.wei[i] = static_cast<uint8_t>(far ? (is_signed ? -128 : 255) : zp + ops.pick(-60, 60));
    }
    const auto op = make(fake, c);
    ASSERT_NE(op, nullptr) << line;
    test::expect_exact(*op, c, 1);
  }
}

// Memory of a host ends where its rows end.
TEST(Paired, ReadsNothingAfterRowsOfSixteenAndMore) {
  const Fake fake;
  test::RandomOps ops(kSeed + 3);
  for (const int k : {16, 20, 24, 36, 60}) {
    const OpSpec spec = *parse_op("dense mb1m5k" + std::to_string(k) + "n64 src=u8 wei=s8 dst=u8");
    const test::OpCase c = ops.fill(spec, 66);
    const auto op = make(fake, c);
    ASSERT_NE(op, nullptr) << k;
    const testing::Guarded memory(c.src);
    Tensor source;
    (void)padded_source(c.spec, c.quant, c.src.data(), &source);
    source.data = memory.data();
    ASSERT_EQ(source.stride_x, k);
    std::vector<uint8_t> got(5 * 64), want = got;
    const auto choice = op->choose(c.spec, 1);
    const AlignedBytes scratch(op->scratch_bytes(**choice));
    const Status ran =
        op->run(**choice, source, dense_destination(c.spec, got.data()), scratch.data(), {}, nullptr, 0, {});
    ASSERT_TRUE(ran.ok()) << ran.to_string();
    ASSERT_TRUE(reference::run(c.spec, c.quant, c.src.data(), c.wei.data(), want.data()).ok());
    EXPECT_EQ(got, want) << k;
  }
}

// Kernels tuned for weights of another kind are no reason to run exact ones.
TEST(Paired, StaysWhereKernelsAreTuned) {
  Fake fake;
  test::RandomOps ops(kSeed + 4);
  const test::OpCase c = ops.fill(*parse_op("conv2d mb1g1ic128ih7iw7oc64kh1kw1 src=u8 wei=s8 dst=u8"), 66);
  const std::string key = to_key(c.spec);
  fake.add(test::dot_entry("k4n8", "u8", key.c_str(), 1, 8), portable_dot_k4n8);
  fake.add(test::dot_entry("k2n8w", "u8", key.c_str(), 1, 8), portable_dot_k2n8w);
  EXPECT_NE(make(fake, c), nullptr);
}

TEST(Paired, LeavesWhatOtherKernelsRunAsFast) {
  const Fake fake;
  test::RandomOps ops(kSeed + 2);
  const OpSpec wide = *parse_op("conv2d mb1g1ic64ih7iw7oc64kh1kw1 src=u8 wei=s8 dst=u8");
  EXPECT_EQ(make(fake, ops.fill(wide, 31)), nullptr);  // safe as they are
  test::OpCase extreme = ops.fill(wide);
  for (uint8_t& v : extreme.wei) v = 127;
  EXPECT_EQ(make(fake, extreme), nullptr);  // no two may be neighbours
  EXPECT_EQ(make(fake, ops.fill(*parse_op("dense mb1m4k64n8 src=u8 wei=s8 dst=u8"))), nullptr);
  EXPECT_FALSE(Paired::may_run(fake.library.kernels(), Isa::portable, wide));
}

}  // namespace
}  // namespace octile::runtime
