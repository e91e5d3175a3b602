// Normalizations of rows as exporters write them node by node: by the deviation (ReduceMean, Sub, Pow, ReduceMean, Add,
// Sqrt, Div: what torch makes of a LayerNorm before opset 17), by the root mean square (RMSNorm: the same without the
// first two) and by the length (ReduceL2, Clip, Expand, Div: its normalize()). Instead of the last Div there may be the
// root's inverse and a Mul. The quantizer puts conversions around the Add and the Mul, which others leave out.
//
// In:  the first of the nodes.  Out: one unit of them all, floats in and out.
// Not here: the factor and the addend behind it, which are ops of their own.
#include <algorithm>
#include <array>

#include "plugin/partition/computed_shape.h"
#include "plugin/partition/constants.h"
#include "plugin/partition/product.h"
#include "plugin/partition/translate.h"

namespace octile::plugin {
namespace {

class Chain {
 public:
  Chain(const HostGraph& graph, int node, Unit& unit) : graph_(graph), unit_(unit), first_(node) {
    unit_.anchor = node;
    unit_.role = Role::floating;
    unit_.nodes = {node};
  }

  Verdict read() {
    source_ = first().input(0);
    if (source_ < 0 || graph_.values[source_].type != ElemType::f32) return refuse(Reason::type_not_supported);
    const bool length = first().is("ReduceL2"), deviation = first().is("ReduceMean");
    if (length || deviation) OCTILE_RETURN_IF_REFUSED(read_axis_of(first(), axis_));
    OCTILE_RETURN_IF_REFUSED(length ? read_length() : deviation ? read_deviation() : read_squares());
    UnitWriter writer(graph_, first_, unit_);
    int rows = source_;
    if (!turn_.empty()) {
      rows = writer.inner(DType::f32);
      writer.step(NodeKind::transpose, {source_}, rows).ints = turn_;
    }
    NodeDesc& d = writer.main(NodeKind::normalize, {rows}, output_);
    d.ints = {axis_, length ? 1 : deviation ? 0 : 2};
    d.floats = {epsilon_};
    for (const Stage& s : stages_) {
      d.ints.insert(d.ints.end(), {s.type, s.zp});
      d.floats.push_back(s.scale);
    }
    d.ints.push_back(times_ ? 1 : 0);
    return {};
  }

 private:
  struct Stage {
    int64_t type = 0, zp = 0;
    float scale = 1.0F;
  };

  [[nodiscard]] const HostNode& first() const { return graph_.nodes[first_]; }
  static Verdict other() { return refuse(Reason::op_not_supported, "no normalization of rows"); }

  // The only axis, which stays as an extent of 1.
  Verdict read_axis_of(const HostNode& n, int64_t& axis) const {
    std::vector<int64_t> axes;
    bool found = false;
    OCTILE_RETURN_IF_REFUSED(read_list(graph_, n, "axes", 1, axes, found));
    if (axes.size() != 1 || n.int_attribute("keepdims", 1) == 0) return other();
    axis = axes[0];
    return graph_.values[n.input(0)].ranked ? read_axis(graph_, n.input(0), axis) : Verdict{};
  }

  // The only reader of the value, which becomes part of the unit; its output is the next value.
  bool follow(int& value, std::string_view op, int* node = nullptr) {
    const int reader = graph_.sole_reader(value, op);
    if (reader < 0) return false;
    unit_.nodes.push_back(reader);
    if (node != nullptr) *node = reader;
    value = graph_.nodes[reader].output(0);
    return true;
  }

  // Is it the source, or another dequantize of the same codes that nobody else reads?
  bool is_source(int value) {
    if (value == source_) return true;
    const int a = value < 0 ? -1 : graph_.values[value].producer, b = graph_.values[source_].producer;
    if (a < 0 || b < 0 || !is_dequantize(graph_.nodes[a]) || !is_dequantize(graph_.nodes[b])) return false;
    if (graph_.nodes[a].inputs != graph_.nodes[b].inputs || graph_.sole_consumer(value) < 0) return false;
    if (graph_.nodes[a].taken_elsewhere) return false;
    unit_.nodes.push_back(a);
    return true;
  }

  // A conversion to codes and back.
  Verdict read_stage(int& value, Stage& stage) {
    int quantize = -1, dequantize = -1;
    const int wide = value;
    if (!follow(value, "QuantizeLinear", &quantize)) return {};
    if (!follow(value, "DequantizeLinear", &dequantize)) return other();
    const HostNode &q = graph_.nodes[quantize], &dq = graph_.nodes[dequantize];
    OCTILE_RETURN_IF_REFUSED(check_quantize(q));
    QParams params, back;
    OCTILE_RETURN_IF_REFUSED(read_type(graph_, q.output(0), params.type));
    OCTILE_RETURN_IF_REFUSED(read_source_params(graph_, q.input(1), q.input(2), params.type, params));
    OCTILE_RETURN_IF_REFUSED(read_source_params(graph_, dq.input(1), dq.input(2), params.type, back));
    if (q.input(0) != wide || params.scale != back.scale || params.zp != back.zp) return other();
    stage = {params.type == DType::s8 ? 2 : 1, params.zp[0], params.scale[0]};
    return {};
  }

