// The host's half: each unit as ONNX Runtime's optimiser leaves it, at the rates of its kernels.
// In/out: see cost.h.  Not here: which conversions it fuses (fusion.h).
#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>

#include "plugin/partition/cost.h"
#include "plugin/partition/cost_rates.h"
#include "plugin/partition/fusion.h"

namespace octile::plugin {
namespace {

class Host {
 public:
  Host(const HostGraph& graph, const GraphDesc& desc, const std::vector<Shape>& shapes, const Machine& m)
      : graph_(graph), desc_(desc), shapes_(shapes), r_(host_rates(m.host, m.whole_vectors)) {
    for (const NodeDesc& node : desc.nodes) nodes_.emplace(node.name, &node);
  }

  [[nodiscard]] double cost(const Unit& unit) const {
    const HostNode& anchor = graph_.nodes[unit.anchor];
    double sum = 0;
    bool quantized = false;  // on the spot, for all products that read it
    for (const Step& step : unit.steps) {
      const auto it = nodes_.find(step.desc.name);
      if (it == nodes_.end()) continue;  // nobody reads it
      const NodeDesc& node = *it->second;
      const bool weighted = node.kind <= NodeKind::dynamic;
      if (unit.role == Role::product) {
        if (weighted) sum += product(unit, anchor, node);
        if (node.kind == NodeKind::dynamic && !quantized) sum += r_.node + r_.quantize * elements(node.inputs[0]);
        quantized = true;
      } else if (node.name == node_label(graph_, anchor)) {
        sum += r_.node + plain(unit, anchor, node);
      }
    }
    return sum;
  }

  // Images come channels first and integer convolutions want them last.
  [[nodiscard]] double borders() const {
    double sum = 0;
    for (const auto* list : {&desc_.inputs, &desc_.outputs}) {
      for (const int v : *list) sum += shapes_[v].size() == 4 ? r_.node + r_.move * elements(v) : 0;
    }
    return sum;
  }

 private:
  [[nodiscard]] double elements(int v) const { return static_cast<double>(element_count(shapes_[v])); }

  // A signed tensor with several readers keeps the ops around it in floats.
  [[nodiscard]] bool shared_signed(int value) const {
    return value >= 0 && graph_.values[value].type == ElemType::s8 && graph_.values[value].consumers.size() > 1;
  }

  [[nodiscard]] double product(const Unit& unit, const HostNode& anchor, const NodeDesc& node) const {
    const double in = elements(node.inputs[0]), out = elements(node.output);
    if (node.kind == NodeKind::dynamic && node.spec.kind == OpKind::conv2d) return integer_conv(node, out);
    if (node.kind == NodeKind::dynamic) {
      return r_.node + r_.matrix * macs(node) + r_.requantize * out + r_.weights * weights_of(node);
    }
    const bool conv = node.spec.kind == OpKind::conv2d;
    const bool in_codes = host_fuses(graph_, anchor);  // between conversions
    const bool form_of_its_own = !in_codes;            // QLinearConv and its like
    bool floats = in_codes && conv && node.spec.dst == DType::s32;
    for (const Step& step : unit.steps) {
      for (const int v : step.desc.inputs) floats = floats || (in_codes && shared_signed(v));
      floats = floats || (in_codes && shared_signed(step.desc.output));
    }
    if (floats) {
      return 3 * r_.node + r_.float_product * macs(node) + r_.dequantize * (in + weights_of(node)) + r_.quantize * out;
    }
    const double sum = r_.node + r_.requantize * out + r_.weights * weights_of(node);
    if (form_of_its_own && node.spec.src == DType::s8) return sum + r_.signed_product * macs(node);
    return sum + (conv ? convolution(node) : r_.matrix * macs(node));
  }

  [[nodiscard]] double convolution(const NodeDesc& node) const {
    if (node.spec.depthwise()) return r_.depthwise * macs(node);
    const OpSpec s = shaped(node, shapes_);
    const auto columns = static_cast<double>(s.mb * s.oh() * s.ow() * s.kh * s.kw * s.ic);
    return (s.kh * s.kw > 1 ? r_.column * columns : 0) + (s.g > 1 ? r_.grouped : r_.conv) * macs(node);
  }

  // A ConvInteger, which the host fuses with nothing: its Cast, Mul and Add are passes.
  [[nodiscard]] double integer_conv(const NodeDesc& node, double out) const {
    const double passes = node.floats.empty() ? 2 : 3;
    return r_.node + r_.weights * weights_of(node) + convolution(node) + r_.integer_conv * out +
           passes * (r_.node + r_.float_pass * out);
  }

