// Units: what of a node's surroundings becomes one op, with which parameters; and every reason to refuse.
// In:  hand-made graphs.  Out: NodeDesc fields, reasons.  Not here: grouping.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "graph_kit.h"
#include "plugin/partition/partition.h"
#include "plugin/partition/translate.h"

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
  // The step that is the op itself.
  [[nodiscard]] const NodeDesc& desc() const {
    for (const Step& step : unit.steps) {
      if (step.desc.spec.kind == OpKind::conv2d || step.desc.spec.kind == OpKind::dense) {
        if (step.desc.kind <= NodeKind::scaled) return step.desc;
      }
    }
    return unit.steps.at(0).desc;
  }
  [[nodiscard]] std::vector<NodeKind> kinds() const {
    std::vector<NodeKind> out;
    for (const Step& step : unit.steps) out.push_back(step.desc.kind);
    return out;
  }
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
  explicit ConvKit(const std::vector<int64_t>& wei = {2, 3, 1, 1}, int wei_axis = 0, int bias = -1) {
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
  const OpSpec& s = r.desc().spec;
  EXPECT_EQ(to_key(s).substr(0, 7), "conv2d ");
  EXPECT_EQ((std::vector<int64_t>{s.ic, s.oc, s.kh, s.kw, s.pt, s.pl, s.pb, s.pr, s.sh, s.sw, s.dh, s.dw}),
            (std::vector<int64_t>{3, 2, 5, 3, 2, 1, 3, 0, 2, 1, 1, 2}));
  EXPECT_TRUE(s.src_zp && s.dst_zp && s.wei_per_oc && !s.wei_zp && !s.bias);
  EXPECT_EQ(r.desc().quant.src_zp, 7);
  EXPECT_EQ(r.desc().quant.wei_scale, (std::vector<float>{0.25F, 0.125F}));
  EXPECT_EQ(r.desc().quant.dst_scale, 0.75F);
  EXPECT_EQ(r.desc().quant.dst_zp, 9);
  EXPECT_EQ(r.unit.nodes.size(), 4U);
  EXPECT_EQ(r.desc().inputs, std::vector<int>{kit.x});
  EXPECT_EQ(r.desc().output, kit.y);
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
  EXPECT_EQ(r.desc().quant.bias, (std::vector<int32_t>{2, -4}));
}

Recognised with_bias(float scale, int32_t zp, float value) {
  GraphKit kit;
  const int x = kit.dequantize(kit.input(ElemType::u8, {1, 1, 4, 4}), 0.5F, 0);
  const int w = kit.dequantize(kit.weights({1, 1, 1, 1}), 0.5F, 0);
  int bias = kit.constant<float>(ElemType::f32, {value}, {1});
  if (scale > 0) {
    const int codes = kit.constant<int32_t>(ElemType::s32, {500}, {1});
    bias = kit.node("DequantizeLinear", {codes, kit.scale(scale), kit.constant<int32_t>(ElemType::s32, {zp}, {})},
                    ElemType::f32, {1});
  }
  kit.quantize(kit.node("Conv", {x, w, bias}, ElemType::f32));
  return look(kit, "Conv");
}

TEST(Recognise, BiasOfAnotherScaleIsRoundedToTheAccumulators) {
  EXPECT_EQ(with_bias(0.25F, 0, 0).desc().quant.bias, std::vector<int32_t>{500});
  EXPECT_EQ(with_bias(0.25F * 1.000001F, 0, 0).desc().quant.bias, std::vector<int32_t>{500});
  EXPECT_EQ(with_bias(0.26F, 0, 0).desc().quant.bias, std::vector<int32_t>{520});
  EXPECT_EQ(with_bias(0.25F, 100, 0).desc().quant.bias, std::vector<int32_t>{400});
}

TEST(Recognise, BiasMustFit) {
  for (const float value : {1e20F, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const Recognised r = with_bias(0, 0, value);
    ASSERT_TRUE(r.refusal);
    EXPECT_EQ(r.refusal->reason, Reason::bias_range);
  }
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
    EXPECT_EQ(r.desc().quant.clamp_lo, relu ? -5 : -9);
    EXPECT_EQ(r.desc().quant.clamp_hi, relu ? 127 : 3);
    EXPECT_EQ(r.desc().spec.post, relu ? Post::relu : Post::clip);
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
    EXPECT_EQ(look(kit, "Conv").desc().kind, NodeKind::scaled);  // without it
    Unit unit;
    const Verdict refusal = translate(kit.graph, find(kit.graph, "Clip"), unit);
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->reason, Reason::clip_bounds);
  }
}

