// The walk over the nodes.
// In:  GraphDesc, inputs.  Out: values.
// Not here: what nodes do (nodes_*.cpp).
#include "workload/graph/interpreter.h"

#include <string>

#include "workload/graph/infer.h"
#include "workload/graph/nodes.h"
#include "workload/numerics/float_mode.h"
#include "workload/numerics/unary.h"

namespace octile {
namespace {

using namespace interpreter;  // the families

Result<HostArray> dispatch(const NodeDesc& node, const Operands& in, HostArray out) {
  if (node.kind == NodeKind::spec) return run_spec(node, in, std::move(out));
  if (is_binary(node.kind) || (is_unary(node.kind) && node.kind != NodeKind::identity) || node.kind == NodeKind::cast) {
    return run_elementwise(node, in, std::move(out));
  }
  switch (node.kind) {
    case NodeKind::conv_transpose: return run_conv_transpose(node, in, std::move(out));
    case NodeKind::scaled: return run_scaled(node, in, std::move(out));
    case NodeKind::dynamic: return run_dynamic(node, in, std::move(out));
    case NodeKind::max_pool:
    case NodeKind::average_pool:
    case NodeKind::global_max_pool: return run_window(node, in, std::move(out));
    case NodeKind::global_average_pool:
    case NodeKind::reduce_mean:
    case NodeKind::reduce_max: return run_reduced(node, in, std::move(out));
    case NodeKind::softmax: return run_softmax(node, in, std::move(out));
    case NodeKind::layer_norm: return run_layer_norm(node, in, std::move(out));
    case NodeKind::normalize: return run_normalize(node, in, std::move(out));
    case NodeKind::arg_max: return run_arg_max(node, in, std::move(out));
    case NodeKind::resize: return run_resize(node, in, std::move(out));
    default: return run_movement(node, in, std::move(out));
  }
}

}  // namespace

void interpreter::next_index(const Shape& dims, Shape& index) {
  for (size_t i = dims.size(); i-- > 0 && ++index[i] == dims[i];) index[i] = 0;
}

HostArray::HostArray(DType t, std::vector<int64_t> d) : type(t), dims(std::move(d)) {
  bytes.resize(static_cast<size_t>(count() * size_of(t)));
}

int64_t HostArray::count() const { return element_count(dims); }

Result<HostArray> interpret_node(const NodeDesc& node, const Operands& operands, DType type) {
  const FloatMode mode;
  std::vector<Shape> shapes;
  shapes.reserve(operands.size());
  for (const HostArray* operand : operands) shapes.push_back(operand->dims);
  OCTILE_ASSIGN_OR_RETURN(Shape shape, infer_shape(node, shapes));
  return dispatch(node, operands, HostArray(type, std::move(shape)));
}

Result<std::vector<HostArray>> interpret_all(const GraphDesc& graph, const std::vector<HostArray>& inputs) {
  OCTILE_RETURN_IF_ERROR(validate(graph));
  if (inputs.size() != graph.inputs.size()) {
    return Status(Code::invalid_argument, "graph " + graph.name + " has " + std::to_string(graph.inputs.size()) +
                                              " inputs, got " + std::to_string(inputs.size()));
  }
  std::vector<HostArray> values(graph.values.size());
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const ValueDesc& value = graph.values[i];
    if (!value.constant) continue;
    values[i] = HostArray(value.type, value.dims);
    values[i].bytes = value.data;
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto v = static_cast<size_t>(graph.inputs[i]);
    const HostArray& in = inputs[i];
    if (in.type != graph.values[v].type || in.bytes.size() != HostArray(in.type, in.dims).bytes.size()) {
      return Status(Code::invalid_argument, "input " + graph.values[v].name + " is not what the graph wants");
    }
    values[v] = in;
  }
  for (const NodeDesc& node : graph.nodes) {
    Operands operands;
    for (int v : node.inputs) operands.push_back(&values[static_cast<size_t>(v)]);
    const auto out = static_cast<size_t>(node.output);
    OCTILE_ASSIGN_OR_RETURN(values[out], interpret_node(node, operands, graph.values[out].type));
  }
  return values;
}

Result<std::vector<HostArray>> interpret(const GraphDesc& graph, const std::vector<HostArray>& inputs) {
  OCTILE_ASSIGN_OR_RETURN(std::vector<HostArray> values, interpret_all(graph, inputs));
  std::vector<HostArray> outputs;
  for (int v : graph.outputs) outputs.push_back(values[static_cast<size_t>(v)]);
  return outputs;
}

}  // namespace octile
