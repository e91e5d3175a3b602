// Plan: a region at one set of input shapes, with everything decided: where each tensor lies, which kernels run, in
// what order.
// In:  Recipe (the region, prepared), input shapes.  Out: Plan; execute() runs it.
// Not here: caching of plans, the host.  A plan is immutable and holds no memory for tensors.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/region/convert.h"
#include "runtime/region/shapes.h"

namespace octile::runtime {

// What a region keeps whatever the shapes.
struct Recipe {
  std::shared_ptr<const KernelLibrary> library;  // first: outlives the ops
  Isa best = Isa::portable;
  int threads = 1;
  RegionDesc desc;  // constant weights dropped, they live packed in ops
  Graph graph;
  std::vector<std::shared_ptr<const PreparedOp>> ops;  // per node; null: elementwise, or dense of variable weights
};

// Where a value's bytes are during a run.
enum class Home : uint8_t {
  arena,
  input,   // read where the host has it
  output,  // written where the host wants it
};

struct ValuePlan {
  Home home = Home::arena;
  Tensor tensor;      // of the value as kernels see it; data is null
  View view, host;    // as conversions see it: in its home, and in the host's memory
  size_t origin = 0;  // bytes from the start of its memory to tensor.data
  size_t offset = 0;  // in the arena
  size_t bytes = 0;   // in the arena
  bool border = false;
  uint8_t border_code = 0;
};

struct NodePlan {
  std::shared_ptr<const PreparedOp> op;  // null: elementwise
  std::shared_ptr<const Choice> choice;
  ConvertOp convert;
  View src_view;               // elementwise
  bool src_from_host = false;  // elementwise: reads the region's input itself
  bool unflip = false;         // variable weights made inside the region, signed: turned back into scratch first
  size_t unflip_offset = 0;
};

enum class StepKind : uint8_t { load, node, store };
struct Step {
  StepKind kind = StepKind::node;
  int index = 0;  // value for load and store
};

struct Plan {
  std::vector<Shape> inputs;
  RegionShapes shapes;
  std::vector<ValuePlan> values;
  std::vector<NodePlan> nodes;
  std::vector<Step> steps;
  size_t pointers = 0;  // bytes at the start of the arena for the pointers of a run
  size_t scratch_offset = 0, arena_bytes = 0;
};

[[nodiscard]] Result<std::shared_ptr<const Plan>> build_plan(const Recipe& recipe, std::vector<Shape> inputs);
// `arena` has plan.arena_bytes bytes; `outputs` the host's storage per output. Nothing is allocated.
[[nodiscard]] Status execute(const Recipe& recipe, const Plan& plan, const std::vector<HostTensor>& inputs,
                             void* const* outputs, uint8_t* arena, const Parallel& parallel);

}  // namespace octile::runtime
