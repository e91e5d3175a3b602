// What convolutions and matrix products share.
// In/out: see product.h.  Not here: attributes of convolutions (conv.cpp), extents of products (dense.cpp).
#include "plugin/partition/product.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "plugin/partition/constants.h"
#include "plugin/partition/translate.h"

namespace octile::plugin {
namespace {

// The destination of a QuantizeLinear or of a QLinear op, perhaps with a scale per channel.
Verdict read_destination(const HostGraph& graph, int value, int scale, int zp, Operands& ops) {
  ops.dst = value;
  DType type = DType::u8;
  if (Verdict v = read_type(graph, value, type)) return v;
  if (scale < 0) return refuse(Reason::output_not_quantized);
  return read_params(graph, scale, zp, type, ops.dst_q);
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

// The only node reading a float that stays inside the unit, or why it cannot stay inside.
Verdict sole_float_reader(const HostGraph& graph, int value, int& reader) {
  const HostValue& v = graph.values[value];
  reader = graph.sole_consumer(value);
  if (reader < 0) {
    return refuse(v.consumers.empty() ? Reason::output_not_quantized : Reason::output_used_elsewhere, v.name);
  }
  return graph.nodes[reader].taken_elsewhere ? refuse(Reason::assigned_elsewhere, graph.nodes[reader].name) : Verdict{};
}

Verdict read_quantized_tail(const HostGraph& graph, int value, Operands& ops) {
  for (bool clamped = false;;) {
    int reader = -1;
    OCTILE_RETURN_IF_REFUSED(sole_float_reader(graph, value, reader));
    const HostNode& n = graph.nodes[reader];
    if (n.input(0) != value || n.output(0) < 0) return refuse(Reason::output_not_quantized, "read by " + n.op);
    if (is_quantize(n)) {
      OCTILE_RETURN_IF_REFUSED(check_quantize(n));
      ops.nodes.push_back(reader);
      ops.dst_axis = n.int_attribute("axis", 1);
      return read_destination(graph, n.output(0), n.input(1), n.input(2), ops);
    }
    if (is_clamp(n) && !clamped) {
      clamped = true;
      ops.post = Post::relu;
      if (n.op == "Clip") {
        OCTILE_RETURN_IF_REFUSED(read_clip_bounds(graph, n, ops.clip_lo, ops.clip_hi));
        ops.post = ops.clip_lo == 0.0F && ops.clip_hi == 6.0F ? Post::relu6 : Post::clip;
      }
    } else if (is_single_movement(n) && (n.input(1) < 0 || graph.values[n.input(1)].constant)) {
      ops.views.push_back(reader);
    } else {
      return refuse(Reason::output_not_quantized, "read by " + n.op);
    }
    ops.nodes.push_back(reader);
    value = n.output(0);
  }
}

// One per channel of an image, with one zero point for all.
bool per_image_channel(const QParams& q, int64_t axis, int64_t channels) {
  return axis == 1 && std::ssize(q.scale) == channels && q.one_zp();
}

// The scales that the weights have now, one per output channel; the source's are among them.
void fold_into_weights(std::vector<float> scales, Operands& ops) {
  QParams& wei = ops.wei_q;
  if (wei.zp.size() == 1) wei.zp.resize(scales.size(), wei.zp[0]);
  wei.scale = std::move(scales);
  ops.src_q.scale = {1.0F};
  ops.src_q.zp.resize(1);
}

// Scales of what a convolution writes, one per channel, become its weights': sums are scaled by the same quotients.
Verdict fold_destination_scales(const NodeDesc& d, Operands& ops) {
  QParams& dst = ops.dst_q;
  const QParams& wei = ops.wei_q;
  if (!dst.per_channel()) return {};
  const bool image = d.kind == NodeKind::spec && d.spec.kind == OpKind::conv2d && ops.views.empty();
  if (!image || !per_image_channel(dst, ops.dst_axis, d.spec.oc)) return refuse(Reason::output_not_quantized);
  std::vector<float> scales;
  OpQuant first;
  for (size_t c = 0; c < dst.scale.size(); ++c) {
    OpQuant q;
    q.dst_scale = dst.scale[c];
    q.dst_zp = dst.zp[c];
    set_clamp(q, dst.type, ops.post, ops.clip_lo, ops.clip_hi);
    if (c == 0) first = q;
    if (q.clamp_lo != first.clamp_lo || q.clamp_hi != first.clamp_hi) return refuse(Reason::clip_bounds);
    scales.push_back(multiplier(ops.src_q.scale[0], wei.scale[wei.per_channel() ? c : 0], dst.scale[c]));
  }
  if (ops.post != Post::none) {  // bounds in codes, for the scale 1
    ops.post = Post::clip;
    ops.clip_lo = static_cast<float>(first.clamp_lo - first.dst_zp);
    ops.clip_hi = static_cast<float>(first.clamp_hi - first.dst_zp);
  }
  fold_into_weights(std::move(scales), ops);
  dst.scale = {1.0F};
  dst.zp.resize(1);
  return {};
}

// The sums of a transposed convolution as floats: float(acc) * (src_scale * wei_scale).
void write_floats(const Operands& ops, const NodeDesc& d, int acc, int floats, UnitWriter& writer) {
  const int real = writer.inner(DType::f32);
  writer.step(NodeKind::cast, {acc}, real);
  std::vector<float> scales;
  for (const float s : ops.wei_q.scale) scales.push_back(ops.src_q.scale[0] * s);
  std::vector<int64_t> dims;
  if (scales.size() > 1) {
    dims.assign(1 + static_cast<size_t>(d.spatial_rank), 1);
    dims[0] = std::ssize(scales);
  }
  writer.step(NodeKind::mul, {real, writer.constant(scales, dims)}, floats);
}

// One product per matrix of the constant weights [batches, k, n], each of its slice of the source.
void write_batches(const Operands& ops, const Step& main, int src, int dst, DType type, Unit& unit,
                   UnitWriter& writer) {
  std::vector<int> parts;
  const auto bytes = static_cast<size_t>(main.desc.spec.k * main.desc.spec.n);
  for (int64_t i = 0; i < ops.batches; ++i) {
    const int slice = writer.inner(main.desc.spec.src), part = writer.inner(type);
    writer.step(NodeKind::slice, {src}, slice).ints = {i, i + 1, 1};
    NodeDesc& d = i == 0 ? writer.main(main.desc.kind, {slice}, part) : writer.step(main.desc.kind, {slice}, part);
    const NodeDesc named = d;
    d = main.desc;
    d.name = named.name;
    d.inputs = named.inputs;
    d.output = named.output;
    Step& step = unit.steps.back();
    step.wei = main.wei;
    step.wei_begin = static_cast<size_t>(i) * bytes;
    step.wei_transposed = main.wei_transposed;
    parts.push_back(part);
  }
  writer.step(NodeKind::concat, parts, dst).ints = {0};
}

Verdict check_spec(const HostGraph& graph, const Operands& ops, const NodeDesc& d) {
  const OpSpec probe = with_some_extents(d.spec);
  const int64_t depth = probe.kind == OpKind::conv2d ? probe.ic / probe.g * probe.kh * probe.kw : probe.k;
  constexpr int64_t kDeepest = 65793;  // 255 * 128 * depth < 2^31
  if (depth > kDeepest) return refuse(Reason::reduction_too_deep, std::to_string(depth));
  if (const Status st = validate(probe); !st.ok()) return refuse(Reason::malformed, st.message());
  if (const Status st = validate(probe, d.quant); !st.ok()) return refuse(Reason::malformed, st.message());
  const HostValue& w = graph.values[ops.wei];
  if (!probe.wei_var && (w.data == nullptr || static_cast<int64_t>(w.bytes) != ops.batches * probe.wei_elements())) {
    return refuse(Reason::malformed, "weights have the wrong size");
  }
  return {};
}

}  // namespace

Verdict fold_source_scales(const NodeDesc& d, Operands& ops) {
  const QParams &src = ops.src_q, &wei = ops.wei_q;
  if (!src.per_channel()) return {};
  const OpSpec& s = d.spec;
  const bool depthwise = d.kind == NodeKind::spec && s.kind == OpKind::conv2d && s.g == s.ic && s.oc % s.g == 0;
  if (!depthwise || !per_image_channel(src, ops.src_axis, s.ic)) return refuse(Reason::per_channel_source);
  std::vector<float> scales;
  for (int64_t c = 0; c < s.oc; ++c) {
    const float own = wei.scale[wei.per_channel() ? static_cast<size_t>(c) : 0];
    scales.push_back(src.scale[static_cast<size_t>(c / (s.oc / s.g))] * own);
  }
  fold_into_weights(std::move(scales), ops);
  return {};
}

void own(const Dequantize& dq, Operands& ops) {
  if (dq.node >= 0) (dq.shared ? ops.through : ops.nodes).push_back(dq.node);
}

Verdict read_qdq_inputs(const HostGraph& graph, int node, Operands& ops) {
  Dequantize src, wei;
  OCTILE_RETURN_IF_REFUSED(find_dequantize(graph, graph.nodes[node].input(0), node, src));
  OCTILE_RETURN_IF_REFUSED(find_dequantize(graph, graph.nodes[node].input(1), node, wei));
  if (src.params.type == DType::s32 || wei.params.type == DType::s32) return refuse(Reason::type_not_supported);
  ops.src = src.source;
  ops.src_axis = src.axis;
  ops.wei = wei.source;
  ops.src_q = src.params;
  ops.wei_q = wei.params;
  ops.wei_axis = wei.axis;
  own(src, ops);
  own(wei, ops);
  return {};
}

void read_qdq_tail(const HostGraph& graph, int value, const NodeDesc& d, Operands& ops) {
  Operands quantized = ops;
  if (!read_quantized_tail(graph, value, quantized) && !fold_destination_scales(d, quantized)) {
    ops = std::move(quantized);
    return;
  }
  ops.dst = value;
  ops.dst_q = QParams();
  ops.dst_q.type = DType::f32;
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
  if (graph.values[n.output(0)].type == ElemType::f32) {
    ops.dst = n.output(0);
    ops.dst_q.type = DType::f32;
    return {};
  }
  OCTILE_RETURN_IF_REFUSED(read_destination(graph, n.output(0), n.input(slots.dst_scale), n.input(slots.dst_zp), ops));
  return ops.dst_q.per_channel() ? refuse(Reason::per_channel_source) : Verdict{};
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

Verdict add_bias(const HostGraph& graph, int value, int user, int64_t channels, Operands& ops) {
  Dequantize dq;
  OCTILE_RETURN_IF_REFUSED(read_bias(graph, value, user, ops.src_q, ops.wei_q, channels, ops.bias, dq));
  own(dq, ops);
  return {};
}

Verdict fill_spec(const HostGraph& graph, const Operands& ops, const std::string& label, NodeDesc& d) {
  OpSpec& s = d.spec;
  s.name = graph.name + ":" + label;
  s.src = ops.src_q.type;
  s.wei = ops.wei_q.type;
  s.dst = ops.dst_q.type == DType::f32 ? DType::s32 : ops.dst_q.type;
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
  return check_spec(graph, ops, d);
}

Verdict finish_product(const HostGraph& graph, int node, const Operands& ops, NodeDesc d, Unit& unit) {
  unit.role = Role::product;
  unit.nodes = ops.nodes;
  unit.through = ops.through;
  unit.nodes.push_back(node);
  OCTILE_RETURN_IF_REFUSED(fill_spec(graph, ops, node_label(graph, graph.nodes[node]), d));

  UnitWriter writer(graph, node, unit);
  std::vector<int> inputs{ops.src};
  if (d.spec.wei_var) inputs.push_back(ops.wei);
  const auto turn = [&](int& value, DType type, const std::vector<int64_t>& how) {
    const int turned = writer.inner(type);
    writer.step(NodeKind::transpose, {value}, turned).ints = how;
    value = turned;
  };
  if (!ops.src_turn.empty()) turn(inputs[0], d.spec.src, ops.src_turn);
  if (ops.wei_transposed && d.spec.wei_var) turn(inputs[1], d.spec.wei, {1, 0});
  const bool floats = ops.dst_q.type == DType::f32;
  if (floats && d.kind == NodeKind::spec) d.kind = NodeKind::scaled;
  const DType type = d.kind == NodeKind::scaled ? DType::f32 : d.spec.dst;
  const bool written_out = floats && d.kind != NodeKind::scaled;
  const bool moved = !ops.views.empty() || !ops.dst_turn.empty();
  const int made = written_out || moved ? writer.inner(type) : ops.dst;
  const int weights = d.spec.wei_var ? -1 : ops.wei;
  Step main{std::move(d), weights, 0, ops.wei_transposed};
  const NodeDesc geometry = main.desc;
  if (ops.batches > 1) {
    write_batches(ops, main, inputs[0], made, type, unit, writer);
  } else {
    NodeDesc& at = writer.main(geometry.kind, std::move(inputs), made);
    main.desc.name = at.name;
    main.desc.inputs = at.inputs;
    main.desc.output = made;
    unit.steps.back() = std::move(main);
  }
  if (written_out) write_floats(ops, geometry, made, ops.dst, writer);
  int from = made;
  if (!ops.dst_turn.empty()) writer.step(NodeKind::transpose, {made}, ops.dst).ints = ops.dst_turn;
  for (size_t i = 0; i < ops.views.size(); ++i) {
    const int to = i + 1 == ops.views.size() ? ops.dst : writer.inner(geometry.spec.dst);
    OCTILE_RETURN_IF_REFUSED(write_movement(graph, graph.nodes[ops.views[i]], from, to, geometry.spec.dst, writer));
    from = to;
  }
  return {};
}

}  // namespace octile::plugin
