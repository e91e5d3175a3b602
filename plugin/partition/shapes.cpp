// Inference of shapes with names, op by op.  In/out: see shapes.h.  Not here: lists of extents (computed_shape.h).
#include "plugin/partition/shapes.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>

#include "plugin/partition/computed_shape.h"
#include "plugin/partition/constants.h"
#include "plugin/partition/quant_params.h"
#include "plugin/partition/translate.h"

namespace octile::plugin {
namespace {

using Shapes = std::optional<Extents>;

// Besides functions of one operand.
constexpr std::array<std::string_view, 10> kSame = {"Softmax",
                                                    "LogSoftmax",
                                                    "LayerNormalization",
                                                    "RMSNormalization",
                                                    "SimplifiedLayerNormalization",
                                                    "InstanceNormalization",
                                                    "Identity",
                                                    "Cast",
                                                    "Dropout",
                                                    "PRelu"};
constexpr std::array<std::string_view, 8> kBroadcast = {"Add", "Sub", "Mul", "Div", "Mod", "Pow", "Min", "Max"};
constexpr std::array<std::string_view, 4> kReduce = {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceL2"};
constexpr std::array<std::string_view, 4> kWindow = {"Conv", "ConvInteger", "MaxPool", "AveragePool"};

Shapes broadcast(const Extents& a, const Extents& b) {
  Extents out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {  // from the last on
    const Extent one{1};
    const Extent x = i < a.size() ? a[a.size() - 1 - i] : one, y = i < b.size() ? b[b.size() - 1 - i] : one;
    const bool first = x == y || (y.known && y.number == 1) || (x.known && x.number > 1 && !y.known);
    const bool second = (x.known && x.number == 1) || (y.known && y.number > 1 && !x.known);
    if (!first && !second) return std::nullopt;
    out[out.size() - 1 - i] = first ? x : y;
  }
  return out;
}

class Inference {
 public:
  explicit Inference(const HostGraph& graph) : graph_(graph) {}

  // The shape of the i-th output; of most ops only of the first.
  [[nodiscard]] Shapes infer(const HostNode& n, size_t i) const {
    if (n.is("Split")) return split(n, i);
    if (i > 0) return std::nullopt;
    const Shapes x = shape(n.input(0));
    if (!x) return std::nullopt;
    if (n.is_one_of(kBroadcast)) return broadcast_all(n, *x);
    const OpRow* const row = find_op(n);
    const bool function = row != nullptr && !row->microsoft && row->role == Role::function && row->operands == 1;
    if (function || n.is_one_of(kSame) || is_quantize(n) || is_dequantize(n) || n.is("DynamicQuantizeLinear")) return x;
    if (n.is("MatMul") || n.is("MatMulInteger")) return product(n, *x);
    if (n.is("Gemm")) return gemm(n, *x);
    if (n.is("Transpose")) return transpose(n, *x);
    if (n.is("Reshape")) return reshape(n, *x);
    if (n.is("Squeeze") || n.is("Unsqueeze")) return squeeze(n, *x);
    if (n.is("Slice")) return slice(n, *x);
    if (n.is("Concat")) return concat(n, *x);
    if (n.is("Flatten")) return flatten(n, *x);
    if (n.is("Gather")) return gather(n, *x);
    if (n.is_one_of(kReduce)) return reduce(n, *x);
    if (n.is_one_of(kWindow)) return window(n, *x);
    if (n.is("GlobalAveragePool") || n.is("GlobalMaxPool")) return global(*x);
    if (n.is("Pad")) return pad(n, *x);
    if (n.is("Expand")) return expand(n, *x);
    return std::nullopt;
  }

 private:
  [[nodiscard]] Shapes shape(int value) const {
    if (value < 0) return std::nullopt;
    const HostValue& v = graph_.values[value];
    if (v.ranked || v.constant) return extents_of(graph_, value);
    // A number has no rank that a host would tell; what it was dequantized from is known.
    const int maker = v.producer, codes = maker < 0 ? -1 : graph_.nodes[maker].input(0);
    const bool number = maker >= 0 && is_dequantize(graph_.nodes[maker]) && codes >= 0 && graph_.values[codes].constant;
    return number ? Shapes(extents_of(graph_, codes)) : std::nullopt;
  }

  // A list among the attributes or the inputs; empty where there is none, nothing where it is not known.
  [[nodiscard]] std::optional<std::vector<int64_t>> list(const HostNode& n, std::string_view name, size_t slot) const {
    std::vector<int64_t> out;
    bool found = false;
    if (read_list(graph_, n, name, slot, out, found)) return std::nullopt;
    return out;
  }

  static bool place(int64_t& axis, size_t rank) {
    axis += axis < 0 ? static_cast<int64_t>(rank) : 0;
    return axis >= 0 && axis < static_cast<int64_t>(rank);
  }

  [[nodiscard]] Shapes broadcast_all(const HostNode& n, Extents out) const {
    for (size_t i = 1; i < n.inputs.size(); ++i) {
      const Shapes y = shape(n.input(i));
      const Shapes both = y ? broadcast(out, *y) : std::nullopt;
      if (!both) return std::nullopt;
      out = *both;
    }
    return out;
  }

  [[nodiscard]] Shapes product(const HostNode& n, const Extents& a) const {
    const Shapes b = shape(n.input(1));
    if (!b || a.size() < 2 || b->size() < 2) return std::nullopt;
    Shapes out = broadcast({a.begin(), a.end() - 2}, {b->begin(), b->end() - 2});
    if (out) out->insert(out->end(), {a[a.size() - 2], b->back()});
    return out;
  }

  [[nodiscard]] Shapes gemm(const HostNode& n, const Extents& a) const {
    const Shapes b = shape(n.input(1));
    if (!b || a.size() != 2 || b->size() != 2) return std::nullopt;
    return Extents{a[n.int_attribute("transA", 0) != 0 ? 1 : 0], (*b)[n.int_attribute("transB", 0) != 0 ? 0 : 1]};
  }

  [[nodiscard]] Shapes transpose(const HostNode& n, const Extents& x) const {
    const auto perm = list(n, "perm", kAllInputs);
    if (!perm || (!perm->empty() && perm->size() != x.size())) return std::nullopt;
    if (perm->empty()) return Extents(x.rbegin(), x.rend());
    Extents out;
    for (int64_t axis : *perm) {
      if (!place(axis, x.size())) return std::nullopt;
      out.push_back(x[static_cast<size_t>(axis)]);
    }
    return out;
  }

  [[nodiscard]] Shapes reshape(const HostNode& n, const Extents& x) const {
    Extents out;
    if (n.int_attribute("allowzero", 0) != 0 || read_list_of_extents(graph_, n.input(1), out)) return std::nullopt;
    for (size_t i = 0; i < out.size(); ++i) {
      if (!out[i].known || out[i].number != 0) continue;
      if (i >= x.size()) return std::nullopt;
      out[i] = x[i];
    }
    resolve_rest(x, out);
    return out;
  }

  [[nodiscard]] Shapes squeeze(const HostNode& n, const Extents& x) const {
    auto axes = list(n, "axes", 1);
    const bool more = n.op == "Unsqueeze";
    if (!axes || axes->empty()) return std::nullopt;
    const size_t rank = more ? x.size() + axes->size() : x.size();
    std::vector<bool> named(rank, false);
    for (int64_t axis : *axes) {
      if (!place(axis, rank)) return std::nullopt;
      named[static_cast<size_t>(axis)] = true;
    }
    Extents out;
    for (size_t i = 0, from = 0; i < rank; ++i) {
      if (more && named[i]) {
        out.push_back({1});
      } else if (more && from < x.size()) {
        out.push_back(x[from++]);
      } else if (!more && !named[i]) {
        out.push_back(x[i]);
      }
    }
    return out;
  }

  [[nodiscard]] Shapes slice(const HostNode& n, Extents x) const {
    const auto starts = list(n, "starts", 1), ends = list(n, "ends", 2), axes = list(n, "axes", 3),
               steps = list(n, "steps", 4);
    if (!starts || !ends || !axes || !steps || starts->size() != ends->size()) return std::nullopt;
    if ((!axes->empty() && axes->size() != starts->size()) || (!steps->empty() && steps->size() != starts->size())) {
      return std::nullopt;
    }
    for (size_t i = 0; i < starts->size(); ++i) {
      int64_t axis = axes->empty() ? static_cast<int64_t>(i) : (*axes)[i];
      const int64_t step = steps->empty() ? 1 : (*steps)[i];
      if (!place(axis, x.size()) || step < 1) return std::nullopt;
      Extent& e = x[static_cast<size_t>(axis)];
      const bool all = (*starts)[i] == 0 && (*ends)[i] >= std::numeric_limits<int32_t>::max() && step == 1;
      if (all) continue;
      if (!e.known) return std::nullopt;
      const auto inside = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + e.number : at, 0, e.number); };
      const int64_t count = inside((*ends)[i]) - inside((*starts)[i]);
      e = {count <= 0 ? 0 : (count + step - 1) / step};
    }
    return x;
  }

