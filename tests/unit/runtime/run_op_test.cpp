// run_op against the oracle, on the portable kernels and each instruction set's layouts.
// In:  seeded random ops.  Out: bit-equal answers.  Not here: packs (loader_test), times.
#include <gtest/gtest.h>

#include "runtime/exec/prepared_op.h"
#include "tests/unit/runtime/random_op.h"
#include "workload/reference/reference.h"

namespace octile::runtime {
namespace {

constexpr uint64_t kSeed = 20261124;

void expect_exact(const KernelLibrary& library, Isa best, const test::OpCase& c, uint64_t index) {
  const size_t bytes = static_cast<size_t>(c.spec.dst_elements() * size_of(c.spec.dst));
  std::vector<uint8_t> want(bytes, 0xAA), got(bytes + 64, 0x55);
  ASSERT_TRUE(reference::run(c.spec, c.quant, c.src.data(), c.wei.data(), want.data()).ok());
  std::vector<Decision> decisions;
  const Status status = run_op(library, best, c.spec, c.quant, c.src.data(), c.wei.data(), got.data(), {}, &decisions);
  ASSERT_TRUE(status.ok()) << status.to_string() << "\n" << to_key(c.spec);
  EXPECT_FALSE(decisions.empty());
  for (size_t i = 0; i < 64; ++i) ASSERT_EQ(got[bytes + i], 0x55) << "wrote past the end: " << to_key(c.spec);
  got.resize(bytes);
  const auto at = std::mismatch(want.begin(), want.end(), got.begin());
  ASSERT_TRUE(at.first == want.end()) << "seed " << kSeed << " op " << index << " byte " << at.first - want.begin()
                                      << ": " << to_key(c.spec) << " kernel " << decisions[0].kernel;
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

}  // namespace
}  // namespace octile::runtime
