// What all recognisers share, and the lone quantize and dequantize.
// In/out: see unit.h.  Not here: attributes of convolutions (conv.cpp), extents of products (dense.cpp).
#include "plugin/partition/unit.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace octile::plugin {
namespace {

// One bound of a Clip: an input (constant) or, up to opset 10, an attribute; otherwise open.
Verdict read_bound(const HostGraph& graph, const HostNode& clip, size_t input, std::string_view name, float open,
                   float& bound) {
  bound = open;
  if (clip.input(input) >= 0) {
    std::vector<float> values;
    if (read_floats(graph, clip.input(input), values) || values.size() != 1) {
      return refuse(Reason::clip_bounds, clip.name);
    }
    bound = values[0];
  } else if (const HostAttribute* a = clip.attribute(name)) {
    bound = a->f;
  }
  return std::isnan(bound) ? refuse(Reason::clip_bounds, clip.name) : Verdict{};
}

Verdict read_clip(const HostGraph& graph, const HostNode& clip, Operands& ops) {
  constexpr float kMax = std::numeric_limits<float>::max();
  OCTILE_RETURN_IF_REFUSED(read_bound(graph, clip, 1, "min", -kMax, ops.clip_lo));
  OCTILE_RETURN_IF_REFUSED(read_bound(graph, clip, 2, "max", kMax, ops.clip_hi));
  ops.post = ops.clip_lo == 0.0F && ops.clip_hi == 6.0F ? Post::relu6 : Post::clip;
  return {};
}

// The destination of a QuantizeLinear or of a QLinear op.
Verdict read_destination(const HostGraph& graph, int value, int scale, int zp, Operands& ops) {
  ops.dst = value;
  DType type = DType::u8;
  if (Verdict v = read_type(graph, value, type)) return v;
  if (scale < 0) return refuse(Reason::output_not_quantized);
  return read_source_params(graph, scale, zp, type, ops.dst_q);
}

Verdict check_quantize(const HostNode& q) {
  if (q.int_attribute("block_size", 0) != 0) return refuse(Reason::blocked_quantization, q.name);
  const int64_t precision = q.int_attribute("precision", 0);  // opset 23: the type of the division; 1 is float32
  if (precision != 0 && precision != 1) return refuse(Reason::attribute, "precision");
  return {};
}

std::string node_label(const HostGraph& graph, const HostNode& node) {
  if (!node.name.empty()) return node.name;
  return node.output(0) >= 0 ? graph.values[node.output(0)].name : node.op;
}

// The spec with extents that make its smallest output, for checks that need none of the real ones.
OpSpec with_some_extents(OpSpec s) {
  s.k = std::max<int64_t>(s.k, 1);
  s.n = std::max<int64_t>(s.n, 1);
  s.ih = s.dh * (s.kh - 1) + 1;
  s.iw = s.dw * (s.kw - 1) + 1;
  s.pt = s.pl = s.pb = s.pr = 0;
  return s;
}

}  // namespace

bool is_anchor(const HostNode& node) {
  static constexpr std::string_view kOnnx[] = {"Conv",          "MatMul",      "Gemm",         "QLinearConv",
                                               "QLinearMatMul", "ConvInteger", "MatMulInteger"};
  if (node.domain == "com.microsoft") return node.op == "QGemm";
  if (!node.domain.empty()) return false;
  for (const std::string_view op : kOnnx) {
    if (node.op == op) return true;
  }
  return false;
}

Verdict recognise(const HostGraph& graph, int node, Unit& unit) {
  const std::string& op = graph.nodes[node].op;
  unit.anchor = node;
  if (graph.nodes[node].output(0) < 0) return refuse(Reason::malformed, "no output");
  const bool conv = op == "Conv" || op == "QLinearConv" || op == "ConvInteger";
  return conv ? recognise_conv(graph, node, unit) : recognise_dense(graph, node, unit);
}

