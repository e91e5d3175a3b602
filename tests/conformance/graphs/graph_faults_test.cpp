// The graphs that every ISA is checked with must find each planted fault.
// In:  the draws ctest uses for regions: seed 1, 800 graphs.  Out: for each fault the first graph that shows it.
// Not here: real regions.
#include "tests/conformance/graphs/graph_faults.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "tests/support/rng.h"

namespace octile::testing {
namespace {

constexpr uint64_t kSeed = 1;
constexpr int kGraphs = 800;

TEST(GraphFaults, TheRightWalkIsRightAndEveryFaultIsFound) {
  std::vector<int> first(kGraphFaults, -1);
  for (int i = 0; i < kGraphs; ++i) {
    const RandomGraph random = draw_graph(mix(kSeed + static_cast<uint64_t>(i)));
    const InputSets sets = input_sets(random);
    ASSERT_EQ(difference(random.graph, sets, faulty(GraphFault::none)), "") << random.seed;
    for (int f = 1; f < kGraphFaults; ++f) {
      if (first[f] >= 0 || difference(random.graph, sets, faulty(static_cast<GraphFault>(f))).empty()) continue;
      first[f] = i;
    }
  }
  for (int f = 1; f < kGraphFaults; ++f) {
    const std::string name(to_string(static_cast<GraphFault>(f)));
    EXPECT_GE(first[f], 0) << "not found in " << kGraphs << " graphs of seed " << kSeed << ": " << name;
    std::printf("  %-32s found by graph %d\n", name.c_str(), first[f]);
  }
}

}  // namespace
}  // namespace octile::testing
