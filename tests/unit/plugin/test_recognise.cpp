// Units: what of a node's surroundings becomes one op, with which parameters; and every reason to refuse.
// In:  hand-made graphs.  Out: NodeDesc fields, reasons.  Not here: grouping.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "graph_kit.h"
#include "plugin/partition/partition.h"

namespace octile::plugin::test {
namespace {

int find(const HostGraph& graph, const std::string& op) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].op == op) return static_cast<int>(n);
  }
  return -1;
}

struct Recognised {
  Unit unit;
  Verdict refusal;
};
Recognised look(GraphKit& kit, const std::string& op) {
  Recognised r;
  r.refusal = recognise(kit.linked(), find(kit.graph, op), r.unit);
  return r;
}
Reason reason(GraphKit& kit, const std::string& op) {
  const Recognised r = look(kit, op);
  return r.refusal ? r.refusal->reason : Reason::taken;
}

// x -> DQ -> Conv(w per channel, float or dequantized bias) -> activation -> Q, with pieces to spoil.
struct ConvKit : GraphKit {
  int x, xd, w, wd, f, y;
  explicit ConvKit(std::vector<int64_t> wei = {2, 3, 1, 1}, int wei_axis = 0, int bias = -1) {
    x = input(ElemType::u8, {1, 3, 4, 4});
    xd = dequantize(x, 0.5F, 7);
    w = weights(wei);
    const int scales = constant<float>(ElemType::f32, {0.25F, 0.125F}, {2});
    wd = node("DequantizeLinear", {w, scales, constant<int8_t>(ElemType::s8, {0, 0}, {2})}, ElemType::f32, wei);
    integer("axis", wei_axis);
    f = node("Conv", bias < 0 ? std::vector<int>{xd, wd} : std::vector<int>{xd, wd, bias}, ElemType::f32);
    y = quantize(f, ElemType::u8, 0.75F, 9);
  }
  HostNode& node_of(const std::string& op) { return graph.nodes[find(graph, op)]; }
};

TEST(Recognise, ConvFieldsComeFromItsSurroundings) {
  ConvKit kit({2, 3, 5, 3});
  kit.node_of("Conv").attributes["pads"].ints = {2, 1, 3, 0};
  kit.node_of("Conv").attributes["strides"].ints = {2, 1};
  kit.node_of("Conv").attributes["dilations"].ints = {1, 2};
  const Recognised r = look(kit, "Conv");
  ASSERT_FALSE(r.refusal) << r.refusal->detail;
  const OpSpec& s = r.unit.desc.spec;
  EXPECT_EQ(to_key(s).substr(0, 7), "conv2d ");
  EXPECT_EQ((std::vector<int64_t>{s.ic, s.oc, s.kh, s.kw, s.pt, s.pl, s.pb, s.pr, s.sh, s.sw, s.dh, s.dw}),
            (std::vector<int64_t>{3, 2, 5, 3, 2, 1, 3, 0, 2, 1, 1, 2}));
  EXPECT_TRUE(s.src_zp && s.dst_zp && s.wei_per_oc && !s.wei_zp && !s.bias);
  EXPECT_EQ(r.unit.desc.quant.src_zp, 7);
  EXPECT_EQ(r.unit.desc.quant.wei_scale, (std::vector<float>{0.25F, 0.125F}));
  EXPECT_EQ(r.unit.desc.quant.dst_scale, 0.75F);
  EXPECT_EQ(r.unit.desc.quant.dst_zp, 9);
  EXPECT_EQ(r.unit.nodes.size(), 4U);
  EXPECT_EQ(r.unit.desc.inputs, std::vector<int>{kit.x});
  EXPECT_EQ(r.unit.desc.output, kit.y);
}

TEST(Recognise, FloatBiasIsRoundedToTheAccumulatorsCodes) {
  GraphKit kit;
  const int x = kit.dequantize(kit.input(ElemType::u8, {1, 1, 4, 4}), 0.5F, 0);
  const int w = kit.dequantize(kit.weights({2, 1, 1, 1}), 0.5F, 0);
  // Codes 2.5 and -3.5 of scale 0.25: half to even.
  const int bias = kit.constant<float>(ElemType::f32, {0.625F, -0.875F}, {2});
  kit.quantize(kit.node("Conv", {x, w, bias}, ElemType::f32));
  const Recognised r = look(kit, "Conv");
  ASSERT_FALSE(r.refusal);
  EXPECT_EQ(r.unit.desc.quant.bias, (std::vector<int32_t>{2, -4}));
}