  // Where optimisers move a transpose to that stood before the mean.
  Verdict read_turn(int& value) {
    int transpose = -1;
    if (!follow(value, "Transpose", &transpose)) return {};
    bool found = false;
    OCTILE_RETURN_IF_REFUSED(read_list(graph_, graph_.nodes[transpose], "perm", kAllInputs, turn_, found));
    return turn_.empty() ? other() : Verdict{};
  }

  // What a conversion to the source's own codes and back reads, if the value comes from one that nobody else reads:
  // they are put behind what moves them.
  Verdict before_stage(int& value) {
    const int back = graph_.values[value].producer, known = graph_.values[source_].producer;
    if (back < 0 || !is_dequantize(graph_.nodes[back])) return {};
    const int codes = graph_.nodes[back].input(0), to = codes < 0 ? -1 : graph_.values[codes].producer;
    if (to < 0 || known < 0 || !is_quantize(graph_.nodes[to]) || !is_dequantize(graph_.nodes[known])) return other();
    QParams params[3];
    for (int i = 0; i < 3; ++i) {
      const HostNode& n = graph_.nodes[i == 0 ? back : i == 1 ? to : known];
      OCTILE_RETURN_IF_REFUSED(read_type(graph_, i == 1 ? n.output(0) : n.input(0), params[i].type));
      OCTILE_RETURN_IF_REFUSED(read_source_params(graph_, n.input(1), n.input(2), params[i].type, params[i]));
      const bool same = params[i].type == params[0].type && params[i].scale == params[0].scale;
      if (!same || params[i].zp != params[0].zp) return other();
    }
    if (graph_.sole_consumer(codes) != back || graph_.sole_consumer(value) < 0) return other();
    if (graph_.nodes[back].taken_elsewhere || graph_.nodes[to].taken_elsewhere) return other();
    unit_.nodes.insert(unit_.nodes.end(), {back, to});
    value = graph_.nodes[to].input(0);
    return {};
  }

  // The source behind a transpose of its own, which is that of the lengths.
  Verdict read_turned(int value) {
    if (value < 0) return other();
    OCTILE_RETURN_IF_REFUSED(before_stage(value));
    const int maker = value < 0 ? -1 : graph_.values[value].producer;
    if (maker < 0 || !graph_.nodes[maker].is("Transpose") || graph_.nodes[maker].taken_elsewhere) return other();
    if (graph_.sole_consumer(value) < 0 || !is_source(graph_.nodes[maker].input(0))) return other();
    std::vector<int64_t> perm;
    bool found = false;
    OCTILE_RETURN_IF_REFUSED(read_list(graph_, graph_.nodes[maker], "perm", kAllInputs, perm, found));
    if (perm != turn_) return other();
    unit_.nodes.push_back(maker);
    return turn_axes(std::find(turn_.begin(), turn_.end(), axis_) - turn_.begin());
  }

  // The axes of both means are one, before the transpose and behind it; from here on that behind it counts.
  Verdict turn_axes(int64_t behind) {
    if (behind < 0 || behind >= std::ssize(turn_) || turn_[static_cast<size_t>(behind)] != axis_) return other();
    axis_ = behind;
    return {};
  }

  // The value times itself.
  [[nodiscard]] bool squares(const HostNode& n, int value) const {
    if (n.input(0) != value || n.output(0) < 0 || n.taken_elsewhere) return false;
    std::vector<float> exponent;
    return (n.is("Mul") && n.input(1) == value) ||
           (n.is("Pow") && !read_floats(graph_, n.input(1), exponent) && exponent == std::vector<float>{2.0F});
  }

  // d * d, of which nothing else is made than the square and, by the other reader, the quotient.
  bool read_square(int centered, int& value, int& other_reader) {
    const HostValue& d = graph_.values[centered];
    if (d.graph_output) return false;
    int square = -1;
    for (const int reader : d.consumers) {
      int& which = squares(graph_.nodes[reader], centered) ? square : other_reader;
      if (which >= 0 && which != reader) return false;
      which = reader;
    }
    if (square < 0 || other_reader < 0) return false;
    unit_.nodes.push_back(square);
    value = graph_.nodes[square].output(0);
    return true;
  }

  // Is it a one, be it quantized?
  Verdict read_one(int value, int user) {
    std::vector<float> number;
    Dequantize dq;
    OCTILE_RETURN_IF_REFUSED(read_reals(graph_, value, user, number, dq));
    if (number != std::vector<float>{1.0F}) return other();
    if (dq.node >= 0) (dq.shared ? unit_.through : unit_.nodes).push_back(dq.node);
    return {};
  }

