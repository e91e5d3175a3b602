// Groups and partitions: maximal, convex, and the same when built again from what was claimed.
// In:  hand-made and random graphs (seeds printed).  Out: groups, verdicts, region descriptions.
// Not here: single ops.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "graph_kit.h"
#include "plugin/partition/groups.h"
#include "plugin/partition/partition.h"
#include "runtime/region/check.h"

namespace octile::plugin::test {
namespace {

// Does a path leave the group and come back?
bool convex(const HostGraph& graph, const std::vector<int>& group) {
  const std::set<int> inside(group.begin(), group.end());
  std::set<int> after;  // outside, reachable from the group
  for (int n = 0; n < static_cast<int>(graph.nodes.size()); ++n) {
    bool from_group = false, from_outside = false;
    for (const int v : graph.nodes[n].inputs) {
      const int maker = v < 0 ? -1 : graph.values[v].producer;
      from_group = from_group || inside.contains(maker);
      from_outside = from_outside || after.contains(maker);
    }
    if (inside.contains(n)) {
      if (from_outside) return false;
    } else if (from_group || from_outside) {
      after.insert(n);
    }
  }
  return true;
}

const NodeVerdict& verdict(const HostGraph& graph, const Partition& p, int value) {
  return p.nodes[graph.values[value].producer];
}

TEST(Partition, AChainIsOneGroupWithItsEdges) {
  GraphKit kit;
  const int q = kit.quantize(kit.input(ElemType::f32, {1, 4, 8, 8}));
  const int y = kit.dequantize(kit.conv(kit.conv(q)), 0.25F, 3);
  kit.output(y);
  const Partition p = partition(kit.linked());
  ASSERT_EQ(p.groups.size(), 1U);
  EXPECT_EQ(p.groups[0].nodes.size(), kit.graph.nodes.size());
  EXPECT_EQ(p.groups[0].units.size(), 4U);
}

// A layer normalization as exporters write it, of what a convolution makes.
struct Normalization {
  GraphKit kit;
  int x = -1, mean = -1, centered = -1, squares = -1, spread = -1, root = -1, y = -1;

  explicit Normalization(float exponent = 2.0F, int64_t axis = -1, bool quantized = true) {
    const Dims dims{1, 8, 64, 64}, row{1, 8, 64, 1};
    x = kit.dequantize(kit.conv(kit.input(ElemType::u8, {1, 4, 64, 64})), 0.25F, 3);
    kit.graph.values[x].ranked = true;
    kit.graph.values[x].dims = dims;
    mean = kit.node("ReduceMean", {x}, ElemType::f32, row);
    kit.ints("axes", {-1});
    centered = kit.node("Sub", {x, mean}, ElemType::f32, dims);
    squares = kit.node("Pow", {centered, kit.scale(exponent)}, ElemType::f32, dims);
    spread = kit.node("ReduceMean", {squares}, ElemType::f32, row);
    kit.ints("axes", {axis});
    root = kit.node("Sqrt", {kit.node("Add", {spread, kit.scale(1e-5F)}, ElemType::f32, row)}, ElemType::f32, row);
    y = kit.node("Div", {centered, root}, ElemType::f32, dims);
    kit.output(quantized ? kit.quantize(y) : y);
  }
  using Dims = std::vector<int64_t>;

