// The rules on units and groups.  In/out: see worth.h.  Not here: recognition, convexity.
#include "plugin/partition/worth.h"

#include <algorithm>
#include <set>

#include "plugin/partition/constants.h"
#include "plugin/partition/fusion.h"
#include "workload/graph/infer.h"

namespace octile::plugin {

Worth::Worth(const HostGraph& graph, const std::vector<Unit>& units)
    : group(units.size(), 0),
      graph_(graph),
      units_(units),
      unit_of_(graph.nodes.size(), -1),
      floats_(floats_of(graph, units)) {
  for (size_t u = 0; u < units.size(); ++u) {
    for (const int n : units[u].nodes) unit_of_[n] = static_cast<int>(u);
    std::set<int> made, read;
    for (const Step& step : units[u].steps) {
      if (step.desc.output >= 0) made.insert(step.desc.output);
      for (const int v : step.desc.inputs) {
        if (v >= 0 && !graph.values[v].constant) read.insert(v);
      }
    }
    sources_.emplace_back(read.begin(), read.end());
    results_.emplace_back(made.begin(), made.end());
  }
}

bool Worth::drop_some(std::vector<Reason>& reasons) {
  bool dropped = false;
  for (size_t u = 0; u < units_.size(); ++u) {
    if (group[u] < 0) continue;
    const Reason reason = judge(static_cast<int>(u));
    if (reason == Reason::taken) continue;
    group[u] = -1;
    reasons[u] = reason;
    dropped = true;
  }
  return dropped;
}

bool Worth::drop_groups(std::vector<Reason>& reasons) {
  std::set<int> kept;
  for (size_t u = 0; u < units_.size(); ++u) {
    if (group[u] >= 0 && gains(static_cast<int>(u))) kept.insert(group[u]);
  }
  bool dropped = false;
  for (size_t u = 0; u < units_.size(); ++u) {
    if (group[u] < 0 || kept.contains(group[u])) continue;
    group[u] = -1;
    reasons[u] = Reason::nothing_to_gain;
    dropped = true;
  }
  return dropped;
}

bool Worth::inside(int node, int unit) const {
  const int other = node < 0 ? -1 : unit_of_[node];
  return other >= 0 && group[other] >= 0 && group[other] == group[unit];
}

bool Worth::made_inside(int value, int unit) const { return inside(graph_.values[value].producer, unit); }

bool Worth::read_inside(int value, int unit) const {
  const std::vector<int>& readers = graph_.values[value].consumers;
  return std::any_of(readers.begin(), readers.end(),
                     [&](int r) { return inside(r, unit) && units_[unit_of_[r]].role != Role::extents; });
}

Reason Worth::judge(int unit) const {
  const std::vector<int>& through = units_[unit].through;
  for (const int node : through) {
    if (inside(node, unit)) continue;
    return is_dequantize(graph_.nodes[node]) ? Reason::shared_dequantize : Reason::operand_not_constant;
  }
  switch (units_[unit].role) {
    case Role::product:
    case Role::integer: return Reason::taken;
    case Role::quantize: return judge_quantize(unit);
    case Role::dequantize: return judge_dequantize(unit);
    case Role::function:
    case Role::floating: return judge_floats(unit);
    case Role::movement: return judge_movement(unit);
    case Role::extents: return judge_extents(unit);
  }
  return Reason::taken;
}

// A quantize pays when a taken unit reads it or made its source, and the host would not have fused it with what makes
// its source.
Reason Worth::judge_quantize(int unit) const {
  const int wide = sources_[unit].front(), narrow = results_[unit].front();
  if (made_inside(wide, unit)) return Reason::taken;
  if (!read_inside(narrow, unit)) return Reason::no_taken_neighbour;
  const int before = maker_before_clamp(wide);
  const bool fused = before >= 0 && !inside(before, unit) && host_fuses(graph_, graph_.nodes[before]);
  return fused ? Reason::host_fuses_it : Reason::taken;
}

// A dequantize pays when a taken unit writes its source or reads it, and the host would not have fused it with its
// reader. A dequantized constant is of use only inside.
Reason Worth::judge_dequantize(int unit) const {
  const int wide = results_[unit].front();
  const HostValue& value = graph_.values[wide];
  const bool read = read_inside(wide, unit);
  if (sources_[unit].empty()) {
    const bool all =
        std::all_of(value.consumers.begin(), value.consumers.end(), [&](int r) { return inside(r, unit); });
    return read && all && !value.graph_output ? Reason::taken : Reason::no_taken_neighbour;
  }
  if (read) return Reason::taken;
  if (!made_inside(sources_[unit].front(), unit)) return Reason::no_taken_neighbour;
  for (const int r : value.consumers) {
    const HostNode& reader = graph_.nodes[r];
    if (!is_quantize(reader) && (is_anchor(reader) || host_fuses(graph_, reader))) return Reason::host_fuses_it;
  }
  return Reason::taken;
}

Reason Worth::judge_floats(int unit) const {
  if (normalized_sum(unit) || quantized_sum(unit) || quantized_parts(unit) || masked_rows(unit)) return Reason::taken;
  for (const int v : sources_[unit]) {
    const ElemType type = graph_.values[v].type;
    if ((type == ElemType::f32 || type == ElemType::s32) && !made_inside(v, unit)) return Reason::float_from_host;
  }
  if (floats_[unit].slow) return Reason::stored_floats;
  const bool normalizes = std::any_of(sources_[unit].begin(), sources_[unit].end(), [&](int v) {
    return made_inside(v, unit) && normalized_sum(unit_of_[graph_.values[v].producer]);
  });
  if (normalizes) return Reason::taken;
  const bool wanted = std::any_of(results_[unit].begin(), results_[unit].end(), [&](int v) {
    const HostValue& value = graph_.values[v];
    return read_inside(v, unit) || value.graph_output || value.type == ElemType::s64;
  });
  return wanted || function_of_codes(unit) ? Reason::taken : Reason::float_to_host;
}

Reason Worth::judge_movement(int unit) const {
  if (graph_.values[results_[unit].front()].type == ElemType::f32) return judge_floats(unit);
  const bool beside =
      std::any_of(sources_[unit].begin(), sources_[unit].end(), [&](int v) { return made_inside(v, unit); }) ||
      std::any_of(results_[unit].begin(), results_[unit].end(), [&](int v) { return read_inside(v, unit); });
  return beside ? Reason::taken : Reason::no_taken_neighbour;
}

// Extents are for units of the region alone.
Reason Worth::judge_extents(int unit) const {
  const HostValue& made = graph_.values[graph_.nodes[units_[unit].anchor].output(0)];
  const bool all = std::all_of(made.consumers.begin(), made.consumers.end(), [&](int r) { return inside(r, unit); });
  return all && !made.graph_output ? Reason::taken : Reason::no_taken_neighbour;
}

// A function, or functions of functions, of one dequantized tensor: a table from codes to floats.
bool Worth::function_of_codes(int unit) const {
  while (units_[unit].role == Role::function) {
    const int maker = graph_.values[sources_[unit].front()].producer;
    if (!inside(maker, unit)) return false;
    unit = unit_of_[maker];
  }
  return units_[unit].role == Role::dequantize;
}

// The sum of a residual: of floats made here and as many others, for a layer normalization, which may be of the same
// unit. All are floats for the host as well, whose normalization takes eight times as long as ours.
bool Worth::normalized_sum(int unit) const {
  const auto has_norm = [&](int u) {
    return std::any_of(units_[u].steps.begin(), units_[u].steps.end(), [](const Step& step) {
      return step.desc.kind == NodeKind::layer_norm || step.desc.kind == NodeKind::normalize;
    });
  };
  const std::vector<Step>& steps = units_[unit].steps;
  const bool normalizes = has_norm(unit);
  const bool sums = steps.front().desc.kind == NodeKind::add && (normalizes || steps.back().desc.kind == NodeKind::add);
  if (!sums || !of_two_alike(unit)) return false;
  const HostValue& sum = graph_.values[results_[unit].front()];
  const bool made = std::any_of(sources_[unit].begin(), sources_[unit].end(), [&](int v) {
    return made_inside(v, unit) && floats_[unit_of_[graph_.values[v].producer]].made;
  });
  return made && (normalizes || std::any_of(sum.consumers.begin(), sum.consumers.end(),
                                            [&](int r) { return inside(r, unit) && has_norm(unit_of_[r]); }));
}

// The sum of a residual: of floats that the host makes, rows as they lie, and as many of the region, quantized inside.
bool Worth::quantized_sum(int unit) const {
  constexpr size_t kRows = 3;  // axes: an image would have to be turned
  const bool add = units_[unit].steps.size() == 1 && units_[unit].steps[0].desc.kind == NodeKind::add;
  if (!add || !floats_[unit].made || !of_two_alike(unit)) return false;
  const HostValue& sum = graph_.values[results_[unit].front()];
  return sum.dims.size() <= kRows &&
         std::any_of(sources_[unit].begin(), sources_[unit].end(), [&](int v) { return made_inside(v, unit); }) &&
         std::any_of(sum.consumers.begin(), sum.consumers.end(),
                     [&](int r) { return is_quantize(graph_.nodes[r]) && inside(r, unit); });
}

// Floats that only a quantize inside reads once they are concatenated: each is quantized into its place.
bool Worth::quantized_parts(int unit) const {
  if (units_[unit].steps.size() != 1 || units_[unit].steps[0].desc.kind != NodeKind::concat) return false;
  const int reader = graph_.sole_consumer(results_[unit].front());
  return reader >= 0 && is_quantize(graph_.nodes[reader]) && inside(reader, unit);
}

// What attention adds to rows that a product made here, a mask, or multiplies them with, rotations: for a softmax
// inside, or, where it is less than the rows are, for any use inside.
bool Worth::masked_rows(int unit) const {
  const NodeKind kind = units_[unit].steps.size() == 1 ? units_[unit].steps[0].desc.kind : NodeKind::identity;
  const bool masks = kind == NodeKind::add || kind == NodeKind::mul;
  if (!masks || !floats_[unit].made || sources_[unit].size() != 2) return false;
  const HostValue& sum = graph_.values[results_[unit].front()];
  const int reader = graph_.sole_consumer(results_[unit].front());
  const bool first = made_inside(sources_[unit][0], unit);
  const HostValue &rows = graph_.values[sources_[unit][first ? 0 : 1]],
                  &mask = graph_.values[sources_[unit][first ? 1 : 0]];
  return (first || made_inside(sources_[unit][1], unit)) && rows.ranked && mask.ranked && sum.ranked &&
         mask.type == ElemType::f32 && rows.dims == sum.dims && is_mask(mask.dims, rows.dims) &&
         read_inside(results_[unit].front(), unit) &&
         (mask.dims != rows.dims || (reader >= 0 && graph_.nodes[reader].is("Softmax")));
}

// Two tensors of floats, and a first result, of one shape.
bool Worth::of_two_alike(int unit) const {
  const HostValue& result = graph_.values[results_[unit].front()];
  const auto alike = [&](int v) {
    const HostValue& source = graph_.values[v];
    return source.type == ElemType::f32 && source.ranked && result.ranked && source.dims == result.dims;
  };
  return sources_[unit].size() == 2 && std::all_of(sources_[unit].begin(), sources_[unit].end(), alike);
}

// Does the unit alone justify a group?
bool Worth::gains(int unit) const {
  const Role role = units_[unit].role;
  if (role == Role::product) return true;
  return (role == Role::function || role == Role::floating) && !host_fuses(graph_, graph_.nodes[units_[unit].anchor]);
}

// The node that makes the value, or whose result a clamp made it of; -1 for inputs and constants.
int Worth::maker_before_clamp(int value) const {
  const int maker = graph_.values[value].producer;
  if (maker < 0 || !is_clamp(graph_.nodes[maker]) || graph_.nodes[maker].input(0) < 0) return maker;
  return graph_.values[graph_.nodes[maker].input(0)].producer;
}

}  // namespace octile::plugin
