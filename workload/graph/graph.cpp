// Names of node kinds, and the checks that need no shape.
// In:  GraphDesc.  Out: names, Status.
// Not here: shapes (infer.cpp), what a runtime supports.
#include "workload/graph/graph.h"

#include <algorithm>
#include <array>

#include "workload/graph/infer.h"
#include "workload/numerics/unary.h"

namespace octile {
namespace {

constexpr std::array<std::string_view, kNodeKinds> kNames{"spec",
                                                          "conv_transpose",
                                                          "scaled",
                                                          "dynamic",
                                                          "relu",
                                                          "leaky_relu",
                                                          "clip",
                                                          "sigmoid",
                                                          "hard_sigmoid",
                                                          "hard_swish",
                                                          "tanh",
                                                          "exp",
                                                          "log",
                                                          "sqrt",
                                                          "erf",
                                                          "gelu",
                                                          "neg",
                                                          "abs",
                                                          "reciprocal",
                                                          "softplus",
                                                          "elu",
                                                          "round",
                                                          "floor",
                                                          "ceil",
                                                          "add",
                                                          "sub",
                                                          "mul",
                                                          "div",
                                                          "pow",
                                                          "min",
                                                          "max",
                                                          "prelu",
                                                          "max_pool",
                                                          "average_pool",
                                                          "global_average_pool",
                                                          "global_max_pool",
                                                          "reduce_mean",
                                                          "reduce_max",
                                                          "softmax",
                                                          "layer_norm",
                                                          "normalize",
                                                          "arg_max",
                                                          "concat",
                                                          "slice",
                                                          "gather",
                                                          "pad",
                                                          "reshape",
                                                          "flatten",
                                                          "squeeze",
                                                          "unsqueeze",
                                                          "expand",
                                                          "transpose",
                                                          "resize",
                                                          "space_to_depth",
                                                          "depth_to_space",
                                                          "identity",
                                                          "cast"};

Status bad(const NodeDesc& node, const std::string& what) {
  return {Code::invalid_argument, "node \"" + node.name + "\" (" + std::string(to_string(node.kind)) + "): " + what};
}

struct Arity {
  size_t least, most;
};

Arity arity_of(const NodeDesc& node) {
  if (node.kind == NodeKind::spec || node.kind == NodeKind::scaled)
    return node.spec.wei_var ? Arity{2, 2} : Arity{1, 1};
  if (is_binary(node.kind) || node.kind == NodeKind::gather) return {2, 2};
  if (node.kind == NodeKind::layer_norm) return {2, 3};
  if (node.kind == NodeKind::reshape) return {1, node.ints.empty() ? 2U : 1U};
  if (node.kind == NodeKind::concat) return {1, SIZE_MAX};
  return {1, 1};
}

// Movements, identity and maxima take any type and keep it.
bool keeps_type(NodeKind kind) {
  return kind >= NodeKind::concat || kind == NodeKind::max_pool || kind == NodeKind::global_max_pool ||
         kind == NodeKind::reduce_max;
}

Status check_spec_types(const GraphDesc& graph, const NodeDesc& node) {
  const auto type_of = [&](int v) { return graph.values[static_cast<size_t>(v)].type; };
  const OpSpec& s = node.spec;
  if (node.kind == NodeKind::conv_transpose && s.kind != OpKind::conv2d) return bad(node, "its spec is no conv2d");
  if (type_of(node.inputs[0]) != s.src) return bad(node, "its source is not of the op's type");
  const bool scaled = node.kind == NodeKind::scaled;
  if (scaled && s.dst != DType::s32) return bad(node, "wants a product to s32");
  if (type_of(node.output) != (scaled ? DType::f32 : s.dst))
    return bad(node, "its destination is not of the op's type");
  if (node.inputs.size() > 1 && type_of(node.inputs[1]) != s.wei)
    return bad(node, "its weights are not of the op's type");
  return {};
}

Status check_types(const GraphDesc& graph, const NodeDesc& node) {
  if (node.kind <= NodeKind::scaled) return check_spec_types(graph, node);
  const DType out = graph.values[static_cast<size_t>(node.output)].type;
  const DType in = graph.values[static_cast<size_t>(node.inputs[0])].type;
  if (node.kind == NodeKind::dynamic &&
      (node.spec.src != DType::u8 || node.spec.dst != DType::s32 || node.spec.wei_var)) {
    return bad(node, "wants a product of u8 by constants to s32");
  }
  if (node.kind == NodeKind::arg_max) {
    const bool fits = out == DType::s64 && in != DType::s32 && in != DType::s64;
    return fits ? Status() : bad(node, "makes int64 of float32 or codes");
  }
  if (node.kind == NodeKind::cast) {
    return out == DType::f32 && in != DType::f32 ? Status() : bad(node, "casts integers to float32 only");
  }
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueDesc& value = graph.values[static_cast<size_t>(node.inputs[i])];
    if (node.kind == NodeKind::gather && i == 1) {
      if (value.type != DType::s32 || !value.constant) return bad(node, "wants constant s32 indices");
    } else if (value.type != out && !(node.kind == NodeKind::reshape && i == 1)) {
      return bad(node, "its operands are not of its output's type");
    }
  }
  const bool linear = node.kind == NodeKind::resize && int_or(node, 0, 0) == 1;
  if ((!keeps_type(node.kind) || linear) && out != DType::f32) return bad(node, "takes float32 alone");
  return {};
}

}  // namespace

std::string_view to_string(NodeKind kind) { return kNames[static_cast<size_t>(kind)]; }

Status validate(const GraphDesc& graph) {
  const auto exists = [&](int v) { return v >= 0 && v < static_cast<int>(graph.values.size()); };
  const auto of_indices = [&](int v) { return graph.values[static_cast<size_t>(v)].type == DType::s64; };
  std::vector<bool> known;
  for (const ValueDesc& value : graph.values) {
    known.push_back(value.constant);
    if (value.constant && static_cast<int64_t>(value.data.size()) != element_count(value.dims) * size_of(value.type)) {
      return {Code::invalid_argument,
              "constant " + value.name + " has " + std::to_string(value.data.size()) + " bytes"};
    }
    if (value.constant && value.type == DType::s64) {
      return {Code::invalid_argument, "constant " + value.name + " is of int64"};
    }
  }
  for (int v : graph.inputs) {
    if (!exists(v) || known[static_cast<size_t>(v)]) return {Code::invalid_argument, "an input is no value, or two"};
    if (of_indices(v)) return {Code::invalid_argument, "an input is of int64"};
    known[static_cast<size_t>(v)] = true;
  }
  for (const NodeDesc& node : graph.nodes) {
    const Arity arity = arity_of(node);
    if (node.inputs.size() < arity.least || node.inputs.size() > arity.most) {
      return bad(node, "has " + std::to_string(node.inputs.size()) + " inputs");
    }
    for (int v : node.inputs) {
      if (!exists(v) || !known[static_cast<size_t>(v)]) return bad(node, "reads a value that no earlier node makes");
      if (of_indices(v)) return bad(node, "reads int64");
    }
    if (!exists(node.output)) return bad(node, "writes a value that does not exist");
    if (known[static_cast<size_t>(node.output)]) return bad(node, "writes a value that exists already");
    known[static_cast<size_t>(node.output)] = true;
    OCTILE_RETURN_IF_ERROR(check_types(graph, node));
  }
  for (int v : graph.outputs) {
    if (!exists(v) || !known[static_cast<size_t>(v)]) return {Code::invalid_argument, "an output is made by no node"};
  }
  return {};
}

}  // namespace octile
