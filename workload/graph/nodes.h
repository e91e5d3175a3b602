// Nodes: the interpreter's families of nodes, one file each.
// In:  a node, its operands, the shape it makes.  Out: the array it makes.
// Not here: checks of operands and shapes, done by whoever calls.
#pragma once

#include <vector>

#include "workload/graph/infer.h"
#include "workload/graph/interpreter.h"

namespace octile::interpreter {

using Operands = std::vector<const HostArray*>;

[[nodiscard]] Result<HostArray> run_spec(const NodeDesc& node, const Operands& in, HostArray out);
[[nodiscard]] Result<HostArray> run_conv_transpose(const NodeDesc& node, const Operands& in, HostArray out);
[[nodiscard]] Result<HostArray> run_scaled(const NodeDesc& node, const Operands& in, HostArray out);
[[nodiscard]] Result<HostArray> run_dynamic(const NodeDesc& node, const Operands& in, HostArray out);
[[nodiscard]] Result<HostArray> run_elementwise(const NodeDesc& node, const Operands& in, HostArray out);
[[nodiscard]] Result<HostArray> run_window(const NodeDesc& node, const Operands& in, HostArray out);
[[nodiscard]] Result<HostArray> run_reduced(const NodeDesc& node, const Operands& in, HostArray out);
[[nodiscard]] Result<HostArray> run_softmax(const NodeDesc& node, const Operands& in, HostArray out);
[[nodiscard]] Result<HostArray> run_layer_norm(const NodeDesc& node, const Operands& in, HostArray out);
[[nodiscard]] Result<HostArray> run_normalize(const NodeDesc& node, const Operands& in, HostArray out);
[[nodiscard]] Result<HostArray> run_arg_max(const NodeDesc& node, const Operands& in, HostArray out);
[[nodiscard]] Result<HostArray> run_movement(const NodeDesc& node, const Operands& in, HostArray out);
[[nodiscard]] Result<HostArray> run_resize(const NodeDesc& node, const Operands& in, HostArray out);

// Offset of an index in a row-major array.
[[nodiscard]] inline int64_t offset(const Shape& dims, const Shape& index) {
  int64_t at = 0;
  for (size_t i = 0; i < dims.size(); ++i) at = at * dims[i] + index[i];
  return at;
}

// The index after `index` in row-major order.
void next_index(const Shape& dims, Shape& index);

// Calls visit(index) for every index of `dims`, in row-major order.
template <class Visit>
void for_each_index(const Shape& dims, const Visit& visit) {
  Shape index(dims.size(), 0);
  for (int64_t left = element_count(dims); left > 0; --left) {
    visit(index);
    next_index(dims, index);
  }
}

// Offset in an operand of shape `dims` of what `index` of the broadcast result reads.
[[nodiscard]] inline int64_t broadcast_offset(const Shape& dims, const Shape& index) {
  int64_t at = 0;
  for (size_t i = 0; i < dims.size(); ++i) {
    const int64_t wanted = index[index.size() - dims.size() + i];
    at = at * dims[i] + (dims[i] == 1 ? 0 : wanted);
  }
  return at;
}

}  // namespace octile::interpreter
