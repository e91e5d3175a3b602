// Movements of elements: concat, slices, gathers, pads, views, transposes, blocks.
// In:  a site of floats or codes.  Out: its steps.  Not here: resizes (resizes.cpp).
#include <algorithm>
#include <cmath>
#include <limits>

#include "plugin/partition/computed_shape.h"
#include "plugin/partition/constants.h"
#include "plugin/partition/quant_params.h"
#include "plugin/partition/translate.h"

namespace octile::plugin {
namespace {

constexpr int64_t kToTheEnd = std::numeric_limits<int64_t>::max();

// start, end, step of axes 0.. from lists that name some of them.
Verdict write_slices(const Site& site, const std::vector<int64_t>& starts, const std::vector<int64_t>& ends,
                     std::vector<int64_t> axes, std::vector<int64_t> steps, int out, bool is_main) {
  if (axes.empty()) {
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size()) {
    return refuse(Reason::malformed, "starts, ends, axes or steps");
  }
  std::vector<int64_t> ints;
  for (size_t i = 0; i < starts.size(); ++i) {
    OCTILE_RETURN_IF_REFUSED(read_axis(site.graph, site.node.input(0), axes[i]));
    while (std::ssize(ints) < 3 * (axes[i] + 1)) ints.insert(ints.end(), {0, kToTheEnd, 1});
    std::copy_n(std::array{starts[i], ends[i], steps[i]}.begin(), 3, ints.begin() + 3 * axes[i]);
  }
  NodeDesc& d = is_main ? site.writer.main(NodeKind::slice, {site.in[0]}, out)
                        : site.writer.step(NodeKind::slice, {site.in[0]}, out);
  d.ints = std::move(ints);
  return {};
}

// The extents a Split gives its outputs.
Verdict read_parts(const Site& site, int64_t axis, std::vector<int64_t>& parts) {
  bool found = false;
  OCTILE_RETURN_IF_REFUSED(read_list(site.graph, site.node, "split", 1, parts, found));
  const size_t count = site.node.outputs.size();
  if (found && !parts.empty()) return parts.size() == count ? Verdict{} : refuse(Reason::malformed, "split");
  const HostValue& x = site.graph.values[site.node.input(0)];
  const int64_t extent = axis < std::ssize(x.dims) ? x.dims[static_cast<size_t>(axis)] : -1;
  if (extent < 0) return refuse(Reason::shape_unknown, x.name);
  const auto n = static_cast<int64_t>(count), part = (extent + n - 1) / n;  // the last may be smaller
  parts.assign(count, part);
  parts.back() = extent - part * (n - 1);
  return parts.back() < 0 ? refuse(Reason::malformed, "num_outputs") : Verdict{};
}

// The code or float that a Pad fills with.
Verdict read_fill(const Site& site, float& fill) {
  fill = site.node.float_attribute("value", 0.0F);
  const int value = site.node.input(2);
  if (value < 0) return {};
  if (site.type == DType::f32) {
    std::vector<float> floats;
    OCTILE_RETURN_IF_REFUSED(read_floats(site.graph, value, floats));
    if (floats.size() != 1) return refuse(Reason::malformed, "constant_value");
    fill = floats[0];
    return {};
  }
  std::vector<int32_t> codes;
  OCTILE_RETURN_IF_REFUSED(read_ints(site.graph, value, codes));
  if (codes.size() != 1) return refuse(Reason::malformed, "constant_value");
  fill = static_cast<float>(codes[0]);
  return {};
}

}  // namespace

Verdict write_concat(const Site& site) {
  if (site.node.attribute("axis") == nullptr) return refuse(Reason::malformed, "axis");
  site.writer.main(NodeKind::concat, site.in, site.out).ints = {site.node.int_attribute("axis", 0)};
  return {};
}

Verdict write_split(const Site& site) {
  int64_t axis = site.node.int_attribute("axis", 0);
  OCTILE_RETURN_IF_REFUSED(read_axis(site.graph, site.node.input(0), axis));
  std::vector<int64_t> parts;
  OCTILE_RETURN_IF_REFUSED(read_parts(site, axis, parts));
  int64_t begin = 0;
  bool first = true;
  for (size_t i = 0; i < parts.size(); ++i) {
    const int64_t end = begin + parts[i];
    const int out = site.node.output(i);
    if (out >= 0) {
      OCTILE_RETURN_IF_REFUSED(write_slices(site, {begin}, {end}, {axis}, {}, out, first));
      first = false;
    }
    begin = end;
  }
  return first ? refuse(Reason::malformed, "no output") : Verdict{};
}

Verdict write_slice(const Site& site) {
  std::vector<int64_t> starts, ends, axes, steps;
  bool found = false;
  OCTILE_RETURN_IF_REFUSED(read_list(site.graph, site.node, "starts", 1, starts, found));
  OCTILE_RETURN_IF_REFUSED(read_list(site.graph, site.node, "ends", 2, ends, found));
  OCTILE_RETURN_IF_REFUSED(read_list(site.graph, site.node, "axes", 3, axes, found));
  OCTILE_RETURN_IF_REFUSED(read_list(site.graph, site.node, "steps", 4, steps, found));
  return write_slices(site, starts, ends, std::move(axes), std::move(steps), site.out, true);
}

Verdict write_gather(const Site& site) {
  const int indices = site.node.input(1);
  std::vector<int64_t> wide;
  OCTILE_RETURN_IF_REFUSED(read_int64s(site.graph, indices, wide));
  std::vector<int32_t> narrow;
  for (const int64_t i : wide) {
    if (i < std::numeric_limits<int32_t>::min() || i > std::numeric_limits<int32_t>::max()) {
      return refuse(Reason::malformed, "an index out of range");
    }
    narrow.push_back(static_cast<int32_t>(i));
  }
  const int which = site.writer.constant(narrow, site.graph.values[indices].dims);
  site.writer.main(NodeKind::gather, {site.in[0], which}, site.out).ints = {site.node.int_attribute("axis", 0)};
  return {};
}

Verdict write_pad(const Site& site) {
  std::vector<int64_t> pads, axes;
  bool found = false;
  OCTILE_RETURN_IF_REFUSED(read_list(site.graph, site.node, "pads", 1, pads, found));
  if (!found) OCTILE_RETURN_IF_REFUSED(read_list(site.graph, site.node, "paddings", kAllInputs, pads, found));
  OCTILE_RETURN_IF_REFUSED(read_list(site.graph, site.node, "axes", 3, axes, found));
  if (pads.empty() || pads.size() % 2 != 0) return refuse(Reason::malformed, "pads");
  if (!axes.empty()) {
    int64_t rank = 0;
    OCTILE_RETURN_IF_REFUSED(read_rank(site.graph, site.node.input(0), rank));
    if (axes.size() * 2 != pads.size()) return refuse(Reason::malformed, "axes");
    std::vector<int64_t> all(2 * static_cast<size_t>(rank), 0);
    for (size_t i = 0; i < axes.size(); ++i) {
      OCTILE_RETURN_IF_REFUSED(read_axis(site.graph, site.node.input(0), axes[i]));
      if (axes[i] >= rank) return refuse(Reason::malformed, "axes");
      all[static_cast<size_t>(axes[i])] = pads[i];
      all[static_cast<size_t>(axes[i] + rank)] = pads[axes.size() + i];
    }
    pads = std::move(all);
  }
  const HostAttribute* how = site.node.attribute("mode");
  const std::string mode = how == nullptr || how->s.empty() ? "constant" : how->s;
  if (mode != "constant" && mode != "reflect" && mode != "edge") return refuse(Reason::attribute, "mode " + mode);
  float fill = 0;
  OCTILE_RETURN_IF_REFUSED(read_fill(site, fill));
  pads.push_back(mode == "constant" ? 0 : mode == "reflect" ? 1 : 2);
  NodeDesc& d = site.writer.main(NodeKind::pad, {site.in[0]}, site.out);
  d.ints = std::move(pads);
  d.floats = {fill};
  return {};
}

Verdict write_reshape(const Site& site) {
  const int target = site.node.input(1);
  if (target >= 0 && !site.graph.values[target].constant) {
    ComputedShape shape;
    OCTILE_RETURN_IF_REFUSED(read_computed_shape(site.graph, site.node, shape));
    std::vector<int> inputs{site.in[0]};
    if (shape.like >= 0) inputs.push_back(shape.like);
    site.writer.main(NodeKind::reshape, std::move(inputs), site.out).ints = std::move(shape.ints);
    return {};
  }
  std::vector<int64_t> shape;
  bool found = false;
  OCTILE_RETURN_IF_REFUSED(read_list(site.graph, site.node, "shape", 1, shape, found));
  if (!found) return refuse(Reason::malformed, "no shape");
  const bool zeros = std::find(shape.begin(), shape.end(), 0) != shape.end();
  if (zeros && site.node.int_attribute("allowzero", 0) != 0) return refuse(Reason::attribute, "allowzero");
  site.writer.main(NodeKind::reshape, {site.in[0]}, site.out).ints = std::move(shape);
  return {};
}

// Extents that the source has as well are said as 1.
Verdict write_expand(const Site& site) {
  const int source = site.node.input(0), target = site.node.input(1);
  if (!site.graph.values[source].ranked) return refuse(Reason::rank_unknown, site.graph.values[source].name);
  Extents want;
  OCTILE_RETURN_IF_REFUSED(read_list_of_extents(site.graph, target, want));
  const Extents have = extents_of(site.graph, source);
  std::vector<int64_t> extents;
  for (size_t i = 0; i < want.size(); ++i) {
    const size_t behind = want.size() - i;  // axes from here to the last
    const bool same = behind <= have.size() && want[i] == have[have.size() - behind];
    if (!same && !want[i].known) return refuse(Reason::operand_not_constant, site.graph.values[target].name);
    if (!same && want[i].number < 0) return refuse(Reason::malformed, "shape");
    extents.push_back(same ? 1 : want[i].number);
  }
  site.writer.main(NodeKind::expand, {site.in[0]}, site.out).ints = std::move(extents);
  return {};
}

Verdict write_axes(const Site& site) {
  const HostNode& n = site.node;
  if (n.op == "Flatten") {
    site.writer.main(NodeKind::flatten, {site.in[0]}, site.out).ints = {n.int_attribute("axis", 1)};
    return {};
  }
  const bool transpose = n.op == "Transpose";
  std::vector<int64_t> axes;
  bool found = false;
  OCTILE_RETURN_IF_REFUSED(
      read_list(site.graph, n, transpose ? "perm" : "axes", transpose ? kAllInputs : 1, axes, found));
  const NodeKind kind = transpose ? NodeKind::transpose : n.op == "Squeeze" ? NodeKind::squeeze : NodeKind::unsqueeze;
  if (kind == NodeKind::unsqueeze && axes.empty()) return refuse(Reason::malformed, "axes");
  site.writer.main(kind, {site.in[0]}, site.out).ints = std::move(axes);
  return {};
}

Verdict write_blocks(const Site& site) {
  const bool to_depth = site.node.op == "SpaceToDepth";
  const HostAttribute* how = site.node.attribute("mode");
  NodeDesc& d =
      site.writer.main(to_depth ? NodeKind::space_to_depth : NodeKind::depth_to_space, {site.in[0]}, site.out);
  d.ints = {site.node.int_attribute("blocksize", 0)};
  if (d.ints[0] < 1) return refuse(Reason::malformed, "blocksize");
  if (!to_depth) d.ints.push_back(how != nullptr && how->s == "CRD" ? 1 : 0);
  return {};
}

// Identity, Dropout outside training, and casts: to the own type nothing, of integers to float32 the numbers.
Verdict write_identity(const Site& site) {
  if (site.node.op == "Dropout" && site.node.input(2) >= 0) return refuse(Reason::attribute, "training_mode");
  site.writer.main(NodeKind::identity, {site.in[0]}, site.out);
  return {};
}

}  // namespace octile::plugin
