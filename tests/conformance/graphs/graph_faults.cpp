// The walk, with faults of arithmetic and of memory. Every `is(GraphFault::x)` is the only place where x changes
// anything. In/out: see graph_faults.h.  Not here: speed, or any claim to be right beyond GraphFault::none.
#include "tests/conformance/graphs/graph_faults.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "workload/graph/nodes.h"
#include "workload/numerics/unary.h"

namespace octile::testing {
namespace {

using interpreter::offset;

constexpr std::array<std::string_view, kGraphFaults> kNames{"none",
                                                            "operands_swapped",
                                                            "other_operands_scale",
                                                            "quantize_between_skipped",
                                                            "chain_order_swapped",
                                                            "fused_clamp_lost",
                                                            "relu_lost",
                                                            "division_by_reciprocal",
                                                            "requantize_first_channel_only",
                                                            "dynamic_bias_lost",
                                                            "dynamic_scale_of_first_channel",
                                                            "transposed_kernel_not_turned",
                                                            "concat_order_turned",
                                                            "pool_counts_pads",
                                                            "pool_skips_pads",
                                                            "max_pool_pads_with_zero",
                                                            "halo_holds_zero",
                                                            "pad_holds_zero",
                                                            "gather_from_the_end_clamped",
                                                            "depth_to_space_mode_swapped",
                                                            "transpose_inverted",
                                                            "resize_asymmetric",
                                                            "softmax_of_last_axis",
                                                            "last_of_the_greatest",
                                                            "softmax_sum_in_float32",
                                                            "mean_sum_in_float32",
                                                            "norm_variance_in_one_pass",
                                                            "norm_epsilon_outside",
                                                            "sigmoid_in_float32",
                                                            "contraction",
                                                            "flush_to_zero",
                                                            "quantize_by_reciprocal",
                                                            "quantize_half_up",
                                                            "quantize_nan_high",
                                                            "concat_offset_short",
                                                            "concat_sign_not_flipped",
                                                            "slice_from_the_start",
                                                            "flatten_of_channels_last",
                                                            "gate_of_first_channel",
                                                            "gate_of_first_image",
                                                            "last_element_from_previous",
                                                            "operand_overwritten_in_place",
                                                            "output_overwritten",
                                                            "count_of_first_shape"};

class Runtime {
 public:
  Runtime(GraphFault fault, const GraphDesc& graph) : fault_(fault), g_(misread(fault, graph)) {}

  Result<std::vector<HostArray>> run(const std::vector<HostArray>& inputs) {
    values_.assign(g_.values.size(), {});
    for (size_t v = 0; v < g_.values.size(); ++v) {
      if (!g_.values[v].constant) continue;
      values_[v] = HostArray(g_.values[v].type, g_.values[v].dims);
      values_[v].bytes = g_.values[v].data;
    }
    for (size_t i = 0; i < inputs.size(); ++i) values_[static_cast<size_t>(g_.inputs[i])] = inputs[i];
    if (counts_.empty()) counts_.assign(g_.nodes.size(), 0);
    for (size_t i = 0; i < g_.nodes.size(); ++i) OCTILE_RETURN_IF_ERROR(step(i));
    std::vector<HostArray> outputs;
    for (int v : g_.outputs) {
      outputs.push_back(values_[static_cast<size_t>(v)]);
      if (is(GraphFault::output_overwritten)) overwrite(v, outputs.back());
    }
    return outputs;
  }

 private:
  [[nodiscard]] bool is(GraphFault f) const { return fault_ == f; }

  Status step(size_t i) {
    NodeDesc node = g_.nodes[i];
    std::vector<HostArray> in;
    for (int v : node.inputs) in.push_back(values_[static_cast<size_t>(v)]);
    before(node, in);
    std::vector<const HostArray*> operands;
    for (const HostArray& a : in) operands.push_back(&a);
    const auto to = static_cast<size_t>(node.output);
    OCTILE_ASSIGN_OR_RETURN(HostArray out, interpret_node(node, operands, g_.values[to].type));
    after(i, in, out);
    if (is(GraphFault::operand_overwritten_in_place) && is_binary(node.kind) && in[0].dims == out.dims) {
      values_[static_cast<size_t>(node.inputs[0])] = out;
    }
    values_[to] = std::move(out);
    return {};
  }

