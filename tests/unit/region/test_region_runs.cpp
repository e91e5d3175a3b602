// What a Region does over many runs: shapes come and go, threads share it, nothing is allocated, errors are Statuses.
// In:  drawn nets.  Out: verdicts.  Not here: single ops.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "region_kit.h"
#include "runtime/exec/portable.h"
#include "tests/unit/runtime/exact_op.h"

namespace octile::runtime::test {

int64_t allocations();  // counted_new.cpp

namespace {

Kit net(uint32_t seed) {
  Kit kit(seed);
  const int x = kit.input(DType::f32);
  const int q = kit.quantize(x, DType::s8, 0.02F, 11);
  const int a = kit.conv(q, filter(6, 20, 3, 1), DType::s8, 4);
  const int b = kit.conv(a, filter(20, 9, 3, 1), DType::u8, 4);
  kit.output(kit.dequantize(b));
  kit.output(a);
  return kit;
}

TEST(RegionRuns, ManyShapesThroughOneRegion) {
  Kit kit = net(41);
  const auto region = make(kit.desc);
  for (int round = 0; round < 2; ++round) {
    for (int64_t w = 1; w <= 70; ++w) check(kit, *region, {{1 + w % 2, 6, 5, w}});  // more than the cache holds
  }
}

TEST(RegionRuns, EmptyBatch) {
  Kit kit = net(42);
  const auto region = make(kit.desc);
  check(kit, *region, {{0, 6, 5, 5}});
}

TEST(RegionRuns, ConcurrentRuns) {
  const Kit kit = net(43);
  const auto region = make(kit.desc, Isa::avx512vnni, 2);
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Kit own = net(43);
      (void)own.draw(own.desc.inputs[0], {static_cast<int64_t>(t) + 1});  // other data per thread
      for (int64_t i = 0; i < 12; ++i) check(own, *region, {{1, 6, 4 + (i + t) % 3, 30}}, test_threads(2));
    });
  }
  for (std::thread& t : threads) t.join();
}

TEST(RegionRuns, NothingIsAllocatedOnceWarm) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "operator new belongs to the sanitizer";
#endif
  Kit kit = net(44);
  const auto region = make(kit.desc);
  HostValue x = kit.draw(kit.desc.inputs[0], {1, 6, 9, 9});
  std::vector<std::vector<uint8_t>> storage(2, std::vector<uint8_t>(size_t{64} * 1024));
  const OutputAllocator outputs{&storage, [](void* context, size_t index, const Shape&) -> void* {
                                  return (*static_cast<std::vector<std::vector<uint8_t>>*>(context))[index].data();
                                }};
  const std::vector<HostTensor> inputs{{x.bytes.data(), x.shape}};
  ASSERT_TRUE(region->run(inputs, outputs, {}).ok());
  const int64_t before = allocations();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(region->run(inputs, outputs, {}).ok());
  EXPECT_EQ(allocations(), before);
}

std::atomic<int> calls_left;  // until a kernel fails

int failing_dot(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo, float hi,
                int32_t zp, octile_buffer* dst) {
  if (calls_left.fetch_sub(1) == 1) return -7;
  return portable_dot_k4n16(src, wei, bias, mult, lo, hi, zp, dst);
}

// Whichever step it belongs to, on every thread, with steps that overlap.
TEST(RegionRuns, AFailingKernelEndsItsRunAlone) {
  auto library = std::make_shared<KernelLibrary>();
  const packs::KernelEntry e = octile::test::dot_entry("k4n16", "u8", "*", 1, 16);
  ASSERT_TRUE(library->add_kernel(e, reinterpret_cast<void*>(failing_dot)).ok());
  Kit kit(49);
  int x = kit.input(DType::u8);
  for (int i = 0; i < 4; ++i) x = kit.conv(x, filter(32, 32, 1), DType::u8, 4);
  kit.output(x);
  const std::vector<HostValue> inputs{kit.draw(kit.desc.inputs[0], {1, 32, 40, 40})};
  for (const int threads : {1, 2, 3}) {
    auto region = Region::create(library, Isa::avx512vnni, kit.desc, threads);
    ASSERT_TRUE(region.ok()) << region.status().to_string();
    constexpr int kNever = 1 << 30;
    calls_left = kNever;
    check(kit, **region, {{1, 32, 40, 40}}, test_threads(threads));
    const int calls = kNever - calls_left;
    ASSERT_GE(calls, 4 * threads);
    for (int i = 1; i <= calls; ++i) {
      calls_left = i;
      const RunResult result = run_region(**region, kit.desc, inputs, test_threads(threads));
      EXPECT_EQ(result.status.code(), Code::internal) << "call " << i;
      EXPECT_NE(result.status.message().find("-7"), std::string::npos) << result.status.to_string();
    }
    calls_left = kNever;
    check(kit, **region, {{1, 32, 40, 40}}, test_threads(threads));
  }
}

TEST(RegionRuns, StepsAreTimedWhereAsked) {
  Kit kit(48);
  const int x = kit.input(DType::u8);
  kit.output(kit.conv(kit.conv(x, filter(4, 8, 3, 1), DType::u8, 4), filter(8, 5, 1), DType::u8, 4));
  const auto silent = make(kit.desc), timed = make(kit.desc);
  timed->start_clock();
  for (const int64_t w : {6, 9, 6}) {
    check(kit, *silent, {{1, 4, 7, w}});
    check(kit, *timed, {{1, 4, 7, w}});
  }
  EXPECT_TRUE(silent->times().empty());
  int64_t calls = 0, macs = 0;
  for (const StepTime& t : timed->times()) {
    EXPECT_LE(t.best_us * static_cast<double>(t.calls), t.us * 1.001) << t.kind;
    EXPECT_GT(t.bytes, 0) << t.kind;
    if (t.kind != "dot") continue;
    ASSERT_EQ(t.nodes.size(), 1U);
    EXPECT_TRUE(t.op.starts_with("conv2d mb1")) << t.op;
    calls += t.calls;
    macs += t.calls * t.macs;
  }
  EXPECT_EQ(calls, 3 * 2);
  EXPECT_EQ(macs, 7 * (6 + 9 + 6) * (4 * 8 * 9 + 8 * 5));
}

