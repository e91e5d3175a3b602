// The table of ops, and what holds for all of them: types, operands, outputs.
// In/out: see translate.h.  Not here: what single ops mean (their families' files).
#include "plugin/partition/translate.h"

#include <algorithm>
#include <array>

#include "plugin/partition/computed_shape.h"
#include "plugin/partition/constants.h"

namespace octile::plugin {
namespace {

constexpr OpRow kOps[] = {
    {"Relu", false, Role::function, 1, write_unary},
    {"LeakyRelu", false, Role::function, 1, write_unary},
    {"Clip", false, Role::function, 1, write_clip},
    {"Sigmoid", false, Role::function, 1, write_unary},
    {"HardSigmoid", false, Role::function, 1, write_unary},
    {"HardSwish", false, Role::function, 1, write_unary},
    {"Tanh", false, Role::function, 1, write_unary},
    {"Exp", false, Role::function, 1, write_unary},
    {"Log", false, Role::function, 1, write_unary},
    {"Sqrt", false, Role::function, 1, write_unary},
    {"Erf", false, Role::function, 1, write_unary},
    {"Neg", false, Role::function, 1, write_unary},
    {"Abs", false, Role::function, 1, write_unary},
    {"Reciprocal", false, Role::function, 1, write_unary},
    {"Softplus", false, Role::function, 1, write_unary},
    {"Elu", false, Role::function, 1, write_unary},
    {"Round", false, Role::function, 1, write_unary},
    {"Floor", false, Role::function, 1, write_unary},
    {"Ceil", false, Role::function, 1, write_unary},
    {"Gelu", false, Role::function, 1, write_gelu},
    {"Gelu", true, Role::function, 1, write_gelu},
    {"FastGelu", true, Role::function, 2, write_gelu},
    {"BiasGelu", true, Role::function, 2, write_gelu},
    {"QuickGelu", true, Role::function, 1, write_quick_gelu},
    {"Add", false, Role::function, 2, write_binary},
    {"Sub", false, Role::function, 2, write_binary},
    {"Mul", false, Role::function, 2, write_binary},
    {"Div", false, Role::function, 2, write_binary},
    {"PRelu", false, Role::function, 2, write_binary},
    {"Pow", false, Role::function, 1, write_pow},
    {"Sum", false, Role::function, kAllInputs, write_binary},
    {"Min", false, Role::function, kAllInputs, write_binary},
    {"Max", false, Role::function, kAllInputs, write_binary},
    {"BatchNormalization", false, Role::function, 1, write_batch_norm},
    {"MaxPool", false, Role::integer, 1, write_pool},
    {"NhwcMaxPool", true, Role::integer, 1, write_pool},
    {"AveragePool", false, Role::floating, 1, write_pool},
    {"GlobalAveragePool", false, Role::floating, 1, write_global_pool},
    {"GlobalMaxPool", false, Role::integer, 1, write_global_pool},
    {"ReduceMean", false, Role::floating, 1, write_reduced},
    {"ReduceMax", false, Role::integer, 1, write_reduced},
    {"Softmax", false, Role::floating, 1, write_softmax},
    {"ArgMax", false, Role::integer, 1, write_arg_max},
    {"LayerNormalization", false, Role::floating, 3, write_layer_norm},
    {"RMSNormalization", false, Role::floating, 2, write_rms_norm},
    {"SimplifiedLayerNormalization", false, Role::floating, 2, write_rms_norm},
    {"SkipLayerNormalization", true, Role::floating, 3, write_skip_layer_norm},
    {"SkipSimplifiedLayerNormalization", true, Role::floating, 3, write_skip_layer_norm},
    {"Concat", false, Role::movement, kAllInputs, write_concat},
    {"Split", false, Role::movement, 1, write_split},
    {"Slice", false, Role::movement, 1, write_slice},
    {"Gather", false, Role::movement, 1, write_gather},
    {"Pad", false, Role::movement, 1, write_pad},
    {"Reshape", false, Role::movement, 1, write_reshape},
    {"Flatten", false, Role::movement, 1, write_axes},
    {"Squeeze", false, Role::movement, 1, write_axes},
    {"Unsqueeze", false, Role::movement, 1, write_axes},
    {"Expand", false, Role::movement, 1, write_expand},
    {"Transpose", false, Role::movement, 1, write_axes},
    {"Resize", false, Role::movement, 1, write_resize},
    {"Upsample", false, Role::movement, 1, write_resize},
    {"SpaceToDepth", false, Role::movement, 1, write_blocks},
    {"DepthToSpace", false, Role::movement, 1, write_blocks},
    {"Identity", false, Role::movement, 1, write_identity},
    {"Dropout", false, Role::movement, 1, write_identity},
};

bool is_cast(const HostNode& node) { return node.op == "Cast" && node.domain.empty(); }

// The operands and results of a node are of `type`, which only movements and integer ops may have other than float32;
// indices are a result of their own.
Verdict read_operand_types(const HostGraph& graph, const HostNode& node, const OpRow& row, const std::vector<int>& in,
                           DType& type) {
  const bool indices = row.write == write_arg_max;
  const HostValue& out = graph.values[indices ? in[0] : node.output(0)];
  if (!read_dtype(out.type, type) || type == DType::s64 || (indices && type == DType::s32)) {
    return refuse(Reason::type_not_supported, out.name);
  }
  const bool codes = row.role == Role::movement || row.role == Role::integer;
  if (type != DType::f32 && !codes) return refuse(Reason::type_not_supported, out.name);
  bool constant = true;
  for (const int v : in) {
    const HostValue& value = graph.values[v];
    if (value.type != out.type) return refuse(Reason::type_not_supported, value.name);
    constant = constant && value.constant;
  }
  return constant ? refuse(Reason::constant_operands) : Verdict{};
}

// Operands up to the last one given.
Verdict read_operands(const HostNode& node, const OpRow& row, std::vector<int>& in) {
  const size_t count = std::min(row.operands, node.inputs.size());
  in.assign(node.inputs.begin(), node.inputs.begin() + static_cast<std::ptrdiff_t>(count));
  while (!in.empty() && in.back() < 0) in.pop_back();
  if (in.empty() || std::find(in.begin(), in.end(), -1) != in.end()) return refuse(Reason::malformed, "no operand");
  return {};
}

// Results beyond the first are those of Split and a sum; others (indices of a MaxPool, ...) must be unused.
Verdict check_outputs(const HostGraph& graph, const HostNode& node) {
  if (node.output(0) < 0 && node.op != "Split") return refuse(Reason::malformed, "no output");
  for (size_t i = 1; i < node.outputs.size() && node.op != "Split"; ++i) {
    if (node.outputs[i] < 0 || (i == kSumOfSkip && node.op.starts_with("Skip"))) continue;
    const HostValue& v = graph.values[node.outputs[i]];
    if (v.graph_output || !v.consumers.empty()) return refuse(Reason::attribute, "another output is used");
  }
  return {};
}

// How many operands of the unit's steps come from elsewhere and are no constants.
size_t variable_operands(const HostGraph& graph, const Unit& unit) {
  std::vector<int> seen;
  for (const Step& step : unit.steps) {
    for (const int v : step.desc.inputs) {
      if (v >= 0 && !graph.values[v].constant && std::find(seen.begin(), seen.end(), v) == seen.end())
        seen.push_back(v);
    }
  }
  return seen.size();
}

Verdict translate_cast(const HostGraph& graph, int node, Unit& unit) {
  constexpr int64_t kFloat = 1, kUint8 = 2, kInt8 = 3, kInt32 = 6;
  const HostNode& n = graph.nodes[node];
  if (n.input(0) < 0 || n.output(0) < 0) return refuse(Reason::malformed, "an input or output is missing");
  DType from = DType::f32;
  if (!read_dtype(graph.values[n.input(0)].type, from) || from == DType::s64) return refuse(Reason::type_not_supported);
  const int64_t to = n.int_attribute("to", 0);
  const int64_t own = from == DType::f32 ? kFloat : from == DType::u8 ? kUint8 : from == DType::s8 ? kInt8 : kInt32;
  if (to != own && to != kFloat) return refuse(Reason::type_not_supported, "cast");
  if (graph.values[n.input(0)].constant) return refuse(Reason::constant_operands);
  unit.role = to == own ? Role::movement : Role::floating;
  UnitWriter(graph, node, unit).main(to == own ? NodeKind::identity : NodeKind::cast, {n.input(0)}, n.output(0));
  return {};
}

// Codes of a constant, per channel or of 32 bits: floats at once.
Verdict write_dequantized_constant(const HostGraph& graph, const HostNode& n, const QParams& q, UnitWriter& writer) {
  std::vector<int32_t> codes;
  OCTILE_RETURN_IF_REFUSED(read_ints(graph, n.input(0), codes));
  const std::vector<int64_t>& dims = graph.values[n.input(0)].dims;
  int64_t axis = dims.size() < 2 ? 0 : n.int_attribute("axis", 1), inner = 1;
  if (q.per_channel()) {
    OCTILE_RETURN_IF_REFUSED(read_axis(graph, n.input(0), axis));
    if (axis >= std::ssize(dims) || dims[static_cast<size_t>(axis)] != std::ssize(q.scale)) {
      return refuse(Reason::malformed, "scales do not fit their axis");
    }
    for (size_t i = static_cast<size_t>(axis) + 1; i < dims.size(); ++i) inner *= dims[i];
  }
  std::vector<float> floats;
  for (size_t i = 0; i < codes.size(); ++i) {
    const size_t channel = i / static_cast<size_t>(inner) % q.scale.size();
    floats.push_back(octile::dequantize(codes[i], q.scale[channel], q.zp[channel]));
  }
  writer.main(NodeKind::identity, {writer.constant(floats, dims)}, n.output(0));
  return {};
}

// Conversions with a scale per channel: by a quotient, or a product, and the scale 1. `wide`: the float.
Verdict write_channels(const HostGraph& graph, const HostNode& n, int wide, const QParams& q, UnitWriter& writer) {
  const HostValue& floats = graph.values[wide];
  if (!floats.ranked) return refuse(Reason::rank_unknown, floats.name);
  int64_t axis = n.int_attribute("axis", 1);
  OCTILE_RETURN_IF_REFUSED(read_axis(graph, wide, axis));
  if (axis >= std::ssize(floats.dims)) return refuse(Reason::malformed, "scales do not fit their axis");
  if (q.type == DType::s32 || !q.one_zp()) return refuse(Reason::per_channel_source, "with a zero point for each");
  std::vector<int64_t> dims(floats.dims.size() - static_cast<size_t>(axis), 1);
  dims[0] = std::ssize(q.scale);
  QParams one{q.type, {1.0F}, {q.zp[0]}};
  const int scales = writer.constant(q.scale, dims);
  if (is_quantize(n)) {
    const int scaled = writer.inner(DType::f32);
    writer.step(NodeKind::div, {wide, scales}, scaled);
    writer.quantize(scaled, one, n.output(0), true);
  } else {
    writer.main(NodeKind::mul, {writer.dequantize(n.input(0), one), scales}, wide);
  }
  return {};
}

Verdict translate_dequantize(const HostGraph& graph, int node, Unit& unit) {
  const HostNode& n = graph.nodes[node];
  const HostValue& codes = graph.values[n.input(0)];
  if (n.int_attribute("block_size", 0) != 0) return refuse(Reason::blocked_quantization, n.name);
  if (n.input(1) < 0) return refuse(Reason::malformed, "no scale");
  QParams q;
  DType type = DType::s32;
  if (codes.type != ElemType::s32) OCTILE_RETURN_IF_REFUSED(read_type(graph, n.input(0), type));
  OCTILE_RETURN_IF_REFUSED(read_params(graph, n.input(1), n.input(2), type, q));
  unit.role = Role::dequantize;
  UnitWriter writer(graph, node, unit);
  if (codes.constant && (q.per_channel() || type == DType::s32)) {
    return write_dequantized_constant(graph, n, q, writer);
  }
  if (q.per_channel()) return write_channels(graph, n, n.output(0), q, writer);
  if (type == DType::s32) {
    if (q.has_zp()) return refuse(Reason::attribute, "zero point of int32 codes");
    const int numbers = writer.inner(DType::f32);
    writer.step(NodeKind::cast, {n.input(0)}, numbers);
    writer.main(NodeKind::mul, {numbers, writer.constant(q.scale, {})}, n.output(0));
    return {};
  }
  writer.dequantize(n.input(0), q, n.output(0), true);
  return {};
}

Verdict translate_quantize(const HostGraph& graph, int node, Unit& unit) {
  const HostNode& n = graph.nodes[node];
  OCTILE_RETURN_IF_REFUSED(check_quantize(n));
  if (graph.values[n.input(0)].constant) return refuse(Reason::constant_operands);
  QParams q;
  OCTILE_RETURN_IF_REFUSED(read_type(graph, n.output(0), q.type));
  if (n.input(1) < 0) return refuse(Reason::malformed, "no scale");
  OCTILE_RETURN_IF_REFUSED(read_params(graph, n.input(1), n.input(2), q.type, q));
  unit.role = Role::quantize;
  UnitWriter writer(graph, node, unit);
  if (q.per_channel()) return write_channels(graph, n, n.input(0), q, writer);
  writer.quantize(n.input(0), q, n.output(0), true);
  return {};
}

Verdict translate_conversion(const HostGraph& graph, int node, Unit& unit) {
  const HostNode& n = graph.nodes[node];
  const int wide = is_quantize(n) ? n.input(0) : n.output(0), narrow = is_quantize(n) ? n.output(0) : n.input(0);
  if (wide < 0 || narrow < 0) return refuse(Reason::malformed, "an input or output is missing");
  if (graph.values[wide].type != ElemType::f32) return refuse(Reason::type_not_supported, graph.values[wide].name);
  return is_quantize(n) ? translate_quantize(graph, node, unit) : translate_dequantize(graph, node, unit);
}

}  // namespace

const OpRow* find_op(const HostNode& node) {
  const bool microsoft = node.domain == "com.microsoft";
  if (!microsoft && !node.domain.empty()) return nullptr;
  const auto* row = std::find_if(std::begin(kOps), std::end(kOps),
                                 [&](const OpRow& r) { return r.op == node.op && r.microsoft == microsoft; });
  return row == std::end(kOps) ? nullptr : row;
}

bool translates(const HostNode& node) {
  return is_quantize(node) || is_dequantize(node) || is_cast(node) || is_qlinear(node) || node.is("Shape") ||
         find_op(node) != nullptr;
}

Verdict translate(const HostGraph& graph, int node, Unit& unit) {
  const HostNode& n = graph.nodes[node];
  unit.anchor = node;
  unit.nodes = {node};
  // What computes the extents that a node reads belongs with it.
  for (const int v : n.inputs) {
    if (v < 0 || graph.values[v].type != ElemType::s64 || graph.values[v].constant) continue;
    if (graph.values[v].producer >= 0) unit.through.push_back(graph.values[v].producer);
  }
  if (makes_extents(graph, n)) {
    DType type = DType::f32;
    const bool fits = n.op != "Shape" || (n.input(0) >= 0 && read_dtype(graph.values[n.input(0)].type, type));
    if (!fits) return refuse(Reason::type_not_supported);
    unit.role = Role::extents;
    return {};
  }
  if (is_quantize(n) || is_dequantize(n)) return translate_conversion(graph, node, unit);
  if (is_qlinear(n)) return translate_qlinear(graph, node, unit);
  if (is_cast(n)) return translate_cast(graph, node, unit);
  const OpRow* row = find_op(n);
  if (row == nullptr) return refuse(Reason::op_not_supported);
  std::vector<int> in;
  DType type = DType::f32;
  OCTILE_RETURN_IF_REFUSED(check_outputs(graph, n));
  OCTILE_RETURN_IF_REFUSED(read_operands(n, *row, in));
  OCTILE_RETURN_IF_REFUSED(read_operand_types(graph, n, *row, in, type));
  UnitWriter writer(graph, node, unit);
  OCTILE_RETURN_IF_REFUSED(row->write({graph, n, writer, in, n.output(0), type}));
  unit.role = row->role;
  if (row->role == Role::function && variable_operands(graph, unit) > 1) unit.role = Role::floating;
  if (row->role == Role::integer && type == DType::f32) unit.role = Role::floating;
  return {};
}

bool is_single_movement(const HostNode& node) {
  static constexpr std::array<std::string_view, 5> kOps = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"};
  return node.is_one_of(kOps);
}

Verdict write_movement(const HostGraph& graph, const HostNode& node, int from, int to, DType type, UnitWriter& writer) {
  const std::vector<int> in{from};
  return find_op(node)->write({graph, node, writer, in, to, type});
}

}  // namespace octile::plugin