// A convolution whose floats are wanted: its accumulators times their scales, per channel.
void expect_floats(ConvKit& kit, const std::string& what) {
  SCOPED_TRACE(what);
  const Recognised r = look(kit, "Conv");
  ASSERT_FALSE(r.refusal) << r.refusal->detail;
  EXPECT_EQ(r.kinds(), std::vector<NodeKind>{NodeKind::scaled});
  EXPECT_EQ(r.desc().spec.dst, DType::s32);
  EXPECT_EQ(r.desc().output, kit.f);
  EXPECT_EQ(r.desc().quant.src_scale, 0.5F);
  EXPECT_EQ(r.desc().quant.wei_scale, (std::vector<float>{0.25F, 0.125F}));
}

TEST(Recognise, FloatResultsAreAccumulatorsTimesTheirScales) {
  {
    ConvKit kit;
    kit.output(kit.f);
    expect_floats(kit, "the model's output too");
  }
  {
    ConvKit kit;
    kit.node("Exp", {kit.f}, ElemType::f32);
    expect_floats(kit, "two readers");
  }
  {
    ConvKit kit;
    kit.node_of("QuantizeLinear").op = "Exp";
    expect_floats(kit, "no quantize");
  }
}

// Depthwise, of a source and to a destination with a scale for each of two channels.
struct ChannelsKit : GraphKit {
  int source, result;
  ChannelsKit(const std::vector<int8_t>& zps, int group, const std::string& clamp = {}) {
    const int src_scales = constant<float>(ElemType::f32, {0.5F, 0.25F}, {2});
    source = constant<int8_t>(ElemType::s8, zps, {2});
    const int x = node("DequantizeLinear", {input(ElemType::s8, {1, 2, 4, 4}), src_scales, source}, ElemType::f32);
    const int w = dequantize(weights({2, 2 / group, 1, 1}), 0.125F, 0);
    int f = node("Conv", {x, w, constant<float>(ElemType::f32, {0.5F, 0.5F}, {2})}, ElemType::f32);
    integer("group", group);
    if (clamp == "Relu") f = node("Relu", {f}, ElemType::f32);
    if (clamp == "Clip") f = node("Clip", {f, scale(0.0F), scale(6.0F)}, ElemType::f32);
    result = constant<float>(ElemType::f32, {0.125F, 0.03125F}, {2});
    node("QuantizeLinear", {f, result, constant<int8_t>(ElemType::s8, {-5, -5}, {2})}, ElemType::s8);
  }
};

TEST(Recognise, ScalesPerChannelBecomeTheWeights) {
  for (const char* clamp : {"", "Relu"}) {
    ChannelsKit kit({3, 3}, 2, clamp);
    const Recognised r = look(kit, "Conv");
    ASSERT_FALSE(r.refusal);
    const OpQuant& q = r.desc().quant;
    EXPECT_EQ(q.src_scale, 1.0F);
    EXPECT_EQ(q.src_zp, 3);
    EXPECT_EQ(q.dst_scale, 1.0F);
    EXPECT_EQ(q.dst_zp, -5);
    EXPECT_EQ(q.wei_scale, (std::vector<float>{0.5F * 0.125F / 0.125F, 0.25F * 0.125F / 0.03125F}));
    EXPECT_EQ(q.bias, (std::vector<int32_t>{8, 16}));  // of the sums' own scales
    EXPECT_EQ(q.clamp_lo, *clamp == 0 ? -128 : -5);
    EXPECT_EQ(q.clamp_hi, 127);
  }
}

TEST(Recognise, ScalesPerChannelThatNoWeightsTake) {
  ChannelsKit bounded({3, 3}, 2, "Clip");  // 6 is code 43 of one channel, beyond those of the other
  EXPECT_EQ(look(bounded, "Conv").desc().kind, NodeKind::scaled);
  ChannelsKit apart({3, 4}, 2), mixed({3, 3}, 1);
  EXPECT_EQ(reason(apart, "Conv"), Reason::per_channel_source);
  EXPECT_EQ(reason(mixed, "Conv"), Reason::per_channel_source);
}

TEST(Recognise, ASharedDequantizeIsLookedThrough) {
  ConvKit kit;
  kit.node("Exp", {kit.xd}, ElemType::f32);
  const Recognised r = look(kit, "Conv");
  ASSERT_FALSE(r.refusal);
  EXPECT_EQ(r.unit.nodes.size(), 3U);
  EXPECT_EQ(r.unit.through, std::vector<int>{kit.graph.values[kit.xd].producer});
  EXPECT_EQ(r.desc().inputs, std::vector<int>{kit.x});
}

