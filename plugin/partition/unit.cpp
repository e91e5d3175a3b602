// The writer of units, and the checks that need the whole of one.
// In/out: see unit.h.  Not here: what single ops mean.
#include "plugin/partition/unit.h"

#include <algorithm>
#include <cstring>

#include "plugin/partition/build.h"
#include "plugin/partition/product.h"
#include "runtime/region/check.h"
#include "runtime/region/supported.h"

namespace octile::plugin {
namespace {

template <class T>
ValueDesc constant_value(DType type, const std::vector<T>& data, std::vector<int64_t> dims) {
  ValueDesc v;
  v.type = type;
  v.constant = true;
  v.dims = std::move(dims);
  v.data.resize(data.size() * sizeof(T));
  if (!data.empty()) std::memcpy(v.data.data(), data.data(), v.data.size());
  return v;
}

}  // namespace

std::string node_label(const HostGraph& graph, const HostNode& node) {
  if (!node.name.empty()) return node.name;
  return node.output(0) >= 0 ? graph.values[node.output(0)].name : node.op;
}

UnitWriter::UnitWriter(const HostGraph& graph, int node, Unit& unit)
    : graph_(graph), unit_(unit), label_(node_label(graph, graph.nodes[node])) {
  unit.anchor = node;
}

int UnitWriter::inner(DType type) {
  ValueDesc v;
  v.name = label_ + ":" + std::to_string(unit_.inner.size());
  v.type = type;
  unit_.inner.push_back(std::move(v));
  return ~(static_cast<int>(unit_.inner.size()) - 1);
}

int UnitWriter::constant(const std::vector<float>& data, std::vector<int64_t> dims) {
  const int v = inner(DType::f32);
  ValueDesc made = constant_value(DType::f32, data, std::move(dims));
  made.name = unit_.inner.back().name;
  unit_.inner.back() = std::move(made);
  return v;
}

int UnitWriter::constant(const std::vector<int32_t>& data, std::vector<int64_t> dims) {
  const int v = inner(DType::s32);
  ValueDesc made = constant_value(DType::s32, data, std::move(dims));
  made.name = unit_.inner.back().name;
  unit_.inner.back() = std::move(made);
  return v;
}

NodeDesc& UnitWriter::add(NodeKind kind, std::vector<int> inputs, int output) {
  NodeDesc& d = unit_.steps.emplace_back().desc;
  d.kind = kind;
  d.inputs = std::move(inputs);
  d.output = output;
  return d;
}

NodeDesc& UnitWriter::main(NodeKind kind, std::vector<int> inputs, int output) {
  NodeDesc& d = add(kind, std::move(inputs), output);
  d.name = label_;
  return d;
}

NodeDesc& UnitWriter::step(NodeKind kind, std::vector<int> inputs, int output) {
  NodeDesc& d = add(kind, std::move(inputs), output);
  d.name = label_ + ":" + std::to_string(unit_.steps.size());
  return d;
}

int UnitWriter::dequantize(int codes, const QParams& q) {
  const int floats = inner(DType::f32);
  dequantize(codes, q, floats, false);
  return floats;
}

void UnitWriter::dequantize(int codes, const QParams& q, int floats, bool is_main) {
  NodeDesc& d = is_main ? main(NodeKind::spec, {codes}, floats) : step(NodeKind::spec, {codes}, floats);
  d.spec.kind = OpKind::dequantize;
  d.spec.name = graph_.name + ":" + d.name;
  d.spec.src = q.type;
  d.spec.dst = DType::f32;
  d.spec.src_zp = q.zp[0] != 0;
  d.quant.src_scale = q.scale[0];
  d.quant.src_zp = q.zp[0];
}

void UnitWriter::quantize(int floats, const QParams& q, int codes, bool is_main) {
  NodeDesc& d = is_main ? main(NodeKind::spec, {floats}, codes) : step(NodeKind::spec, {floats}, codes);
  d.spec.kind = OpKind::quantize;
  d.spec.name = graph_.name + ":" + d.name;
  d.spec.src = DType::f32;
  d.spec.dst = q.type;
  d.spec.dst_zp = q.zp[0] != 0;
  d.quant.dst_scale = q.scale[0];
  d.quant.dst_zp = q.zp[0];
  set_clamp(d.quant, q.type, Post::none, 0, 0);
}

bool is_anchor(const HostNode& node) {
  static constexpr std::string_view kOnnx[] = {"Conv",        "ConvTranspose", "MatMul",
                                               "Gemm",        "QLinearConv",   "QLinearMatMul",
                                               "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"};
  static constexpr std::string_view kMicrosoft[] = {"QGemm", "QLinearConv", "DynamicQuantizeMatMul",
                                                    "MatMulIntegerToFloat"};
  const auto in = [&](const auto& ops) { return std::find(std::begin(ops), std::end(ops), node.op) != std::end(ops); };
  if (node.domain == "com.microsoft") return in(kMicrosoft);
  return node.domain.empty() && in(kOnnx);
}

Verdict recognise(const HostGraph& graph, int node, Unit& unit) {
  const std::string& op = graph.nodes[node].op;
  unit.anchor = node;
  if (graph.nodes[node].output(0) < 0) return refuse(Reason::malformed, "no output");
  if (op.starts_with("DynamicQuantize") || op == "MatMulIntegerToFloat") return recognise_dynamic(graph, node, unit);
  return op.find("Conv") != std::string::npos ? recognise_conv(graph, node, unit) : recognise_dense(graph, node, unit);
}

Verdict check_unit(const HostGraph& graph, const Unit& unit) {
  const Result<runtime::RegionDesc> desc = build_unit(graph, unit);
  if (!desc.ok()) return refuse(Reason::malformed, desc.status().message());
  if (const Status st = validate(*desc); !st.ok()) return refuse(Reason::malformed, st.message());
  for (const NodeDesc& node : desc->nodes) {
    const bool weighted = node.kind <= NodeKind::dynamic;  // checked by fill_spec; the weights are not here yet
    if (const Status st = weighted ? Status() : runtime::check_node(node); !st.ok()) {
      return refuse(Reason::attribute, st.message());
    }
    if (const Status st = runtime::supported(node, desc->values); !st.ok()) {
      return refuse(Reason::not_in_regions, st.message());
    }
  }
  return {};
}

}  // namespace octile::plugin