  // From the mean of squares to the last node, which divides by the root or multiplies with its inverse: its operand
  // that is to be normalized.
  Verdict read_quotient(int& value, int& numbers) {
    OCTILE_RETURN_IF_REFUSED(read_stage(value, stages_[0]));
    OCTILE_RETURN_IF_REFUSED(read_epsilon(value));
    OCTILE_RETURN_IF_REFUSED(read_stage(value, stages_[1]));
    if (!follow(value, "Sqrt")) return other();
    OCTILE_RETURN_IF_REFUSED(read_stage(value, stages_[2]));
    int last = -1, by = value;
    if (follow(value, "Div", &last)) {
      if (graph_.nodes[last].input(1) != by) return other();
      numbers = graph_.nodes[last].input(0);
      if (numbers < 0) return other();
      if (!graph_.values[numbers].constant && !is_dequantized_constant(numbers)) return {};
      OCTILE_RETURN_IF_REFUSED(read_one(numbers, last));
    } else if (!follow(value, "Reciprocal")) {
      return other();
    }
    times_ = true;
    OCTILE_RETURN_IF_REFUSED(read_stage(value, stages_[3]));
    by = value;
    if (!follow(value, "Mul", &last)) return other();
    numbers = graph_.nodes[last].other_input(by);
    return {};
  }

  [[nodiscard]] bool is_dequantized_constant(int value) const {
    const int maker = value < 0 ? -1 : graph_.values[value].producer;
    if (maker < 0 || !is_dequantize(graph_.nodes[maker])) return false;
    const int codes = graph_.nodes[maker].input(0);
    return codes >= 0 && graph_.values[codes].constant;
  }

  Verdict read_epsilon(int& value) {
    int add = -1;
    const int sum = value;
    if (!follow(value, "Add", &add)) return other();
    std::vector<float> epsilon;
    Dequantize dq;
    const int constant = graph_.nodes[add].other_input(sum);
    OCTILE_RETURN_IF_REFUSED(read_reals(graph_, constant, add, epsilon, dq));
    if (epsilon.size() != 1) return other();
    if (dq.node >= 0) (dq.shared ? unit_.through : unit_.nodes).push_back(dq.node);
    epsilon_ = epsilon[0];
    return {};
  }

  Verdict read_deviation() {
    int value = first().output(0), sub = -1, quotient = -1, mean = -1, numbers = -1;
    const int middle = value;
    if (!follow(value, "Sub", &sub) || graph_.nodes[sub].input(1) != middle) return other();
    if (!is_source(graph_.nodes[sub].input(0))) return other();
    OCTILE_RETURN_IF_REFUSED(read_turn(value));
    const int centered = value;
    if (!read_square(centered, value, quotient) || !follow(value, "ReduceMean", &mean)) return other();
    int64_t axis = 0;
    OCTILE_RETURN_IF_REFUSED(read_axis_of(graph_.nodes[mean], axis));
    if (!turn_.empty()) OCTILE_RETURN_IF_REFUSED(turn_axes(axis));
    if (axis != axis_) return other();
    OCTILE_RETURN_IF_REFUSED(read_quotient(value, numbers));
    output_ = value;
    return numbers == centered && unit_.nodes.back() == quotient ? Verdict{} : other();
  }

  Verdict read_squares() {
    int value = first().output(0), mean = -1, numbers = -1;
    if (!squares(first(), source_) || !follow(value, "ReduceMean", &mean)) return other();
    OCTILE_RETURN_IF_REFUSED(read_axis_of(graph_.nodes[mean], axis_));
    OCTILE_RETURN_IF_REFUSED(read_quotient(value, numbers));
    output_ = value;
    return is_source(numbers) ? Verdict{} : other();
  }

  Verdict read_length() {
    int value = first().output(0), clip = -1, expand = -1, div = -1;
    float most = 0;
    OCTILE_RETURN_IF_REFUSED(read_turn(value));
    if (!follow(value, "Clip", &clip)) return other();
    OCTILE_RETURN_IF_REFUSED(read_clip_bounds(graph_, graph_.nodes[clip], epsilon_, most));
    if (most != std::numeric_limits<float>::max()) return other();
    (void)follow(value, "Expand", &expand);
    const int by = value;
    if (!follow(value, "Div", &div) || graph_.nodes[div].input(1) != by) return other();
    const int divided = graph_.nodes[div].input(0);
    if (expand >= 0) {
      const int target = graph_.nodes[expand].input(1);
      if (target < 0 || !is_shape_of(graph_, target, divided)) return other();
      if (!graph_.values[target].constant) unit_.through.push_back(graph_.values[target].producer);
    }
    if (!turn_.empty()) {
      OCTILE_RETURN_IF_REFUSED(read_turned(divided));
    } else if (!is_source(divided)) {
      return other();
    }
    output_ = value;
    return {};
  }

  const HostGraph& graph_;
  Unit& unit_;
  int first_, source_ = -1, output_ = -1;
  int64_t axis_ = -1;
  std::vector<int64_t> turn_;
  float epsilon_ = 0.0F;
  bool times_ = false;
  std::array<Stage, 4> stages_;  // as of Divisor
};

}  // namespace

bool may_normalize(const HostNode& node) {
  const bool squares = node.is("Pow") || (node.is("Mul") && node.input(0) == node.input(1));
  return squares || node.is("ReduceMean") || node.is("ReduceL2");
}

Verdict recognise_normalize(const HostGraph& graph, int node, Unit& unit) { return Chain(graph, node, unit).read(); }

}  // namespace octile::plugin
