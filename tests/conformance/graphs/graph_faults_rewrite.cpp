// Faults of reading: every one is a change of the graph before it runs.
// In/out: see graph_faults.h.  Not here: faults that need values.
#include <algorithm>
#include <cstring>

#include "tests/conformance/graphs/graph_faults.h"
#include "workload/numerics/unary.h"

namespace octile::testing {
namespace {

class Rewriter {
 public:
  explicit Rewriter(GraphDesc& graph) : g_(graph) {}

  void apply(GraphFault fault) {
    // Nodes may be inserted on the way: only those there from the start are looked at.
    for (size_t i = 0; i < g_.nodes.size(); ++i) i += change(fault, i);
  }

 private:
  // Returns how many nodes it put before node i.
  size_t change(GraphFault fault, size_t i) {
    NodeDesc& n = g_.nodes[i];
    const bool binary = is_binary(n.kind), dot = n.kind == NodeKind::spec && n.spec.kind <= OpKind::dense;
    switch (fault) {
      case GraphFault::operands_swapped:
        if (n.kind == NodeKind::sub || n.kind == NodeKind::div) std::swap(n.inputs[0], n.inputs[1]);
        break;
      case GraphFault::other_operands_scale:
        if (binary) give_scale(maker(n.inputs[0]), maker(n.inputs[1]));
        break;
      case GraphFault::quantize_between_skipped: skip_quantize(n); break;
      case GraphFault::chain_order_swapped:
        if (is_unary(n.kind)) swap_with_maker(n);
        break;
      case GraphFault::fused_clamp_lost:
        if (dot && n.spec.post != Post::none) set_clamp(n.quant, n.spec.dst, Post::none, 0, 0);
        break;
      case GraphFault::relu_lost:
        if (n.kind == NodeKind::relu) n.kind = NodeKind::identity;
        break;
      case GraphFault::division_by_reciprocal: return divide_by_reciprocal(i);
      case GraphFault::requantize_first_channel_only:
        if (n.spec.mult_per_c) std::fill(n.quant.wei_scale.begin(), n.quant.wei_scale.end(), n.quant.wei_scale[0]);
        break;
      case GraphFault::dynamic_bias_lost:
        if (n.kind == NodeKind::dynamic) n.floats.clear();
        break;
      case GraphFault::dynamic_scale_of_first_channel:
        if (n.kind == NodeKind::dynamic || n.kind == NodeKind::scaled) {
          std::fill(n.quant.wei_scale.begin(), n.quant.wei_scale.end(), n.quant.wei_scale[0]);
        }
        break;
      case GraphFault::transposed_kernel_not_turned:
        if (n.kind == NodeKind::conv_transpose) turn_kernel(n);
        break;
      default: return change_movement(fault, i);
    }
    return 0;
  }

  size_t change_movement(GraphFault fault, size_t i) {
    NodeDesc& n = g_.nodes[i];
    const auto rank = static_cast<size_t>(n.spatial_rank);
    switch (fault) {
      case GraphFault::concat_order_turned:
        if (n.kind == NodeKind::concat) std::reverse(n.inputs.begin(), n.inputs.end());
        break;
      case GraphFault::pool_counts_pads:
        if (n.kind == NodeKind::average_pool) n.ints[4 * rank + 1] = 1;
        break;
      case GraphFault::pool_skips_pads:
        if (n.kind == NodeKind::average_pool) n.ints[4 * rank + 1] = 0;
        break;
      case GraphFault::max_pool_pads_with_zero:
        if (n.kind == NodeKind::max_pool) return pad_pool(i);
        break;
      case GraphFault::halo_holds_zero:
        if (n.kind == NodeKind::spec && n.spec.kind == OpKind::conv2d) return pad_conv(i);
        break;
      case GraphFault::pad_holds_zero:
        if (n.kind == NodeKind::pad) n.floats.clear();
        break;
      case GraphFault::gather_from_the_end_clamped:
        if (n.kind == NodeKind::gather) clamp_indices(value(n.inputs[1]));
        break;
      case GraphFault::depth_to_space_mode_swapped:
        if (n.kind == NodeKind::depth_to_space) n.ints[1] = 1 - n.ints[1];
        break;
      case GraphFault::transpose_inverted:
        if (n.kind == NodeKind::transpose) invert(n.ints);
        break;
      case GraphFault::resize_asymmetric:
        if (n.kind == NodeKind::resize) n.ints[1] = 1;
        break;
      case GraphFault::softmax_of_last_axis:
        if (n.kind == NodeKind::softmax) n.ints = {-1};
        break;
      case GraphFault::last_of_the_greatest:
        if (n.kind == NodeKind::arg_max) n.ints[2] = 1;
        break;
      default: break;
    }
    return 0;
  }

  ValueDesc& value(int v) { return g_.values[static_cast<size_t>(v)]; }
  // The node that makes a value, or null.
  NodeDesc* maker(int v) {
    for (NodeDesc& n : g_.nodes) {
      if (n.output == v) return &n;
    }
    return nullptr;
  }
  static bool conversion(const NodeDesc* n, OpKind kind) {
    return n != nullptr && n->kind == NodeKind::spec && n->spec.kind == kind;
  }

