// The walk back from a list of extents.  In/out: see computed_shape.h.  Not here: tensors of anything but extents.
#include "plugin/partition/computed_shape.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "plugin/partition/constants.h"
#include "plugin/partition/quant_params.h"

namespace octile::plugin {
namespace {

Extent something() { return {1, {}, false}; }

constexpr std::array<std::string_view, 5> kArithmetic = {"Add", "Sub", "Mul", "Div", "Mod"};
constexpr std::array<std::string_view, 7> kLists = {"Shape",     "Concat",  "Slice",   "Gather",
                                                    "Unsqueeze", "Squeeze", "Identity"};

bool is_integer_cast(const HostNode& node) {
  constexpr int64_t kInt64 = 7;
  return node.is("Cast") && node.int_attribute("to", 0) == kInt64;
}

Verdict no(const HostGraph& graph, int value) {
  return refuse(Reason::operand_not_constant, value < 0 ? std::string() : graph.values[value].name);
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

// An extent along an axis: names are symbols or multiples of them. What has no name is one by itself.
Extent extent_of(const HostGraph& graph, int value, size_t axis) {
  const HostValue& v = graph.values[value];
  if (v.dims[axis] >= 0) return {v.dims[axis]};
  if (axis < v.dim_names.size() && !v.dim_names[axis].symbol.empty()) {
    return {v.dim_names[axis].factor, v.dim_names[axis].symbol, false};
  }
  return {1, graph.values[behind_conversions(graph, value)].name + " along " + std::to_string(axis), false};
}

Extent combine(std::string_view op, const Extent& a, const Extent& b) {
  constexpr int64_t kMost = int64_t{1} << 30;
  const auto small = [](int64_t v) { return v > -kMost && v < kMost; };
  const int64_t x = a.number, y = b.number;
  if (!small(x) || !small(y)) return something();
  if (a.known && b.known) {
    if ((op == "Div" && y == 0) || (op == "Mod" && (x < 0 || y < 1))) return something();
    return {op == "Add" ? x + y : op == "Sub" ? x - y : op == "Mul" ? x * y : op == "Div" ? x / y : x % y};
  }
  if (op == "Mul" && (a.known || b.known) && x > 0 && y > 0) return {x * y, a.known ? b.symbol : a.symbol, false};
  if (op == "Div" && b.known && y > 0 && x % y == 0) return {x / y, a.symbol, false};
  return something();
}

class Walk {
 public:
  explicit Walk(const HostGraph& graph) : graph_(graph) {}
  [[nodiscard]] int64_t rank() const { return rank_; }  // of the value whose shape was read last

  Verdict read(int value, Extents& out) {
    if (value < 0) return no(graph_, value);
    if (graph_.values[value].constant) {
      std::vector<int64_t> numbers;
      OCTILE_RETURN_IF_REFUSED(read_int64s(graph_, value, numbers));
      for (const int64_t n : numbers) out.push_back({n});
      return {};
    }
    const int maker = graph_.values[value].producer;
    constexpr int kDeepest = 64, kMost = 4096;  // what doubles itself 64 times is not followed to the end
    if (maker < 0 || graph_.nodes[maker].taken_elsewhere || depth_ > kDeepest || ++steps_ > kMost) {
      return no(graph_, value);
    }
    ++depth_;
    Verdict refusal = read_node(graph_.nodes[maker], out);
    --depth_;
    return refusal;
  }

  // The same where all of them are numbers.
  Verdict read_numbers(int value, std::vector<int64_t>& out) {
    Extents extents;
    OCTILE_RETURN_IF_REFUSED(read(value, extents));
    for (const Extent& e : extents) {
      if (!e.known) return no(graph_, value);
      out.push_back(e.number);
    }
    return {};
  }

 private:
  Verdict read_node(const HostNode& node, Extents& out) {
    if (node.is_one_of(kArithmetic)) return read_arithmetic(node, out);
    if (!node.is_one_of(kLists) && !is_integer_cast(node)) return no(graph_, node.output(0));
    if (node.op == "Shape") return read_shape(node, out);
    if (node.op == "Concat") {
      for (const int v : node.inputs) OCTILE_RETURN_IF_REFUSED(read(v, out));
      return {};
    }
    if (node.op != "Slice" && node.op != "Gather") return read(node.input(0), out);
    Extents all;
    std::vector<int64_t> picks;
    OCTILE_RETURN_IF_REFUSED(read(node.input(0), all));
    OCTILE_RETURN_IF_REFUSED(read_picks(node, std::ssize(all), picks));
    for (const int64_t i : picks) {
      if (i < 0 || i >= std::ssize(all)) return refuse(Reason::malformed, node.name);
      out.push_back(all[static_cast<size_t>(i)]);
    }
    return {};
  }

  // A list of numbers, of an attribute or an input; none where neither is there.
  Verdict read_numbers(const HostNode& node, std::string_view attribute, size_t input, std::vector<int64_t>& out) {
    if (const HostAttribute* const a = node.attribute(attribute); a != nullptr) {
      out = a->ints;
      return {};
    }
    if (node.input(input) < 0) return {};
    return read_numbers(node.input(input), out);
  }

  // Indices of the elements that a Slice or a Gather of a list takes.
  Verdict read_picks(const HostNode& node, int64_t count, std::vector<int64_t>& picks) {
    if (node.op == "Gather") {
      if (node.int_attribute("axis", 0) != 0) return refuse(Reason::attribute, "axis");
      OCTILE_RETURN_IF_REFUSED(read_numbers(node, "", 1, picks));
      for (int64_t& i : picks) i += i < 0 ? count : 0;
      return {};
    }
    std::vector<int64_t> starts, ends, steps;
    OCTILE_RETURN_IF_REFUSED(read_numbers(node, "starts", 1, starts));
    OCTILE_RETURN_IF_REFUSED(read_numbers(node, "ends", 2, ends));
    OCTILE_RETURN_IF_REFUSED(read_numbers(node, "steps", 4, steps));
    if (starts.size() != 1 || ends.size() != 1 || (!steps.empty() && steps != std::vector<int64_t>{1})) {
      return refuse(Reason::attribute, "steps");
    }
    const auto place = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + count : i, 0, count); };
    for (int64_t i = place(starts[0]); i < place(ends[0]); ++i) picks.push_back(i);
    return {};
  }

