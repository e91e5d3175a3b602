// Windows, means, softmax and layer normalization.
// In:  a site.  Out: its steps.  Not here: elementwise ops, movements.
#include <algorithm>

#include "plugin/partition/constants.h"
#include "plugin/partition/translate.h"

namespace octile::plugin {
namespace {

std::vector<int64_t> list_or(const HostNode& node, std::string_view name, size_t length, int64_t otherwise) {
  const HostAttribute* a = node.attribute(name);
  return a == nullptr || a->ints.empty() ? std::vector<int64_t>(length, otherwise) : a->ints;
}

// The main step on operands turned there and back.
template <class Fill>
void write_turned(const Site& site, NodeKind kind, const std::vector<int64_t>& there, const std::vector<int64_t>& back,
                  const Fill& fill) {
  if (there.empty()) {
    fill(site.writer.main(kind, {site.in[0]}, site.out));
    return;
  }
  const int turned = site.writer.inner(site.type), made = site.writer.inner(site.type);
  site.writer.step(NodeKind::transpose, {site.in[0]}, turned).ints = there;
  fill(site.writer.main(kind, {turned}, made));
  site.writer.step(NodeKind::transpose, {made}, site.out).ints = back;
}

void write_rms_norm_of(const Site& site, int x, int scale, float epsilon) {
  const int made = site.writer.inner(DType::f32);
  NodeDesc& d = site.writer.step(NodeKind::normalize, {x}, made);
  d.ints = {-1, 2};
  d.floats = {epsilon};
  site.writer.main(NodeKind::mul, {made, scale}, site.out);
}

}  // namespace

Verdict write_pool(const Site& site) {
  const HostNode& n = site.node;
  const HostAttribute* kernel = n.attribute("kernel_shape");
  if (kernel == nullptr || kernel->ints.empty()) return refuse(Reason::malformed, "kernel_shape");
  const size_t rank = kernel->ints.size();
  if (rank > 2) return refuse(Reason::spatial_rank);
  const bool maximum = n.op == "MaxPool" || n.op == "NhwcMaxPool";
  const HostAttribute* how = n.attribute("auto_pad");
  const std::string auto_pad = how == nullptr || how->s.empty() ? "NOTSET" : how->s;
  const std::vector<int64_t> strides = list_or(n, "strides", rank, 1), pads = list_or(n, "pads", 2 * rank, 0),
                             dilations = list_or(n, "dilations", rank, 1);
  if (strides.size() != rank || pads.size() != 2 * rank || dilations.size() != rank) {
    return refuse(Reason::malformed, "strides, pads or dilations");
  }
  if (std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p < 0; })) {
    return refuse(Reason::attribute, "negative pads");
  }
  std::vector<int64_t> ints = kernel->ints, there, back;
  ints.insert(ints.end(), strides.begin(), strides.end());
  ints.insert(ints.end(), pads.begin(), pads.end());
  ints.push_back(n.int_attribute("ceil_mode", 0));
  ints.push_back(maximum ? 0 : n.int_attribute("count_include_pad", 0));
  ints.insert(ints.end(), dilations.begin(), dilations.end());
  OCTILE_RETURN_IF_REFUSED(read_channels_last(n, static_cast<int64_t>(rank) + 2, there, back));
  write_turned(site, maximum ? NodeKind::max_pool : NodeKind::average_pool, there, back, [&](NodeDesc& d) {
    d.ints = ints;
    d.spatial_rank = static_cast<int>(rank);
    d.auto_pad = auto_pad;
  });
  return {};
}

Verdict write_global_pool(const Site& site) {
  int64_t rank = 0;
  std::vector<int64_t> there, back;
  if (site.node.int_attribute("channels_last", 0) != 0) {
    OCTILE_RETURN_IF_REFUSED(read_rank(site.graph, site.node.input(0), rank));
    OCTILE_RETURN_IF_REFUSED(read_channels_last(site.node, rank, there, back));
  }
  const NodeKind kind = site.node.op == "GlobalMaxPool" ? NodeKind::global_max_pool : NodeKind::global_average_pool;
  write_turned(site, kind, there, back, [](NodeDesc&) {});
  return {};
}

// Axes are an attribute, or from opset 18 on an input.
Verdict write_reduced(const Site& site) {
  std::vector<int64_t> axes;
  bool found = false;
  const size_t slot = site.node.op == "QLinearReduceMean" ? kAllInputs : 1;
  OCTILE_RETURN_IF_REFUSED(read_list(site.graph, site.node, "axes", slot, axes, found));
  if (axes.empty() && site.node.int_attribute("noop_with_empty_axes", 0) != 0) return write_identity(site);
  std::vector<int64_t> ints{site.node.int_attribute("keepdims", 1)};
  ints.insert(ints.end(), axes.begin(), axes.end());
  const bool greatest = site.node.op == "ReduceMax";
  if (greatest && site.type != DType::f32 && axes.size() != 1)
    return refuse(Reason::attribute, "several axes of codes");
  site.writer.main(greatest ? NodeKind::reduce_max : NodeKind::reduce_mean, {site.in[0]}, site.out).ints = ints;
  return {};
}

