// Shrinking: the shortest prefix that differs, then as little of it as still does, fed by the oracle.
// In/out: see check_graph.h.  Not here: smaller shapes or numbers.
#include "tests/conformance/graphs/check_graph.h"

namespace octile::testing {
namespace {

// A part of a graph: which nodes, which of its values come from outside, and which go out. Indices of the whole.
struct Part {
  size_t nodes = 0;  // a prefix
  std::vector<bool> fed;
  std::vector<int> outputs;
};

class Shrinker {
 public:
  Shrinker(const GraphDesc& graph, const InputSets& sets, const GraphPrepare& prepare)
      : graph_(graph), sets_(sets), prepare_(prepare) {
    for (const std::vector<HostArray>& inputs : sets) {
      Result<std::vector<HostArray>> values = interpret_all(graph, inputs);
      if (values.ok()) values_.push_back(std::move(*values));
    }
  }

  Shrunk run() {
    Shrunk best{graph_, sets_, difference(graph_, sets_, prepare_)};
    if (values_.size() != sets_.size()) return best;
    Part part{graph_.nodes.size(), std::vector<bool>(graph_.values.size(), false), graph_.outputs};
    for (int v : graph_.inputs) part.fed[static_cast<size_t>(v)] = true;
    for (size_t n = 1; n <= graph_.nodes.size(); ++n) {
      Part prefix{n, part.fed, {graph_.nodes[n - 1].output}};
      if (!keeps_failing(prefix, best)) continue;
      part = prefix;
      break;
    }
    for (size_t n = part.nodes; n-- > 0;) {
      const int v = graph_.nodes[n].output;
      if (part.outputs.size() == 1 && v == part.outputs[0]) continue;
      Part smaller = part;
      smaller.fed[static_cast<size_t>(v)] = true;
      std::erase(smaller.outputs, v);
      if (!smaller.outputs.empty() && keeps_failing(smaller, best)) part = std::move(smaller);
    }
    return best;
  }

 private:
  bool keeps_failing(const Part& part, Shrunk& best) const {
    Shrunk cut = cut_out(part);
    cut.wrong = difference(cut.graph, cut.sets, prepare_);
    if (cut.wrong.empty()) return false;
    best = std::move(cut);
    return true;
  }

  Shrunk cut_out(const Part& part) const {
    std::vector<bool> wanted(graph_.values.size(), false);
    for (int v : part.outputs) wanted[static_cast<size_t>(v)] = true;
    GraphDesc g;
    g.name = graph_.name;
    g.values = graph_.values;
    g.outputs = part.outputs;
    for (size_t n = part.nodes; n-- > 0;) {
      const NodeDesc& node = graph_.nodes[n];
      const auto v = static_cast<size_t>(node.output);
      if (!wanted[v] || part.fed[v]) continue;
      for (int in : node.inputs) wanted[static_cast<size_t>(in)] = true;
      g.nodes.insert(g.nodes.begin(), node);
    }
    Shrunk out;
    out.sets.resize(sets_.size());
    for (size_t v = 0; v < part.fed.size(); ++v) {
      if (!part.fed[v] || !wanted[v]) continue;
      g.inputs.push_back(static_cast<int>(v));
      for (size_t s = 0; s < sets_.size(); ++s) out.sets[s].push_back(values_[s][v]);
    }
    out.graph = compact(g);
    return out;
  }

  const GraphDesc& graph_;
  const InputSets& sets_;
  const GraphPrepare& prepare_;
  std::vector<std::vector<HostArray>> values_;
};

}  // namespace

Shrunk shrink(const GraphDesc& graph, const InputSets& sets, const GraphPrepare& prepare) {
  return Shrinker(graph, sets, prepare).run();
}

}  // namespace octile::testing