Reason with_bias(float scale, int32_t zp, float value) {
  GraphKit kit;
  const int x = kit.dequantize(kit.input(ElemType::u8, {1, 1, 4, 4}), 0.5F, 0);
  const int w = kit.dequantize(kit.weights({1, 1, 1, 1}), 0.5F, 0);
  int bias = kit.constant<float>(ElemType::f32, {value}, {1});
  if (scale > 0) {
    const int codes = kit.constant<int32_t>(ElemType::s32, {5}, {1});
    bias = kit.node("DequantizeLinear", {codes, kit.scale(scale), kit.constant<int32_t>(ElemType::s32, {zp}, {})},
                    ElemType::f32, {1});
  }
  kit.quantize(kit.node("Conv", {x, w, bias}, ElemType::f32));
  return reason(kit, "Conv");
}

TEST(Recognise, BiasMustFit) {
  EXPECT_EQ(with_bias(0.25F, 0, 0), Reason::taken);
  EXPECT_EQ(with_bias(0.25F * 1.000001F, 0, 0), Reason::taken);
  EXPECT_EQ(with_bias(0.26F, 0, 0), Reason::bias_scale);
  EXPECT_EQ(with_bias(0.25F, 1, 0), Reason::bias_scale);
  EXPECT_EQ(with_bias(0, 0, 1e20F), Reason::bias_range);
  EXPECT_EQ(with_bias(0, 0, std::numeric_limits<float>::quiet_NaN()), Reason::bias_range);
  EXPECT_EQ(with_bias(0, 0, std::numeric_limits<float>::infinity()), Reason::bias_range);
}

TEST(Recognise, ReluAndClipBecomeTheClamp) {
  for (const bool relu : {true, false}) {
    GraphKit kit;
    const int x = kit.dequantize(kit.input(ElemType::s8, {1, 1, 4, 4}), 0.5F, 0);
    const int f = kit.node("Conv", {x, kit.dequantize(kit.weights({1, 1, 1, 1}), 0.5F, 0)}, ElemType::f32);
    const int a = relu ? kit.node("Relu", {f}, ElemType::f32)
                       : kit.node("Clip", {f, kit.scale(-1.0F), kit.scale(2.0F)}, ElemType::f32);
    kit.quantize(a, ElemType::s8, 0.25F, -5);
    const Recognised r = look(kit, "Conv");
    ASSERT_FALSE(r.refusal);
    EXPECT_EQ(r.unit.desc.quant.clamp_lo, relu ? -5 : -9);
    EXPECT_EQ(r.unit.desc.quant.clamp_hi, relu ? 127 : 3);
    EXPECT_EQ(r.unit.desc.spec.post, relu ? Post::relu : Post::clip);
  }
}

TEST(Recognise, ClipBoundsMustBeNumbers) {
  for (const float bound : {std::numeric_limits<float>::quiet_NaN(), 1.0F}) {
    GraphKit kit;
    const int x = kit.dequantize(kit.input(ElemType::u8, {1, 1, 4, 4}), 0.5F, 0);
    const int f = kit.node("Conv", {x, kit.dequantize(kit.weights({1, 1, 1, 1}), 0.5F, 0)}, ElemType::f32);
    const int variable = kit.input(ElemType::f32, {});
    const int lo = std::isnan(bound) ? kit.scale(bound) : variable;
    kit.quantize(kit.node("Clip", {f, lo}, ElemType::f32));
    EXPECT_EQ(reason(kit, "Conv"), Reason::clip_bounds);
  }
}

TEST(Recognise, RefusesWhatIsNotAUnit) {
  {
    ConvKit kit;
    kit.output(kit.f);
    EXPECT_EQ(reason(kit, "Conv"), Reason::output_used_elsewhere);
  }
  {
    ConvKit kit;
    kit.node("Exp", {kit.f}, ElemType::f32);
    EXPECT_EQ(reason(kit, "Conv"), Reason::output_used_elsewhere);
  }
  {
    ConvKit kit;
    kit.node("Exp", {kit.xd}, ElemType::f32);
    EXPECT_EQ(reason(kit, "Conv"), Reason::shared_dequantize);
  }
  {
    ConvKit kit;
    kit.node_of("QuantizeLinear").op = "Exp";
    EXPECT_EQ(reason(kit, "Conv"), Reason::output_not_quantized);
  }
  {
    ConvKit kit;
    kit.graph.values[kit.w].constant = false;
    EXPECT_EQ(reason(kit, "Conv"), Reason::weights_not_constant);
  }
  {
    ConvKit kit({2, 3, 1, 1, 1});
    EXPECT_EQ(reason(kit, "Conv"), Reason::spatial_rank);
  }
  {
    ConvKit kit({3, 2, 1, 1}, 1);
    EXPECT_EQ(reason(kit, "Conv"), Reason::per_channel_axis);
  }
  {
    ConvKit kit;
    kit.graph.values[kit.x].type = ElemType::other;
    EXPECT_EQ(reason(kit, "Conv"), Reason::type_not_supported);
  }
  {
    ConvKit kit;
    kit.node_of("Conv").attributes["group"].i = 0;
    EXPECT_EQ(reason(kit, "Conv"), Reason::malformed);
  }
  {
    ConvKit kit;
    kit.node_of("Conv").attributes["auto_pad"].s = "SOMEHOW";
    EXPECT_EQ(reason(kit, "Conv"), Reason::attribute);
  }
  {
    ConvKit kit;
    kit.node_of("Conv").attributes["kernel_shape"].ints = {3, 3};
    EXPECT_EQ(reason(kit, "Conv"), Reason::malformed);
  }
}

