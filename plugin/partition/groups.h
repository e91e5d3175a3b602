// Groups: which units run together as one region.
// In:  a host graph and its units (disjoint, each convex).  Out: maximal convex groups of neighbouring units.
// Not here: recognition.  The host drops every group of a graph if one of them is not convex, so convexity is ours to
// prove: two groups join only when no path leaves one and comes back to the other through anything else.
#pragma once

#include <vector>

#include "plugin/partition/unit.h"

namespace octile::plugin {

// Of the chosen units (by index, ascending, sorted by anchor). Each group lists unit indices in topological order.
// Units are neighbours when one reads what the other writes, or when both read the same value, constants apart.
[[nodiscard]] std::vector<std::vector<int>> make_groups(const HostGraph& graph, const std::vector<Unit>& units,
                                                        const std::vector<int>& chosen);

}  // namespace octile::plugin
