// Computed shapes: what a chain of integer ops behind Shape says, where it only says what the region knows anyway.
// In:  a Reshape whose target is no constant.  Out: the target in a region's terms, and the host nodes that made it.
// Not here: arithmetic on extents (declined).
#pragma once

#include <vector>

#include "plugin/partition/host_graph.h"
#include "plugin/partition/reasons.h"

namespace octile::plugin {

struct ComputedShape {
  std::vector<int64_t> ints;  // as NodeKind::reshape has them; empty: the shape of `like`
  int like = -1;
  std::vector<int> nodes;  // Shape and what follows; nobody but the Reshape reads them
};

[[nodiscard]] Verdict read_computed_shape(const HostGraph& graph, int reshape, ComputedShape& out);

}  // namespace octile::plugin
