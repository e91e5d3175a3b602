// The forms of float values, in the words of the region's lowering (docs/region.md).
// In/out: see ground.h.  Not here: anything about codes.
#include "plugin/partition/ground.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "runtime/exec/ops/ops.h"
#include "workload/graph/infer.h"
#include "workload/numerics/unary.h"

namespace octile::plugin {
namespace {

constexpr int64_t kSmall = 1 << 14;  // elements, in all but an unknown first extent
constexpr int64_t kWindow = 16;      // times as dear is one of a pool

struct Form {
  // vector: a constant per channel. made: stored floats of a product, of rows, or of codes and such a constant,
  // functions of them, and where they go.
  enum class Kind : uint8_t { scalar, vector, function, channels, pair, made, stored };
  Kind kind = Kind::stored;
  int codes = -1;     // function, channels: of these
  bool rows = false;  // lies as the rows of a matrix product do, or as these moved; codes too
};

using UnitOf = std::unordered_map<int, const Unit*>;  // by the node that names it

class Forms {
 public:
  Forms(const HostGraph& graph, const Unit& unit, const UnitOf& units, const std::unordered_map<int, Form>& known)
      : graph_(graph), unit_(unit), units_(units), known_(known) {}

  // Would any step work on stored floats? `made`: the forms of its results.
  bool slow(std::unordered_map<int, Form>& made) {
    bool any = false;
    for (const Step& step : unit_.steps) {
      const Form form = result(step.desc);
      const bool pool = step.desc.kind == NodeKind::max_pool || step.desc.kind == NodeKind::average_pool;
      any = any || (works_on_floats(step.desc, form) && !small(step.desc.output, pool ? kSmall / kWindow : kSmall));
      (step.desc.output < 0 ? inner_ : made)[step.desc.output] = form;
    }
    return any;
  }

 private:
  [[nodiscard]] bool constant(int operand) const {
    return operand < 0 ? unit_.inner[~operand].constant : graph_.values[operand].constant;
  }

  [[nodiscard]] Form form(int operand) const {
    for (const auto* map : {&inner_, &known_}) {
      if (const auto it = map->find(operand); it != map->end()) return it->second;
    }
    const std::vector<int64_t>& dims = operand < 0 ? unit_.inner[~operand].dims : graph_.values[operand].dims;
    const auto wide = [](int64_t d) { return d != 1; };
    if (!constant(operand) || std::count_if(dims.begin(), dims.end(), wide) > 1) return {Form::Kind::stored};
    const auto last = std::find_if(dims.rbegin(), dims.rend(), wide);
    return {last == dims.rend() ? Form::Kind::scalar : Form::Kind::vector, static_cast<int>(last - dims.rbegin())};
  }

  // Does a constant vary along the axis that lies innermost in the region: an image's channels, a matrix's columns?
  [[nodiscard]] bool innermost(const Form& vector, int value) const {
    if (value < 0 || !graph_.values[value].ranked) return true;
    const int rank = static_cast<int>(graph_.values[value].dims.size());
    return (rank >= 3 && vector.codes == rank - 2) || (rank <= 3 && vector.codes == 0);
  }

  [[nodiscard]] Form result(const NodeDesc& d) const {
    using Kind = Form::Kind;
    if (d.kind == NodeKind::spec) {
      const bool rows = d.spec.kind == OpKind::dense || form(d.inputs[0]).rows;
      return d.spec.kind == OpKind::dequantize ? Form{Kind::function, d.inputs[0], rows} : Form{Kind::stored, -1, rows};
    }
    if (d.kind == NodeKind::scaled || d.kind == NodeKind::dynamic) {
      return {Kind::made, -1, d.spec.kind == OpKind::dense};
    }
    if (d.kind == NodeKind::cast) return {Kind::stored};
    const Form a = form(d.inputs[0]);
    if (is_binary(d.kind)) return binary(d, a, form(d.inputs[1]));
    if (is_unary(d.kind)) return a.kind != Kind::made || quick(d) ? a : Form{Kind::stored};
    const bool rows = d.kind == NodeKind::softmax || d.kind == NodeKind::layer_norm || d.kind == NodeKind::normalize;
    const bool flat = a.rows && stays_flat(d);
    if (rows || made_moves(d)) return {Kind::made, -1, flat};
    return {a.kind == Kind::function && moves(d) ? a.kind : Kind::stored, a.codes, flat};
  }

