// Matrix products: MatMul and Gemm behind dequantizes, QLinearMatMul, QGemm, MatMulInteger.
// In:  a host node.  Out: a dense unit, with constant or variable weights.
// Not here: factors other than 1 (declined).
#include <algorithm>

#include "plugin/partition/product.h"

namespace octile::plugin {
namespace {

constexpr QLinearSlots kQLinearMatMul{0, 1, 2, 3, 4, 5, 6, 7};
constexpr QLinearSlots kQGemm{0, 1, 2, 3, 4, 5, 7, 8};
constexpr size_t kGemmBias = 2, kQGemmBias = 6;
constexpr int64_t kMaxBatches = 64;  // of constant weights; each is an op of its own

bool is_gemm(const HostNode& n) { return n.op == "Gemm" || n.op == "QGemm"; }

Verdict check_gemm(const HostNode& n, bool has_bias) {
  if (n.float_attribute("alpha", 1.0F) != 1.0F) return refuse(Reason::attribute, "alpha is not 1");
  if (has_bias && n.float_attribute("beta", 1.0F) != 1.0F) return refuse(Reason::attribute, "beta is not 1");
  return {};
}

// k and n of variable weights [..., k, n]; the runtime broadcasts batches and takes unknown extents (0) from each run.
Verdict read_variable_weights(const HostValue& src, const HostValue& wei, const Operands& ops, OpSpec& s) {
  if (!src.ranked || src.dims.size() < 2) return refuse(Reason::rank_unknown, src.name);
  if (!wei.ranked || wei.dims.size() < 2) return refuse(Reason::rank_unknown, wei.name);
  if (ops.wei_q.per_channel()) return refuse(Reason::per_channel_source, wei.name);
  const size_t rows = wei.dims.size() - 2, columns = wei.dims.size() - 1;
  const int64_t depth = src.dims[src.dims.size() - (ops.src_turn.empty() ? 1 : 2)];
  s.wei_var = true;
  s.k = std::max<int64_t>(depth >= 0 ? depth : wei.dims[ops.wei_transposed ? columns : rows], 0);
  s.n = std::max<int64_t>(wei.dims[ops.wei_transposed ? rows : columns], 0);
  return {};
}

// Constant weights [b, k, n]: a product per matrix of a source [b, m, k].
Verdict read_batches(const HostValue& src, const HostValue& wei, Operands& ops) {
  const int64_t batches = wei.dims[0];
  if (wei.dims.size() != 3 || batches < 1 || batches > kMaxBatches) return refuse(Reason::weights_batched);
  if (!src.ranked || src.dims.size() != 3) return refuse(Reason::weights_batched, "of a source of another rank");
  if (batches > 1 && src.dims[0] != batches) return refuse(Reason::weights_batched, "of a source of another batch");
  ops.batches = batches;
  return {};
}

}  // namespace

Verdict read_matrix(const HostGraph& graph, const HostNode& n, Operands& ops, NodeDesc& d) {
  OpSpec& s = d.spec;
  const HostValue& src = graph.values[ops.src];
  const HostValue& wei = graph.values[ops.wei];
  s.kind = OpKind::dense;
  if (is_gemm(n) && n.int_attribute("transA", 0) != 0) ops.src_turn = {1, 0};
  ops.wei_transposed = is_gemm(n) && n.int_attribute("transB", 0) != 0;
  if (!wei.constant) return read_variable_weights(src, wei, ops, s);
  const size_t rank = wei.dims.size();
  if (rank < 2) return refuse(Reason::malformed, "weights are no matrix");
  if (rank > 2) OCTILE_RETURN_IF_REFUSED(read_batches(src, wei, ops));
  s.k = wei.dims[rank - (ops.wei_transposed ? 1 : 2)];
  s.n = wei.dims[rank - (ops.wei_transposed ? 2 : 1)];
  return {};
}

namespace {

// A bias needs to know how many columns there are.
Verdict check_columns(int bias, const NodeDesc& d) {
  return bias >= 0 && d.spec.n < 1 ? refuse(Reason::columns_unknown) : Verdict{};
}

// Per-channel weights of a QDQ product: along n.
Verdict check_axis(const HostValue& wei, const Operands& ops) {
  if (!ops.wei_q.per_channel()) return {};
  const auto rank = static_cast<int64_t>(wei.dims.size());
  const int64_t axis = ops.wei_axis < 0 ? ops.wei_axis + rank : ops.wei_axis;
  const int64_t want = ops.wei_transposed ? 0 : rank - 1;
  return axis == want ? Verdict{} : refuse(Reason::per_channel_axis);
}

// MatMul followed by the addition of a constant that fits: the bias. `value` moves past the addition.
void read_added_bias(const HostGraph& graph, int& value, Operands& ops, const NodeDesc& d) {
  const int reader = graph.sole_consumer(value);
  if (reader < 0 || d.spec.n < 1) return;
  const HostNode& add = graph.nodes[reader];
  if (add.op != "Add" || !add.domain.empty() || add.taken_elsewhere) return;
  if (add.inputs.size() != 2 || add.output(0) < 0) return;
  const int other = add.inputs[0] == value ? add.inputs[1] : add.inputs[0];
  const size_t rank = std::max<size_t>(1, graph.values[ops.src].dims.size());
  if (other < 0 || graph.values[other].dims.size() > rank) return;
  Operands with_bias = ops;
  if (add_bias(graph, other, reader, d.spec.n, with_bias)) return;
  ops = std::move(with_bias);
  ops.nodes.push_back(reader);
  value = add.output(0);
}

Verdict recognise_qdq(const HostGraph& graph, int node, Operands& ops, NodeDesc& d) {
  const HostNode& n = graph.nodes[node];
  OCTILE_RETURN_IF_REFUSED(read_qdq_inputs(graph, node, ops));
  OCTILE_RETURN_IF_REFUSED(read_matrix(graph, n, ops, d));
  OCTILE_RETURN_IF_REFUSED(check_axis(graph.values[ops.wei], ops));
  OCTILE_RETURN_IF_REFUSED(fold_source_scales(d, ops));
  int value = n.output(0);
  if (n.op == "Gemm") {
    OCTILE_RETURN_IF_REFUSED(check_gemm(n, n.input(kGemmBias) >= 0));
    OCTILE_RETURN_IF_REFUSED(check_columns(n.input(kGemmBias), d));
    OCTILE_RETURN_IF_REFUSED(add_bias(graph, n.input(kGemmBias), node, d.spec.n, ops));
  } else {
    read_added_bias(graph, value, ops, d);
  }
  read_qdq_tail(graph, value, d, ops);
  return {};
}

}  // namespace

Verdict recognise_dense(const HostGraph& graph, int node, Unit& unit) {
  const HostNode& n = graph.nodes[node];
  Operands ops;
  NodeDesc d;
  if (n.op == "MatMul" || n.op == "Gemm") {
    OCTILE_RETURN_IF_REFUSED(recognise_qdq(graph, node, ops, d));
    return finish_product(graph, node, ops, std::move(d), unit);
  }
  if (n.op == "MatMulInteger") {
    OCTILE_RETURN_IF_REFUSED(read_integer(graph, node, ops));
  } else {
    OCTILE_RETURN_IF_REFUSED(read_qlinear(graph, node, n.op == "QGemm" ? kQGemm : kQLinearMatMul, ops));
  }
  OCTILE_RETURN_IF_REFUSED(read_matrix(graph, n, ops, d));
  if (n.op == "QGemm") {
    OCTILE_RETURN_IF_REFUSED(check_gemm(n, false));
    OCTILE_RETURN_IF_REFUSED(check_columns(n.input(kQGemmBias), d));
    const int bias = n.input(kQGemmBias);
    if (bias >= 0 && graph.values[bias].producer >= 0) return refuse(Reason::bias_not_constant);
    OCTILE_RETURN_IF_REFUSED(add_bias(graph, bias, node, d.spec.n, ops));
  }
  return finish_product(graph, node, ops, std::move(d), unit);
}

}  // namespace octile::plugin