TEST(Recognise, ScalesMustBeUsable) {
  for (const float bad : {0.0F, -1.0F, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    GraphKit kit;
    const int x = kit.dequantize(kit.input(ElemType::u8, {1, 1, 4, 4}), bad, 0);
    kit.quantize(kit.node("Conv", {x, kit.dequantize(kit.weights({1, 1, 1, 1}), 0.5F, 0)}, ElemType::f32));
    EXPECT_EQ(reason(kit, "Conv"), Reason::bad_scale);
  }
}

TEST(Recognise, GemmWeightsAreTurned) {
  GraphKit kit;
  const int x = kit.dequantize(kit.input(ElemType::u8, {2, 3}), 0.5F, 0);
  const int w = kit.constant<int8_t>(ElemType::s8, {1, 2, 3, 4, 5, 6}, {2, 3});  // [n, k]
  const int f = kit.node("Gemm", {x, kit.dequantize(w, 0.5F, 0)}, ElemType::f32);
  kit.integer("transB", 1);
  const int y = kit.quantize(f);
  const HostGraph& graph = kit.linked();
  const Result<Group> group = recognise_all(graph);
  ASSERT_TRUE(group.ok()) << group.status().to_string();
  const auto desc = build_region(graph, *group, group->units[0].desc.inputs, {y});
  ASSERT_TRUE(desc.ok());
  EXPECT_EQ(desc->nodes[0].spec.k, 3);
  EXPECT_EQ(desc->nodes[0].spec.n, 2);
  EXPECT_EQ(desc->nodes[0].wei, (std::vector<uint8_t>{1, 4, 2, 5, 3, 6}));
}

TEST(Recognise, MatMulOfActivationsNeedsRanks) {
  for (const bool known : {true, false}) {
    GraphKit kit;
    const int a = kit.dequantize(kit.input(ElemType::u8, {-1, 4, 8}), 0.5F, 0);
    const int b = kit.dequantize(
        kit.input(ElemType::u8, known ? std::vector<int64_t>{-1, -1, -1} : std::vector<int64_t>{}), 0.5F, 0);
    kit.quantize(kit.node("MatMul", {a, b}, ElemType::f32));
    const Recognised r = look(kit, "MatMul");
    if (!known) {
      ASSERT_TRUE(r.refusal);
      EXPECT_EQ(r.refusal->reason, Reason::rank_unknown);
      continue;
    }
    ASSERT_FALSE(r.refusal);
    EXPECT_TRUE(r.unit.desc.spec.wei_var);
    EXPECT_EQ(r.unit.desc.spec.k, 8);
    EXPECT_EQ(r.unit.desc.spec.n, 0);  // of each run
    EXPECT_EQ(r.unit.desc.inputs.size(), 2U);
  }
}

TEST(Recognise, TooDeepForInt32) {
  GraphKit kit;
  const int x = kit.dequantize(kit.input(ElemType::u8, {1, 65794}), 0.5F, 0);
  kit.quantize(kit.node("MatMul", {x, kit.dequantize(kit.weights({65794, 1}), 0.5F, 0)}, ElemType::f32));
  EXPECT_EQ(reason(kit, "MatMul"), Reason::reduction_too_deep);
}

TEST(Recognise, MissingInputsAreMalformedNotFatal) {
  for (const char* op : {"Conv", "Gemm", "MatMul", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}) {
    for (size_t inputs = 0; inputs < 3; ++inputs) {
      GraphKit kit;
      kit.node(op, std::vector<int>(inputs, -1), ElemType::u8);
      EXPECT_NE(reason(kit, op), Reason::taken) << op << " with " << inputs;
    }
  }
}

}  // namespace
}  // namespace octile::plugin::test
