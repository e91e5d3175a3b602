// What must hold of a plan beyond the graph's own rules.
// In:  a PlanFile, just read or about to be written.  Out: Status.
// Not here: weights, quantization and attributes of nodes (Region::create checks them), shapes.
#include <algorithm>

#include "runtime/plan_file/plan_file.h"

namespace octile::runtime {
namespace {

Status bad(const std::string& what) { return {Code::invalid_argument, what}; }

bool declares(const std::vector<DeclaredShape>& shapes, const std::vector<int>& values) {
  return shapes.size() == values.size() && std::all_of(shapes.begin(), shapes.end(), [](const DeclaredShape& d) {
           return (d.ranked || d.dims.empty()) &&
                  std::all_of(d.dims.begin(), d.dims.end(), [](int64_t extent) { return extent >= -1; });
         });
}

}  // namespace

bool fits(const DeclaredShape& declared, const std::vector<int64_t>& shape) {
  return !declared.ranked ||
         std::equal(declared.dims.begin(), declared.dims.end(), shape.begin(), shape.end(),
                    [](int64_t wanted, int64_t extent) { return wanted == -1 ? extent >= 0 : wanted == extent; });
}

std::optional<std::vector<std::vector<int64_t>>> fixed_shapes(const std::vector<DeclaredShape>& inputs) {
  std::vector<std::vector<int64_t>> shapes;
  for (const DeclaredShape& d : inputs) {
    if (!d.ranked || std::find(d.dims.begin(), d.dims.end(), -1) != d.dims.end()) return std::nullopt;
    shapes.push_back(d.dims);
  }
  return shapes;
}

Status check_plan(const PlanFile& plan) {
  OCTILE_RETURN_IF_ERROR(validate(plan.graph));
  if (!declares(plan.inputs, plan.graph.inputs) || !declares(plan.outputs, plan.graph.outputs)) {
    return bad("the declared shapes do not belong to the inputs and outputs");
  }
  for (const auto& set : plan.ready) {
    if (set.size() != plan.inputs.size()) return bad("a set of shapes to plan does not name every input");
    for (size_t i = 0; i < set.size(); ++i) {
      if (!fits(plan.inputs[i], set[i])) return bad("a shape to plan is not one that its input may have");
    }
  }
  return {};
}

}  // namespace octile::runtime
