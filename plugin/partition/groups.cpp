// Greedy joining of neighbouring units in the condensed graph.  In/out: see groups.h.  Not here: recognition.
#include "plugin/partition/groups.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <unordered_map>
#include <utility>

namespace octile::plugin {
namespace {

// The graph with each unit, and later each group, drawn together to one vertex.
class Condensed {
 public:
  Condensed(const HostGraph& graph, const std::vector<Unit>& units) : parent_(graph.nodes.size()) {
    std::iota(parent_.begin(), parent_.end(), 0);
    for (const Unit& u : units) {
      for (const int n : u.nodes) parent_[n] = u.anchor;
    }
    next_.resize(graph.nodes.size());
    for (const HostValue& v : graph.values) {
      if (v.producer < 0) continue;
      for (const int reader : v.consumers) {
        if (parent_[v.producer] != parent_[reader]) next_[parent_[v.producer]].insert(parent_[reader]);
      }
    }
    seen_.resize(graph.nodes.size(), 0);
  }

  int find(int node) {
    while (parent_[node] != node) node = parent_[node] = parent_[parent_[node]];
    return node;
  }

  // Joins two vertices unless a third lies between them; says whether they are one now.
  bool join(int a, int b) {
    a = find(a);
    b = find(b);
    if (a == b) return true;
    if (passes_through_others(a, b) || passes_through_others(b, a)) return false;
    parent_[b] = a;
    next_[a].insert(next_[b].begin(), next_[b].end());
    next_[b].clear();
    return true;
  }

 private:
  bool passes_through_others(int from, int to) {
    ++stamp_;
    seen_[from] = stamp_;
    stack_.clear();
    for (const int n : next_[from]) {
      if (find(n) != to) stack_.push_back(find(n));
    }
    while (!stack_.empty()) {
      const int at = stack_.back();
      stack_.pop_back();
      if (at == to) return true;
      if (seen_[at] == stamp_) continue;
      seen_[at] = stamp_;
      for (const int n : next_[at]) stack_.push_back(find(n));
    }
    return false;
  }

  std::vector<int> parent_;
  std::vector<std::set<int>> next_;  // may name vertices joined since: look through find()
  std::vector<int> seen_, stack_;
  int stamp_ = 0;
};

// Inside a region convolutions want their values channels innermost, dense ops row-major, and the others pass on what
// they get: may these units live together?
bool layouts_agree(const std::vector<Unit>& units, const std::vector<int>& members) {
  enum : uint8_t { unknown = 0, image = 1, matrix = 2 };
  std::unordered_map<int, uint8_t> layout;
  for (bool changed = true; changed;) {
    changed = false;
    for (const int m : members) {
      const NodeDesc& d = units[m].desc;
      uint8_t all = d.spec.kind == OpKind::conv2d ? image : d.spec.kind == OpKind::dense ? matrix : unknown;
      for (const int v : d.inputs) all |= layout[v];
      all |= layout[d.output];
      if (all == (image | matrix)) return false;
      for (const int v : d.inputs) changed |= std::exchange(layout[v], all) != all;
      changed |= std::exchange(layout[d.output], all) != all;
    }
  }
  return true;
}

using Pairs = std::vector<std::pair<int, int>>;

// Neighbours by anchor: writers with their readers first, then readers of the same value.
Pairs neighbours(const HostGraph& graph, const std::vector<Unit>& units) {
  std::vector<std::vector<int>> readers(graph.values.size());
  std::vector<int> writer(graph.values.size(), -1);
  for (const Unit& u : units) {
    writer[u.desc.output] = u.anchor;
    for (const int v : u.desc.inputs) readers[v].push_back(u.anchor);
  }
  Pairs direct, siblings;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    for (size_t i = 0; i < readers[v].size(); ++i) {
      if (writer[v] >= 0) direct.emplace_back(writer[v], readers[v][i]);
      if (i > 0) siblings.emplace_back(readers[v][0], readers[v][i]);
    }
  }
  std::sort(direct.begin(), direct.end());
  direct.insert(direct.end(), siblings.begin(), siblings.end());
  return direct;
}

}  // namespace

std::vector<std::vector<int>> make_groups(const HostGraph& graph, const std::vector<Unit>& units) {
  Condensed condensed(graph, units);
  Pairs pairs = neighbours(graph, units);
  std::unordered_map<int, std::vector<int>> members;  // by the vertex that stands for them
  for (size_t u = 0; u < units.size(); ++u) members[units[u].anchor] = {static_cast<int>(u)};
  const auto join = [&](int a, int b) {
    a = condensed.find(a);
    b = condensed.find(b);
    if (a == b) return true;
    std::vector<int> both = members[a];
    both.insert(both.end(), members[b].begin(), members[b].end());
    if (!layouts_agree(units, both) || !condensed.join(a, b)) return false;
    members.erase(a);
    members.erase(b);
    members[condensed.find(a)] = std::move(both);
    return true;
  };
  // Joining two groups can open the way for others, so until nothing changes.
  for (bool changed = true; changed;) {
    changed = false;
    Pairs refused;
    for (const auto& [a, b] : pairs) {
      if (join(a, b)) {
        changed = true;
      } else {
        refused.emplace_back(a, b);
      }
    }
    pairs = std::move(refused);
  }
  std::vector<int> order(units.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) { return units[a].anchor < units[b].anchor; });
  std::vector<std::vector<int>> groups;
  std::vector<int> group_of(graph.nodes.size(), -1);
  for (const int u : order) {
    int& g = group_of[condensed.find(units[u].anchor)];
    if (g < 0) {
      g = static_cast<int>(groups.size());
      groups.emplace_back();
    }
    groups[g].push_back(u);
  }
  return groups;
}

}  // namespace octile::plugin