  [[nodiscard]] double weights_of(const NodeDesc& node) const {
    return static_cast<double>(shaped(node, shapes_).wei_elements());
  }

  [[nodiscard]] double macs(const NodeDesc& node) const {
    OpSpec s = shaped(node, shapes_);
    if (node.kind == NodeKind::conv_transpose) {
      return elements(node.inputs[0]) * static_cast<double>(s.oc / s.g * s.kh * s.kw);
    }
    return static_cast<double>(s.macs());
  }

  [[nodiscard]] double plain(const Unit& unit, const HostNode& anchor, const NodeDesc& node) const {
    const double in = elements(node.inputs[0]), out = elements(node.output), all = std::max(in, out);
    if (unit.role == Role::quantize) return fused_maker(anchor) ? -r_.node : r_.quantize * in;
    if (unit.role == Role::dequantize) return fused_readers(anchor) ? -r_.node : r_.dequantize * in;
    const bool codes = anchor.domain == "com.microsoft" || (host_fuses(graph_, anchor) && !signed_around(anchor));
    const std::string_view op = anchor.op;
    if (op == "Add" || op == "Mul" || op == "QLinearAdd" || op == "QLinearMul") {
      return (codes ? r_.code_binary : r_.float_pass) * out;
    }
    if (node.kind == NodeKind::normalize) {  // by the deviation two reductions and four passes, else one and fewer
      const int64_t by = int_or(node, 1, 0);
      const double passes = by == 0 ? 4 : by == 2 ? 2 : 1;
      return passes * r_.node + (passes * r_.float_pass + r_.dequantize) * all;
    }
    if (op == "ArgMax") return r_.arg_max * in;
    if (op.find("Softmax") != op.npos) return r_.softmax * all;
    if (op.ends_with("LayerNormalization") || op == "RMSNormalization") return r_.normalize * all;
    static const std::set<std::string_view> kViews = {"Reshape",   "Flatten",  "Squeeze",
                                                      "Unsqueeze", "Identity", "Dropout"};
    if (kViews.contains(op)) return 0;
    if (unit.role == Role::movement) return r_.move * all;
    static const std::set<std::string_view> kCostly = {"Sigmoid", "Tanh", "Exp", "Log",      "Erf",
                                                       "Gelu",    "Pow",  "Elu", "Softplus", "FastGelu"};
    if (!codes && kCostly.contains(op)) return r_.transcendental * all;
    return (codes ? r_.code_pass : r_.float_pass) * all;
  }

  [[nodiscard]] bool signed_around(const HostNode& node) const {
    const auto shared = [&](int v) { return v >= 0 && shared_signed(v); };
    for (const int v : node.inputs) {
      const int maker = v < 0 ? -1 : graph_.values[v].producer;
      if (maker >= 0 && shared(graph_.nodes[maker].input(0))) return true;
    }
    for (const int v : node.outputs) {
      if (v < 0) continue;
      for (const int r : graph_.values[v].consumers) {
        if (shared(graph_.nodes[r].output(0))) return true;
      }
    }
    return false;
  }

  // Is the conversion part of its neighbour's integer op?
  [[nodiscard]] bool fused_maker(const HostNode& quantize) const {
    const int maker = graph_.values[quantize.input(0)].producer;
    return maker >= 0 && host_fuses(graph_, graph_.nodes[maker]) && !signed_around(graph_.nodes[maker]);
  }
  [[nodiscard]] bool fused_readers(const HostNode& dequantize) const {
    const std::vector<int>& readers = graph_.values[dequantize.output(0)].consumers;
    return !readers.empty() && std::all_of(readers.begin(), readers.end(), [&](int r) {
      return host_fuses(graph_, graph_.nodes[r]) && !signed_around(graph_.nodes[r]);
    });
  }

  const HostGraph& graph_;
  const GraphDesc& desc_;
  const std::vector<Shape>& shapes_;
  const HostRates& r_;
  std::unordered_map<std::string_view, const NodeDesc*> nodes_;
};

}  // namespace

double host_cost(const HostGraph& graph, const Group& group, const GraphDesc& desc, const std::vector<Shape>& shapes,
                 const Machine& machine) {
  const Host host(graph, desc, shapes, machine);
  double sum = host.borders();
  for (const Unit& unit : group.units) sum += host.cost(unit);
  return sum;
}

}  // namespace octile::plugin
