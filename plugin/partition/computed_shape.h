// Computed shapes: what chains of integer ops behind Shape say, where that is numbers or what the region knows anyway.
// In:  the value at the end of a chain, or a Reshape that reads one.  Out: numbers, or the target in a region's terms.
// Not here: the chain's nodes, which are units without steps (translate.cpp).
//
// Extents the host knows are numbers; others, the batch of most models, go by their names, multiplied, divided, copied.
#pragma once

#include <vector>

#include "plugin/partition/host_graph.h"
#include "plugin/partition/reasons.h"

namespace octile::plugin {

struct ComputedShape {
  std::vector<int64_t> ints;  // as NodeKind::reshape has them; empty: the shape of `like`
  int like = -1;
};

// Could the node be part of such a chain?
[[nodiscard]] bool makes_extents(const HostGraph& graph, const HostNode& node);
[[nodiscard]] Verdict read_extents(const HostGraph& graph, int value, std::vector<int64_t>& out);
// Does the list say the extents of the value, all of them?
[[nodiscard]] bool is_shape_of(const HostGraph& graph, int list, int value);
[[nodiscard]] Verdict read_computed_shape(const HostGraph& graph, const HostNode& reshape, ComputedShape& out);

}  // namespace octile::plugin
