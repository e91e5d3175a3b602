// KeptWeights: a region's weights between Compile, when the host lends its own, and CreateState, when those are gone.
// In:  a graph whose weights are lent.  Out: the same graph, lent ours.
// Not here: packing.
// Weights are packed once the host has dropped its own, so that packed ones fill what it gave back to the allocator.
// The copy meanwhile is in pages of its own, which leave nothing behind.
#pragma once

#include "packs/format/pages.h"
#include "workload/graph/graph.h"

namespace octile::ort {

// Copies what is lent to the nodes; they hold it as long as the result lives.
[[nodiscard]] Result<packs::Pages> keep_weights(GraphDesc& graph);

}  // namespace octile::ort
