// Random quantized networks in the style real ones have: convolutions, tables, residuals, gates, pools, attention.
// In:  a seed.  Out: a GraphDesc the oracle accepts, input shapes it can be run at, arrays for them, and its text.
// Not here: running anything but the oracle. A repro needs only the seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workload/graph/infer.h"
#include "workload/graph/interpreter.h"

namespace octile::testing {

struct RandomGraph {
  uint64_t seed = 0;
  GraphDesc graph;
  // Per set one shape per input. The first is the one the graph was drawn at; more where the graph allows others.
  std::vector<std::vector<Shape>> shapes;
};

// `blocks` bounds what the graph is made of: a block is a layer with its conversions, 1 to 20 nodes.
[[nodiscard]] RandomGraph draw_graph(uint64_t seed, int blocks = 7);

// Codes: even, at the ends of their types, at the zero point. Floats: normal, ties; one set in eight with infinities,
// NaN and denormals.
[[nodiscard]] std::vector<HostArray> draw_arrays(const GraphDesc& graph, const std::vector<Shape>& shapes,
                                                 uint64_t seed);

// Without values that nothing makes, reads or hands out; the others keep their order and names.
[[nodiscard]] GraphDesc compact(const GraphDesc& graph);

// One line per input, node and output, for people.
[[nodiscard]] std::string print(const GraphDesc& graph, const std::vector<Shape>& input_shapes);

}  // namespace octile::testing
