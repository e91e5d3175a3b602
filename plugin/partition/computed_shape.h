// Computed shapes: what chains of integer ops behind Shape say, where that is numbers or what the region knows anyway.
// In:  the value at the end of a chain, or a Reshape that reads one.  Out: numbers, or the target in a region's terms.
// Not here: the chain's nodes, which are units without steps (translate.cpp); shapes behind a Reshape (shapes.h).
//
// Extents the host knows are numbers; others, the batch of most models, go by their names, multiplied, divided, copied.
#pragma once

#include <string>
#include <vector>

#include "plugin/partition/host_graph.h"
#include "plugin/partition/reasons.h"

namespace octile::plugin {

// A number, or a multiple of what the host does not know but has a name.
struct Extent {
  int64_t number = 0;  // or the factor of the symbol
  std::string symbol{};
  bool known = true;  // else `symbol` may be empty: something
  int seen = -1;      // the extent of this value, which no unit hides,
  int64_t axis = 0;   // along this axis
  [[nodiscard]] bool operator==(const Extent& e) const {
    return known == e.known && number == e.number && symbol == e.symbol && (known || !symbol.empty());
  }
};
using Extents = std::vector<Extent>;

// Of a value whose rank is known.
[[nodiscard]] Extents extents_of(const HostGraph& graph, int value);
// The elements of a list that says extents.
[[nodiscard]] Verdict read_list_of_extents(const HostGraph& graph, int list, Extents& out);
[[nodiscard]] Extent times(const Extent& a, const Extent& b);
// -1 in a Reshape's target as what it stands for: what the source's elements leave, a number or a multiple of a symbol.
void resolve_rest(const Extents& source, Extents& target);

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
