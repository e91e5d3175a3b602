// Greedy joining of neighbouring units in the condensed graph.  In/out: see groups.h.  Not here: recognition.
#include "plugin/partition/groups.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace octile::plugin {
namespace {

// The graph with each unit, and later each group, drawn together to one vertex.
class Condensed {
 public:
  Condensed(const HostGraph& graph, const std::vector<Unit>& units, const std::vector<int>& chosen)
      : parent_(graph.nodes.size()), next_(graph.nodes.size()), seen_(graph.nodes.size(), 0) {
    std::iota(parent_.begin(), parent_.end(), 0);
    first_ = last_ = parent_;
    for (const int u : chosen) {
      for (const int n : units[u].nodes) absorb(units[u].anchor, n);
    }
    for (const HostValue& v : graph.values) {
      if (v.producer < 0) continue;
      for (const int reader : v.consumers) {
        if (parent_[v.producer] != parent_[reader]) next_[parent_[v.producer]].push_back(parent_[reader]);
      }
    }
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
    absorb(a, b);
    std::vector<int> after = std::move(next_[a]);
    after.insert(after.end(), next_[b].begin(), next_[b].end());
    next_[b] = {};
    for (int& n : after) n = find(n);
    std::sort(after.begin(), after.end());
    after.erase(std::unique(after.begin(), after.end()), after.end());
    std::erase(after, a);
    next_[a] = std::move(after);
    return true;
  }

 private:
  void absorb(int into, int vertex) {
    parent_[vertex] = into;
    first_[into] = std::min(first_[into], first_[vertex]);
    last_[into] = std::max(last_[into], last_[vertex]);
  }

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
      // Nodes are in topological order: nothing leads back from behind the last node of `to`.
      if (seen_[at] == stamp_ || first_[at] > last_[to]) continue;
      seen_[at] = stamp_;
      for (const int n : next_[at]) stack_.push_back(find(n));
    }
    return false;
  }

  std::vector<int> parent_;
  std::vector<int> first_, last_;       // nodes of the vertex in the host's order
  std::vector<std::vector<int>> next_;  // may name vertices joined since: look through find()
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
  // Joining two groups can open the way for others, so until nothing changes.
  for (bool changed = true; changed;) {
    changed = false;
    Pairs refused;
    for (const auto& [a, b] : pairs) {
      if (condensed.join(a, b)) {
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
