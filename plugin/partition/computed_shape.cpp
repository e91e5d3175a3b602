// The walk back from a target shape.  In/out: see computed_shape.h.  Not here: tensors of anything but extents.
#include "plugin/partition/computed_shape.h"

#include <algorithm>

#include "plugin/partition/constants.h"
#include "plugin/partition/quant_params.h"

namespace octile::plugin {
namespace {

// One element of a list of extents.
struct Extent {
  int64_t number = -1;  // -1: not known
  int of = -1;          // the extent of this value, which may be hidden inside a unit
  int seen = -1;        // a value of the same shape that is not
  int64_t axis = 0;     // along this axis
};
using Extents = std::vector<Extent>;

Verdict no(const HostGraph& graph, int value) {
  return refuse(Reason::operand_not_constant, value < 0 ? std::string() : graph.values[value].name);
}

// Indices of the elements that a Slice or a Gather of a list takes.
Verdict read_picks(const HostGraph& graph, const HostNode& node, int64_t count, std::vector<int64_t>& picks) {
  if (node.op == "Gather") {
    if (node.int_attribute("axis", 0) != 0) return refuse(Reason::attribute, "axis");
    OCTILE_RETURN_IF_REFUSED(read_int64s(graph, node.input(1), picks));
    for (int64_t& i : picks) i += i < 0 ? count : 0;
    return {};
  }
  std::vector<int64_t> starts, ends, steps;
  bool found = false;
  OCTILE_RETURN_IF_REFUSED(read_list(graph, node, "starts", 1, starts, found));
  OCTILE_RETURN_IF_REFUSED(read_list(graph, node, "ends", 2, ends, found));
  OCTILE_RETURN_IF_REFUSED(read_list(graph, node, "steps", 4, steps, found));
  if (starts.size() != 1 || ends.size() != 1 || (found && steps != std::vector<int64_t>{1})) {
    return refuse(Reason::attribute, "steps");
  }
  const auto place = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + count : i, 0, count); };
  for (int64_t i = place(starts[0]); i < place(ends[0]); ++i) picks.push_back(i);
  return {};
}

// The value behind conversions: of the same shape. A host gives each reader a dequantize of its own.
int behind_conversions(const HostGraph& graph, int value) {
  for (int maker = graph.values[value].producer; maker >= 0; maker = graph.values[value].producer) {
    const HostNode& node = graph.nodes[maker];
    if ((!is_quantize(node) && !is_dequantize(node)) || node.input(0) < 0) break;
    value = node.input(0);
  }
  return value;
}

class Walk {
 public:
  explicit Walk(const HostGraph& graph) : graph_(graph) {}
  std::vector<int> nodes;
  [[nodiscard]] int64_t rank() const { return rank_; }  // of the value whose shape was read last

  Verdict read(int value, Extents& out) {
    if (value < 0) return no(graph_, value);
    if (graph_.values[value].constant) {
      std::vector<int64_t> numbers;
      OCTILE_RETURN_IF_REFUSED(read_int64s(graph_, value, numbers));
      for (const int64_t n : numbers) out.push_back({n, -1, -1, 0});
      return {};
    }
    const int maker = graph_.values[value].producer;
    if (maker < 0 || !graph_.nodes[maker].domain.empty() || graph_.nodes[maker].taken_elsewhere) {
      return no(graph_, value);
    }
    nodes.push_back(maker);
    return read_node(graph_.nodes[maker], out);
  }

