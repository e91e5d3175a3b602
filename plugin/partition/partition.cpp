// From verdicts on single nodes to regions.  In/out: see partition.h.  Not here: recognition, convexity, building.
#include "plugin/partition/partition.h"

#include <algorithm>
#include <numeric>

#include "plugin/partition/build.h"
#include "plugin/partition/groups.h"
#include "plugin/partition/translate.h"
#include "plugin/partition/worth.h"

namespace octile::plugin {
namespace {

class Partitioner {
 public:
  explicit Partitioner(const HostGraph& graph)
      : graph_(graph), unit_of_(graph.nodes.size(), -1), verdicts_(graph.nodes.size()) {}

  // Products first, since they own the dequantizes, clamps and quantizes around them; then what is written as many
  // nodes, then every node by itself.
  // `checked`: they were found whole when they were claimed.
  void recognise_units(bool checked) {
    units_.reserve(graph_.nodes.size());
    for (int n = 0; n < count(); ++n) {
      if (unit_of_[n] < 0 && is_anchor(graph_.nodes[n])) consider(n, recognise, checked);
    }
    for (int n = 0; n < count(); ++n) {
      if (unit_of_[n] < 0 && may_normalize(graph_.nodes[n])) consider(n, recognise_normalize, checked);
    }
    for (int n = 0; n < count(); ++n) {
      if (unit_of_[n] < 0 && translates(graph_.nodes[n])) consider(n, translate, checked);
    }
    std::vector<int> order(units_.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int a, int b) { return units_[a].anchor < units_[b].anchor; });
    std::vector<Unit> sorted;
    sorted.reserve(units_.size());
    for (const int u : order) sorted.push_back(std::move(units_[u]));
    units_ = std::move(sorted);
  }

  Partition finish() {
    const std::vector<std::vector<int>> groups = choose_groups();
    Partition p;
    p.groups.reserve(groups.size());
    for (const std::vector<int>& members : groups) {
      add_group(p, members);
      Result<Outline> made = outline(graph_, p.groups.back());
      if (made.ok()) {
        p.groups.back().outline = std::move(*made);
      } else {  // a claim that does not compile would cost the host its session
        drop_last_group(p, made.status().message());
      }
    }
    p.nodes = std::move(verdicts_);
    return p;
  }

  Result<Group> finish_as_one() {
    for (int n = 0; n < count(); ++n) {
      if (unit_of_[n] >= 0) continue;
      return Status(Code::internal, "octile: node '" + graph_.nodes[n].name + "' (" + graph_.nodes[n].op +
                                        ") was claimed but is now refused: " +
                                        std::string(to_string(verdicts_[n].reason)) + " " + verdicts_[n].detail);
    }
    std::vector<int> all(units_.size());
    std::iota(all.begin(), all.end(), 0);
    Partition p;
    add_group(p, all);
    return std::move(p.groups.front());
  }

 private:
  [[nodiscard]] int count() const { return static_cast<int>(graph_.nodes.size()); }

  void consider(int n, Verdict (*recogniser)(const HostGraph&, int, Unit&), bool checked) {
    Unit unit;
    Verdict refusal =
        graph_.nodes[n].taken_elsewhere ? refuse(Reason::assigned_elsewhere) : recogniser(graph_, n, unit);
    if (!refusal && !checked) refusal = check_unit(graph_, unit);
    if (refusal) {
      verdicts_[n] = {-1, refusal->reason, std::move(refusal->detail)};
      return;
    }
    for (const int member : unit.nodes) unit_of_[member] = static_cast<int>(units_.size());
    units_.push_back(std::move(unit));
  }

  // What is left can leave its neighbours without a reason to be taken, and can split their groups: until nothing
  // changes.
  std::vector<std::vector<int>> choose_groups() {
    Worth worth(graph_, units_);
    std::vector<Reason> reasons(units_.size(), Reason::taken);
    std::vector<std::vector<int>> groups;
    for (bool changed = true; changed;) {
      while (worth.drop_some(reasons)) {
      }
      std::vector<int> chosen;
      for (size_t u = 0; u < units_.size(); ++u) {
        if (worth.group[u] >= 0) chosen.push_back(static_cast<int>(u));
      }
      groups = make_groups(graph_, units_, chosen);
      for (size_t g = 0; g < groups.size(); ++g) {
        for (const int u : groups[g]) worth.group[u] = static_cast<int>(g);
      }
      changed = worth.drop_some(reasons);
      changed |= worth.drop_groups(reasons);
      for (int& g : worth.group) g = changed && g >= 0 ? 0 : g;
    }
    for (size_t u = 0; u < units_.size(); ++u) {
      if (worth.group[u] >= 0) continue;
      for (const int n : units_[u].nodes) verdicts_[n] = {-1, reasons[u], {}};
    }
    return groups;
  }

  void add_group(Partition& p, const std::vector<int>& members) {
    const int id = static_cast<int>(p.groups.size());
    Group& g = p.groups.emplace_back();
    g.units.reserve(members.size());
    for (const int m : members) {
      for (const int n : units_[m].nodes) {
        verdicts_[n] = {id, Reason::taken, {}};
        g.nodes.push_back(n);
      }
      g.units.push_back(std::move(units_[m]));
    }
    std::sort(g.nodes.begin(), g.nodes.end());
  }

  void drop_last_group(Partition& p, const std::string& why) {
    for (const int n : p.groups.back().nodes) verdicts_[n] = {-1, Reason::malformed, why};
    p.groups.pop_back();
  }

  const HostGraph& graph_;
  std::vector<Unit> units_;
  std::vector<int> unit_of_;  // by host node; not -1: recognised
  std::vector<NodeVerdict> verdicts_;
};

}  // namespace

Border border_of(const HostGraph& graph, const Group& group) {
  const auto inside = [&](int n) { return std::binary_search(group.nodes.begin(), group.nodes.end(), n); };
  Border out;
  for (const HostValue& v : graph.values) {
    const bool read = std::any_of(v.consumers.begin(), v.consumers.end(), inside);
    const bool leaves = v.graph_output || !std::all_of(v.consumers.begin(), v.consumers.end(), inside);
    const int floats = v.type == ElemType::f32 ? 1 : 0;
    if (v.constant) continue;
    if (v.producer >= 0 && inside(v.producer)) {
      out.outputs += leaves ? 1 : 0;
      out.float_outputs += leaves ? floats : 0;
    } else if (read) {
      ++out.inputs;
      out.float_inputs += floats;
    }
  }
  return out;
}

bool could_be_taken(const HostNode& node) { return is_anchor(node) || may_normalize(node) || translates(node); }

Partition partition(const HostGraph& graph) {
  Partitioner p(graph);
  p.recognise_units(false);
  return p.finish();
}

Result<Group> recognise_all(const HostGraph& graph) {
  Partitioner p(graph);
  p.recognise_units(true);
  return p.finish_as_one();
}

}  // namespace octile::plugin
