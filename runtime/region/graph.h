// Graph: what a RegionDesc means before any shape is known: who makes and reads each value, and in which layout.
// In:  RegionDesc.  Out: Graph, or a Status that names the node.
// Not here: shapes, memory, kernels.
#pragma once

#include <string>
#include <vector>

#include "runtime/region/region.h"

namespace octile::runtime {

// nhwc: the host's NCHW (or NCW) value lies channels innermost here. flat: row-major as in the host, any rank.
enum class Order : uint8_t { flat, nhwc };

struct Graph {
  struct Value {
    Order order = Order::flat;
    int producer = -1;           // node, -1 for inputs of the region
    std::vector<int> consumers;  // nodes, ascending; a node that reads it twice is listed twice
    int input = -1;              // slot in RegionDesc::inputs
    int output = -1;             // slot in RegionDesc::outputs
  };
  std::vector<Value> values;
};

// Convolutions and dense ops have kernels; the rest is elementwise.
[[nodiscard]] inline bool is_dot(const NodeDesc& node) {
  return node.spec.kind == OpKind::conv2d || node.spec.kind == OpKind::dense;
}
// The node's name for messages, quoted.
[[nodiscard]] std::string node_label(const NodeDesc& node);
// The node's spec with the smallest spatial extents that have an output: what an op is before shapes are known.
[[nodiscard]] OpSpec shapeless(const NodeDesc& node);
// Checks the description and derives the graph.
[[nodiscard]] Result<Graph> analyse(const RegionDesc& desc);

}  // namespace octile::runtime
