// Cost: what a group is predicted to cost as a region of ours and where it is, in cycles of one core.
// In:  a group, the shapes it meets, the kernels there are.  Out: Cost.
// Not here: the rates (cost_rates.h), what follows from a cost (plugin/onnxruntime/judge.h).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "plugin/partition/build.h"
#include "runtime/loader/library.h"
#include "workload/graph/infer.h"

namespace octile::plugin {

struct Cost {
  double ours = 0, host = 0;
};

// Whose kernels, and on which CPU the host computes.
struct Machine {
  std::span<const runtime::Kernel> kernels;
  Isa best = Isa::avx2;
  Isa host = Isa::avx2;
  bool whole_vectors = false;  // CpuInfo::whole_vectors
};

// The shapes of the group's inputs as the host knows them; an unknown first extent counts as 1. Nothing: another extent
// is not known before the first run.
[[nodiscard]] std::optional<std::vector<Shape>> input_shapes(const HostGraph& graph, const Outline& outline);

[[nodiscard]] Result<Cost> predict(const HostGraph& graph, const Group& group, const Outline& outline,
                                   const std::vector<Shape>& inputs, const Machine& machine);

// The two halves. `shapes`: of all values of the graph.
[[nodiscard]] double own_cost(const GraphDesc& desc, const std::vector<Shape>& shapes, const Machine& machine);
[[nodiscard]] double host_cost(const HostGraph& graph, const Group& group, const GraphDesc& desc,
                               const std::vector<Shape>& shapes, const Machine& machine);

// The op of a spec node at these shapes.
[[nodiscard]] OpSpec shaped(const NodeDesc& node, const std::vector<Shape>& shapes);

}  // namespace octile::plugin
