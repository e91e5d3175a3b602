// Costs: what a region is predicted to cost here and in the host, and what such a prediction may depend on.
// In:  hand-made graphs, portable kernels.  Out: comparisons, never numbers.
// Not here: whether the rates are right (bench/peers/costs.py), what is decided (tests/integration/test_options.py).
#include <gtest/gtest.h>

#include "graph_kit.h"
#include "plugin/partition/cost.h"
#include "plugin/partition/partition.h"

namespace octile::plugin::test {
namespace {

const runtime::KernelLibrary& library() {
  static const runtime::KernelLibrary portable;
  return portable;
}

// The cost of the only region of the graph; with shapes of its own where they are given.
Cost cost_of(const HostGraph& graph, const std::vector<Shape>& given = {}, Isa host = Isa::avx2) {
  const Partition p = partition(graph);
  EXPECT_EQ(p.groups.size(), 1U);
  const Result<Outline> made = outline(graph, p.groups[0]);
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  const std::vector<Shape> shapes = given.empty() ? input_shapes(graph, *made).value() : given;
  const Result<Cost> cost = predict(graph, p.groups[0], *made, shapes, {library().kernels(), Isa::portable, host});
  EXPECT_TRUE(cost.ok()) << cost.status().to_string();
  EXPECT_GT(cost->ours, 0);
  EXPECT_GT(cost->host, 0);
  return *cost;
}

Cost of_convs(std::vector<int64_t> dims, int count = 1, ElemType type = ElemType::u8) {
  GraphKit kit;
  int q = kit.input(type, std::move(dims));
  for (int i = 0; i < count; ++i) q = kit.conv(q);
  kit.output(q);
  return cost_of(kit.linked());
}

TEST(Cost, GrowsWithWork) {
  const Cost small = of_convs({1, 4, 16, 16}), wide = of_convs({1, 4, 32, 32}), deep = of_convs({1, 4, 32, 32}, 3);
  EXPECT_LT(small.ours, wide.ours);
  EXPECT_LT(small.host, wide.host);
  EXPECT_LT(2 * wide.ours, deep.ours);
  EXPECT_LT(2 * wide.host, deep.host);
}

TEST(Cost, NeedsShapesButForTheBatch) {
  GraphKit kit;
  kit.output(kit.conv(kit.input(ElemType::u8, {-1, 4, 16, 16})));
  EXPECT_EQ(cost_of(kit.linked()).ours, of_convs({1, 4, 16, 16}).ours);
  GraphKit open;
  open.output(open.conv(open.input(ElemType::u8, {1, 4, -1, 16})));
  const HostGraph& graph = open.linked();
  const Partition p = partition(graph);
  EXPECT_FALSE(input_shapes(graph, *outline(graph, p.groups[0])));
  EXPECT_EQ(cost_of(graph, {{1, 4, 16, 16}}).host, of_convs({1, 4, 16, 16}).host);
}

// Codes that two read, the second an op beside the one measured.
Cost of_shared(ElemType type) {
  GraphKit kit;
  const int q = kit.input(type, {1, 4, 16, 16});
  kit.output(kit.conv(q));
  kit.output(kit.conv(q));
  return cost_of(kit.linked());
}

TEST(Cost, TheHostKeepsSharedSignedTensorsInFloats) {
  EXPECT_EQ(of_convs({1, 4, 16, 16}, 2).host, of_convs({1, 4, 16, 16}, 2, ElemType::s8).host);
  EXPECT_LT(of_shared(ElemType::u8).host, of_shared(ElemType::s8).host);
  EXPECT_EQ(of_shared(ElemType::u8).ours, of_shared(ElemType::s8).ours);
}

TEST(Cost, TheHostDependsOnItsCpu) {
  GraphKit kit;
  kit.output(kit.dense(kit.input(ElemType::u8, {64, 256}), 256, 256));
  const HostGraph& graph = kit.linked();
  const Cost avx2 = cost_of(graph), vnni = cost_of(graph, {}, Isa::avx512vnni);
  EXPECT_GT(avx2.host, vnni.host);
  EXPECT_EQ(avx2.ours, vnni.ours);
}

TEST(Cost, WhatTheHostFusesIsNoWorkOfItsOwn) {
  const auto of_pool = [](const char* op) {
    GraphKit kit;
    const int x = kit.dequantize(kit.conv(kit.input(ElemType::u8, {1, 4, 64, 64})), 0.25F, 3);
    kit.output(kit.conv(kit.quantize(kit.node(op, {x}, ElemType::f32, {1, 4, 64, 64}))));
    return cost_of(kit.linked());
  };
  EXPECT_LT(of_pool("Sigmoid").host, of_pool("Tanh").host);  // it has integer kernels for one of them
  EXPECT_EQ(of_pool("Sigmoid").ours, of_pool("Tanh").ours);
}

}  // namespace
}  // namespace octile::plugin::test
