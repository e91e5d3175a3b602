// Product: a convolution or a matrix product with what surrounds it, as its recognisers share it.
// In:  a host graph and the node of the op.  Out: Operands, then a unit.
// Not here: attributes of convolutions (conv.cpp), extents of matrices (dense.cpp).
#pragma once

#include <string>
#include <vector>

#include "plugin/partition/unit.h"

namespace octile::plugin {

struct Operands {
  int src = -1, wei = -1, dst = -1;  // host values; dst_q.type f32: the accumulators' value as floats
  QParams src_q, wei_q, dst_q;
  int64_t wei_axis = 0;                // of per-channel weights, as the host wrote it
  int64_t src_axis = 1, dst_axis = 1;  // likewise
  std::vector<int32_t> bias;
  Post post = Post::none;
  float clip_lo = 0, clip_hi = 0;
  std::vector<int> nodes;                   // beside the anchor
  std::vector<int> through;                 // dequantizes that others read too
  std::vector<int> views;                   // of these, the movements between the op and its quantize, in order
  std::vector<int64_t> src_turn, dst_turn;  // transposes in front of the op and behind it; none: empty
  bool wei_transposed = false;              // a matrix stored the other way round
  int64_t batches = 1;  // of constant weights: one product each, of a slice of the source's first axis
};

[[nodiscard]] Verdict recognise_conv(const HostGraph& graph, int node, Unit& unit);
[[nodiscard]] Verdict recognise_dense(const HostGraph& graph, int node, Unit& unit);
[[nodiscard]] Verdict recognise_dynamic(const HostGraph& graph, int node, Unit& unit);

// Extents and attributes of an op whose operands are known, into `d`.
[[nodiscard]] Verdict read_image(const HostGraph& graph, const HostNode& node, Operands& ops, NodeDesc& d);
[[nodiscard]] Verdict read_matrix(const HostGraph& graph, const HostNode& node, Operands& ops, NodeDesc& d);

// The dequantize belongs to the unit, or is looked through.
void own(const Dequantize& dq, Operands& ops);
// Scales of a depthwise convolution's source, one per channel, become its weights': what sums are scaled by is the same
// product.
[[nodiscard]] Verdict fold_source_scales(const NodeDesc& d, Operands& ops);
// Dequantizes in front of inputs 0 and 1.
[[nodiscard]] Verdict read_qdq_inputs(const HostGraph& graph, int node, Operands& ops);
// From the float `value` on: movements, [Relu | Clip], movements, QuantizeLinear. Where there is no such tail the
// result is the float itself.
void read_qdq_tail(const HostGraph& graph, int value, const NodeDesc& d, Operands& ops);
// The QLinear form: inputs x, x_scale, x_zp, w, w_scale, w_zp, y_scale, y_zp at the given positions.
struct QLinearSlots {
  size_t src, src_scale, src_zp, wei, wei_scale, wei_zp, dst_scale, dst_zp;
};
[[nodiscard]] Verdict read_qlinear(const HostGraph& graph, int node, const QLinearSlots& slots, Operands& ops);
// The integer form: x, w, x_zp, w_zp; int32 out.
[[nodiscard]] Verdict read_integer(const HostGraph& graph, int node, Operands& ops);
// Bias of the op's input `value` (-1: none) into `ops`.
[[nodiscard]] Verdict add_bias(const HostGraph& graph, int value, int user, int64_t channels, Operands& ops);
// Types, zero points, scales and clamp into `d`, which has its geometry. Checked as the runtime will.
[[nodiscard]] Verdict fill_spec(const HostGraph& graph, const Operands& ops, const std::string& label, NodeDesc& d);
// That, and the unit: movements before the op, the op, what turns accumulators into floats, movements behind.
[[nodiscard]] Verdict finish_product(const HostGraph& graph, int node, const Operands& ops, NodeDesc d, Unit& unit);

}  // namespace octile::plugin
