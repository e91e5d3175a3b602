// Convolutions: Conv and ConvTranspose behind dequantizes, QLinearConv, ConvInteger.
// In:  a host node.  Out: a unit; 1-D is a case of 2-D.  Not here: 3-D (declined).
#include <utility>

#include "plugin/partition/constants.h"
#include "plugin/partition/product.h"

namespace octile::plugin {
namespace {

constexpr QLinearSlots kQLinearConv{0, 1, 2, 3, 4, 5, 6, 7};
constexpr size_t kQLinearConvBias = 8;

bool is_transposed(const HostNode& node) { return node.op == "ConvTranspose"; }

Verdict read_operands(const HostGraph& graph, int node, Operands& ops) {
  const HostNode& n = graph.nodes[node];
  if (n.op == "ConvInteger") return read_integer(graph, node, ops);
  if (n.op == "QLinearConv") return read_qlinear(graph, node, kQLinearConv, ops);
  OCTILE_RETURN_IF_REFUSED(read_qdq_inputs(graph, node, ops));
  const int64_t rank = static_cast<int64_t>(graph.values[ops.wei].dims.size());
  if (!ops.wei_q.per_channel()) return {};
  // The axis of output channels; those of a grouped ConvTranspose are spread over two.
  const int64_t axis = ops.wei_axis < 0 ? ops.wei_axis + rank : ops.wei_axis, want = is_transposed(n) ? 1 : 0;
  const bool whole = !is_transposed(n) || n.int_attribute("group", 1) == 1;
  return axis == want && whole ? Verdict{} : refuse(Reason::per_channel_axis);
}

// `name` as [y, x] of an attribute with one entry per spatial axis.
Verdict read_pair(const HostNode& node, std::string_view name, size_t rank, int64_t& y, int64_t& x) {
  y = x = 1;
  const HostAttribute* a = node.attribute(name);
  if (a == nullptr || a->ints.empty()) return {};
  if (a->ints.size() != rank) return refuse(Reason::malformed, std::string(name));
  if (rank == 2) y = a->ints[0];
  x = a->ints[rank - 1];
  return y > 0 && x > 0 ? Verdict{} : refuse(Reason::malformed, std::string(name));
}

Verdict read_pads(const HostNode& node, size_t rank, NodeDesc& d) {
  const HostAttribute* how = node.attribute("auto_pad");
  const std::string mode = how == nullptr || how->s.empty() ? "NOTSET" : how->s;
  if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    d.auto_pad = mode;
    return {};
  }
  if (mode != "NOTSET" && mode != "VALID") return refuse(Reason::attribute, "auto_pad " + mode);
  const HostAttribute* pads = node.attribute("pads");
  if (mode == "VALID" || pads == nullptr || pads->ints.empty()) return {};
  if (pads->ints.size() != 2 * rank) return refuse(Reason::malformed, "pads");
  for (const int64_t p : pads->ints) {
    if (p < 0) return refuse(Reason::attribute, "negative pads");
  }
  if (rank == 2) {
    d.spec.pt = pads->ints[0];
    d.spec.pb = pads->ints[2];
  }
  d.spec.pl = pads->ints[rank - 1];
  d.spec.pr = pads->ints[2 * rank - 1];
  return {};
}

Verdict read_geometry(const HostNode& node, const std::vector<int64_t>& wei, NodeDesc& d) {
  const size_t rank = wei.size() - 2;
  OpSpec& s = d.spec;
  s.kind = OpKind::conv2d;
  d.spatial_rank = static_cast<int>(rank);
  s.g = node.int_attribute("group", 1);
  s.kh = rank == 2 ? wei[2] : 1;
  s.kw = wei.back();
  if (s.g < 1 || wei[1] < 1 || wei[1] > (int64_t{1} << 40) / s.g) return refuse(Reason::malformed, "group");
  // Weights are [oc, ic / g, ...], those of a ConvTranspose [ic, oc / g, ...].
  s.oc = wei[0];
  s.ic = wei[1] * s.g;
  if (is_transposed(node)) std::swap(s.ic, s.oc);
  int64_t kh = 1, kw = 1;
  OCTILE_RETURN_IF_REFUSED(read_pair(node, "kernel_shape", rank, kh, kw));
  if (node.attribute("kernel_shape") != nullptr && (kh != s.kh || kw != s.kw)) {
    return refuse(Reason::malformed, "kernel_shape is not that of the weights");
  }
  OCTILE_RETURN_IF_REFUSED(read_pair(node, "strides", rank, s.sh, s.sw));
  OCTILE_RETURN_IF_REFUSED(read_pair(node, "dilations", rank, s.dh, s.dw));
  OCTILE_RETURN_IF_REFUSED(read_pads(node, rank, d));
  if (!is_transposed(node)) return {};
  d.kind = NodeKind::conv_transpose;
  const HostAttribute* shape = node.attribute("output_shape");
  if (shape != nullptr && !shape->ints.empty()) return refuse(Reason::attribute, "output_shape");
  const HostAttribute* more = node.attribute("output_padding");
  if (more != nullptr) d.ints = more->ints;
  return d.ints.empty() || d.ints.size() == rank ? Verdict{} : refuse(Reason::malformed, "output_padding");
}

}  // namespace

Verdict read_image(const HostGraph& graph, const HostNode& node, Operands& ops, NodeDesc& d) {
  const HostValue& wei = graph.values[ops.wei];
  if (!wei.constant) return refuse(Reason::weights_not_constant, wei.name);
  if (wei.dims.size() != 3 && wei.dims.size() != 4) return refuse(Reason::spatial_rank);
  return read_geometry(node, wei.dims, d);
}

Verdict recognise_conv(const HostGraph& graph, int node, Unit& unit) {
  const HostNode& n = graph.nodes[node];
  Operands ops;
  NodeDesc d;
  OCTILE_RETURN_IF_REFUSED(read_operands(graph, node, ops));
  OCTILE_RETURN_IF_REFUSED(read_image(graph, n, ops, d));
  OCTILE_RETURN_IF_REFUSED(read_channels_last(n, d.spatial_rank + 2, ops.src_turn, ops.dst_turn));
  OCTILE_RETURN_IF_REFUSED(fold_source_scales(d, ops));
  const int bias = n.op == "QLinearConv" ? n.input(kQLinearConvBias) : n.op == "ConvInteger" ? -1 : n.input(2);
  OCTILE_RETURN_IF_REFUSED(add_bias(graph, bias, node, d.spec.oc, ops));
  if (ops.dst < 0) read_qdq_tail(graph, n.output(0), d, ops);
  return finish_product(graph, node, ops, std::move(d), unit);
}

}  // namespace octile::plugin