  [[nodiscard]] Shapes concat(const HostNode& n, Extents out) const {
    int64_t axis = n.int_attribute("axis", 0);
    if (!place(axis, out.size())) return std::nullopt;
    Extent& sum = out[static_cast<size_t>(axis)];
    for (size_t i = 1; i < n.inputs.size(); ++i) {
      const Shapes y = shape(n.input(i));
      if (!y || y->size() != out.size()) return std::nullopt;
      const Extent& more = (*y)[static_cast<size_t>(axis)];
      if (!sum.known || !more.known) return std::nullopt;
      sum.number += more.number;
      for (size_t k = 0; k < out.size(); ++k) {  // a number rather than a name
        if (static_cast<int64_t>(k) != axis && !out[k].known) out[k] = (*y)[k];
      }
    }
    return out;
  }

  [[nodiscard]] Shapes split(const HostNode& n, size_t i) const {
    Shapes x = shape(n.input(0));
    int64_t axis = n.int_attribute("axis", 0);
    const auto parts = list(n, "split", 1);
    if (!x || !parts || !place(axis, x->size())) return std::nullopt;
    Extent& e = (*x)[static_cast<size_t>(axis)];
    const auto count = std::ssize(n.outputs);
    if (!e.known || (parts->empty() && e.number % count != 0) || (!parts->empty() && std::ssize(*parts) != count)) {
      return std::nullopt;
    }
    e = {parts->empty() ? e.number / count : (*parts)[i]};
    return x;
  }

