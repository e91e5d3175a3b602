// Our half: products as dispatch estimates them, and the passes between them that lowering cannot fold away.
// In/out: see cost.h.  Not here: the program itself (runtime/region), which needs the weights.
#include <algorithm>
#include <array>

#include "plugin/partition/cost.h"
#include "plugin/partition/cost_rates.h"
#include "runtime/dispatch/dispatch.h"
#include "runtime/exec/geometry.h"
#include "runtime/exec/paired.h"
#include "runtime/exec/winograd.h"
#include "workload/numerics/unary.h"

namespace octile::plugin {
namespace {

using runtime::Ask;
using runtime::Kernel;
using runtime::Span;

class Own {
 public:
  Own(const GraphDesc& desc, const std::vector<Shape>& shapes, const Machine& machine)
      : desc_(desc),
        shapes_(shapes),
        machine_(machine),
        r_(own_rates(machine.best, machine.host)),
        maker_(desc.values.size(), -1),
        floats_(desc.values.size(), false) {
    for (size_t i = 0; i < desc.nodes.size(); ++i) {
      const NodeDesc& node = desc.nodes[i];
      maker_[node.output] = static_cast<int>(i);
      const bool stays = node.kind != NodeKind::spec &&
                         std::any_of(node.inputs.begin(), node.inputs.end(), [&](int v) { return floats_[v]; });
      floats_[node.output] = node.kind == NodeKind::scaled || node.kind == NodeKind::dynamic || stays;
    }
  }

  [[nodiscard]] double total() const {
    double sum = 0;
    for (const NodeDesc& node : desc_.nodes) sum += cost(node);
    for (const int v : desc_.inputs) {
      if (desc_.values[v].type != DType::f32) sum += r_.step + r_.convert * elements(v);  // floats: at their quantize
    }
    for (const int v : desc_.outputs) sum += r_.step + r_.convert * elements(v);
    return sum;
  }

 private:
  [[nodiscard]] double elements(int v) const { return static_cast<double>(element_count(shapes_[v])); }
  [[nodiscard]] const NodeDesc* maker(int v) const { return maker_[v] < 0 ? nullptr : &desc_.nodes[maker_[v]]; }
  [[nodiscard]] bool constant(int v) const { return desc_.values[v].constant; }

  [[nodiscard]] double cost(const NodeDesc& node) const {
    const double out = elements(node.output), in = elements(node.inputs[0]);
    if (node.kind == NodeKind::dynamic) {
      const double quantize = first_reader(node) ? 2 * r_.step + r_.dynamic * in : 0;
      return 2 * r_.step + quantize + product(node) + r_.dynamic * out;
    }
    if (node.kind == NodeKind::scaled) return r_.step + product(node) + r_.dynamic * out;
    if (node.kind == NodeKind::conv_transpose) return r_.step + product(node) + r_.move * out;
    if (node.kind == NodeKind::spec) return spec(node, in, out);
    if (is_binary(node.kind)) {
      const bool both = !constant(node.inputs[0]) && !constant(node.inputs[1]);
      return both ? r_.step + r_.binary * out : 0;
    }
    const bool bent = node.kind == NodeKind::sigmoid || node.kind == NodeKind::tanh || node.kind == NodeKind::erf;
    if (bent && floats_[node.output]) return r_.sigmoid * out;
    if (is_unary(node.kind)) return 0;  // a table, with its quantize, or a tail
    switch (node.kind) {
      case NodeKind::max_pool:
      case NodeKind::average_pool:
        return r_.step + (floats_[node.output] ? sizeof(float) : 1) * r_.window * out * window(node);
      case NodeKind::global_average_pool:
      case NodeKind::global_max_pool:
      case NodeKind::reduce_mean:
      case NodeKind::reduce_max: return r_.step + r_.window * in;
      case NodeKind::arg_max:
        return r_.step + (floats_[node.inputs[0]] ? sizeof(float) : 1) * r_.arg_max * in + r_.move * out;
      case NodeKind::softmax:
      case NodeKind::layer_norm:
      case NodeKind::normalize: return r_.step + r_.rows * in;
      case NodeKind::reshape:
      case NodeKind::flatten:
      case NodeKind::squeeze:
      case NodeKind::unsqueeze:
      case NodeKind::identity: return 0;
      case NodeKind::cast: return r_.step + r_.floats * out;
      case NodeKind::resize: return r_.step + (floats_[node.output] ? 2 : 1) * r_.move * out;
      default: return r_.step + r_.move * out;
    }
  }

  [[nodiscard]] double spec(const NodeDesc& node, double in, double out) const {
    switch (node.spec.kind) {
      case OpKind::conv2d:
      case OpKind::dense: return r_.step + product(node);
      case OpKind::quantize: {
        const NodeDesc* from = maker(node.inputs[0]);
        if (from == nullptr) return r_.step + r_.convert * in;
        // What follows a function of two tensors, a pool or rows of softmax is part of their step.
        return is_unary(from->kind) || from->kind == NodeKind::spec ? r_.step + r_.table * out : 0;
      }
      case OpKind::requantize: return r_.step + r_.table * out;
      case OpKind::dequantize: return 0;
    }
    return 0;
  }

