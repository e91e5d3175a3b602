// Descriptions that must be refused, each with the node's name.
// In:  broken RegionDescs.  Out: verdicts.  Not here: running.
#include <gtest/gtest.h>

#include "region_kit.h"

namespace octile::runtime::test {
namespace {

Kit chain() {
  Kit kit(1);
  const int x = kit.input(DType::u8);
  kit.output(kit.conv(kit.conv(x, filter(4, 6, 3, 1), DType::u8, 3), filter(6, 5, 1), DType::u8, 0));
  return kit;
}

void refused(const RegionDesc& desc, const std::string& words) {
  const auto region = Region::create(std::make_shared<KernelLibrary>(), Isa::avx512vnni, desc, 1);
  ASSERT_FALSE(region.ok());
  EXPECT_NE(region.status().message().find(words), std::string::npos) << region.status().to_string();
}

TEST(Graph, AcceptsTheChain) { EXPECT_NE(make(chain().desc), nullptr); }

TEST(Graph, RefusesValuesThatDoNotExist) {
  Kit kit = chain();
  kit.desc.nodes[1].inputs[0] = 99;
  refused(kit.desc, "reads a value that no earlier node makes");
  kit = chain();
  kit.desc.nodes[1].output = -2;
  refused(kit.desc, "writes a value that does not exist");
  kit = chain();
  kit.desc.outputs = {7};
  refused(kit.desc, "an output is made by no node");
  kit = chain();
  kit.desc.inputs = {-1};
  refused(kit.desc, "an input is no value");
}

TEST(Graph, RefusesWrongOrderAndDoubleWriters) {
  Kit kit = chain();
  std::swap(kit.desc.nodes[0], kit.desc.nodes[1]);
  refused(kit.desc, "reads a value that no earlier node makes");
  kit = chain();
  kit.desc.nodes[1].output = kit.desc.nodes[1].inputs[0];
  refused(kit.desc, "writes a value that exists already");
}

TEST(Graph, RefusesWrongWeightsAndTypes) {
  Kit kit = chain();
  kit.desc.nodes[0].wei.pop_back();
  refused(kit.desc, "\"n0\": has");
  kit = chain();
  kit.desc.values[0].type = DType::s8;
  refused(kit.desc, "its source is not of the op's type");
  kit = chain();
  kit.desc.nodes[1].quant.wei_scale = {0.5F, 0.5F};
  refused(kit.desc, "\"n1\"");
  kit = chain();
  kit.desc.nodes[1].auto_pad = "SAME";
  refused(kit.desc, "unknown auto_pad SAME");
  kit = chain();
  kit.desc.nodes[1].inputs.push_back(0);
  refused(kit.desc, "has 2 inputs");
}

TEST(Graph, PassesInputsThroughAndGivesOutputsTwice) {
  Kit kit = chain();
  kit.desc.outputs.push_back(kit.desc.inputs[0]);
  kit.desc.outputs.push_back(kit.desc.outputs[0]);
  equals_interpreter(kit, {{1, 4, 7, 5}});
}

TEST(Graph, OneValueAsImageAndAsMatrix) {
  Kit kit(2);
  const int x = kit.input(DType::u8);
  const int y = kit.conv(x, filter(4, 8, 1), DType::s8, 3);
  kit.output(kit.dense(y, 8, 3, DType::u8, 0));
  equals_interpreter(kit, {{2, 4, 5, 8}});
}

TEST(Graph, TwoZeroPointsOfOneValue) {
  Kit kit(3);
  const int x = kit.input(DType::u8, 0.02F, 7);
  kit.output(kit.conv(x, filter(4, 4, 3, 1), DType::u8, 0));
  kit.output(kit.conv(x, filter(4, 4, 3, 1), DType::u8, 0));
  kit.desc.nodes[1].quant.src_zp = 8;
  equals_interpreter(kit, {{1, 4, 6, 6}});
}

TEST(Graph, RefusesWhatReadsIndicesAndMaximaOfCodesAlongTwoAxes) {
  Kit kit(8);
  const int x = kit.input(DType::u8, 0.1F, 3);
  kit.output(kit.node(NodeKind::reduce_max, {x}, {1, 2, 3}));
  refused(kit.desc, "along more than one axis");
  kit = Kit(9);
  const int y = kit.node(NodeKind::arg_max, {kit.input(DType::u8, 0.1F, 3)}, {1, 0, 0});
  kit.desc.values[static_cast<size_t>(y)].type = DType::s64;
  kit.output(kit.node(NodeKind::squeeze, {y}, {}));
  refused(kit.desc, "reads int64");
  kit = Kit(10);
  kit.output(kit.node(NodeKind::identity, {kit.input(DType::s64)}, {}));
  refused(kit.desc, "an input is of int64");
}

// A product of floats quantized on the spot; three readers of one tensor, one with zero points of weights.
TEST(Graph, DynamicProducts) {
  Kit kit(4);
  const int x = kit.input(DType::f32);
  for (int i = 0; i < 3; ++i) {
    const int y = kit.dense(x, 9, 5 + i, DType::s32, 0);
    NodeDesc& n = kit.desc.nodes.back();
    n.kind = NodeKind::dynamic;
    n.spec.src = DType::u8;
    n.quant = OpQuant();
    n.quant.wei_scale = {0.037F};
    if (i == 1) {
      n.spec.wei_zp = true;
      n.quant.wei_zp = {-3};
    }
    if (i == 2) n.floats = {0.5F, -1.25F, 3, 4, 5, 6, 1e-3F};
    kit.desc.values[static_cast<size_t>(y)].type = DType::f32;
    kit.output(y);
  }
  equals_interpreter(kit, {{2, 3, 9}});
}

TEST(Graph, DynamicConvolutionPadsWithTheZeroPointItFinds) {
  Kit kit(5);
  const int x = kit.input(DType::f32);
  const int y = kit.conv(x, filter(3, 6, 3, 1), DType::s32, 0);
  NodeDesc& n = kit.desc.nodes.back();
  n.kind = NodeKind::dynamic;
  n.spec.src = DType::u8;
  n.quant.src_scale = 1.0F;
  n.quant.src_zp = 0;
  n.floats = {1, 2, 3, 4, 5, 6};
  kit.desc.values[static_cast<size_t>(y)].type = DType::f32;
  kit.output(y);
  equals_interpreter(kit, {{2, 3, 5, 7}});
}

// The last column of a product of x by itself, of which there may be none.
TEST(Graph, AnEmptyPartOfAProduct) {
  Kit kit(6);
  const int x = kit.input(DType::u8, 0.02F, 66);
  const int y = kit.matmul(x, kit.node(NodeKind::transpose, {x}, {1, 0}), 8, 2, DType::u8, 3);
  kit.output(kit.node(NodeKind::slice, {y}, {0, 9999, 1, 1, 2, 1}));
  equals_interpreter(kit, {{2, 8}});
  equals_interpreter(kit, {{1, 8}});
}

TEST(Graph, LargestOfAnImageOfAnyRank) {
  for (const Shape& shape : {Shape{2, 3, 7}, Shape{2, 3, 5, 4}, Shape{2, 20, 3, 2, 5}, Shape{1, 3, 1, 2, 1, 9}}) {
    Kit kit(7);
    const int x = kit.input(DType::s8, 0.02F, -9);
    kit.output(kit.node(NodeKind::global_max_pool, {x}, {}));
    equals_interpreter(kit, {shape});
  }
}

}  // namespace
}  // namespace octile::runtime::test