TEST(Recognise, MovementsBeforeTheQuantizeAreDoneOnCodes) {
  ConvKit kit;
  kit.graph.nodes.pop_back();  // the quantize
  const int flat = kit.node("Flatten", {kit.f}, ElemType::f32);
  const int clamped = kit.node("Relu", {flat}, ElemType::f32);
  const int wide = kit.node("Unsqueeze", {clamped, kit.constant<int64_t>(ElemType::s64, {0}, {1})}, ElemType::f32);
  const int y = kit.quantize(wide, ElemType::u8, 0.75F, 9);
  const Recognised r = look(kit, "Conv");
  ASSERT_FALSE(r.refusal);
  EXPECT_EQ(r.kinds(), (std::vector<NodeKind>{NodeKind::spec, NodeKind::flatten, NodeKind::unsqueeze}));
  EXPECT_EQ(r.desc().spec.post, Post::relu);
  EXPECT_EQ(r.desc().spec.dst, DType::u8);
  EXPECT_EQ(r.unit.steps.back().desc.output, y);
  EXPECT_EQ(r.unit.nodes.size(), 7U);
}

TEST(Recognise, ConvTransposeHasItsChannelsTheOtherWay) {
  ConvKit kit({3, 2, 2, 2}, 1);
  HostNode& n = kit.node_of("Conv");
  n.op = "ConvTranspose";
  n.attributes["strides"].ints = {2, 2};
  n.attributes["output_padding"].ints = {1, 0};
  const Recognised r = look(kit, "ConvTranspose");
  ASSERT_FALSE(r.refusal) << r.refusal->detail;
  EXPECT_EQ(r.desc().kind, NodeKind::conv_transpose);
  EXPECT_EQ(r.desc().spec.ic, 3);
  EXPECT_EQ(r.desc().spec.oc, 2);
  EXPECT_EQ(r.desc().ints, (std::vector<int64_t>{1, 0}));
}

TEST(Recognise, RefusesWhatIsNotAUnit) {
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
  const int q = kit.input(ElemType::u8, {2, 3}), x = kit.dequantize(q, 0.5F, 0);
  const int w = kit.constant<int8_t>(ElemType::s8, {1, 2, 3, 4, 5, 6}, {2, 3});  // [n, k]
  const int f = kit.node("Gemm", {x, kit.dequantize(w, 0.5F, 0)}, ElemType::f32);
  kit.integer("transB", 1);
  const int y = kit.quantize(f);
  const HostGraph& graph = kit.linked();
  const Result<Group> group = recognise_all(graph);
  ASSERT_TRUE(group.ok()) << group.status().to_string();
  const auto desc = build_region(graph, *group, {q}, {y});
  ASSERT_TRUE(desc.ok());
  EXPECT_EQ(desc->nodes[0].spec.k, 3);
  EXPECT_EQ(desc->nodes[0].spec.n, 2);
  EXPECT_EQ(desc->nodes[0].wei, (std::vector<uint8_t>{1, 4, 2, 5, 3, 6}));
}

TEST(Recognise, TransposedSourcesAreTurnedFirst) {
  GraphKit kit;
  const int x = kit.dequantize(kit.input(ElemType::u8, {3, 2}), 0.5F, 0);
  kit.quantize(kit.node("Gemm", {x, kit.dequantize(kit.weights({3, 4}), 0.5F, 0)}, ElemType::f32));
  kit.graph.nodes[kit.graph.nodes.size() - 2].attributes["transA"].i = 1;
  const Recognised r = look(kit, "Gemm");
  ASSERT_FALSE(r.refusal);
  EXPECT_EQ(r.kinds(), (std::vector<NodeKind>{NodeKind::transpose, NodeKind::spec}));
  EXPECT_EQ(r.desc().spec.k, 3);
}

TEST(Recognise, BatchedConstantsAreAProductEach) {
  GraphKit kit;
  const int x = kit.dequantize(kit.input(ElemType::u8, {2, 5, 3}), 0.5F, 0);
  kit.quantize(kit.node("MatMul", {x, kit.dequantize(kit.weights({2, 3, 4}), 0.5F, 0)}, ElemType::f32));
  const Recognised r = look(kit, "MatMul");
  ASSERT_FALSE(r.refusal) << r.refusal->detail;
  EXPECT_EQ(r.kinds(), (std::vector<NodeKind>{NodeKind::slice, NodeKind::spec, NodeKind::slice, NodeKind::spec,
                                              NodeKind::concat}));
  EXPECT_EQ(r.unit.steps[1].wei_begin, 0U);
  EXPECT_EQ(r.unit.steps[3].wei_begin, 12U);
}

