// Ground: which float ops a region could not run on codes.
// In:  a host graph, units in topological order.  Out: the units that would work on stored floats, one by one.
// Not here: what follows from it (worth.h).
//
// A region keeps floats as functions of codes: of one tensor of codes (a table), or of two (a table of pairs). What has
// neither form must be stored, and then the host's own float kernels are as fast or faster. Small tensors do not
// matter.
#pragma once

#include <vector>

#include "plugin/partition/unit.h"

namespace octile::plugin {

[[nodiscard]] std::vector<bool> on_stored_floats(const HostGraph& graph, const std::vector<Unit>& units);

}  // namespace octile::plugin