  // Wrong operands, or a node that is not quite the one.
  void before(NodeDesc& node, std::vector<HostArray>& in) const {
    const bool plain_float = in[0].type == DType::f32 && node.kind != NodeKind::spec;
    if (is(GraphFault::flush_to_zero) && plain_float) {
      for (HostArray& a : in) flush(a);
    }
    if (is(GraphFault::concat_sign_not_flipped) && node.kind == NodeKind::concat && in[0].type == DType::s8) {
      for (uint8_t& byte : in.back().bytes) byte ^= 0x80;
    }
    if (is(GraphFault::slice_from_the_start) && node.kind == NodeKind::slice) from_the_start(node, in[0].dims);
    const bool reshapes = node.kind == NodeKind::flatten || node.kind == NodeKind::reshape;
    if (is(GraphFault::flatten_of_channels_last) && reshapes && in[0].dims.size() == 4) in[0] = channels_last(in[0]);
    if (is_binary(node.kind)) spoil_gate(in[1], in[0].dims);
  }

  // A wrong result.
  void after(size_t i, const std::vector<HostArray>& in, HostArray& out) {
    const NodeDesc& node = g_.nodes[i];
    if (is(GraphFault::flush_to_zero) && out.type == DType::f32 && node.kind != NodeKind::spec) flush(out);
    if (node.kind == NodeKind::spec && node.spec.kind == OpKind::quantize) quantize(node, in[0], out);
    if (is(GraphFault::softmax_sum_in_float32) && node.kind == NodeKind::softmax) softmax(node, in[0], out);
    if (node.kind == NodeKind::layer_norm) norm(node, in, out);
    if (is(GraphFault::sigmoid_in_float32) && node.kind == NodeKind::sigmoid) {
      for (int64_t j = 0; j < out.count(); ++j) out.as<float>()[j] = 1.0F / (1.0F + std::exp(-in[0].as<float>()[j]));
    }
    if (node.kind == NodeKind::global_average_pool) mean(i, in[0], out);
    if (is(GraphFault::contraction) && node.kind == NodeKind::add) contract(node, out);
    if (is(GraphFault::concat_offset_short) && node.kind == NodeKind::concat) shift_last_part(node, in, out);
    if (is(GraphFault::last_element_from_previous) && (is_binary(node.kind) || is_unary(node.kind))) {
      const int64_t n = out.count();
      if (n > 16 && n % 16 != 0) out.as<float>()[n - 1] = out.as<float>()[n - 2];
    }
  }

  static void flush(HostArray& a) {
    for (int64_t i = 0; a.type == DType::f32 && i < a.count(); ++i) {
      if (std::fpclassify(a.as<float>()[i]) == FP_SUBNORMAL) a.as<float>()[i] = 0.0F;
    }
  }

  static void from_the_start(NodeDesc& node, const Shape& dims) {
    const Result<std::vector<SliceAxis>> axes = slice_axes(node, dims);
    if (!axes.ok()) return;
    node.ints.clear();
    for (const SliceAxis& a : *axes) {
      const bool forward = a.step > 0 && a.count > 0;
      node.ints.insert(node.ints.end(), {forward ? 0 : a.start, forward ? (a.count - 1) * a.step + 1 : a.start + 1, 1});
      if (forward) node.ints.back() = a.step;
      if (!forward) {  // as it was
        node.ints[node.ints.size() - 2] =
            a.start + a.step * a.count < 0 ? std::numeric_limits<int64_t>::min() : a.start + a.step * a.count;
        node.ints.back() = a.step;
      }
    }
  }