 private:
  Verdict read_node(const HostNode& node, Extents& out) {
    constexpr int64_t kInt64 = 7;
    if (node.op == "Shape") return read_shape(node, out);
    if (node.op == "Concat") {
      for (const int v : node.inputs) OCTILE_RETURN_IF_REFUSED(read(v, out));
      return {};
    }
    const bool same = node.op == "Identity" || node.op == "Squeeze" || node.op == "Unsqueeze" ||
                      (node.op == "Cast" && node.int_attribute("to", 0) == kInt64);
    if (same) return read(node.input(0), out);
    if (node.op != "Slice" && node.op != "Gather") return no(graph_, node.output(0));
    Extents all;
    std::vector<int64_t> picks;
    OCTILE_RETURN_IF_REFUSED(read(node.input(0), all));
    OCTILE_RETURN_IF_REFUSED(read_picks(graph_, node, std::ssize(all), picks));
    for (const int64_t i : picks) {
      if (i < 0 || i >= std::ssize(all)) return refuse(Reason::malformed, node.name);
      out.push_back(all[static_cast<size_t>(i)]);
    }
    return {};
  }

  Verdict read_shape(const HostNode& node, Extents& out) {
    const int of = node.input(0);
    if (of < 0 || node.int_attribute("start", 0) != 0 || node.attribute("end") != nullptr) return no(graph_, of);
    const HostValue& v = graph_.values[of];
    if (!v.ranked) return refuse(Reason::rank_unknown, v.name);
    const int maker = v.producer, behind = behind_conversions(graph_, of);
    const int seen = maker >= 0 && is_dequantize(graph_.nodes[maker]) ? graph_.nodes[maker].input(0) : of;
    for (int64_t axis = 0; axis < std::ssize(v.dims); ++axis) {
      out.push_back({v.dims[static_cast<size_t>(axis)], behind, seen, axis});
    }
    rank_ = std::ssize(v.dims);
    return {};
  }

  const HostGraph& graph_;
  int64_t rank_ = 0;
};

// Numbers, copies of the source's own axes, and one open extent.
bool as_ints(const HostGraph& graph, int source, const Extents& extents, std::vector<int64_t>& ints) {
  const int behind = behind_conversions(graph, source);
  for (int64_t i = 0; i < std::ssize(extents); ++i) {
    const Extent& e = extents[static_cast<size_t>(i)];
    const bool copy = e.of == behind && e.axis == i;
    if (e.number == 0) return false;
    ints.push_back(e.number > 0 ? e.number : copy ? 0 : -1);
  }
  return std::count(ints.begin(), ints.end(), -1) <= 1;
}

// The whole shape of one value, or -1.
int whole_shape(const Extents& extents, int64_t rank) {
  const int of = extents.empty() ? -1 : extents[0].seen;
  if (of < 0 || std::ssize(extents) != rank) return -1;
  for (size_t i = 0; i < extents.size(); ++i) {
    if (extents[i].seen != of || extents[i].axis != static_cast<int64_t>(i)) return -1;
  }
  return of;
}

}  // namespace

Verdict read_computed_shape(const HostGraph& graph, int reshape, ComputedShape& out) {
  const HostNode& n = graph.nodes[reshape];
  Walk walk(graph);
  Extents extents;
  OCTILE_RETURN_IF_REFUSED(walk.read(n.input(1), extents));
  for (const int node : walk.nodes) {
    for (const int v : graph.nodes[node].outputs) {
      if (v < 0) continue;
      const std::vector<int>& readers = graph.values[v].consumers;
      const bool ours = std::all_of(readers.begin(), readers.end(), [&](int r) {
        return r == reshape || std::find(walk.nodes.begin(), walk.nodes.end(), r) != walk.nodes.end();
      });
      if (!ours || graph.values[v].graph_output) return refuse(Reason::operand_not_constant, graph.values[v].name);
    }
  }
  std::sort(walk.nodes.begin(), walk.nodes.end());
  walk.nodes.erase(std::unique(walk.nodes.begin(), walk.nodes.end()), walk.nodes.end());
  out.nodes = std::move(walk.nodes);
  if (as_ints(graph, n.input(0), extents, out.ints)) return {};
  out.ints.clear();
  out.like = whole_shape(extents, walk.rank());
  return out.like >= 0 ? Verdict{} : no(graph, n.input(1));
}

}  // namespace octile::plugin
