// The set of ops that every kernel is checked with must find each planted fault.
// In:  the draws ctest uses for the kernels: seed 1, 2,000 ops.  Out: for each fault the first draw that shows it.
// Not here: real kernels.
#include "tests/conformance/planted_faults.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "tests/conformance/check.h"
#include "tests/support/rng.h"

namespace octile::testing {
namespace {

constexpr uint64_t kSeed = 1;
constexpr int kCount = 2000;

std::string shows(Fault fault, const OpSpec& spec, const Operands& operands, const std::vector<uint8_t>& want) {
  return difference(spec, operands, want,
                    [fault](const OpSpec& s, const OpQuant& q, const void* src, const void* wei, void* dst) {
                      return run_faulty(fault, s, q, src, wei, dst);
                    });
}

TEST(PlantedFaults, TheRightKernelIsRightAndEveryFaultIsFound) {
  std::vector<int> first(kFaults, -1);
  for (int i = 0; i < kCount; ++i) {
    const uint64_t seed = mix(kSeed + static_cast<uint64_t>(i));
    const OpSpec spec = draw_spec(seed);
    const Operands operands = draw_operands(spec, seed);
    const std::vector<uint8_t> want = expected(spec, operands);
    const std::string wrong = shows(Fault::none, spec, operands, want);
    ASSERT_EQ(wrong, "") << to_key(spec) << " seed " << seed;
    for (int f = 1; f < kFaults; ++f) {
      if (first[f] >= 0 || shows(static_cast<Fault>(f), spec, operands, want).empty()) continue;
      first[f] = i;
    }
  }
  for (int f = 1; f < kFaults; ++f) {
    const std::string name(to_string(static_cast<Fault>(f)));
    EXPECT_GE(first[f], 0) << "not found in " << kCount << " ops of seed " << kSeed << ": " << name;
    std::printf("  %-28s found by op %d\n", name.c_str(), first[f]);
  }
}

}  // namespace
}  // namespace octile::testing
