// The plans.
// In/out: see samples.h.
// Not here: assertions on single features.
#include "tests/unit/plan_file/samples.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "workload/graph/infer.h"
#include "workload/numerics/unary.h"

namespace octile::runtime::test {
namespace {

NodeDesc node(const std::string& name, NodeKind kind, std::vector<int> inputs, int output) {
  NodeDesc n;
  n.name = name;
  n.kind = kind;
  n.inputs = std::move(inputs);
  n.output = output;
  return n;
}

NodeDesc conv(const std::string& name, int input, int output) {
  NodeDesc n = node(name, NodeKind::spec, {input}, output);
  n.spec.ic = 3;
  n.spec.oc = 4;
  n.spec.kh = n.spec.kw = 3;
  n.spec.sh = n.spec.sw = 2;
  n.spec.pt = n.spec.pl = 1;
  n.spec.src_zp = n.spec.dst_zp = n.spec.wei_per_oc = n.spec.bias = true;
  n.spec.name = "net:" + name;
  n.spec.count = 2;
  n.quant.src_scale = 0.02F;
  n.quant.src_zp = 131;
  n.quant.wei_scale = {0.01F, 0.02F, 0.03F, 0.04F};
  n.quant.wei_zp = {0};
  n.quant.dst_scale = 0.05F;
  n.quant.dst_zp = 7;
  n.quant.clamp_lo = 7;
  n.quant.bias = {-5, 0, INT32_MAX, INT32_MIN};
  for (int i = 0; i < 4 * 3 * 9; ++i) n.wei.push_back(static_cast<uint8_t>(37 * i));
  return n;
}

ValueDesc constant(const std::string& name, const std::vector<float>& values) {
  ValueDesc v{name, DType::f32};
  v.constant = true;
  v.dims = {static_cast<int64_t>(values.size())};
  v.data.resize(values.size() * sizeof(float));
  if (!values.empty()) std::memcpy(v.data.data(), values.data(), v.data.size());
  return v;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}
bool same_bits(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

void expect_same(const OpQuant& a, const OpQuant& b) {
  EXPECT_TRUE(same_bits(a.src_scale, b.src_scale) && same_bits(a.dst_scale, b.dst_scale));
  EXPECT_TRUE(same_bits(a.wei_scale, b.wei_scale));
  EXPECT_EQ(a.wei_zp, b.wei_zp);
  EXPECT_EQ(a.bias, b.bias);
  EXPECT_EQ((std::vector<int32_t>{a.src_zp, a.dst_zp, a.clamp_lo, a.clamp_hi}),
            (std::vector<int32_t>{b.src_zp, b.dst_zp, b.clamp_lo, b.clamp_hi}));
}

void expect_same(const NodeDesc& a, const NodeDesc& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(to_line(a.spec), to_line(b.spec));
  expect_same(a.quant, b.quant);
  EXPECT_EQ(a.spatial_rank, b.spatial_rank);
  EXPECT_EQ(a.auto_pad, b.auto_pad);
  EXPECT_TRUE(std::ranges::equal(a.weights(), b.weights()));
  EXPECT_EQ(a.ints, b.ints);
  EXPECT_TRUE(same_bits(a.floats, b.floats));
  EXPECT_EQ(a.inputs, b.inputs);
  EXPECT_EQ(a.output, b.output);
}

void expect_same(const ValueDesc& a, const ValueDesc& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.type, b.type);
  EXPECT_TRUE(same_bits(a.scale, b.scale));
  EXPECT_EQ(a.zp, b.zp);
  EXPECT_EQ(a.constant, b.constant);
  EXPECT_EQ(a.dims, b.dims);
  EXPECT_EQ(a.data, b.data);
}

void expect_same(const std::vector<DeclaredShape>& a, const std::vector<DeclaredShape>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].ranked, b[i].ranked);
    EXPECT_EQ(a[i].dims, b[i].dims);
  }
}

}  // namespace

PlanFile runnable_plan() {
  PlanFile p;
  p.octile_version = "0.1.0";
  p.graph.name = "net";
  p.graph.values = {{"picture", DType::u8, 0.02F, 131}, {"codes", DType::u8, 0.05F, 7}, {"answer", DType::f32}};
  p.graph.nodes = {conv("conv", 0, 1), node("dequantize", NodeKind::spec, {1}, 2)};
  NodeDesc& dequantize = p.graph.nodes[1];
  dequantize.spec.kind = OpKind::dequantize;
  dequantize.spec.dst = DType::f32;
  dequantize.spec.src_zp = true;
  dequantize.quant.src_scale = 0.05F;
  dequantize.quant.src_zp = 7;
  p.graph.inputs = {0};
  p.graph.outputs = {2, 1};
  p.inputs = {{true, {-1, 3, -1, 8}}};
  p.outputs = {{true, {-1, 4, -1, 4}}, {false, {}}};
  p.ready = {{{1, 3, 8, 8}}, {{2, 3, 6, 8}}};
  return p;
}

