// Descriptions that must be refused, each with the node's name.
// In:  broken RegionDescs.  Out: verdicts.  Not here: running.
#include <gtest/gtest.h>

#include "region_kit.h"

namespace octile::runtime::test {
namespace {

OpSpec filter(int64_t ic, int64_t oc, int64_t k, int64_t pad = 0) {
  OpSpec s;
  s.ic = ic;
  s.oc = oc;
  s.kh = s.kw = k;
  s.pt = s.pl = s.pb = s.pr = pad;
  return s;
}

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
  refused(kit.desc, "\"n1\": reads a value that does not exist");
  kit = chain();
  kit.desc.nodes[1].output = -2;
  refused(kit.desc, "\"n1\": writes a value that does not exist");
  kit = chain();
  kit.desc.outputs = {7};
  refused(kit.desc, "output does not exist");
  kit = chain();
  kit.desc.inputs = {-1};
  refused(kit.desc, "input does not exist");
}

TEST(Graph, RefusesWrongOrderAndDoubleWriters) {
  Kit kit = chain();
  std::swap(kit.desc.nodes[0], kit.desc.nodes[1]);
  refused(kit.desc, "\"n1\": reads a value that no earlier node makes");
  kit = chain();
  kit.desc.nodes[1].output = kit.desc.nodes[1].inputs[0];
  refused(kit.desc, "\"n1\": writes a value that exists already");
}

TEST(Graph, RefusesPassThroughOutputs) {
  Kit kit = chain();
  kit.desc.outputs.push_back(kit.desc.inputs[0]);
  refused(kit.desc, "is made by no node");
  kit = chain();
  kit.desc.outputs.push_back(kit.desc.outputs[0]);
  refused(kit.desc, "given twice");
}

TEST(Graph, RefusesWrongWeightsAndTypes) {
  Kit kit = chain();
  kit.desc.nodes[0].wei.pop_back();
  refused(kit.desc, "\"n0\": has");
  kit = chain();
  kit.desc.values[0].type = DType::s8;
  refused(kit.desc, "\"n0\": its source is not of the op's type");
  kit = chain();
  kit.desc.nodes[1].quant.wei_scale = {0.5F, 0.5F};
  refused(kit.desc, "\"n1\"");
  kit = chain();
  kit.desc.nodes[1].auto_pad = "SAME";
  refused(kit.desc, "unknown auto_pad SAME");
  kit = chain();
  kit.desc.nodes[1].inputs.push_back(0);
  refused(kit.desc, "\"n1\": has 2 inputs");
}

TEST(Graph, RefusesAnImageThatIsAMatrix) {
  Kit kit(2);
  const int x = kit.input(DType::u8);
  const int y = kit.conv(x, filter(4, 8, 1), DType::u8, 0);
  kit.output(kit.dense(y, 8, 3, DType::u8, 0));
  refused(kit.desc, "an image and a matrix at once");
}

TEST(Graph, RefusesTwoZeroPointsOfOneValue) {
  Kit kit(3);
  const int x = kit.input(DType::u8, 0.02F, 7);
  kit.output(kit.conv(x, filter(4, 4, 3, 1), DType::u8, 0));
  kit.output(kit.conv(x, filter(4, 4, 3, 1), DType::u8, 0));
  kit.desc.nodes[1].quant.src_zp = 8;
  refused(kit.desc, "zero point");
}

}  // namespace
}  // namespace octile::runtime::test
