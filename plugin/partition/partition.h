// Partition: what of a host graph we take, in which regions, and why the rest is left.
// In:  HostGraph.  Out: a verdict per node, groups of units, and the RegionDesc of a group.
// Not here: host types, kernels.  Pure: the same graph gives the same answer, so that what was claimed can be rebuilt.
#pragma once

#include <string>
#include <vector>

#include "plugin/partition/unit.h"

namespace octile::plugin {

struct NodeVerdict {
  int group = -1;  // >= 0: taken
  Reason reason = Reason::op_not_supported;
  std::string detail;
};

// A group's graph without its weights, and the host values that cross its border.
struct Outline {
  runtime::RegionDesc desc;
  std::vector<int> inputs, outputs;
};

struct Group {
  std::vector<int> nodes;   // host nodes, ascending
  std::vector<Unit> units;  // topological order
  Outline outline;          // of groups that partition() chose
};

// Tensors that cross a group's border, those of floats among them; constants do not count.
struct Border {
  int inputs = 0, outputs = 0, float_inputs = 0, float_outputs = 0;
};
[[nodiscard]] Border border_of(const HostGraph& graph, const Group& group);

struct Partition {
  std::vector<NodeVerdict> nodes;  // one per host node
  std::vector<Group> groups;
};

// Is this an op that can be taken, in the right surroundings?
[[nodiscard]] bool could_be_taken(const HostNode& node);
// A whole graph: what is worth taking.
[[nodiscard]] Partition partition(const HostGraph& graph);
// A graph made of nodes claimed before: everything is taken, in one group; an error if that cannot be.
[[nodiscard]] Result<Group> recognise_all(const HostGraph& graph);
// `inputs` and `outputs`: the values that cross the region's border, in the host's order. Weights are lent by the
// graph.
[[nodiscard]] Result<runtime::RegionDesc> build_region(const HostGraph& graph, const Group& group,
                                                       const std::vector<int>& inputs, const std::vector<int>& outputs);

}  // namespace octile::plugin
