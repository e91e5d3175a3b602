// Build: the graph a region runs, from the units of a group.
// In:  a host graph, units.  Out: GraphDesc, constants and weights copied.
// Not here: which units.
#pragma once

#include <vector>

#include "plugin/partition/partition.h"

namespace octile::plugin {

// One unit by itself and without its weights: what the checks need.
[[nodiscard]] Result<runtime::RegionDesc> build_unit(const HostGraph& graph, const Unit& unit);

// An error if the graph would not hold together.
[[nodiscard]] Result<Outline> outline(const HostGraph& graph, const Group& group);

}  // namespace octile::plugin