Verdict recognise_lone(const HostGraph& graph, int node, Unit& unit) {
  const HostNode& n = graph.nodes[node];
  const bool quantizes = is_quantize(n);
  const int wide = quantizes ? n.input(0) : n.output(0), narrow = quantizes ? n.output(0) : n.input(0);
  if (wide < 0 || narrow < 0) return refuse(Reason::malformed, "an input or output is missing");
  if (graph.values[narrow].constant) return refuse(Reason::op_not_supported, "dequantized constant");
  if (graph.values[wide].type != ElemType::f32) return refuse(Reason::type_not_supported, graph.values[wide].name);
  OCTILE_RETURN_IF_REFUSED(check_quantize(n));
  QParams q;
  OCTILE_RETURN_IF_REFUSED(read_type(graph, narrow, q.type));
  if (n.input(1) < 0) return refuse(Reason::malformed, "no scale");
  OCTILE_RETURN_IF_REFUSED(read_source_params(graph, n.input(1), n.input(2), q.type, q));
  unit.anchor = node;
  unit.nodes = {node};
  NodeDesc& d = unit.desc;
  d.name = node_label(graph, n);
  d.inputs = {n.input(0)};
  d.output = n.output(0);
  d.spec.kind = quantizes ? OpKind::quantize : OpKind::dequantize;
  d.spec.name = graph.name + ":" + d.name;
  d.spec.src = quantizes ? DType::f32 : q.type;
  d.spec.dst = quantizes ? q.type : DType::f32;
  (quantizes ? d.spec.dst_zp : d.spec.src_zp) = q.zp[0] != 0;
  (quantizes ? d.quant.dst_scale : d.quant.src_scale) = q.scale[0];
  (quantizes ? d.quant.dst_zp : d.quant.src_zp) = q.zp[0];
  if (quantizes) set_clamp(d.quant, q.type, Post::none, 0, 0);
  return {};
}

Verdict read_qdq_inputs(const HostGraph& graph, int node, Operands& ops) {
  Dequantize src, wei;
  OCTILE_RETURN_IF_REFUSED(find_dequantize(graph, graph.nodes[node].input(0), node, src));
  OCTILE_RETURN_IF_REFUSED(find_dequantize(graph, graph.nodes[node].input(1), node, wei));
  if (src.params.type == DType::s32 || wei.params.type == DType::s32) return refuse(Reason::type_not_supported);
  if (src.params.per_channel()) return refuse(Reason::per_channel_source);
  ops.src = src.source;
  ops.wei = wei.source;
  ops.src_q = src.params;
  ops.wei_q = wei.params;
  ops.wei_axis = wei.axis;
  ops.nodes = {src.node, wei.node};
  return {};
}

Verdict sole_float_reader(const HostGraph& graph, int value, int& reader) {
  const HostValue& v = graph.values[value];
  reader = graph.sole_consumer(value);
  if (reader < 0) {
    return refuse(v.consumers.empty() ? Reason::output_not_quantized : Reason::output_used_elsewhere, v.name);
  }
  return graph.nodes[reader].taken_elsewhere ? refuse(Reason::assigned_elsewhere, graph.nodes[reader].name) : Verdict{};
}

Verdict read_qdq_tail(const HostGraph& graph, int value, Operands& ops) {
  int reader = -1;
  OCTILE_RETURN_IF_REFUSED(sole_float_reader(graph, value, reader));
  const HostNode* n = &graph.nodes[reader];
  const bool relu = n->op == "Relu", clip = n->op == "Clip";
  if (n->domain.empty() && (relu || clip) && n->input(0) == value && n->output(0) >= 0) {
    if (relu) ops.post = Post::relu;
    if (clip) OCTILE_RETURN_IF_REFUSED(read_clip(graph, *n, ops));
    ops.nodes.push_back(reader);
    value = n->output(0);
    OCTILE_RETURN_IF_REFUSED(sole_float_reader(graph, value, reader));
    n = &graph.nodes[reader];
  }
  if (!is_quantize(*n) || n->input(0) != value) return refuse(Reason::output_not_quantized, "read by " + n->op);
  OCTILE_RETURN_IF_REFUSED(check_quantize(*n));
  ops.nodes.push_back(reader);
  return read_destination(graph, n->output(0), n->input(1), n->input(2), ops);
}