  // How many of its eight nodes are in one group.
  [[nodiscard]] int64_t taken() {
    const Partition p = partition(kit.linked());
    int64_t n = 0;
    for (const int v : {mean, centered, squares, spread, root, y}) n += verdict(kit.graph, p, v).group >= 0 ? 1 : 0;
    return n;
  }
};

TEST(Partition, ANormalizationWrittenAsManyNodesIsOneUnit) {
  EXPECT_EQ(Normalization().taken(), 6);
  EXPECT_EQ(Normalization(2.0F, 3).taken(), 6);
  EXPECT_EQ(Normalization(3.0F).taken(), 0);
  EXPECT_EQ(Normalization(2.0F, 1).taken(), 0);
  EXPECT_EQ(Normalization(2.0F, -1, false).taken(), 0);  // floats that the host reads
  for (int Normalization::*const value :
       {&Normalization::mean, &Normalization::centered, &Normalization::squares, &Normalization::root}) {
    Normalization n;
    n.kit.output(n.*value);   // somebody else reads it too
    EXPECT_LE(n.taken(), 1);  // a mean of codes by itself
  }
}

// What two Reshapes have in common of a computed shape comes along, unless somebody else reads it.
TEST(Partition, ComputedExtentsComeAlong) {
  for (const bool elsewhere : {false, true}) {
    GraphKit kit;
    const int x = kit.conv(kit.input(ElemType::u8, {-1, 4, 8, 8}));
    kit.graph.values[x].ranked = true;
    kit.graph.values[x].dims = {-1, 4, 8, 8};
    const int shape = kit.node("Shape", {x}, ElemType::s64, {4});
    const int batch = kit.node("Gather", {shape, kit.constant<int64_t>(ElemType::s64, {0}, {1})}, ElemType::s64, {1});
    int y = -1;
    for (int i = 0; i < 2; ++i) {
      const int rest = kit.constant<int64_t>(ElemType::s64, {8, -1}, {2});
      const int to = kit.node("Concat", {batch, rest}, ElemType::s64, {3});
      y = kit.node("Reshape", {x, to}, ElemType::u8, {-1, 8, 32});
      kit.output(kit.dense(y, 32));
    }
    if (elsewhere) kit.output(kit.node("Cast", {batch}, ElemType::other, {1}));
    const Partition p = partition(kit.linked());
    for (const int v : {shape, batch, y}) EXPECT_EQ(verdict(kit.graph, p, v).group >= 0, !elsewhere);
  }
}

TEST(Partition, AnythingBetweenKeepsGroupsApart) {
  GraphKit kit;
  const int a = kit.conv(kit.input(ElemType::u8, {1, 4, 8, 8}));
  const int b = kit.node("Sort", {a}, ElemType::u8, {1, 4, 8, 8});
  const int c = kit.dense(a), d = kit.dense(b);
  kit.output(kit.dense(c));
  kit.output(d);
  const Partition p = partition(kit.linked());
  for (const Group& g : p.groups) EXPECT_TRUE(convex(kit.graph, g.nodes));
  EXPECT_EQ(verdict(kit.graph, p, b).reason, Reason::op_not_supported);
}

TEST(Partition, APathOutsideForbidsTheUnion) {
  GraphKit kit;
  const int a = kit.dense(kit.input(ElemType::u8, {4, 4}));
  const int t = kit.node("Sort", {a}, ElemType::u8, {4, 4});
  const int y = kit.node("QLinearMatMul",
                         {a, kit.scale(0.25F), kit.u8(3), t, kit.scale(0.25F), kit.u8(3), kit.scale(1), kit.u8(0)},
                         ElemType::u8, {4, 4});
  const Partition p = partition(kit.linked());
  ASSERT_EQ(p.groups.size(), 2U);
  EXPECT_NE(verdict(kit.graph, p, a).group, verdict(kit.graph, p, y).group);
}

TEST(Partition, ImagesAndMatricesShareARegion) {
  GraphKit kit;
  const int x = kit.input(ElemType::u8, {1, 4, 4, 4});
  const int a = kit.conv(x);
  kit.output(kit.dense(a));
  kit.output(kit.dense(x));
  EXPECT_EQ(partition(kit.linked()).groups.size(), 1U);
}

// Everything between two convolutions is one region with them, floats and codes.
TEST(Partition, FloatOpsBetweenBelongToTheRegion) {
  GraphKit kit;
  const int a = kit.conv(kit.input(ElemType::u8, {1, 4, 8, 8}));
  const int gate = kit.node("HardSigmoid", {kit.dequantize(a, 0.25F, 3)}, ElemType::f32);
  const int scaled = kit.node("Mul", {kit.dequantize(a, 0.25F, 3), gate}, ElemType::f32);
  const int pooled = kit.node("MaxPool", {kit.quantize(scaled)}, ElemType::u8, {1, 4, 4, 4});
  kit.ints("kernel_shape", {2, 2});
  kit.output(kit.conv(pooled));
  const Partition p = partition(kit.linked());
  ASSERT_EQ(p.groups.size(), 1U);
  EXPECT_EQ(p.groups[0].nodes.size(), kit.graph.nodes.size());
}

TEST(Partition, NodesOfOtherProvidersAreTheirs) {
  GraphKit kit;
  const int y = kit.conv(kit.input(ElemType::u8, {1, 4, 8, 8}));
  for (HostNode& n : kit.graph.nodes) n.taken_elsewhere = n.op == "DequantizeLinear";
  const Partition p = partition(kit.linked());
  EXPECT_TRUE(p.groups.empty());
  EXPECT_LT(verdict(kit.graph, p, y).group, 0);
}

// The graph of one group, as the host would hand it back for compiling.
HostGraph part_of(const HostGraph& graph, const Group& group, std::vector<int>& inputs, std::vector<int>& outputs) {
  HostGraph part;
  part.name = graph.name;
  part.values = graph.values;
  for (const int n : group.nodes) part.nodes.push_back(graph.nodes[n]);
  std::set<int> made, read;
  for (const HostNode& n : part.nodes) {
    made.insert(n.outputs.begin(), n.outputs.end());
    read.insert(n.inputs.begin(), n.inputs.end());
  }
  for (const int v : read) {
    if (v >= 0 && !made.contains(v) && !graph.values[v].constant) inputs.push_back(v);
  }
  for (const int v : made) {
    const auto& readers = graph.values[v].consumers;
    const bool leaves = graph.values[v].graph_output || std::any_of(readers.begin(), readers.end(), [&](int r) {
                          return !std::binary_search(group.nodes.begin(), group.nodes.end(), r);
                        });
    part.values[v].graph_output = leaves;
    if (leaves) outputs.push_back(v);
  }
  part.link();
  return part;
}

TEST(Partition, RandomGraphsGiveConvexGroupsThatCompile) {
  constexpr int kGraphs = 300;
  for (int seed = 0; seed < kGraphs; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 rng(static_cast<unsigned>(seed));
    const auto pick = [&](size_t n) { return static_cast<size_t>(rng() % n); };
    GraphKit kit;
    std::vector<int> codes{kit.input(ElemType::u8, {4, 4, 4, 4})};
    for (int i = 0; i < 25; ++i) {
      const int from = codes[pick(codes.size())];
      int made = -1;
      switch (pick(8)) {
        case 0:
        case 1: made = kit.conv(from); break;
        case 2: made = kit.dense(from); break;
        case 3: made = kit.node("Sort", {from}, ElemType::u8, {4, 4, 4, 4}); break;
        case 4:
          made = kit.node("QLinearMatMul",
                          {from, kit.scale(1), kit.u8(3), codes[pick(codes.size())], kit.scale(1), kit.u8(3),
                           kit.scale(1), kit.u8(3)},
                          ElemType::u8);
          break;
        case 5: {
          const int a = kit.dequantize(from, 0.25F, 3), b = kit.dequantize(codes[pick(codes.size())], 0.25F, 3);
          made = kit.quantize(kit.node("Relu", {kit.node("Add", {a, b}, ElemType::f32)}, ElemType::f32));
          break;
        }
        case 6: made = kit.quantize(kit.node("Sort", {kit.dequantize(from, 0.25F, 3)}, ElemType::f32)); break;
        default: made = kit.quantize(kit.dequantize(from, 0.25F, 3)); break;
      }
      kit.graph.values[made].dims = {4, 4, 4, 4};
      kit.graph.values[made].ranked = true;
      if (pick(5) == 0) kit.output(made);
      codes.push_back(made);
    }
    const HostGraph& graph = kit.linked();
    const Partition p = partition(graph);
    std::set<int> claimed;
    for (size_t g = 0; g < p.groups.size(); ++g) {
      EXPECT_TRUE(convex(graph, p.groups[g].nodes));
      for (const int n : p.groups[g].nodes) {
        EXPECT_TRUE(claimed.insert(n).second);
        EXPECT_EQ(p.nodes[n].group, static_cast<int>(g));
      }
      std::vector<int> inputs, outputs;
      const HostGraph part = part_of(graph, p.groups[g], inputs, outputs);
      const Result<Group> again = recognise_all(part);
      ASSERT_TRUE(again.ok()) << again.status().to_string();
      EXPECT_EQ(again->units.size(), p.groups[g].units.size());
      const auto desc = build_region(part, *again, inputs, outputs);
      ASSERT_TRUE(desc.ok()) << desc.status().to_string();
      const Status checked = runtime::check(*desc);
      EXPECT_TRUE(checked.ok()) << checked.to_string();
    }
  }
}

// All pairs of groups: none could have been joined.
TEST(Groups, AreMaximal) {
  GraphKit kit;
  const int x = kit.input(ElemType::u8, {4, 4});
  int a = kit.dense(x), b = kit.dense(x);
  for (int i = 0; i < 5; ++i) {
    const int next = kit.dense(i % 2 == 0 ? a : b);
    (i % 2 == 0 ? a : b) = next;
  }
  const HostGraph& graph = kit.linked();
  EXPECT_EQ(partition(graph).groups.size(), 1U);
}

TEST(Groups, AThousandUnitsAreQuick) {
  GraphKit kit;
  int x = kit.input(ElemType::u8, {1, 4, 8, 8});
  for (int i = 0; i < 1000; ++i) x = i % 7 == 6 ? kit.node("Sort", {x}, ElemType::u8, {1, 4, 8, 8}) : kit.conv(x);
  const Partition p = partition(kit.linked());
  EXPECT_EQ(p.groups.size(), 143U);
}

}  // namespace
}  // namespace octile::plugin::test
