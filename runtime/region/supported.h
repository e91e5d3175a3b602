// Supported: which nodes a region runs, asked one by one before any region is made.
// In:  a node of a GraphDesc and the graph's values.  Out: ok, or a Status that says why not.
// Not here: whether a whole region holds together (Region::create says so), whether it is worth it.
// Pure: depends on nothing but the description, shapes unknown.
#pragma once

#include <vector>

#include "workload/graph/graph.h"

namespace octile::runtime {

[[nodiscard]] Status supported(const NodeDesc& node, const std::vector<ValueDesc>& values);

// How a node is run once it stands between dequantize and quantize nodes.
enum class Ground : uint8_t {
  integer,  // on codes: as a kernel, as part of a table or of a binary step, or as a view
  rows,     // on codes, through one float row at a time
  island,   // on float tensors, element by element: right, but slow
};
[[nodiscard]] Ground ground_of(const NodeDesc& node);

}  // namespace octile::runtime