  // The same shape, its elements in the order of channels last.
  static HostArray channels_last(const HostArray& a) {
    HostArray out = a;
    const Shape& d = a.dims;
    const auto size = static_cast<size_t>(size_of(a.type));
    size_t to = 0;
    interpreter::for_each_index({d[0], d[2], d[3], d[1]}, [&](const Shape& at) {
      std::memcpy(&out.bytes[to], &a.bytes[static_cast<size_t>(offset(d, {at[0], at[3], at[1], at[2]})) * size], size);
      to += size;
    });
    return out;
  }

  // Of a gate (n, c, 1, 1): one number for all channels, or the first image's for all images.
  void spoil_gate(HostArray& gate, const Shape& image) const {
    if (gate.dims.size() != 4 || image.size() != 4 || gate.dims[2] * gate.dims[3] != 1) return;
    const int64_t c = gate.dims[1];
    for (int64_t i = 0; i < gate.count(); ++i) {
      if (is(GraphFault::gate_of_first_channel)) gate.as<float>()[i] = gate.as<float>()[i / c * c];
      if (is(GraphFault::gate_of_first_image)) gate.as<float>()[i] = gate.as<float>()[i % c];
    }
  }

  void quantize(const NodeDesc& node, const HostArray& in, HostArray& out) const {
    const OpQuant& q = node.quant;
    for (int64_t i = 0; i < out.count(); ++i) {
      const float x = in.as<float>()[i];
      float scaled = x / q.dst_scale;
      if (is(GraphFault::quantize_by_reciprocal)) scaled = x * (1.0F / q.dst_scale);
      int32_t code = quantize_onnx_rne(scaled, 1.0F, q.dst_zp, q.clamp_lo, q.clamp_hi);
      if (is(GraphFault::quantize_half_up) && std::fabs(scaled) < 1000) {
        code = std::clamp(static_cast<int32_t>(std::floor(scaled + 0.5F)) + q.dst_zp, q.clamp_lo, q.clamp_hi);
      }
      if (is(GraphFault::quantize_nan_high) && std::isnan(x)) code = q.clamp_hi;
      out.bytes[static_cast<size_t>(i)] = static_cast<uint8_t>(code);
    }
  }

  static void softmax(const NodeDesc& node, const HostArray& in, HostArray& out) {
    const Result<size_t> axis = axis_of(node, int_or(node, 0, -1), in.dims.size());
    const int64_t n = in.dims[*axis];
    const int64_t step = element_count(Shape(in.dims.begin() + static_cast<int64_t>(*axis) + 1, in.dims.end()));
    Unary exp;
    exp.kind = NodeKind::exp;
    for (int64_t i = 0; i < in.count(); ++i) {
      if (i / step % n != 0) continue;
      float most = in.as<float>()[i], sum = 0;
      for (int64_t j = 0; j < n; ++j) most = std::max(most, in.as<float>()[i + j * step]);
      for (int64_t j = 0; j < n; ++j) sum += exp(in.as<float>()[i + j * step] - most);
      for (int64_t j = 0; j < n; ++j) out.as<float>()[i + j * step] = exp(in.as<float>()[i + j * step] - most) / sum;
    }
  }

  void norm(const NodeDesc& node, const std::vector<HostArray>& in, HostArray& out) const {
    const bool one_pass = is(GraphFault::norm_variance_in_one_pass), outside = is(GraphFault::norm_epsilon_outside);
    if (!one_pass && !outside) return;
    const int64_t n = in[1].count();
    const float epsilon = node.floats.empty() ? 1e-5F : node.floats[0];
    for (int64_t i = 0; i < out.count(); i += n) {
      const float* x = in[0].as<float>() + i;
      double sum = 0, squares = 0;
      for (int64_t j = 0; j < n; ++j) sum += x[j];
      const double middle = sum / static_cast<double>(n);
      for (int64_t j = 0; j < n; ++j) squares += one_pass ? double{x[j] * x[j]} : (x[j] - middle) * (x[j] - middle);
      const double variance = squares / static_cast<double>(n) - (one_pass ? middle * middle : 0);
      const double r = outside ? 1.0 / (std::sqrt(variance) + epsilon) : 1.0 / std::sqrt(variance + epsilon);
      for (int64_t j = 0; j < n; ++j) {
        const float v = static_cast<float>((x[j] - middle) * r) * in[1].as<float>()[j];
        out.as<float>()[i + j] = in.size() > 2 ? v + in[2].as<float>()[j] : v;
      }
    }
  }

