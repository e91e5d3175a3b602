// Tasks: workloads to the spaces the session searches.
// In:  ops, a target.  Out: one task per distinct workload and layout; what was left out and why.
// Not here: the search (session.cpp).
#include <map>

#include "tuner/session/session.h"

namespace octile::tuner {

std::string Task::label() const {
  const std::string what = op.name.empty() ? to_key(op) : op.name;
  const auto known = Space::layouts(op, *target);
  return known.ok() && known->size() > 1 ? what + " " + layout_half(layout) : what;
}

TaskList make_tasks(const std::vector<OpSpec>& ops, const TargetDesc& target) {
  std::vector<OpSpec> distinct;
  std::map<std::string, size_t> index;
  for (const OpSpec& op : ops) {
    const auto [it, added] = index.try_emplace(to_key(op), distinct.size());
    if (added) {
      distinct.push_back(op);
    } else {
      distinct[it->second].count += op.count;
    }
  }
  TaskList list;
  for (const OpSpec& op : distinct) {
    const auto layouts = Space::layouts(op, target);
    if (!layouts.ok()) {
      list.skipped.push_back({to_key(op), layouts.status().message()});
      continue;
    }
    for (const Candidate& layout : *layouts) {
      Result<Space> space = Space::make(op, target, layout);
      if (space.ok()) {
        list.tasks.push_back({op, &target, layout, std::move(*space)});
      } else {
        list.skipped.push_back({to_key(op), space.status().message()});
      }
    }
  }
  return list;
}

}  // namespace octile::tuner
