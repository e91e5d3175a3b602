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
  Condensed(const HostGraph& graph, const std::vector<Unit>& units, const std::vector<int>& chosen)
      : parent_(graph.nodes.size()) {
    std::iota(parent_.begin(), parent_.end(), 0);
    for (const int u : chosen) {
      for (const int n : units[u].nodes) parent_[n] = units[u].anchor;
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

using Pairs = std::vector<std::pair<int, int>>;

// Neighbours by anchor: writers with their readers first, then readers of the same value.
Pairs neighbours(const HostGraph& graph, const std::vector<Unit>& units, const std::vector<int>& chosen) {
  std::vector<int> anchor(graph.nodes.size(), -1);
  for (const int u : chosen) {
    for (const int n : units[u].nodes) anchor[n] = units[u].anchor;
  }
  Pairs direct, siblings;
  for (const HostValue& v : graph.values) {
    if (v.constant) continue;
    const int writer = v.producer < 0 ? -1 : anchor[v.producer];
    int first = -1;
    for (const int r : v.consumers) {
      const int reader = anchor[r];
      if (reader < 0 || reader == writer) continue;
      if (writer >= 0) direct.emplace_back(writer, reader);
      if (first >= 0 && first != reader) siblings.emplace_back(first, reader);
      if (first < 0) first = reader;
    }
  }
  std::sort(direct.begin(), direct.end());
  direct.insert(direct.end(), siblings.begin(), siblings.end());
  return direct;
}

}  // namespace

std::vector<std::vector<int>> make_groups(const HostGraph& graph, const std::vector<Unit>& units,
                                          const std::vector<int>& chosen) {
  Condensed condensed(graph, units, chosen);
  Pairs pairs = neighbours(graph, units, chosen);
  std::unordered_map<int, std::vector<int>> members;  // by the vertex that stands for them
  for (const int u : chosen) members[units[u].anchor] = {u};
  const auto join = [&](int a, int b) {
    a = condensed.find(a);
    b = condensed.find(b);
    if (a == b) return true;
    std::vector<int> both = members[a];
    both.insert(both.end(), members[b].begin(), members[b].end());
    if (!condensed.join(a, b)) return false;
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
  std::vector<std::vector<int>> groups;
  std::vector<int> group_of(graph.nodes.size(), -1);
  for (const int u : chosen) {
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
