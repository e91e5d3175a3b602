// Matrix products: MatMul and Gemm between dequantizes and a quantize, QLinearMatMul, QGemm, MatMulInteger.
// In:  a host node.  Out: a dense unit, with constant or variable weights.
// Not here: transposed sources, batched constant weights (declined).
#include <algorithm>

#include "plugin/partition/unit.h"

namespace octile::plugin {
namespace {

constexpr QLinearSlots kQLinearMatMul{0, 1, 2, 3, 4, 5, 6, 7};
constexpr QLinearSlots kQGemm{0, 1, 2, 3, 4, 5, 7, 8};
constexpr size_t kGemmBias = 2, kQGemmBias = 6;

bool is_gemm(const HostNode& n) { return n.op == "Gemm" || n.op == "QGemm"; }

Verdict check_gemm(const HostNode& n, bool has_bias) {
  if (n.int_attribute("transA", 0) != 0) return refuse(Reason::attribute, "transA");
  if (n.float_attribute("alpha", 1.0F) != 1.0F) return refuse(Reason::attribute, "alpha is not 1");
  if (has_bias && n.float_attribute("beta", 1.0F) != 1.0F) return refuse(Reason::attribute, "beta is not 1");
  return {};
}

// k and n of variable weights [..., k, n]; the runtime broadcasts batches and takes unknown extents (0) from each run.
Verdict read_variable_weights(const HostValue& src, const HostValue& wei, OpSpec& s) {
  if (!wei.ranked || wei.dims.size() < 2) return refuse(Reason::rank_unknown, wei.name);
  const int64_t k = src.dims.back() >= 0 ? src.dims.back() : wei.dims[wei.dims.size() - 2];
  s.wei_var = true;
  s.k = std::max<int64_t>(k, 0);
  s.n = std::max<int64_t>(wei.dims.back(), 0);
  return {};
}

Verdict read_extents(const HostGraph& graph, const HostNode& n, const Operands& ops, Unit& unit) {
  OpSpec& s = unit.desc.spec;
  const HostValue& src = graph.values[ops.src];
  const HostValue& wei = graph.values[ops.wei];
  s.kind = OpKind::dense;
  const bool transposed = is_gemm(n) && n.int_attribute("transB", 0) != 0;
  if (!wei.constant) {
    if (transposed) return refuse(Reason::weights_not_constant, "transB");
    if (!src.ranked || src.dims.size() < 2) return refuse(Reason::rank_unknown, src.name);
    if (ops.wei_q.per_channel()) return refuse(Reason::per_channel_source, wei.name);
    return read_variable_weights(src, wei, s);
  }
  if (wei.dims.size() != 2) return refuse(Reason::weights_batched);
  unit.wei_transposed = transposed;
  s.k = wei.dims[transposed ? 1 : 0];
  s.n = wei.dims[transposed ? 0 : 1];
  return {};
}

// A bias needs to know how many columns there are.
Verdict check_columns(int bias, const Unit& unit) {
  return bias >= 0 && unit.desc.spec.n < 1 ? refuse(Reason::columns_unknown) : Verdict{};
}

// Per-channel weights of a QDQ product: along n.
Verdict check_axis(const HostNode& n, const HostValue& wei, const Operands& ops) {
  if (!ops.wei_q.per_channel()) return {};
  const auto rank = static_cast<int64_t>(wei.dims.size());
  const int64_t axis = ops.wei_axis < 0 ? ops.wei_axis + rank : ops.wei_axis;
  const int64_t want = is_gemm(n) && n.int_attribute("transB", 0) != 0 ? 0 : rank - 1;
  return axis == want ? Verdict{} : refuse(Reason::per_channel_axis);
}

// MatMul followed by the addition of a constant: the bias. `value` moves past the addition.
Verdict read_added_bias(const HostGraph& graph, int& value, Operands& ops, const Unit& unit) {
  int reader = -1;
  OCTILE_RETURN_IF_REFUSED(sole_float_reader(graph, value, reader));
  const HostNode& add = graph.nodes[reader];
  if (add.op != "Add" || !add.domain.empty() || add.inputs.size() != 2 || add.output(0) < 0) return {};
  const int other = add.inputs[0] == value ? add.inputs[1] : add.inputs[0];
  const size_t rank = std::max<size_t>(1, graph.values[ops.src].dims.size());
  if (other < 0 || graph.values[other].dims.size() > rank || unit.desc.spec.n < 1) return {};
  int bias_node = -1;
  OCTILE_RETURN_IF_REFUSED(
      read_bias(graph, other, reader, ops.src_q, ops.wei_q, unit.desc.spec.n, ops.bias, bias_node));
  if (bias_node >= 0) ops.nodes.push_back(bias_node);
  ops.nodes.push_back(reader);
  value = add.output(0);
  return {};
}

Verdict recognise_qdq(const HostGraph& graph, int node, Operands& ops, Unit& unit) {
  const HostNode& n = graph.nodes[node];
  OCTILE_RETURN_IF_REFUSED(read_qdq_inputs(graph, node, ops));
  OCTILE_RETURN_IF_REFUSED(read_extents(graph, n, ops, unit));
  OCTILE_RETURN_IF_REFUSED(check_axis(n, graph.values[ops.wei], ops));
  int value = n.output(0);
  if (n.op == "Gemm") {
    int bias_node = -1;
    OCTILE_RETURN_IF_REFUSED(check_gemm(n, n.input(kGemmBias) >= 0));
    OCTILE_RETURN_IF_REFUSED(check_columns(n.input(kGemmBias), unit));
    OCTILE_RETURN_IF_REFUSED(
        read_bias(graph, n.input(kGemmBias), node, ops.src_q, ops.wei_q, unit.desc.spec.n, ops.bias, bias_node));
    if (bias_node >= 0) ops.nodes.push_back(bias_node);
  } else {
    OCTILE_RETURN_IF_REFUSED(read_added_bias(graph, value, ops, unit));
  }
  return read_qdq_tail(graph, value, ops);
}

}  // namespace

Verdict recognise_dense(const HostGraph& graph, int node, Unit& unit) {
  const HostNode& n = graph.nodes[node];
  Operands ops;
  if (n.op == "MatMul" || n.op == "Gemm") {
    OCTILE_RETURN_IF_REFUSED(recognise_qdq(graph, node, ops, unit));
    return finish_unit(graph, node, ops, unit);
  }
  if (n.op == "MatMulInteger") {
    OCTILE_RETURN_IF_REFUSED(read_integer(graph, node, ops));
  } else {
    OCTILE_RETURN_IF_REFUSED(read_qlinear(graph, node, n.op == "QGemm" ? kQGemm : kQLinearMatMul, ops));
  }
  OCTILE_RETURN_IF_REFUSED(read_extents(graph, n, ops, unit));
  if (n.op == "QGemm") {
    int bias_node = -1;
    OCTILE_RETURN_IF_REFUSED(check_gemm(n, false));
    OCTILE_RETURN_IF_REFUSED(check_columns(n.input(kQGemmBias), unit));
    OCTILE_RETURN_IF_REFUSED(
        read_bias(graph, n.input(kQGemmBias), node, ops.src_q, ops.wei_q, unit.desc.spec.n, ops.bias, bias_node));
    if (bias_node >= 0) return refuse(Reason::bias_not_constant);
  }
  return finish_unit(graph, node, ops, unit);
}

}  // namespace octile::plugin
