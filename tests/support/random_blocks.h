// Blocks: what random graphs are made of, a layer with its conversions each.
// In:  a builder and the value the block starts from.  Out: the value it ends in, or kNone where it does not fit.
// Not here: which block comes next (random_graph.cpp).
#pragma once

#include <vector>

#include "tests/support/graph_builder.h"

namespace octile::testing {

// `others`: values a block may join in.
using Block = int (*)(GraphBuilder& b, int x, const std::vector<int>& others);

struct NamedBlock {
  Block draw;
  double weight;
};
[[nodiscard]] const std::vector<NamedBlock>& dot_blocks();       // random_dots.cpp
[[nodiscard]] const std::vector<NamedBlock>& float_blocks();     // random_floats.cpp
[[nodiscard]] const std::vector<NamedBlock>& movement_blocks();  // random_movements.cpp

// Quantizes, or now and then lets floats go on as floats.
[[nodiscard]] int settle(GraphBuilder& b, int f, double quantized = 0.85);
// Weights, scales, zero points and biases for a node whose kernel and channels are set; then the node, its destination
// fitted to its accumulators. `accumulate`: the destination is s32, or its value as floats.
[[nodiscard]] int add_dot(GraphBuilder& b, NodeDesc node, std::vector<int> inputs, bool accumulate = false);
[[nodiscard]] int add_dense(GraphBuilder& b, int x, int64_t n, bool accumulate = false);
// A product from floats to floats, which are quantized on the spot or before: of windows, where f is an image, else of
// rows.
[[nodiscard]] int add_float_product(GraphBuilder& b, int f, bool keeps_shape, bool window);
// [first, last) along an axis.
[[nodiscard]] int add_slice(GraphBuilder& b, int x, size_t axis, int64_t first, int64_t last);
[[nodiscard]] int add_pointwise(GraphBuilder& b, int x, int64_t oc);

}  // namespace octile::testing