Verdict read_qlinear(const HostGraph& graph, int node, const QLinearSlots& slots, Operands& ops) {
  const HostNode& n = graph.nodes[node];
  ops.src = n.input(slots.src);
  ops.wei = n.input(slots.wei);
  OCTILE_RETURN_IF_REFUSED(read_type(graph, ops.src, ops.src_q.type));
  OCTILE_RETURN_IF_REFUSED(read_type(graph, ops.wei, ops.wei_q.type));
  if (n.input(slots.src_scale) < 0 || n.input(slots.wei_scale) < 0) return refuse(Reason::malformed, "no scale");
  OCTILE_RETURN_IF_REFUSED(
      read_source_params(graph, n.input(slots.src_scale), n.input(slots.src_zp), ops.src_q.type, ops.src_q));
  OCTILE_RETURN_IF_REFUSED(
      read_params(graph, n.input(slots.wei_scale), n.input(slots.wei_zp), ops.wei_q.type, ops.wei_q));
  if (graph.values[n.output(0)].type == ElemType::f32) return refuse(Reason::output_not_quantized);
  return read_destination(graph, n.output(0), n.input(slots.dst_scale), n.input(slots.dst_zp), ops);
}

Verdict read_integer(const HostGraph& graph, int node, Operands& ops) {
  const HostNode& n = graph.nodes[node];
  ops.src = n.input(0);
  ops.wei = n.input(1);
  ops.dst = n.output(0);
  OCTILE_RETURN_IF_REFUSED(read_type(graph, ops.src, ops.src_q.type));
  OCTILE_RETURN_IF_REFUSED(read_type(graph, ops.wei, ops.wei_q.type));
  OCTILE_RETURN_IF_REFUSED(read_source_params(graph, -1, n.input(2), ops.src_q.type, ops.src_q));
  OCTILE_RETURN_IF_REFUSED(read_params(graph, -1, n.input(3), ops.wei_q.type, ops.wei_q));
  if (graph.values[ops.dst].type != ElemType::s32) return refuse(Reason::type_not_supported, "int32 output expected");
  ops.dst_q.type = DType::s32;
  return {};
}

Verdict finish_unit(const HostGraph& graph, int node, const Operands& ops, Unit& unit) {
  NodeDesc& d = unit.desc;
  OpSpec& s = d.spec;
  unit.nodes = ops.nodes;
  unit.nodes.push_back(node);
  d.name = node_label(graph, graph.nodes[node]);
  d.output = ops.dst;
  s.name = graph.name + ":" + d.name;
  s.src = ops.src_q.type;
  s.wei = ops.wei_q.type;
  s.dst = ops.dst_q.type;
  s.src_zp = ops.src_q.has_zp();
  s.wei_zp = ops.wei_q.has_zp();
  s.dst_zp = ops.dst_q.has_zp();
  s.wei_per_oc = ops.wei_q.per_channel();
  s.bias = !ops.bias.empty();
  s.post = ops.post;
  d.quant.src_scale = ops.src_q.scale[0];
  d.quant.src_zp = ops.src_q.zp[0];
  d.quant.wei_scale = ops.wei_q.scale;
  d.quant.wei_zp = ops.wei_q.zp;
  d.quant.dst_scale = ops.dst_q.scale[0];
  d.quant.dst_zp = ops.dst_q.zp[0];
  d.quant.bias = ops.bias;
  if (s.dst != DType::s32) set_clamp(d.quant, s.dst, s.post, ops.clip_lo, ops.clip_hi);
  d.inputs = {ops.src};
  if (s.wei_var) {
    d.inputs.push_back(ops.wei);
  } else {
    unit.wei = ops.wei;
  }
  const OpSpec probe = with_some_extents(s);
  const int64_t depth = s.kind == OpKind::conv2d ? s.ic / s.g * s.kh * s.kw : s.k;
  constexpr int64_t kDeepest = 65793;  // 255 * 128 * depth < 2^31
  if (depth > kDeepest) return refuse(Reason::reduction_too_deep, std::to_string(depth));
  if (const Status st = validate(probe); !st.ok()) return refuse(Reason::malformed, st.message());
  if (const Status st = validate(probe, d.quant); !st.ok()) return refuse(Reason::malformed, st.message());
  if (unit.wei >= 0) {
    const HostValue& w = graph.values[unit.wei];
    if (w.data == nullptr || static_cast<int64_t>(w.bytes) != probe.wei_elements()) {
      return refuse(Reason::malformed, "weights have the wrong size");
    }
  }
  return {};
}

}  // namespace octile::plugin
