// Shapes behind computed Reshapes, which the host does not know: its own inference stops there.
// In:  a whole graph.  Out: the same with more extents known, or named; the values that were changed.
// Not here: ops that no quantized network has between its reshapes.
#pragma once

#include <vector>

#include "plugin/partition/host_graph.h"

namespace octile::plugin {

// A host that hands over a part of the graph says no more about it than it knew: who asks for this must remember.
[[nodiscard]] std::vector<int> fill_shapes(HostGraph& graph);

}  // namespace octile::plugin