// x -> DynamicQuantizeLinear -> MatMulInteger, Cast, Mul by the scales, [Add], twice.
struct DynamicKit : GraphKit {
  int x = input(ElemType::f32, {5, 3}), quantized = quantize_here(x), scale_out = last().outputs[1], plain, biased;
  DynamicKit() {
    const HostNode quantize = last();
    const int w = constant<int8_t>(ElemType::s8, {1, -2, 3, -4, 5, -6}, {3, 2});
    plain = dynamic_product(quantize, w, constant<float>(ElemType::f32, {0.5F}, {}), {5, 2});
    const int scales = constant<float>(ElemType::f32, {0.5F, 0.25F}, {2});
    const int bias = constant<float>(ElemType::f32, {1, 2}, {2});
    biased = node("Add", {bias, dynamic_product(quantize, w, scales, {5, 2})}, ElemType::f32);
  }
};

// One unit of all nodes: a product of kit.x [*, 3] with one scale, and one with a scale and a bias per channel.
template <class Kit>
void expect_two_products(const Recognised& r, const Kit& kit, const std::vector<int>& results) {
  ASSERT_FALSE(r.refusal) << r.refusal->detail;
  ASSERT_EQ(r.kinds(), (std::vector<NodeKind>{NodeKind::dynamic, NodeKind::dynamic}));
  EXPECT_EQ(r.unit.nodes.size(), kit.graph.nodes.size());
  const NodeDesc &first = r.unit.steps[0].desc, &second = r.unit.steps[1].desc;
  EXPECT_EQ(first.inputs, std::vector<int>{kit.x});
  EXPECT_EQ(first.output, results[0]);
  EXPECT_EQ(first.spec.k, 3);
  EXPECT_TRUE(first.floats.empty());
  EXPECT_EQ(second.output, results[1]);
  EXPECT_EQ(second.floats, (std::vector<float>{1, 2}));
  EXPECT_EQ(second.quant.wei_scale, (std::vector<float>{0.5F, 0.25F}));
}

TEST(Recognise, DynamicProductsOfOneQuantizeAreOneUnit) {
  DynamicKit kit;
  kit.output(kit.plain);
  const Recognised r = look(kit, "DynamicQuantizeLinear");
  expect_two_products(r, kit, {kit.plain, kit.biased});
}

// A bias that counts in the sums, by the Mul of the scales itself or by one of its own.
TEST(Recognise, BiasesCountedInSumsArePartOfDynamicProducts) {
  enum class Divisor { same, own, of_other_weights, read_elsewhere };
  for (const Divisor by : {Divisor::same, Divisor::own, Divisor::of_other_weights, Divisor::read_elsewhere}) {
    GraphKit kit;
    const int x = kit.input(ElemType::f32, {1, 2, 4, 5});
    (void)kit.quantize_here(x);
    const HostNode quantize = kit.last();
    const auto scales = [&](float s) {
      return kit.node("Mul", {quantize.outputs[1], kit.constant<float>(ElemType::f32, {s}, {})}, ElemType::f32);
    };
    const int own = scales(0.5F), divisor = scales(by == Divisor::of_other_weights ? 0.25F : 0.5F);
    const int wei = kit.constant<int8_t>(ElemType::s8, {1, -2, 3, -4, 5, -6}, {3, 2, 1, 1});
    const int bias = kit.constant<float>(ElemType::f32, {1, 2, 3}, {3});
    if (by == Divisor::same) kit.graph.nodes.pop_back();
    kit.counted_product(quantize, wei, bias, own, by == Divisor::same ? own : divisor, {1, 3, 4, 5});
    if (by == Divisor::read_elsewhere) kit.node("Relu", {divisor}, ElemType::f32);
    const Recognised r = look(kit, "DynamicQuantizeLinear");
    if (by == Divisor::of_other_weights || by == Divisor::read_elsewhere) {
      EXPECT_TRUE(r.refusal);
      continue;
    }
    ASSERT_FALSE(r.refusal) << r.refusal->detail;
    EXPECT_EQ(r.unit.nodes.size(), kit.graph.nodes.size());
    EXPECT_EQ(r.desc().floats, (std::vector<float>{1, 2, 3}));
    EXPECT_EQ(r.desc().ints, std::vector<int64_t>{1});
  }
}

TEST(Recognise, DynamicCodesThatGoElsewhereAreLeft) {
  {
    DynamicKit kit;
    kit.node("Sort", {kit.quantized}, ElemType::u8);
    EXPECT_EQ(reason(kit, "DynamicQuantizeLinear"), Reason::output_used_elsewhere);
  }
  {
    DynamicKit kit;
    kit.output(kit.scale_out);
    EXPECT_EQ(reason(kit, "DynamicQuantizeLinear"), Reason::output_used_elsewhere);
  }
}

