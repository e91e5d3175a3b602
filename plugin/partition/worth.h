// Worth: which units to leave after all, because taking them would gain nothing or cost something.
// In:  a host graph, its units and the groups they are in.  Out: the units to drop, each with a reason.
// Not here: what a unit is, which units can go together.
//
// The rules, in words (docs/plugin.md gives their reasons):
// - floats enter a region only through a quantize, or a concat that only a quantize reads, as attention's mask, or into
//   a sum with what a dynamic product made that is normalized there;
// - float ops whose operands or results a region would have to store as floats are left, unless small (ground.h);
// - floats leave a region only as what the model or a taken neighbour wants, or as a function of one quantized tensor;
// - conversions and movements are taken beside something else that is taken, and not away from an op that the host
//   would make one integer op of;
// - a group without a product is taken only for a float op that the host would run in floats.
#pragma once

#include <vector>

#include "plugin/partition/ground.h"
#include "plugin/partition/unit.h"

namespace octile::plugin {

class Worth {
 public:
  Worth(const HostGraph& graph, const std::vector<Unit>& units);

  // Groups by unit; -1: left. Before groups are known, all candidates are in group 0.
  std::vector<int> group;

  // One pass over the units; drops (group -1) what the rules forbid and says why. True: something was dropped.
  [[nodiscard]] bool drop_some(std::vector<Reason>& reasons);
  // The groups that no rule keeps.
  [[nodiscard]] bool drop_groups(std::vector<Reason>& reasons);

 private:
  [[nodiscard]] bool inside(int node, int unit) const;
  [[nodiscard]] bool made_inside(int value, int unit) const;
  [[nodiscard]] bool read_inside(int value, int unit) const;
  [[nodiscard]] Reason judge(int unit) const;
  [[nodiscard]] Reason judge_quantize(int unit) const;
  [[nodiscard]] Reason judge_dequantize(int unit) const;
  [[nodiscard]] Reason judge_floats(int unit) const;
  [[nodiscard]] Reason judge_movement(int unit) const;
  [[nodiscard]] Reason judge_extents(int unit) const;
  [[nodiscard]] bool function_of_codes(int unit) const;
  [[nodiscard]] bool normalized_sum(int unit) const;
  [[nodiscard]] bool quantized_sum(int unit) const;
  [[nodiscard]] bool quantized_parts(int unit) const;
  [[nodiscard]] bool masked_rows(int unit) const;
  [[nodiscard]] bool of_two_alike(int unit) const;
  [[nodiscard]] bool gains(int unit) const;
  [[nodiscard]] int maker_before_clamp(int value) const;

  const HostGraph& graph_;
  const std::vector<Unit>& units_;
  std::vector<int> unit_of_;                         // by host node
  std::vector<std::vector<int>> sources_, results_;  // by unit: host values that are no constants
  std::vector<Floats> floats_;                       // by unit
};

}  // namespace octile::plugin
