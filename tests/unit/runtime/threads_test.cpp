// Running on several threads: same bytes as on one, tasks in any order, two runs of one op at a time.
// In:  seeded ops.  Out: equal answers.  Not here: speed.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "runtime/exec/padded.h"
#include "runtime/exec/prepared_op.h"
#include "tests/unit/runtime/random_op.h"
#include "workload/reference/reference.h"

namespace octile::runtime {
namespace {

constexpr uint64_t kSeed = 20261126;
constexpr int kThreads = 4;

// A host's pool in little: tasks are taken from the last to the first by four threads.
void run_reversed(void*, Parallel::Task task, void* arg, size_t count) {
  std::atomic<size_t> left{count};
  std::vector<std::thread> pool;
  for (int t = 0; t < kThreads; ++t) {
    pool.emplace_back([&] {
      for (;;) {
        size_t mine = left.load();
        while (mine > 0 && !left.compare_exchange_weak(mine, mine - 1)) {
        }
        if (mine == 0) return;
        task(arg, mine - 1);
      }
    });
  }
  for (std::thread& t : pool) t.join();
}

Parallel pool() { return {nullptr, run_reversed, kThreads}; }

void expect_exact(const test::OpCase& c) {
  const KernelLibrary library;
  std::vector<uint8_t> want(static_cast<size_t>(c.spec.dst_elements() * size_of(c.spec.dst))), got(want.size());
  ASSERT_TRUE(reference::run(c.spec, c.quant, c.src.data(), c.wei.data(), want.data()).ok());
  const Status s = run_op(library, Isa::portable, c.spec, c.quant, c.src.data(), c.wei.data(), got.data(), pool());
  ASSERT_TRUE(s.ok()) << s.to_string();
  EXPECT_EQ(want, got) << to_key(c.spec) << " seed " << kSeed;
}

TEST(Threads, OpsEqualTheOracle) {
  test::RandomOps ops(kSeed);
  for (int i = 0; i < 60; ++i) {
    expect_exact(ops.fill(i % 3 == 0 ? ops.dense() : i % 3 == 1 ? ops.conv() : ops.elementwise()));
  }
}

TEST(Threads, LargeOpsAreCutAndEqualTheOracle) {
  test::RandomOps ops(kSeed + 1);
  for (const char* line :
       {"conv2d mb2g1ic16ih20iw20oc64kh3kw3pt1pl1pb1pr1 src=u8:zp wei=s8 dst=u8:zp",
        "conv2d mb2g1ic64ih20iw20oc64kh1kw1 src=u8:zp wei=s8 dst=s8:zp",
        "conv2d mb1g64ic64ih40iw40oc64kh3kw3sh2sw2pt1pl1pb1pr1 src=u8:zp wei=s8 dst=u8:zp",
        // Fewer rows than threads: cut by columns.
        "conv2d mb1g100ic100ih3iw70oc100kh5kw5pt2pl2pb2pr2 src=s8:zp wei=s8 dst=u8:zp",
        "conv2d mb1g1ic24ih2iw70oc40kh3kw3sw2pt1pl1pb1pr1 src=u8:zp wei=u8:zp dst=s8:zp",
        "conv2d mb1g2ic24ih3iw50oc40kh2kw3dw2pl1 src=u8:zp wei=s8 dst=s32",
        "dense mb1m1k512n2000 src=u8:zp wei=s8 dst=u8:zp", "requantize mb1m900c70 src=s32 mult=per_c dst=u8:zp"}) {
    const Result<OpSpec> spec = parse_op(line);
    ASSERT_TRUE(spec.ok()) << spec.status().to_string();
    expect_exact(ops.fill(*spec));
  }
}

TEST(Threads, OnePreparedOpRunsInTwoThreadsAtOnce) {
  const KernelLibrary library;
  test::RandomOps ops(kSeed + 2);
  const test::OpCase c =
      ops.fill(*parse_op("conv2d mb1g1ic16ih20iw20oc64kh3kw3pt1pl1pb1pr1 src=u8:zp wei=s8 dst=u8:zp"));
  const auto op = PreparedOp::prepare(library, Isa::portable, c.spec, c.quant, c.wei.data());
  ASSERT_TRUE(op.ok());
  const auto choice = (*op)->choose(c.spec, 1);
  ASSERT_TRUE(choice.ok());
  std::vector<uint8_t> want(static_cast<size_t>(c.spec.dst_elements()));
  ASSERT_TRUE(reference::run(c.spec, c.quant, c.src.data(), c.wei.data(), want.data()).ok());
  std::vector<uint8_t> got[2] = {std::vector<uint8_t>(want.size()), std::vector<uint8_t>(want.size())};
  std::vector<std::thread> both;
  for (auto& out : got) {
    both.emplace_back([&] {
      Tensor src;
      const AlignedBytes bytes = padded_source(c.spec, c.quant, c.src.data(), &src);
      const AlignedBytes scratch((*op)->scratch_bytes(**choice));
      EXPECT_TRUE((*op)->run(**choice, src, dense_destination(c.spec, out.data()), scratch.data(), {}).ok());
    });
  }
  for (std::thread& t : both) t.join();
  EXPECT_EQ(got[0], want);
  EXPECT_EQ(got[1], want);
}

TEST(Run, RefusesTensorsThatBreakTheContract) {
  const KernelLibrary library;
  test::RandomOps ops(kSeed + 3);
  const test::OpCase c = ops.fill(*parse_op("conv2d mb1g1ic4ih5iw5oc8kh3kw3pt1pl1pb1pr1 src=u8:zp wei=s8 dst=u8:zp"));
  const auto op = PreparedOp::prepare(library, Isa::portable, c.spec, c.quant, c.wei.data());
  ASSERT_TRUE(op.ok());
  const auto choice = (*op)->choose(c.spec, 1);
  Tensor src;
  const AlignedBytes bytes = padded_source(c.spec, c.quant, c.src.data(), &src);
  std::vector<uint8_t> out(200);
  const Tensor dst = dense_destination(c.spec, out.data());
  const auto run = [&](const Tensor& s, const Tensor& d) { return (*op)->run(**choice, s, d, nullptr, {}).code(); };
  EXPECT_EQ(run(src, dst), Code::ok);
  Tensor halo = src, slack = src, shape = src, gap = dst, none = dst;
  halo.pad_l = 0;
  slack.slack = 3;
  shape.h = 4;
  gap.stride_x = 9;
  none.data = nullptr;
  EXPECT_EQ(run(halo, dst), Code::invalid_argument);
  EXPECT_EQ(run(slack, dst), Code::invalid_argument);
  EXPECT_EQ(run(shape, dst), Code::invalid_argument);
  EXPECT_EQ(run(src, gap), Code::invalid_argument);
  EXPECT_EQ(run(src, none), Code::invalid_argument);
  OpSpec other = c.spec;
  other.kh = 1;
  EXPECT_FALSE((*op)->choose(other, 1).ok());
}

TEST(Run, ABrokenKernelIsAnErrorNotACrash) {
  KernelLibrary library;
  packs::KernelEntry e;
  e.name = "broken";
  e.family = "dot";
  e.op = "*";
  e.target = "x86-64/avx512vnni";
  e.layout = "k4n16";
  e.src = e.dst = "u8";
  e.tile_n = 16;
  e.tail_n = true;
  const octile_dot_fn fn = [](octile_buffer*, octile_buffer*, octile_buffer*, octile_buffer*, float, float, int32_t,
                              octile_buffer*) { return -7; };
  ASSERT_TRUE(library.add_kernel(e, reinterpret_cast<void*>(fn)).ok());
  test::RandomOps ops(kSeed + 4);
  const test::OpCase c = ops.fill(*parse_op("dense mb1m4k8n8 src=u8:zp wei=s8 dst=u8:zp"));
  std::vector<uint8_t> out(32);
  const Status s = run_op(library, Isa::avx512vnni, c.spec, c.quant, c.src.data(), c.wei.data(), out.data());
  EXPECT_EQ(s.code(), Code::internal);
  EXPECT_NE(s.message().find("-7"), std::string::npos);
}

}  // namespace
}  // namespace octile::runtime