// From opset 13 on over one axis, before over all from `axis` on: then the value is a matrix in between.
Verdict write_softmax(const Site& site) {
  const bool quantized = site.node.op == "QLinearSoftmax";
  const bool matrix = quantized ? site.node.int_attribute("opset", 13) < 13 : site.node.older_than(13);
  int64_t axis = site.node.int_attribute("axis", matrix ? 1 : -1);
  if (!matrix) {
    site.writer.main(NodeKind::softmax, {site.in[0]}, site.out).ints = {axis};
    return {};
  }
  const HostValue& x = site.graph.values[site.node.input(0)];
  int64_t rank = 0;
  OCTILE_RETURN_IF_REFUSED(read_rank(site.graph, site.node.input(0), rank));
  OCTILE_RETURN_IF_REFUSED(read_axis(site.graph, site.node.input(0), axis));
  const auto many = [](int64_t extent) { return extent != 1; };
  if (axis < rank && std::none_of(x.dims.begin() + axis + 1, x.dims.end(), many)) {
    site.writer.main(NodeKind::softmax, {site.in[0]}, site.out).ints = {axis};
    return {};
  }
  // The shape is restored from what is known of it: one extent may be open.
  if (std::count(x.dims.begin(), x.dims.end(), -1) > 1 || std::count(x.dims.begin(), x.dims.end(), 0) > 0) {
    return refuse(Reason::shape_unknown, x.name);
  }
  const int flat = site.writer.inner(site.type), made = site.writer.inner(site.type);
  site.writer.step(NodeKind::flatten, {site.in[0]}, flat).ints = {axis};
  site.writer.main(NodeKind::softmax, {flat}, made).ints = {1};
  site.writer.step(NodeKind::reshape, {made}, site.out).ints = x.dims;
  return {};
}

Verdict write_arg_max(const Site& site) {
  site.writer.main(NodeKind::arg_max, {site.in[0]}, site.out).ints = {site.node.int_attribute("axis", 0),
                                                                      site.node.int_attribute("keepdims", 1),
                                                                      site.node.int_attribute("select_last_index", 0)};
  return {};
}

Verdict write_layer_norm(const Site& site) {
  if (site.node.int_attribute("stash_type", 1) != 1) return refuse(Reason::attribute, "stash_type");
  NodeDesc& d = site.writer.main(NodeKind::layer_norm, site.in, site.out);
  d.ints = {site.node.int_attribute("axis", -1)};
  d.floats = {site.node.float_attribute("epsilon", 1e-5F)};
  return {};
}

// Of the last axis. Also ONNX Runtime's SimplifiedLayerNormalization, which is older.
Verdict write_rms_norm(const Site& site) {
  if (site.node.int_attribute("stash_type", 1) != 1) return refuse(Reason::attribute, "stash_type");
  if (site.in.size() < 2) return refuse(Reason::malformed, "no scale");
  int64_t axis = site.node.int_attribute("axis", -1), rank = 0;
  if (axis != -1) {
    OCTILE_RETURN_IF_REFUSED(read_rank(site.graph, site.node.input(0), rank));
    if (axis != rank - 1) return refuse(Reason::attribute, "axis");
  }
  write_rms_norm_of(site, site.in[0], site.in[1], site.node.float_attribute("epsilon", 1e-5F));
  return {};
}

// x + skip [+ bias], normalized over its last axis; the sum is a result too. Inputs x, skip, scale, offset? (of the
// simplified one none), bias?; outputs y, mean, deviation, sum.
Verdict write_skip_layer_norm(const Site& site) {
  const HostNode& n = site.node;
  const bool simplified = n.op == "SkipSimplifiedLayerNormalization";
  const int offset = simplified ? -1 : n.input(3), bias = n.input(simplified ? 3 : 4);
  if (site.in.size() < 3) return refuse(Reason::malformed, "no scale");
  for (const int v : {offset, bias}) {
    if (v >= 0 && site.graph.values[v].type != ElemType::f32) {
      return refuse(Reason::type_not_supported, site.graph.values[v].name);
    }
  }
  const int sum = n.output(kSumOfSkip) >= 0 ? n.output(kSumOfSkip) : site.writer.inner(DType::f32);
  if (bias >= 0) {
    const int both = site.writer.inner(DType::f32);
    site.writer.step(NodeKind::add, {site.in[0], site.in[1]}, both);
    site.writer.step(NodeKind::add, {both, bias}, sum);
  } else {
    site.writer.step(NodeKind::add, {site.in[0], site.in[1]}, sum);
  }
  const float epsilon = n.float_attribute("epsilon", 1e-12F);
  if (simplified) {
    write_rms_norm_of(site, sum, site.in[2], epsilon);
    return {};
  }
  std::vector<int> operands{sum, site.in[2]};
  if (offset >= 0) operands.push_back(offset);
  NodeDesc& d = site.writer.main(NodeKind::layer_norm, std::move(operands), site.out);
  d.ints = {-1};
  d.floats = {epsilon};
  return {};
}

}  // namespace octile::plugin