  Verdict read_arithmetic(const HostNode& node, Extents& out) {
    Extents a, b;
    OCTILE_RETURN_IF_REFUSED(read(node.input(0), a));
    OCTILE_RETURN_IF_REFUSED(read(node.input(1), b));
    const size_t count = std::max(a.size(), b.size());
    if (a.empty() || b.empty() || (a.size() != count && a.size() != 1) || (b.size() != count && b.size() != 1)) {
      return no(graph_, node.output(0));
    }
    for (size_t i = 0; i < count; ++i) {
      out.push_back(combine(node.op, a[a.size() == 1 ? 0 : i], b[b.size() == 1 ? 0 : i]));
    }
    return {};
  }

  Verdict read_shape(const HostNode& node, Extents& out) {
    const int of = node.input(0);
    if (of < 0 || node.int_attribute("start", 0) != 0 || node.attribute("end") != nullptr) return no(graph_, of);
    const HostValue& v = graph_.values[of];
    if (!v.ranked) return refuse(Reason::rank_unknown, v.name);
    const auto first = std::ssize(out);
    const int maker = v.producer;
    const int seen = maker >= 0 && is_dequantize(graph_.nodes[maker]) ? graph_.nodes[maker].input(0) : of;
    for (Extent e : extents_of(graph_, of)) {
      e.seen = seen;
      e.axis = std::ssize(out) - first;
      out.push_back(std::move(e));
    }
    rank_ = std::ssize(v.dims);
    return {};
  }

  const HostGraph& graph_;
  int64_t rank_ = 0;
  int depth_ = 0, steps_ = 0;
};

// Numbers, copies of the source's own axes, and one open extent.
bool as_ints(const Extents& source, const Extents& target, std::vector<int64_t>& ints) {
  for (size_t i = 0; i < target.size(); ++i) {
    const Extent& e = target[i];
    if (e.known && (e.number == 0 || e.number < -1)) return false;
    const bool copy = !e.known && i < source.size() && e == source[i];
    ints.push_back(e.known ? e.number : copy ? 0 : -1);
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

Extents extents_of(const HostGraph& graph, int value) {
  Extents out;
  for (size_t axis = 0; axis < graph.values[value].dims.size(); ++axis) out.push_back(extent_of(graph, value, axis));
  return out;
}

void resolve_rest(const Extents& source, Extents& target) {
  const auto rest = [](const Extent& e) { return e.known && e.number == -1; };
  if (source.empty() || std::count_if(target.begin(), target.end(), rest) != 1) return;
  int64_t here = 1, there = 1;
  std::vector<std::string> symbols_here, symbols_there;
  constexpr int64_t kMost = int64_t{1} << 40;
  const auto take = [&](const Extent& e, int64_t& product, std::vector<std::string>& symbols) {
    if (e.number < 1 || e.number > kMost / product || (!e.known && e.symbol.empty())) return false;
    product *= e.number;
    if (!e.known) symbols.push_back(e.symbol);
    return true;
  };
  for (const Extent& e : source) {
    if (!take(e, here, symbols_here)) return;
  }
  for (const Extent& e : target) {
    if (!rest(e) && !take(e, there, symbols_there)) return;
  }
  for (const std::string& symbol : symbols_there) {
    const auto it = std::find(symbols_here.begin(), symbols_here.end(), symbol);
    if (it == symbols_here.end()) return;
    symbols_here.erase(it);
  }
  if (here % there != 0 || symbols_here.size() > 1) return;
  Extent left{here / there};
  if (!symbols_here.empty()) {
    left.symbol = symbols_here[0];
    left.known = false;
  }
  *std::find_if(target.begin(), target.end(), rest) = left;
}

Extent times(const Extent& a, const Extent& b) { return combine("Mul", a, b); }

Verdict read_list_of_extents(const HostGraph& graph, int list, Extents& out) { return Walk(graph).read(list, out); }

bool makes_extents(const HostGraph& graph, const HostNode& node) {
  const bool list = node.is_one_of(kLists) || node.is_one_of(kArithmetic) || is_integer_cast(node);
  return list && node.output(0) >= 0 && graph.values[node.output(0)].type == ElemType::s64;
}

Verdict read_extents(const HostGraph& graph, int value, std::vector<int64_t>& out) {
  return Walk(graph).read_numbers(value, out);
}

Verdict read_computed_shape(const HostGraph& graph, const HostNode& reshape, ComputedShape& out) {
  Walk walk(graph);
  Extents extents;
  OCTILE_RETURN_IF_REFUSED(walk.read(reshape.input(1), extents));
  const Extents source = graph.values[reshape.input(0)].ranked ? extents_of(graph, reshape.input(0)) : Extents();
  resolve_rest(source, extents);
  if (as_ints(source, extents, out.ints)) return {};
  out.ints.clear();
  out.like = whole_shape(extents, walk.rank());
  return out.like >= 0 ? Verdict{} : no(graph, reshape.input(1));
}

bool is_shape_of(const HostGraph& graph, int list, int value) {
  Extents extents;
  return graph.values[value].ranked && !Walk(graph).read(list, extents) && extents == extents_of(graph, value);
}

}  // namespace octile::plugin
