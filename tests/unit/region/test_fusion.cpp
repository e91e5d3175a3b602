// Steps that become somebody's tail: which do, and that answers stay those of the interpreter.
// In:  nets made to have them.  Out: verdicts.  Not here: tails on crops (tests/unit/runtime).
#include <gtest/gtest.h>

#include <algorithm>

#include "region_kit.h"

namespace octile::runtime::test {
namespace {

// How many nodes of the region run as passes of this kind.
int64_t passes(const Kit& kit, const std::vector<Shape>& shapes, const std::string& kind) {
  const auto decisions = make(kit.desc)->explain(shapes);
  EXPECT_TRUE(decisions.ok()) << decisions.status().to_string();
  int64_t found = 0;
  for (const NodeDecision& d : *decisions) {
    found += std::count_if(d.kernels.begin(), d.kernels.end(),
                           [&](const Decision& k) { return k.kernel == "region:" + kind; });
  }
  return found;
}

int concat(Kit& kit, const std::vector<int>& parts, float scale) {
  std::vector<int> floats;
  for (const int part : parts) floats.push_back(kit.dequantize(part));
  return kit.quantize(kit.node(NodeKind::concat, floats, {1}), DType::u8, scale, 100);
}

// A block of YOLOv8: halves of a convolution's channels go into a concat, one of them through a convolution as well.
// `pad`: of the reader, so that the concat has a halo.
Kit halves(int64_t pad) {
  Kit kit(51);
  const int x = kit.input(DType::u8, 0.02F, 3);
  const int y = kit.conv(x, filter(6, 40, 1), DType::u8, 90);
  const int a = kit.node(NodeKind::slice, {y}, {0, 9999, 1, 0, 20, 1});
  const int b = kit.node(NodeKind::slice, {y}, {0, 9999, 1, 20, 40, 1});
  const int z = kit.conv(b, filter(20, 20, 3, 1), DType::u8, 110);
  const float scale = kit.desc.values[static_cast<size_t>(y)].scale * 1.25F;
  const int c = concat(kit, {a, b, z}, scale);
  kit.output(kit.conv(c, filter(60, 8, 1 + 2 * pad, pad), DType::u8, 5));
  return kit;
}

TEST(Fusion, PartsOfAConcatAreWrittenByWhoMakesThem) {
  for (const int64_t pad : {0, 1}) {
    Kit kit = halves(pad);
    for (const int threads : {1, 3}) equals_interpreter(kit, {{2, 6, 9, 13}}, test_threads(threads));
    EXPECT_EQ(passes(kit, {{2, 6, 9, 13}}, "table"), 0);
    EXPECT_EQ(passes(kit, {{2, 6, 9, 13}}, "move"), 0);
  }
}

TEST(Fusion, OneTensorInTwoConcatsAndAnOutput) {
  Kit kit(52);
  const int x = kit.input(DType::u8, 0.02F, 3);
  const int y = kit.conv(x, filter(6, 17, 3, 1), DType::s8, 9);
  const int z = kit.conv(y, filter(17, 5, 1), DType::s8, -3);
  const float scale = kit.desc.values[static_cast<size_t>(y)].scale;
  kit.output(concat(kit, {y, z}, scale * 1.5F));
  kit.output(concat(kit, {z, y, y}, scale * 0.75F));
  kit.output(y);
  for (const int threads : {1, 3}) equals_interpreter(kit, {{1, 6, 12, 7}}, test_threads(threads));
}

// Quantized x * sigmoid(x): codes that two nodes read, though in the end one table does. The profile names all of them.
TEST(Fusion, TablesInARowAreOne) {
  Kit kit(54);
  const int x = kit.input(DType::u8, 0.02F, 3);
  const int y = kit.conv(x, filter(4, 12, 1), DType::u8, 100);
  const float scale = kit.desc.values[static_cast<size_t>(y)].scale;
  const int z = kit.dequantize(kit.quantize(kit.dequantize(y), DType::u8, scale * 1.3F, 90));
  const int silu = kit.node(NodeKind::mul, {z, kit.node(NodeKind::sigmoid, {z}, {})}, {});
  kit.output(kit.conv(kit.quantize(silu, DType::s8, scale * 0.9F, -5), filter(12, 3, 3, 1), DType::u8, 0));
  equals_interpreter(kit, {{1, 4, 5, 6}});
  const auto region = make(kit.desc);
  region->start_clock();
  HostValue host = kit.draw(kit.desc.inputs[0], {1, 4, 5, 6});
  ASSERT_TRUE(run_region(*region, kit.desc, {host}).status.ok());
  const std::vector<StepTime> times = region->times();
  const auto conv = std::find_if(times.begin(), times.end(), [](const StepTime& t) { return t.kind == "dot"; });
  ASSERT_NE(conv, times.end());
  EXPECT_EQ(conv->form, "table");
  EXPECT_EQ(conv->nodes.size(), 3U);
}

// Quantization after a resize is worked out before it, and becomes a tail there.
TEST(Fusion, TablesStandBeforeAResizeThatRepeats) {
  for (const bool shared : {false, true}) {
    Kit kit(53);
    const int x = kit.input(DType::u8, 0.02F, 3);
    const int y = kit.conv(x, filter(4, 12, 1), DType::u8, 100);
    const int large = kit.node(NodeKind::resize, {kit.dequantize(y)}, {0, 1, 2}, {1, 1, 2, 3});
    const float scale = kit.desc.values[static_cast<size_t>(y)].scale;
    kit.output(kit.conv(kit.quantize(large, DType::u8, scale * 1.1F, 7), filter(12, 3, 3, 1), DType::u8, 0));
    if (shared) kit.output(y);
    equals_interpreter(kit, {{1, 4, 5, 6}});
    EXPECT_EQ(passes(kit, {{1, 4, 5, 6}}, "table"), 0);
    EXPECT_EQ(passes(kit, {{1, 4, 5, 6}}, "resize_nearest"), 1);
  }
}

}  // namespace
}  // namespace octile::runtime::test
