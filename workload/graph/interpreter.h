// Interpreter: the oracle of whole graphs, obvious scalar code.
// In:  GraphDesc, arrays as the host has them (NCHW, row-major).  Out: arrays; bit for bit what a region must answer.
// Not here: speed, layouts, plans, anything shared with runtime/.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "workload/graph/graph.h"

namespace octile {

struct HostArray {
  DType type = DType::f32;
  std::vector<int64_t> dims{};
  std::vector<uint8_t> bytes{};

  HostArray() = default;
  HostArray(DType t, std::vector<int64_t> d);  // of zeros
  [[nodiscard]] int64_t count() const;
  // Elements as T, which must be the type's.
  template <class T>
  [[nodiscard]] const T* as() const {
    return reinterpret_cast<const T*>(bytes.data());
  }
  template <class T>
  [[nodiscard]] T* as() {
    return reinterpret_cast<T*>(bytes.data());
  }
};

// The outputs, in the graph's order.
[[nodiscard]] Result<std::vector<HostArray>> interpret(const GraphDesc& graph, const std::vector<HostArray>& inputs);
// Every value of the graph, constants included, by index.
[[nodiscard]] Result<std::vector<HostArray>> interpret_all(const GraphDesc& graph,
                                                           const std::vector<HostArray>& inputs);
// One node alone, on operands of its own; `type` is its output's.
[[nodiscard]] Result<HostArray> interpret_node(const NodeDesc& node, const std::vector<const HostArray*>& operands,
                                               DType type);

}  // namespace octile
