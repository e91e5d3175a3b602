// Packed weights are shared exactly where the content is the same, and live as long as somebody holds them.
// In:  ops that differ in one thing.  Out: verdicts.  Not here: packing.
#include <gtest/gtest.h>

#include <thread>

#include "runtime/region/op_cache.h"

namespace octile::runtime {
namespace {

struct Content {
  OpSpec spec;
  OpQuant quant;
  std::vector<uint8_t> wei;
};

Content content() {
  Content c;
  c.spec.kind = OpKind::dense;
  c.spec.k = 20;
  c.spec.n = 3;
  c.wei.assign(60, 7);
  return c;
}

std::shared_ptr<const PreparedOp> op(const KernelLibrary& library, const Content& c, Isa best = Isa::portable) {
  auto made = shared_op(library, best, c.spec, c.quant, c.wei.data(), c.wei.size());
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return made.ok() ? *made : nullptr;
}

TEST(OpCache, SharesEqualContentOnly) {
  const KernelLibrary library, other;
  const auto first = op(library, content());
  EXPECT_EQ(op(library, content()), first);
  EXPECT_NE(op(other, content()), first);
  EXPECT_NE(op(library, content(), Isa::avx2), first);
  Content c = content();
  c.wei.back() ^= 1;
  EXPECT_NE(op(library, c), first);
  c = content();
  c.quant.dst_scale = 2.0F;
  EXPECT_NE(op(library, c), first);
  c = content();
  c.quant.clamp_hi = 254;
  EXPECT_NE(op(library, c), first);
  c = content();
  c.spec.src = DType::s8;
  EXPECT_NE(op(library, c), first);
}

TEST(OpCache, KeepsNothingAlive) {
  const KernelLibrary library;
  std::weak_ptr<const PreparedOp> gone = op(library, content());
  EXPECT_TRUE(gone.expired());
}

TEST(OpCache, ThreadsThatPackTheSameShareIt) {
  const KernelLibrary library;
  std::vector<std::shared_ptr<const PreparedOp>> got(4);
  std::vector<std::thread> threads;
  for (auto& mine : got) threads.emplace_back([&] { mine = op(library, content()); });
  for (std::thread& t : threads) t.join();
  for (const auto& mine : got) EXPECT_EQ(mine, got[0]);
  EXPECT_EQ(op(library, content()), got[0]);
}

TEST(OpCache, RefusalsAreNotKept) {
  const KernelLibrary library;
  Content c = content();
  c.spec.kind = OpKind::quantize;
  EXPECT_FALSE(shared_op(library, Isa::portable, c.spec, c.quant, c.wei.data(), c.wei.size()).ok());
}

}  // namespace
}  // namespace octile::runtime