// The same as the host's optimiser writes it: MatMulIntegerToFloat twice, or DynamicQuantizeMatMul with the quantize.
struct FusedKit : GraphKit {
  int x = input(ElemType::f32, {5, 3}), w = constant<int8_t>(ElemType::s8, {1, -2, 3, -4, 5, -6}, {3, 2});
  int scales = constant<float>(ElemType::f32, {0.5F, 0.25F}, {2}), bias = constant<float>(ElemType::f32, {1, 2}, {2});
  int product(const std::string& op, std::vector<int> inputs) {
    const int y = node(op, std::move(inputs), ElemType::f32, {5, 2});
    last().domain = "com.microsoft";
    return y;
  }
};

TEST(Recognise, FusedDynamicProductsAreDynamicProducts) {
  FusedKit kit;
  (void)kit.quantize_here(kit.x);
  const std::vector<int> q = kit.last().outputs;
  const int plain = kit.product("MatMulIntegerToFloat", {q[0], kit.w, q[1], kit.scale(0.5F), q[2], kit.s8(2)});
  const int biased = kit.product("MatMulIntegerToFloat", {q[0], kit.w, q[1], kit.scales, q[2], -1, kit.bias});
  const Recognised r = look(kit, "DynamicQuantizeLinear");
  ASSERT_NO_FATAL_FAILURE(expect_two_products(r, kit, {plain, biased}));
  EXPECT_EQ(r.unit.steps[0].desc.quant.wei_zp, std::vector<int32_t>{2});
}

TEST(Recognise, AProductThatQuantizesItsSourceIsADynamicProduct) {
  FusedKit kit;
  const int y = kit.product("DynamicQuantizeMatMul", {kit.x, kit.w, kit.scales, -1, kit.bias});
  const Recognised r = look(kit, "DynamicQuantizeMatMul");
  ASSERT_FALSE(r.refusal) << r.refusal->detail;
  ASSERT_EQ(r.kinds(), std::vector<NodeKind>{NodeKind::dynamic});
  const NodeDesc& d = r.unit.steps[0].desc;
  EXPECT_EQ(d.inputs, std::vector<int>{kit.x});
  EXPECT_EQ(d.output, y);
  EXPECT_EQ(d.floats, (std::vector<float>{1, 2}));
}

TEST(Recognise, FusedDynamicProductsThatDoNotFitAreLeft) {
  const auto fused = [](const std::vector<int>& inputs, FusedKit& kit) {
    kit.product("DynamicQuantizeMatMul", inputs);
    return reason(kit, "DynamicQuantizeMatMul");
  };
  FusedKit k;
  EXPECT_EQ(fused({k.x, k.w, k.bias, -1, k.scale(1)}, k), Reason::malformed);  // a bias of one element
  k = FusedKit();
  EXPECT_EQ(fused({k.x, k.w, -1}, k), Reason::malformed);
  k = FusedKit();
  EXPECT_EQ(fused({k.x, k.w, k.input(ElemType::f32, {2})}, k), Reason::parameters_not_constant);
  k = FusedKit();
  EXPECT_EQ(fused({k.x, k.input(ElemType::s8, {3, 2}), k.scale(1)}, k), Reason::weights_not_constant);
  k = FusedKit();
  EXPECT_EQ(fused({k.x, k.w, k.constant<float>(ElemType::f32, {1, 2, 3}, {3})}, k), Reason::per_channel_axis);
  k = FusedKit();  // of codes that were quantized in front of the model
  const int scale = k.input(ElemType::f32, {}), zp = k.input(ElemType::u8, {});
  k.product("MatMulIntegerToFloat", {k.input(ElemType::u8, {5, 3}), k.w, scale, k.scale(1), zp});
  EXPECT_EQ(reason(k, "MatMulIntegerToFloat"), Reason::parameters_not_constant);
  k = FusedKit();  // of another's scale
  (void)k.quantize_here(k.x);
  const std::vector<int> q = k.last().outputs;
  k.product("MatMulIntegerToFloat", {q[0], k.w, k.input(ElemType::f32, {}), k.scale(1), q[2]});
  EXPECT_EQ(reason(k, "DynamicQuantizeLinear"), Reason::parameters_not_constant);
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
    EXPECT_TRUE(r.desc().spec.wei_var);
    EXPECT_EQ(r.desc().spec.k, 8);
    EXPECT_EQ(r.desc().spec.n, 0);  // of each run
    EXPECT_EQ(r.desc().inputs.size(), 2U);
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