  // Others read what this one has quantized.
  [[nodiscard]] bool first_reader(const NodeDesc& node) const {
    const auto first = std::find_if(desc_.nodes.begin(), desc_.nodes.end(), [&](const NodeDesc& other) {
      return other.kind == NodeKind::dynamic && other.inputs[0] == node.inputs[0];
    });
    return &*first == &node;
  }

  [[nodiscard]] double window(const NodeDesc& node) const {
    const Result<std::vector<WindowAxis>> axes = window_axes(node, shapes_[node.inputs[0]]);
    double taps = 1;
    for (size_t i = 0; axes.ok() && i < axes->size(); ++i) taps *= static_cast<double>((*axes)[i].kernel);
    return taps;
  }

  [[nodiscard]] double product(const NodeDesc& node) const {
    OpSpec s = shaped(node, shapes_);
    if (node.kind == NodeKind::conv_transpose) {  // a convolution of stride 1 with channels per output phase
      s.oc *= s.sh * s.sw;
      s.kh = (s.kh + s.sh - 1) / s.sh;
      s.kw = (s.kw + s.sw - 1) / s.sw;
      s.sh = s.sw = 1;
      s.pt = s.pb = (s.kh - 1) / 2;
      s.pl = s.pr = (s.kw - 1) / 2;
    }
    const double source = r_.source * static_cast<double>(s.src_elements() + (s.wei_var ? s.wei_elements() : 0));
    const double weights = s.wei_var ? 0 : r_.weights * static_cast<double>(s.wei_elements());
    const bool winograd = runtime::Winograd::may_run(machine_.kernels, machine_.best, machine_.whole_vectors, s);
    const bool paired = !winograd && runtime::Paired::may_run(machine_.kernels, machine_.best, s);
    const double part = winograd ? r_.winograd : paired ? r_.paired : 1;
    return part * (s.depthwise() ? r_.depthwise : r_.product) * cycles(s) + source + weights;
  }

  [[nodiscard]] double cycles(const OpSpec& s) const {
    const bool dense = s.kind == OpKind::dense, depthwise = s.depthwise();
    const bool row = dense || (!depthwise && s.kh * s.kw * s.sh * s.sw == 1);
    Ask ask;
    const std::string key = to_key(s);
    ask.family = depthwise ? "depthwise" : "dot";
    ask.dst = runtime::dst_name(s.dst);
    ask.op_key = key;
    ask.best = machine_.best;
    ask.whole_vectors = machine_.whole_vectors;
    ask.x = dense ? s.m : row ? s.mb * s.oh() * s.ow() : s.ow();
    ask.y = row ? 1 : s.oh();
    const runtime::DotGeometry geometry = runtime::dot_geometry(s);
    ask.channels = depthwise ? s.oc : geometry.channels;
    ask.reduction = geometry.reduction();
    ask.segments = geometry.sx * geometry.sy;
    const double times = static_cast<double>((row && !dense ? 1 : s.mb) * (depthwise || dense ? 1 : s.g));
    if (!depthwise) return times * dot(ask);
    ask.kh = static_cast<int>(s.kh);
    ask.kw = static_cast<int>(s.kw);
    ask.sh = s.dh * s.dw == 1 ? static_cast<int>(s.sh) : 0;
    ask.sw = s.dh * s.dw == 1 ? static_cast<int>(s.sw) : 0;
    constexpr std::array<Layout, 3> kLayouts{Layout::t1c, Layout::t4c, Layout::t2cw};
    return times * sum(runtime::cover_depthwise(machine_.kernels, ask, kLayouts), ask, 1);
  }

  // Weights decide which panels may take the faster kernels of AVX2; here none is assumed to.
  [[nodiscard]] double dot(const Ask& ask) const {
    const Isa isa = runtime::best_isa_with(machine_.kernels, ask);
    const int lanes = isa >= Isa::avxvnni || isa == Isa::portable ? 16 : 8;
    runtime::PanelModes exact;
    (lanes == 16 ? exact.k4n16 : exact.k2n8w) = 1;
    const std::vector<runtime::PanelModes> modes(static_cast<size_t>((ask.channels + lanes - 1) / lanes), exact);
    return sum(runtime::cover_panels(machine_.kernels, ask, lanes, modes), ask, lanes);
  }

  [[nodiscard]] double sum(const std::vector<Span>& spans, const Ask& ask, int lanes) const {
    double out = 0;
    for (const Span& s : spans) {
      const Kernel& k = machine_.kernels[static_cast<size_t>(s.kernel)];
      const int64_t tiles = (s.panels * lanes + k.entry.tile_n - 1) / k.entry.tile_n;
      out += runtime::estimate(k, ask, tiles);
    }
    return out;
  }

  const GraphDesc& desc_;
  const std::vector<Shape>& shapes_;
  const Machine& machine_;
  const OwnRates& r_;
  std::vector<int> maker_;    // by value: node, -1: none
  std::vector<bool> floats_;  // by value: made of a product's floats
};

}  // namespace

double own_cost(const GraphDesc& desc, const std::vector<Shape>& shapes, const Machine& machine) {
  return Own(desc, shapes, machine).total();
}

}  // namespace octile::plugin