PlanFile every_field_plan() {
  PlanFile p = runnable_plan();
  GraphDesc& g = p.graph;
  g.name = std::string("\0a \"name\"\n", 10);
  g.values.push_back(constant("half", {0.5F}));
  g.values.push_back(constant("none", {}));
  g.values.back().dims = {0, 4};
  const auto add = [&](const std::string& name, DType type) {
    g.values.push_back({name, type, 0.25F, -3});
    return static_cast<int>(g.values.size()) - 1;
  };
  NodeDesc transposed = conv("upsampled", 1, add("up", DType::s32));
  transposed.kind = NodeKind::conv_transpose;
  transposed.spec.ic = 4;
  transposed.spec.oc = 3;
  transposed.spec.dst = DType::s32;
  transposed.spec.dst_zp = transposed.spec.wei_per_oc = transposed.spec.bias = false;
  transposed.quant = {};
  transposed.quant.src_zp = 7;
  transposed.spatial_rank = 1;
  transposed.auto_pad = "SAME_LOWER";
  transposed.ints = {1, 0};
  g.nodes.push_back(transposed);
  NodeDesc dense = node("scores", NodeKind::spec, {1, 0}, add("scores", DType::s32));
  dense.spec.kind = OpKind::dense;
  dense.spec.wei = DType::u8;
  dense.spec.dst = DType::s32;
  dense.spec.wei_var = true;
  dense.spec.k = dense.spec.n = 0;  // known with the shapes
  g.nodes.push_back(dense);
  NodeDesc clip = node("clip", NodeKind::clip, {2}, add("clipped", DType::f32));
  const float inf = std::numeric_limits<float>::infinity();
  clip.floats = {-0.0F, inf, -inf, std::nanf("0x1234"), std::numeric_limits<float>::denorm_min()};
  clip.ints = {INT64_MIN, INT64_MAX, 0};
  g.nodes.push_back(clip);
  // Every kind that is left, each with an operand list its kind allows.
  g.values.push_back({"indices", DType::s32, 1.0F, 0, true, {2}, std::vector<uint8_t>(8)});
  const int indices = static_cast<int>(g.values.size()) - 1;
  for (int k = 0; k < kNodeKinds; ++k) {
    const auto kind = static_cast<NodeKind>(k);
    if (kind == NodeKind::spec || kind == NodeKind::conv_transpose) continue;
    const DType made = kind == NodeKind::arg_max ? DType::s64 : DType::f32;
    NodeDesc n = node(std::string(to_string(kind)), kind, {2}, add("value of kind", made));
    if (kind == NodeKind::dynamic || kind == NodeKind::scaled) {
      n.spec = dense.spec;
      n.spec.wei_var = false;
      n.spec.wei = DType::s8;
      n.spec.src_zp = true;
      n.spec.k = 3;
      n.spec.n = 2;
      n.wei = {1, 2, 3, 4, 5, 6};
    }
    if (kind == NodeKind::scaled) n.inputs = {0};
    if (kind == NodeKind::gather) n.inputs = {2, indices};
    if (kind == NodeKind::cast) n.inputs = {1};
    if (is_binary(kind) || kind == NodeKind::layer_norm) n.inputs = {2, 3};
    g.nodes.push_back(n);
  }
  return p;
}

void expect_same(const PlanFile& a, const PlanFile& b) {
  EXPECT_EQ(a.octile_version, b.octile_version);
  EXPECT_EQ(a.graph.name, b.graph.name);
  ASSERT_EQ(a.graph.values.size(), b.graph.values.size());
  for (size_t i = 0; i < a.graph.values.size(); ++i) expect_same(a.graph.values[i], b.graph.values[i]);
  ASSERT_EQ(a.graph.nodes.size(), b.graph.nodes.size());
  for (size_t i = 0; i < a.graph.nodes.size(); ++i) {
    SCOPED_TRACE(a.graph.nodes[i].name);
    expect_same(a.graph.nodes[i], b.graph.nodes[i]);
  }
  EXPECT_EQ(a.graph.inputs, b.graph.inputs);
  EXPECT_EQ(a.graph.outputs, b.graph.outputs);
  expect_same(a.inputs, b.inputs);
  expect_same(a.outputs, b.outputs);
  EXPECT_EQ(a.ready, b.ready);
}

}  // namespace octile::runtime::test
