// Running on several threads: same bytes as on one, tasks in any order, two runs of one op at a time.
// In:  seeded ops.  Out: equal answers.  Not here: speed.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "runtime/exec/job.h"
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

// What overlapping steps of a region do: tasks of two ops at a time, which borrow pieces of one scratch.
TEST(Threads, TasksOfTwoOpsShareScratch) {
  const KernelLibrary library;
  test::RandomOps ops(kSeed + 3);
  struct One {
    test::OpCase c;
    std::unique_ptr<PreparedOp> op;
    std::shared_ptr<const Choice> choice;
    std::vector<uint8_t> want, got;
    Tensor src;
    AlignedBytes bytes;
    Job job;
  };
  std::array<One, 2> both;
  const std::array lines{"conv2d mb2g1ic24ih9iw30oc40kh3kw3pt1pl1pb1pr1 src=u8:zp wei=u8:zp dst=s32",
                         "conv2d mb1g2ic32ih30iw40oc32kh1kw1 src=u8:zp wei=u8:zp dst=s32"};
  size_t slot = 0, tasks = 0;
  for (size_t i = 0; i < both.size(); ++i) {
    One& o = both[i];
    o.c = ops.fill(*parse_op(lines[i]));
    o.c.spec.wei_zp = true;
    o.c.quant.wei_zp = {37};
    auto op = PreparedOp::prepare(library, Isa::portable, o.c.spec, o.c.quant, o.c.wei.data());
    ASSERT_TRUE(op.ok()) << op.status().to_string();
    o.op = std::move(*op);
    auto choice = o.op->choose(o.c.spec, kThreads);
    ASSERT_TRUE(choice.ok());
    o.choice = *choice;
    // Sums of the source, a few for each task, and nothing else.
    ASSERT_GT(o.op->tasks(*o.choice), 1U);
    ASSERT_GT(o.choice->slot, 0U);
    ASSERT_EQ(o.choice->scratch, o.choice->slot * static_cast<size_t>(o.choice->slots));
    o.want.resize(static_cast<size_t>(o.c.spec.dst_elements() * size_of(o.c.spec.dst)));
    ASSERT_TRUE(reference::run(o.c.spec, o.c.quant, o.c.src.data(), o.c.wei.data(), o.want.data()).ok());
    o.bytes = padded_source(o.c.spec, o.c.quant, o.c.src.data(), &o.src);
    slot = std::max(slot, o.choice->slot);
    tasks += o.op->tasks(*o.choice);
  }
  const AlignedBytes scratch(kThreads * slot);
  for (int turn = 0; turn < 20; ++turn) {
    Slots slots(kThreads);
    for (One& o : both) {
      o.got.assign(o.want.size(), 0);
      o.job.rc = 0;
      ASSERT_TRUE(
          o.op->begin(*o.choice, o.src, dense_destination(o.c.spec, o.got.data()), scratch.data(), {}, o.job).ok());
      o.job.slots = &slots;
      o.job.slot_bytes = slot;
    }
    const auto task = [](void* arg, size_t i) {
      One* const all = static_cast<One*>(arg);
      const size_t first = all[0].op->tasks(*all[0].choice);
      One& one = all[i < first ? 0 : 1];
      one.op->run_task(one.job, i < first ? i : i - first);
    };
    run_reversed(nullptr, task, both.data(), tasks);
    for (const One& o : both) ASSERT_EQ(o.got, o.want) << to_key(o.c.spec) << " turn " << turn;
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