  [[nodiscard]] Shapes flatten(const HostNode& n, const Extents& x) const {
    int64_t axis = n.int_attribute("axis", 1);
    if (axis < 0) axis += std::ssize(x);
    if (axis < 0 || axis > std::ssize(x)) return std::nullopt;
    const auto product = [](auto first, auto last) {
      Extent all{1};
      for (; first != last; ++first) all = times(all, *first);
      return all;
    };
    return Extents{product(x.begin(), x.begin() + axis), product(x.begin() + axis, x.end())};
  }

  [[nodiscard]] Shapes gather(const HostNode& n, const Extents& x) const {
    int64_t axis = n.int_attribute("axis", 0);
    const Shapes at = shape(n.input(1));
    if (!at || !place(axis, x.size())) return std::nullopt;
    Extents out(x.begin(), x.begin() + axis);
    out.insert(out.end(), at->begin(), at->end());
    out.insert(out.end(), x.begin() + axis + 1, x.end());
    return out;
  }

  [[nodiscard]] Shapes reduce(const HostNode& n, const Extents& x) const {
    const auto axes = list(n, "axes", 1);
    if (!axes || axes->empty()) return std::nullopt;
    std::vector<bool> gone(x.size(), false);
    for (int64_t axis : *axes) {
      if (!place(axis, x.size())) return std::nullopt;
      gone[static_cast<size_t>(axis)] = true;
    }
    Extents out;
    for (size_t i = 0; i < x.size(); ++i) {
      if (!gone[i]) out.push_back(x[i]);
      if (gone[i] && n.int_attribute("keepdims", 1) != 0) out.push_back({1});
    }
    return out;
  }

