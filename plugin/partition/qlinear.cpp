// The quantized forms of ops: dequantize, the op, quantize.
// In:  a com.microsoft node.  Out: a unit of codes to codes.
// Not here: quantized products (conv.cpp, dense.cpp).
#include <algorithm>

#include "plugin/partition/translate.h"

namespace octile::plugin {
namespace {

// Where a tensor with its scale and zero point stands among the inputs.
struct Row {
  std::string_view op;
  size_t operands;  // 0: all that follow the result's, as Concat has them
  OpWriter write;
};
constexpr Row kRows[] = {
    {"QLinearAdd", 2, write_binary},
    {"QLinearMul", 2, write_binary},
    {"QLinearSigmoid", 1, write_unary},
    {"QLinearLeakyRelu", 1, write_unary},
    {"QLinearConcat", 0, write_concat},
    {"QLinearAveragePool", 1, write_pool},
    {"QLinearGlobalAveragePool", 1, write_global_pool},
    {"QLinearSoftmax", 1, write_softmax},
    {"QLinearReduceMean", 1, write_reduced},
};

const Row* find_row(const HostNode& node) {
  if (node.domain != "com.microsoft") return nullptr;
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.op == node.op; });
  return row == std::end(kRows) ? nullptr : row;
}

Verdict read_tensor(const HostGraph& graph, int codes, int scale, int zp, QParams& q) {
  OCTILE_RETURN_IF_REFUSED(read_type(graph, codes, q.type));
  if (scale < 0) return refuse(Reason::malformed, "no scale");
  return read_source_params(graph, scale, zp, q.type, q);
}

}  // namespace

bool is_qlinear(const HostNode& node) { return find_row(node) != nullptr; }

Verdict translate_qlinear(const HostGraph& graph, int node, Unit& unit) {
  const HostNode& n = graph.nodes[node];
  const Row& row = *find_row(n);
  if (n.output(0) < 0) return refuse(Reason::malformed, "no output");
  const size_t operands = row.operands == 0 ? (std::max<size_t>(n.inputs.size(), 2) - 2) / 3 : row.operands;
  const size_t first = row.operands == 0 ? 2 : 0, result = row.operands == 0 ? 0 : 3 * operands;
  if (operands == 0) return refuse(Reason::malformed, "no operand");
  QParams to;
  OCTILE_RETURN_IF_REFUSED(read_tensor(graph, n.output(0), n.input(result), n.input(result + 1), to));
  UnitWriter writer(graph, node, unit);
  std::vector<int> in;
  bool constant = true;
  for (size_t i = 0; i < operands; ++i) {
    QParams q;
    const size_t at = first + 3 * i;
    OCTILE_RETURN_IF_REFUSED(read_tensor(graph, n.input(at), n.input(at + 1), n.input(at + 2), q));
    constant = constant && graph.values[n.input(at)].constant;
    in.push_back(writer.dequantize(n.input(at), q));
  }
  if (constant) return refuse(Reason::constant_operands);
  const int made = writer.inner(DType::f32);
  OCTILE_RETURN_IF_REFUSED(row.write({graph, n, writer, in, made, DType::f32}));
  writer.quantize(made, to, n.output(0), false);
  unit.role = Role::integer;
  return {};
}

}  // namespace octile::plugin
