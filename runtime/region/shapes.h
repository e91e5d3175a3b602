// Shapes: what each node of a region computes once the host's input shapes are known.
// In:  RegionDesc, Graph, input shapes.  Out: the shape of every value, the shaped op of every node; or a Status that
// names
//      the node.  Not here: layouts, memory, kernels.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/region/graph.h"

namespace octile::runtime {

using Shape = std::vector<int64_t>;

// Where one product of a batched dense reads and writes, counted in whole matrices.
struct Product {
  int64_t src = 0, wei = 0, dst = 0;
};

struct ShapedNode {
  OpSpec spec;                    // one product of a dense: leading axes are rows wherever the weights are one matrix
  std::vector<Product> products;  // exactly one but for a dense with batched variable weights
};

struct RegionShapes {
  std::vector<Shape> values;
  std::vector<ShapedNode> nodes;
  bool empty = false;  // some tensor has no elements: outputs exist, nothing is computed
};

[[nodiscard]] int64_t element_count(const Shape& shape);
[[nodiscard]] Result<RegionShapes> infer_shapes(const RegionDesc& desc, const Graph& graph,
                                                const std::vector<Shape>& inputs);

}  // namespace octile::runtime