  [[nodiscard]] Shapes window(const HostNode& n, const Extents& x) const {
    const bool conv = n.op.starts_with("Conv");
    const Shapes w = conv ? shape(n.input(1)) : x;
    const size_t spatial = x.size() - 2;
    const HostAttribute* const automatic = n.attribute("auto_pad");
    const auto kernel = list(n, "kernel_shape", kAllInputs), strides = list(n, "strides", kAllInputs),
               pads = list(n, "pads", kAllInputs), dilations = list(n, "dilations", kAllInputs);
    const bool fits = x.size() > 2 && w && w->size() == x.size() && kernel && strides && pads && dilations;
    if (!fits || n.int_attribute("ceil_mode", 0) != 0) return std::nullopt;
    if (automatic != nullptr && !automatic->s.empty() && automatic->s != "NOTSET") return std::nullopt;
    const auto sized = [&](const std::vector<int64_t>& v, size_t size) { return v.empty() || v.size() == size; };
    if (!sized(*kernel, spatial) || !sized(*strides, spatial) || !sized(*dilations, spatial) ||
        !sized(*pads, 2 * spatial)) {
      return std::nullopt;
    }
    Extents out{x[0], conv ? (*w)[0] : x[1]};
    for (size_t i = 0; i < spatial; ++i) {
      const Extent &in = x[2 + i], k = kernel->empty() ? (*w)[2 + i] : Extent{(*kernel)[i]};
      const int64_t stride = strides->empty() ? 1 : (*strides)[i], dilation = dilations->empty() ? 1 : (*dilations)[i];
      if (!in.known || !k.known || stride < 1 || (!conv && kernel->empty())) return std::nullopt;
      const int64_t around = pads->empty() ? 0 : (*pads)[i] + (*pads)[spatial + i];
      const int64_t room = in.number + around - dilation * (k.number - 1) - 1;
      if (room < 0) return std::nullopt;
      out.push_back({room / stride + 1});
    }
    return out;
  }

  static Shapes global(Extents x) {
    for (size_t i = 2; i < x.size(); ++i) x[i] = {1};
    return x;
  }

  [[nodiscard]] Shapes pad(const HostNode& n, Extents x) const {
    const auto pads = list(n, "pads", 1);
    if (!pads || pads->size() != 2 * x.size() || n.input(3) >= 0) return std::nullopt;
    for (size_t i = 0; i < x.size(); ++i) {
      const int64_t more = (*pads)[i] + (*pads)[x.size() + i];
      if (more != 0 && !x[i].known) return std::nullopt;
      x[i].number += more;
    }
    return x;
  }

  [[nodiscard]] Shapes expand(const HostNode& n, const Extents& x) const {
    Extents target;
    if (read_list_of_extents(graph_, n.input(1), target)) return std::nullopt;
    return broadcast(x, target);
  }

  const HostGraph& graph_;
};

bool open(const HostValue& v) {
  return !v.constant && (!v.ranked || std::find(v.dims.begin(), v.dims.end(), int64_t{-1}) != v.dims.end());
}

}  // namespace

std::vector<int> fill_shapes(HostGraph& graph) {
  std::vector<int> changed;
  const Inference inference(graph);
  for (const HostNode& n : graph.nodes) {
    for (size_t i = 0; i < n.outputs.size(); ++i) {
      if (n.output(i) < 0 || !open(graph.values[n.output(i)])) continue;
      const Shapes made = inference.infer(n, i);
      const auto lost = [](const Extent& e) { return e.known ? e.number < 0 : e.symbol.empty(); };
      if (!made || made->empty() || std::any_of(made->begin(), made->end(), lost)) continue;
      std::vector<int64_t> dims;
      std::vector<DimName> names;
      for (const Extent& e : *made) {
        dims.push_back(e.known ? e.number : -1);
        names.push_back(e.known ? DimName() : DimName{e.number, e.symbol});
      }
      HostValue& v = graph.values[n.output(i)];
      if (v.dims == dims && v.dim_names == names) continue;
      v.ranked = true;
      v.dims = std::move(dims);
      v.dim_names = std::move(names);
      changed.push_back(n.output(i));
    }
  }
  return changed;
}

}  // namespace octile::plugin
