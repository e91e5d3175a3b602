// Unit: the host nodes that together are one integer op (dequantizes, the op, its bias add and clamp, the quantize).
// In:  a host graph and the node that names the op.  Out: the unit, or why it is none.
// Not here: which units go together (groups.h), weights' bytes (copied when the region is built).
#pragma once

#include <string>
#include <vector>

#include "plugin/partition/host_graph.h"
#include "plugin/partition/quant_params.h"
#include "plugin/partition/reasons.h"
#include "runtime/region/region.h"

namespace octile::plugin {

struct Unit {
  int anchor = -1;         // the node users know it by
  std::vector<int> nodes;  // all its host nodes, the anchor among them
  // desc.inputs and desc.output are host value indices until the region is built; desc.wei is empty until then.
  NodeDesc desc;
  int wei = -1;                 // host value of constant weights, or -1
  bool wei_transposed = false;  // dense weights stored [n, k]
};

// Is this an op a unit can be built on (a convolution or a matrix product)?
[[nodiscard]] bool is_anchor(const HostNode& node);
[[nodiscard]] Verdict recognise(const HostGraph& graph, int node, Unit& unit);
// A QuantizeLinear or DequantizeLinear by itself.
[[nodiscard]] Verdict recognise_lone(const HostGraph& graph, int node, Unit& unit);

// What the recognisers of one op family share.
struct Operands {
  int src = -1, wei = -1, dst = -1;  // quantized host values
  QParams src_q, wei_q, dst_q;
  int64_t wei_axis = 0;  // of per-channel weights, as the host wrote it
  std::vector<int32_t> bias;
  Post post = Post::none;
  float clip_lo = 0, clip_hi = 0;
  std::vector<int> nodes;  // beside the anchor
};

[[nodiscard]] Verdict recognise_conv(const HostGraph& graph, int node, Unit& unit);
[[nodiscard]] Verdict recognise_dense(const HostGraph& graph, int node, Unit& unit);

// Dequantizes in front of inputs 0 and 1.
[[nodiscard]] Verdict read_qdq_inputs(const HostGraph& graph, int node, Operands& ops);
// From the float `value` on: [Relu | Clip], QuantizeLinear.
[[nodiscard]] Verdict read_qdq_tail(const HostGraph& graph, int value, Operands& ops);
// The only node reading a float that stays inside the unit, or why it cannot stay inside.
[[nodiscard]] Verdict sole_float_reader(const HostGraph& graph, int value, int& reader);
// The QLinear form: inputs x, x_scale, x_zp, w, w_scale, w_zp, y_scale, y_zp at the given positions.
struct QLinearSlots {
  size_t src, src_scale, src_zp, wei, wei_scale, wei_zp, dst_scale, dst_zp;
};
[[nodiscard]] Verdict read_qlinear(const HostGraph& graph, int node, const QLinearSlots& slots, Operands& ops);
// The integer form: x, w, x_zp, w_zp; int32 out.
[[nodiscard]] Verdict read_integer(const HostGraph& graph, int node, Operands& ops);
// Types, zero points, scales, clamp, name; then checks the whole as the runtime will.
[[nodiscard]] Verdict finish_unit(const HostGraph& graph, int node, const Operands& ops, Unit& unit);

}  // namespace octile::plugin
