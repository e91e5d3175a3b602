// Random graphs are what they claim, and what checks them sees and shrinks a difference.
// In:  seeds.  Out: assertions.
// Not here: regions; faults of whole runtimes (graph_faults_test.cpp).
#include "tests/conformance/graphs/check_graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tests/support/rng.h"

namespace octile::testing {
namespace {

constexpr int kGraphs = 400;

RandomGraph graph_number(int i) { return draw_graph(mix(1 + static_cast<uint64_t>(i))); }

// Runs the oracle, after `change` has had its way with the graph.
template <class Change>
GraphPrepare changed(const Change& change) {
  return [change](const GraphDesc& graph) -> Result<GraphRun> {
    GraphDesc other = graph;
    for (NodeDesc& node : other.nodes) change(node);
    return GraphRun([other](const std::vector<HostArray>& inputs) { return interpret(other, inputs); });
  };
}

TEST(RandomGraph, IsValidRunsAtItsShapesAndCoversEveryKind) {
  GraphTally tally;
  int more_shapes = 0, deep = 0;
  for (int i = 0; i < kGraphs; ++i) {
    const RandomGraph random = graph_number(i);
    ASSERT_TRUE(validate(random.graph).ok()) << random.seed << ": " << validate(random.graph).to_string();
    ASSERT_FALSE(random.graph.nodes.empty()) << random.seed;
    ASSERT_FALSE(random.graph.outputs.empty()) << random.seed;
    for (const std::vector<HostArray>& inputs : input_sets(random)) {
      const auto values = interpret(random.graph, inputs);
      ASSERT_TRUE(values.ok()) << random.seed << ": " << values.status().to_string();
    }
    tally.add(random);
    more_shapes += random.shapes.size() > 1 ? 1 : 0;
    deep += random.graph.nodes.size() > 9 ? 1 : 0;
  }
  for (int k = 0; k < kNodeKinds; ++k) {
    const auto kind = static_cast<NodeKind>(k);
    EXPECT_TRUE(kind == NodeKind::spec || tally.covers(kind)) << to_string(kind);
  }
  EXPECT_GT(more_shapes, kGraphs / 3);
  EXPECT_GT(deep, kGraphs / 3);
}

TEST(RandomGraph, IsTheSameEachTime) {
  for (int i = 0; i < 50; ++i) {
    const RandomGraph a = graph_number(i), b = graph_number(i);
    EXPECT_EQ(print(a.graph, a.shapes[0]), print(b.graph, b.shapes[0]));
    const InputSets x = input_sets(a), y = input_sets(b);
    for (size_t s = 0; s < x.size(); ++s) {
      for (size_t v = 0; v < x[s].size(); ++v) EXPECT_EQ(x[s][v].bytes, y[s][v].bytes);
    }
  }
}

// Few saturate: graphs whose values all sit at the ends of their types prove little.
TEST(RandomGraph, ItsCodesAreSpread) {
  int64_t codes = 0, at_ends = 0;
  for (int i = 0; i < kGraphs; ++i) {
    const RandomGraph random = graph_number(i);
    const auto values = interpret_all(random.graph, input_sets(random)[0]);
    ASSERT_TRUE(values.ok());
    for (const NodeDesc& node : random.graph.nodes) {
      const HostArray& a = (*values)[static_cast<size_t>(node.output)];
      if (size_of(a.type) != 1) continue;
      codes += a.count();
      at_ends += std::count_if(a.bytes.begin(), a.bytes.end(), [&](uint8_t byte) {
        return byte == static_cast<uint8_t>(qmin_of(a.type)) || byte == static_cast<uint8_t>(qmax_of(a.type));
      });
    }
  }
  EXPECT_LT(at_ends, codes / 2) << codes;
}

TEST(GraphDifference, TheOracleEqualsItself) {
  for (int i = 0; i < 50; ++i) {
    const RandomGraph random = graph_number(i);
    EXPECT_EQ(difference(random.graph, input_sets(random), changed([](NodeDesc&) {})), "");
  }
}

TEST(GraphDifference, ShrinksToTheNodeAtFault) {
  const auto prepare = changed([](NodeDesc& node) {
    if (node.kind == NodeKind::mul) node.kind = NodeKind::add;
  });
  int found = 0;
  for (int i = 0; i < kGraphs && found < 20; ++i) {
    const RandomGraph random = graph_number(i);
    const InputSets sets = input_sets(random);
    if (difference(random.graph, sets, prepare).empty()) continue;
    const Shrunk shrunk = shrink(random.graph, sets, prepare);
    ++found;
    EXPECT_NE(shrunk.wrong, "");
    ASSERT_TRUE(validate(shrunk.graph).ok()) << random.seed;
    ASSERT_EQ(shrunk.graph.nodes.size(), 1U) << print(shrunk.graph, {});
    EXPECT_EQ(shrunk.graph.nodes[0].kind, NodeKind::mul);
  }
  EXPECT_EQ(found, 20);
}

TEST(GraphDifference, SeesShapesErrorsAndRefusals) {
  const RandomGraph random = graph_number(0);
  const InputSets sets = input_sets(random);
  const Status no(Code::internal, "no");
  EXPECT_EQ(difference(random.graph, sets, [&](const GraphDesc&) -> Result<GraphRun> { return no; }),
            "refused: " + no.to_string());
  const auto run_fails = [&](const GraphDesc&) -> Result<GraphRun> {
    return GraphRun([no](const std::vector<HostArray>&) -> Result<std::vector<HostArray>> { return no; });
  };
  EXPECT_EQ(difference(random.graph, sets, run_fails), "run 1: " + no.to_string());
  const auto wrong_shape = [](const GraphDesc& graph) -> Result<GraphRun> {
    return GraphRun([graph](const std::vector<HostArray>&) -> Result<std::vector<HostArray>> {
      return std::vector<HostArray>(graph.outputs.size(), HostArray(DType::u8, {7, 7, 7, 7, 7, 7}));
    });
  };
  EXPECT_NE(difference(random.graph, sets, wrong_shape).find("has shape [7,7,7,7,7,7]"), std::string::npos);
}

}  // namespace
}  // namespace octile::testing