  // Of gelu the codes are, but not the floats.
  [[nodiscard]] bool quick(const NodeDesc& d) const {
    if (d.kind != NodeKind::gelu) return runtime::vector_kernel(d.kind);
    const int reader = d.output < 0 ? -1 : graph_.sole_consumer(d.output);
    const bool on_the_spot = reader >= 0 && graph_.nodes[reader].is("DynamicQuantizeLinear");
    return on_the_spot || only_quantized(d.output);
  }

  [[nodiscard]] Form binary(const NodeDesc& d, const Form& a, const Form& b) const {
    using Kind = Form::Kind;
    const int output = d.output;
    const bool rows = a.rows || b.rows;
    if (a.kind == Kind::made || b.kind == Kind::made) {
      return {joins_made(d, a, b) ? Kind::made : Kind::stored, -1, a.kind == Kind::made ? a.rows : b.rows};
    }
    const bool a_constant = a.kind <= Kind::vector, b_constant = b.kind <= Kind::vector;
    if (a_constant && b_constant) return {std::max(a.kind, b.kind), std::max(a.codes, b.codes)};
    if (a_constant || b_constant) {
      const Form &constant = a_constant ? a : b, &other = a_constant ? b : a;
      if (other.kind == Kind::pair) return {joins_made(d, a, b) ? Kind::made : Kind::stored, -1, rows};
      if (other.kind != Kind::function && other.kind != Kind::channels) return {Kind::stored};
      if (constant.kind == Kind::scalar) return other;
      if (!innermost(constant, output)) return {Kind::stored};
      return coded_in_the_end(output) ? Form{Kind::channels, other.codes} : Form{Kind::made, -1, rows};
    }
    if (a.kind == Kind::function && b.kind == Kind::function)
      return a.codes == b.codes ? a : Form{Kind::pair, -1, rows};
    const auto of_codes = [](const Form& f) { return f.kind == Kind::function || f.kind == Kind::pair; };
    return {(of_codes(a) || of_codes(b)) && joins_made(d, a, b) ? Kind::made : Kind::stored, -1, rows};
  }