void refused(const Region& region, Kit& kit, const std::vector<Shape>& shapes, const std::string& words) {
  std::vector<HostValue> inputs;
  for (size_t i = 0; i < shapes.size(); ++i) inputs.push_back({DType::f32, shapes[i], std::vector<uint8_t>(65536)});
  const RunResult result = run_region(region, kit.desc, inputs);
  ASSERT_FALSE(result.status.ok());
  EXPECT_NE(result.status.message().find(words), std::string::npos) << result.status.to_string();
}

TEST(RegionRuns, WrongShapesNameTheNode) {
  Kit kit = net(45);
  const auto region = make(kit.desc);
  refused(*region, kit, {{1, 7, 5, 5}}, "\"n1\" (spec): wants 6 channels, got [1,7,5,5]");
  refused(*region, kit, {{1, 6, 5}}, "\"n1\" (spec): wants 2 spatial axes");
  refused(*region, kit, {{1, 6}}, "\"n1\" (spec): wants 2 spatial axes");
  refused(*region, kit, {{1, 6, -5, 5}}, "bad shape");
  refused(*region, kit, {{1, 6, 1 << 30, 1 << 30}}, "too large");
  refused(*region, kit, {}, "inputs");
  Kit valid(46);
  const int x = valid.input(DType::u8);
  valid.output(valid.conv(x, filter(2, 2, 5), DType::u8, 0));
  const auto small = make(valid.desc);
  refused(*small, valid, {{1, 2, 4, 9}}, "\"n0\" (spec): its output would have no pixels");
  refused(*small, valid, {{1, 2, 9, 0}}, "\"n0\" (spec): wants pixels");
  check(valid, *small, {{1, 2, 5, 9}});
  Kit matrix(47);
  const int a = matrix.input(DType::u8), b = matrix.input(DType::u8);
  matrix.output(matrix.matmul(a, b, 4, 4, DType::u8, 0));
  const auto product = make(matrix.desc);
  refused(*product, matrix, {{3, 4}, {5, 4}}, "\"n0\" (spec): wants rows of 5, got [3,4]");
  refused(*product, matrix, {{2, 3, 4}, {3, 4, 4}}, "\"n0\" (spec): cannot broadcast");
  refused(*product, matrix, {{2, 3, 4}, {4}}, "\"n0\" (spec): wants matrices");
}

TEST(RegionRuns, NoMemoryIsAStatus) {
  Kit kit(48);
  const int x = kit.input(DType::u8);
  kit.output(kit.conv(x, filter(1, 64, 1), DType::u8, 0));
  const auto region = make(kit.desc);
  uint8_t byte = 0;
  const OutputAllocator outputs{nullptr, [](void*, size_t, const Shape&) -> void* { return nullptr; }};
  const Status none = region->run({{&byte, {1, 1, 1, 1}}}, outputs, {});
  EXPECT_NE(none.message().find("no storage for output"), std::string::npos) << none.to_string();
  const Status null = region->run({{nullptr, {1, 1, 1, 1}}}, outputs, {});
  EXPECT_NE(null.message().find("without data"), std::string::npos) << null.to_string();
  const Status huge = region->run({{&byte, {16, 1, 40000, 40000}}}, outputs, {});
  EXPECT_FALSE(huge.ok());
}

TEST(RegionRuns, ManyThreadsPack) {
  Kit kit(50);
  const int x = kit.input(DType::u8);
  const int y = kit.dense(x, 1024, 2048, DType::u8, 90);
  kit.output(kit.dense(y, 2048, 1100, DType::u8, 80));
  kit.output(kit.dense(y, 2048, 9, DType::u8, 80));
  const auto create = [&](const RegionDesc& desc) {
    return Region::create(std::make_shared<KernelLibrary>(), Isa::portable, desc, 1, nullptr, nullptr, test_threads(3));
  };
  const auto region = create(kit.desc);
  ASSERT_TRUE(region.ok()) << region.status().to_string();
  check(kit, **region, {{1, 3, 1024}});
  RegionDesc broken = kit.desc;
  broken.nodes[1].quant.wei_zp = {200};
  const Status st = create(broken).status();
  EXPECT_NE(st.message().find("\"n1\""), std::string::npos) << st.to_string();
}

TEST(RegionRuns, ExplainsEveryNode) {
  Kit kit = net(49);
  const auto region = make(kit.desc);
  const auto decisions = region->explain({{1, 6, 9, 9}});
  ASSERT_TRUE(decisions.ok()) << decisions.status().to_string();
  ASSERT_EQ(decisions->size(), kit.desc.nodes.size());
  for (size_t i = 0; i < decisions->size(); ++i) {
    const NodeDecision& d = (*decisions)[i];
    EXPECT_EQ(d.node, kit.desc.nodes[i].name);
    EXPECT_TRUE(parse_op(d.op).ok()) << d.op;
    ASSERT_FALSE(d.kernels.empty());
    for (const Decision& k : d.kernels) EXPECT_FALSE(k.kernel.empty() || k.target.empty() || k.reason.empty());
    EXPECT_EQ(d.stored_floats + d.layout_changes, 0) << d.node;
  }
  EXPECT_FALSE(region->explain({{1, 5, 9, 9}}).ok());
}

}  // namespace
}  // namespace octile::runtime::test