  static void give_scale(const NodeDesc* from, NodeDesc* to) {
    if (!conversion(from, OpKind::dequantize) || !conversion(to, OpKind::dequantize)) return;
    to->quant.src_scale = from->quant.src_scale;
  }

  // A dequantize of what was just quantized becomes nothing.
  void skip_quantize(NodeDesc& n) {
    if (!conversion(&n, OpKind::dequantize)) return;
    const NodeDesc* quantize = maker(n.inputs[0]);
    if (!conversion(quantize, OpKind::quantize)) return;
    const int source = quantize->inputs[0];
    n.kind = NodeKind::identity;
    n.inputs = {source};
  }

  void swap_with_maker(NodeDesc& n) {
    NodeDesc* before = maker(n.inputs[0]);
    if (before == nullptr || !is_unary(before->kind)) return;
    std::swap(n.kind, before->kind);
    std::swap(n.ints, before->ints);
    std::swap(n.floats, before->floats);
  }

  int add_value(int like) {
    g_.values.push_back(value(like));
    g_.values.back().constant = false;
    return static_cast<int>(g_.values.size()) - 1;
  }

  size_t divide_by_reciprocal(size_t i) {
    if (g_.nodes[i].kind != NodeKind::div) return 0;
    NodeDesc reciprocal;
    reciprocal.kind = NodeKind::reciprocal;
    reciprocal.inputs = {g_.nodes[i].inputs[1]};
    reciprocal.output = add_value(g_.nodes[i].inputs[1]);
    g_.nodes[i].kind = NodeKind::mul;
    g_.nodes[i].inputs[1] = reciprocal.output;
    g_.nodes.insert(g_.nodes.begin() + static_cast<int64_t>(i), reciprocal);
    return 1;
  }

  // Node i reads its first input padded with zeros.
  size_t insert_pad(size_t i, std::vector<int64_t> ints) {
    NodeDesc pad;
    pad.kind = NodeKind::pad;
    pad.ints = std::move(ints);
    pad.inputs = {g_.nodes[i].inputs[0]};
    pad.output = add_value(pad.inputs[0]);
    g_.nodes[i].inputs[0] = pad.output;
    g_.nodes.insert(g_.nodes.begin() + static_cast<int64_t>(i), pad);
    return 1;
  }

  size_t pad_pool(size_t i) {
    NodeDesc& n = g_.nodes[i];
    const auto rank = static_cast<size_t>(n.spatial_rank);
    if (n.auto_pad != "NOTSET" || n.ints[4 * rank] != 0) return 0;
    std::vector<int64_t> ints{0, 0};
    ints.insert(ints.end(), n.ints.begin() + static_cast<int64_t>(2 * rank),
                n.ints.begin() + static_cast<int64_t>(3 * rank));
    ints.insert(ints.end(), {0, 0});
    ints.insert(ints.end(), n.ints.begin() + static_cast<int64_t>(3 * rank),
                n.ints.begin() + static_cast<int64_t>(4 * rank));
    std::fill(n.ints.begin() + static_cast<int64_t>(2 * rank), n.ints.begin() + static_cast<int64_t>(4 * rank), 0);
    return insert_pad(i, ints);
  }

  size_t pad_conv(size_t i) {
    OpSpec& s = g_.nodes[i].spec;
    if (g_.nodes[i].auto_pad != "NOTSET") return 0;
    const bool image = g_.nodes[i].spatial_rank == 2;
    const std::vector<int64_t> ints =
        image ? std::vector<int64_t>{0, 0, s.pt, s.pl, 0, 0, s.pb, s.pr} : std::vector<int64_t>{0, 0, s.pl, 0, 0, s.pr};
    s.pt = s.pl = s.pb = s.pr = 0;
    return insert_pad(i, ints);
  }

  static void clamp_indices(ValueDesc& indices) {
    for (size_t at = 0; at < indices.data.size(); at += sizeof(int32_t)) {
      int32_t index = 0;
      std::memcpy(&index, &indices.data[at], sizeof index);
      index = std::max(index, 0);
      std::memcpy(&indices.data[at], &index, sizeof index);
    }
  }

  static void invert(std::vector<int64_t>& perm) {
    std::vector<int64_t> inverse(perm.size());
    for (size_t i = 0; i < perm.size(); ++i) inverse[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
    perm = inverse;
  }

  static void turn_kernel(NodeDesc& n) {
    const auto taps = n.spec.kh * n.spec.kw;
    for (auto at = n.wei.begin(); at != n.wei.end(); at += taps) std::reverse(at, at + taps);
  }

  GraphDesc& g_;
};

}  // namespace

GraphDesc misread(GraphFault fault, GraphDesc graph) {
  Rewriter(graph).apply(fault);
  return graph;
}

}  // namespace octile::testing