  // Do readers make codes of a value, be it after functions of one number or with constants? Else the region makes
  // floats of it at once.
  [[nodiscard]] bool coded_in_the_end(int value) const {
    constexpr size_t kMost = 64;  // values looked at
    std::vector<int> values{value};
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] < 0 || values.size() > kMost || graph_.values[values[i]].graph_output) return false;
      for (const int reader : graph_.values[values[i]].consumers) {
        if (is_quantize(graph_.nodes[reader])) continue;
        const auto at = units_.find(reader);
        if (at == units_.end() || at->second->steps.size() != 1) return false;
        const NodeDesc& d = at->second->steps[0].desc;
        const auto fixed = [&](int operand) { return operand >= 0 && graph_.values[operand].constant; };
        if (!is_unary(d.kind) && !(is_binary(d.kind) && std::ranges::any_of(d.inputs, fixed))) return false;
        values.push_back(d.output);
      }
    }
    return true;
  }

  // Anything but a transpose of columns to where an image has its channels, which it has innermost as well.
  static bool stays_flat(const NodeDesc& d) {
    return d.kind != NodeKind::transpose || (d.ints.size() > 1 && d.ints[1] != std::ssize(d.ints) - 1);
  }

  // A square or a cube: other powers are worked out number by number.
  [[nodiscard]] bool whole_power(int exponent) const {
    if (!constant(exponent)) return false;
    const bool own = exponent < 0;
    const void* const data = own ? unit_.inner[~exponent].data.data() : graph_.values[exponent].data;
    const size_t bytes = own ? unit_.inner[~exponent].data.size() : graph_.values[exponent].bytes;
    float number = 0;
    if (data == nullptr || bytes != sizeof number || graph_type(exponent) != ElemType::f32) return false;
    std::memcpy(&number, data, sizeof number);
    return number == 2 || number == 3;
  }

  // With a number, one per channel, or as many others, or a gate.
  [[nodiscard]] bool joins_made(const NodeDesc& d, const Form& a, const Form& b) const {
    if (!runtime::vector_kernel(d.kind) || (d.kind == NodeKind::pow && !whole_power(d.inputs[1]))) return false;
    const auto floats = [](const Form& f) { return f.kind == Form::Kind::made || f.kind == Form::Kind::pair; };
    const bool first = floats(a) || (!floats(b) && a.kind == Form::Kind::function);
    const Form &made = first ? a : b, &other = first ? b : a;
    if (other.kind == Form::Kind::scalar) return true;
    if (other.kind == Form::Kind::vector) return (made.rows && other.codes == 0) || innermost(other, d.output);
    if (other.kind == Form::Kind::channels || d.inputs[0] < 0 || d.inputs[1] < 0) return false;
    const HostValue &x = graph_.values[d.inputs[0]], &y = graph_.values[d.inputs[1]];
    if (!x.ranked || !y.ranked) return false;
    if (made.rows && is_mask(first ? y.dims : x.dims, first ? x.dims : y.dims)) return true;
    return x.dims == y.dims || gates(x.dims, y.dims) || gates(y.dims, x.dims);
  }

  // Has an image a number of the other tensor for each channel?
  static bool gates(const std::vector<int64_t>& image, const std::vector<int64_t>& gate) {
    return image.size() == gate.size() && gate.size() > 2 && image[1] == gate[1] && image[1] > 0 &&
           std::all_of(gate.begin() + 2, gate.end(), [](int64_t d) { return d == 1; });
  }

  // Made floats elsewhere: moved, perhaps joined with functions of codes and constants. Or images pooled and resized,
  // also of codes, which become floats for it.
  [[nodiscard]] bool made_moves(const NodeDesc& d) const {
    using Kind = Form::Kind;
    const bool pool = d.kind == NodeKind::max_pool || d.kind == NodeKind::average_pool;
    if (pool || d.kind == NodeKind::resize) {
      const bool mixes = d.kind == NodeKind::average_pool || (d.kind == NodeKind::resize && linear(d));
      const Kind kind = form(d.inputs[0]).kind;
      const bool of_codes = mixes && (kind == Kind::pair || (kind == Kind::function && !only_quantized(d.output)));
      return (kind == Kind::made || of_codes) && d.output >= 0 && graph_.values[d.output].ranked &&
             graph_.values[d.output].dims.size() == 4;
    }
    if (d.kind < NodeKind::concat || d.kind >= NodeKind::cast) return false;
    const size_t operands = d.kind == NodeKind::concat ? d.inputs.size() : 1;
    bool made = false;
    for (size_t i = 0; i < operands; ++i) {
      const Kind kind = form(d.inputs[i]).kind;
      if (kind != Kind::made && kind != Kind::function && !constant(d.inputs[i])) return false;
      made = made || kind == Kind::made;
    }
    return made;
  }

  static bool linear(const NodeDesc& d) { return !d.ints.empty() && d.ints[0] == 1; }

  [[nodiscard]] static bool moves(const NodeDesc& d) {
    return (d.kind >= NodeKind::concat && d.kind < NodeKind::cast && (d.kind != NodeKind::resize || !linear(d))) ||
           d.kind == NodeKind::max_pool || d.kind == NodeKind::global_max_pool ||
           (d.kind == NodeKind::reduce_max && d.ints.size() == 2);
  }

  [[nodiscard]] bool works_on_floats(const NodeDesc& d, const Form& made) const {
    if (d.kind <= NodeKind::dynamic) return false;
    if (d.kind == NodeKind::normalize) {
      const Form from = form(d.inputs[0]);
      if (from.kind == Form::Kind::made && from.rows && last_axis(d)) return false;
      const bool known = from.kind == Form::Kind::function || from.kind == Form::Kind::made;
      return !known || !only_quantized(d.output, true);
    }
    if (d.kind == NodeKind::softmax || d.kind == NodeKind::layer_norm || d.kind == NodeKind::arg_max) return false;
    if (d.kind == NodeKind::cast) return graph_type(d.inputs[0]) == ElemType::s32;
    if (made.kind == Form::Kind::made) return false;
    if (is_unary(d.kind) || is_binary(d.kind)) return made.kind == Form::Kind::stored;
    for (const int v : d.inputs) {
      const bool parameter = v != d.inputs[0] && d.kind != NodeKind::concat;
      if (!parameter && graph_type(v) == ElemType::f32 && form(v).kind != Form::Kind::function) return true;
    }
    return made.kind == Form::Kind::stored && graph_type(d.output) == ElemType::f32 && !only_quantized(d.output);
  }

  [[nodiscard]] bool last_axis(const NodeDesc& d) const {
    const int64_t axis = int_or(d, 0, -1);
    if (axis == -1 || d.inputs[0] < 0) return axis == -1;
    const HostValue& x = graph_.values[d.inputs[0]];
    return x.ranked && axis == std::ssize(x.dims) - 1;
  }

  [[nodiscard]] ElemType graph_type(int operand) const {
    if (operand >= 0) return graph_.values[operand].type;
    const DType type = unit_.inner[~operand].type;
    return type == DType::f32 ? ElemType::f32 : type == DType::s32 ? ElemType::s32 : ElemType::other;
  }

  // Does a quantize, and nothing else, read the value, `turned` or as it is?
  [[nodiscard]] bool only_quantized(int value, bool turned = false) const {
    if (value < 0) return true;  // what a unit makes for itself it also quantizes
    const int turn = turned ? graph_.sole_reader(value, "Transpose") : -1;
    if (turn >= 0) return only_quantized(graph_.nodes[turn].output(0), true);
    const int reader = graph_.sole_consumer(value);
    return reader >= 0 && is_quantize(graph_.nodes[reader]);
  }

  [[nodiscard]] bool small(int value, int64_t most) const {
    if (value < 0) return false;
    const HostValue& v = graph_.values[value];
    int64_t count = 1;
    for (size_t i = 0; i < v.dims.size(); ++i) {
      if (v.dims[i] < 0 && i > 0) return false;
      count *= std::max<int64_t>(v.dims[i], 1);
    }
    return v.ranked && count <= most;
  }

  const HostGraph& graph_;
  const Unit& unit_;
  const UnitOf& units_;
  const std::unordered_map<int, Form>& known_;
  std::unordered_map<int, Form> inner_;
};

}  // namespace

std::vector<Floats> floats_of(const HostGraph& graph, const std::vector<Unit>& units) {
  UnitOf by_node;
  for (const Unit& unit : units) by_node.emplace(unit.anchor, &unit);
  std::unordered_map<int, Form> known;
  std::vector<Floats> out;
  for (const Unit& unit : units) {
    std::unordered_map<int, Form> results;
    const bool slow = Forms(graph, unit, by_node, known).slow(results);
    const bool floats = unit.role == Role::function || unit.role == Role::floating || unit.role == Role::movement;
    const bool made = std::any_of(results.begin(), results.end(),
                                  [](const auto& result) { return result.second.kind == Form::Kind::made; });
    out.push_back({floats && slow, made});
    known.insert(results.begin(), results.end());
  }
  return out;
}

}  // namespace octile::plugin
