// Regions of portable kernels on random graphs: what the sanitizers get to see of the region's code.
// In:  seeds.  Out: assertions.
// Not here: packs, thousands of graphs (octile-graphs).
#include "tests/conformance/graphs/region_run.h"

#include <gtest/gtest.h>

#include "tests/support/rng.h"

namespace octile::testing {
namespace {

TEST(RegionRun, EqualsTheOracleOnRandomGraphs) {
  const auto library = std::make_shared<runtime::KernelLibrary>();
  for (int threads : {1, 3}) {
    const GraphPrepare prepare = on_region(library, Isa::portable, threads);
    for (uint64_t i = 0; i < 60; ++i) {
      const RandomGraph random = draw_graph(mix(7000 + i));
      EXPECT_EQ(difference(random.graph, input_sets(random), prepare), "") << threads << " threads\n"
                                                                           << print(random.graph, random.shapes[0]);
    }
  }
}

}  // namespace
}  // namespace octile::testing