  void mean(size_t node, const HostArray& in, HostArray& out) {
    if (out.count() == 0) return;
    const int64_t n = in.count() / out.count();
    if (is(GraphFault::mean_sum_in_float32)) {
      for (int64_t i = 0; i < out.count(); ++i) {
        float sum = 0;
        for (int64_t j = 0; j < n; ++j) sum += in.as<float>()[i * n + j];
        out.as<float>()[i] = sum / static_cast<float>(n);
      }
    }
    if (counts_[node] == 0) counts_[node] = n;
    for (int64_t i = 0; is(GraphFault::count_of_first_shape) && i < out.count(); ++i) {
      out.as<float>()[i] *= static_cast<float>(n) / static_cast<float>(counts_[node]);
    }
  }

  // a * b + c, rounded once.
  void contract(const NodeDesc& add, HostArray& out) const {
    for (const NodeDesc& mul : g_.nodes) {
      if (mul.kind != NodeKind::mul || mul.output != add.inputs[0]) continue;
      const HostArray &a = values_[static_cast<size_t>(mul.inputs[0])],
                      &b = values_[static_cast<size_t>(mul.inputs[1])],
                      &c = values_[static_cast<size_t>(add.inputs[1])];
      interpreter::for_each_index(out.dims, [&](const Shape& at) {
        const auto of = [&](const HostArray& x) { return x.as<float>()[interpreter::broadcast_offset(x.dims, at)]; };
        out.as<float>()[offset(out.dims, at)] = std::fma(of(a), of(b), of(c));
      });
    }
  }

  // The last part starts one position early and leaves its own last position as it was: zeros.
  static void shift_last_part(const NodeDesc& node, const std::vector<HostArray>& in, HostArray& out) {
    const Result<size_t> axis = axis_of(node, node.ints[0], out.dims.size());
    const int64_t begin = out.dims[*axis] - in.back().dims[*axis];
    if (begin < 1 || in.back().dims[*axis] < 1) return;
    const auto size = static_cast<size_t>(size_of(out.type));
    const HostArray right = out;
    interpreter::for_each_index(out.dims, [&](const Shape& at) {
      if (at[*axis] < begin - 1) return;
      uint8_t* to = &out.bytes[static_cast<size_t>(offset(out.dims, at)) * size];
      Shape from = at;
      if (++from[*axis] == out.dims[*axis]) {
        std::memset(to, 0, size);
      } else {
        std::memcpy(to, &right.bytes[static_cast<size_t>(offset(out.dims, from)) * size], size);
      }
    });
  }

  // An output that is also read inside holds what a later node of its size wrote.
  void overwrite(int output, HostArray& array) const {
    bool read = false;
    for (const NodeDesc& node : g_.nodes) {
      const HostArray& made = values_[static_cast<size_t>(node.output)];
      if (read && made.bytes.size() == array.bytes.size()) array.bytes = made.bytes;
      read = read || std::find(node.inputs.begin(), node.inputs.end(), output) != node.inputs.end();
    }
  }

  GraphFault fault_;
  GraphDesc g_;
  std::vector<HostArray> values_;
  std::vector<int64_t> counts_;  // per node: elements of a mean in the first run
};

}  // namespace

std::string_view to_string(GraphFault fault) { return kNames[static_cast<size_t>(fault)]; }

GraphPrepare faulty(GraphFault fault) {
  return [fault](const GraphDesc& graph) -> Result<GraphRun> {
    const auto runtime = std::make_shared<Runtime>(fault, graph);
    return GraphRun([runtime](const std::vector<HostArray>& inputs) { return runtime->run(inputs); });
  };
}

}  // namespace octile::testing
