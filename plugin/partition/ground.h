// Ground: what floats a region stores, and which float ops it could then not run well.
// In:  a host graph, units in topological order.  Out: for each unit, how it deals with floats.
// Not here: what follows from it (worth.h).
//
// A region keeps floats as functions of codes: of one tensor of codes (a table), or of two (a table of pairs). Others
// are stored. What products, rows and functions in vectors make is stored where they made it, and functions of that are
// tails. Anything else goes element by element, and then the host's own float kernels are as fast or faster. Small
// tensors do not matter.
#pragma once

#include <vector>

#include "plugin/partition/unit.h"

namespace octile::plugin {

struct Floats {
  bool slow = false;  // goes over stored floats element by element
  bool made = false;  // its result is floats that are stored as they were made
};
[[nodiscard]] std::vector<Floats> floats_of(const HostGraph& graph, const std::vector<Unit>& units);

}  // namespace octile::plugin
