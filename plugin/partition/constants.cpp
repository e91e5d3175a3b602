// Reading of lists, bounds, ranks and axes.  In/out: see constants.h.  Not here: what ops do with them.
#include "plugin/partition/constants.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "plugin/partition/computed_shape.h"
#include "plugin/partition/quant_params.h"

namespace octile::plugin {
namespace {

// One bound of a Clip: an input (constant) or, up to opset 10, an attribute; otherwise open.
Verdict read_bound(const HostGraph& graph, const HostNode& clip, size_t input, std::string_view name, float& bound) {
  std::vector<float> values;
  bool found = false;
  if (read_float_list(graph, clip, name, input, values, found) || (found && values.size() != 1)) {
    return refuse(Reason::clip_bounds, clip.name);
  }
  if (found) bound = values[0];
  return std::isnan(bound) ? refuse(Reason::clip_bounds, clip.name) : Verdict{};
}

}  // namespace

Verdict read_int64s(const HostGraph& graph, int value, std::vector<int64_t>& out) {
  if (value < 0) return refuse(Reason::malformed, "a constant is missing");
  const HostValue& v = graph.values[value];
  if (!v.constant && v.producer >= 0 && v.type == ElemType::s64) {
    out.clear();
    return read_extents(graph, value, out);
  }
  if (!v.constant || (v.data == nullptr && v.bytes > 0)) return refuse(Reason::operand_not_constant, v.name);
  if (v.type == ElemType::s32) {
    std::vector<int32_t> narrow;
    if (v.bytes > 0) OCTILE_RETURN_IF_REFUSED(read_ints(graph, value, narrow));
    out.assign(narrow.begin(), narrow.end());
    return {};
  }
  if (v.type != ElemType::s64) return refuse(Reason::type_not_supported, v.name);
  out.resize(v.bytes / sizeof(int64_t));
  if (v.data != nullptr && !out.empty()) std::memcpy(out.data(), v.data, out.size() * sizeof(int64_t));
  return {};
}

Verdict read_list(const HostGraph& graph, const HostNode& node, std::string_view attribute, size_t input,
                  std::vector<int64_t>& out, bool& found) {
  const HostAttribute* a = node.attribute(attribute);
  found = a != nullptr || node.input(input) >= 0;
  if (a != nullptr) {
    out = a->ints;
    return {};
  }
  return found ? read_int64s(graph, node.input(input), out) : Verdict{};
}

Verdict read_float_list(const HostGraph& graph, const HostNode& node, std::string_view attribute, size_t input,
                        std::vector<float>& out, bool& found) {
  if (node.input(input) >= 0) {
    found = true;
    return read_floats(graph, node.input(input), out);
  }
  const HostAttribute* a = node.attribute(attribute);
  found = a != nullptr;
  if (found) out = a->floats.empty() ? std::vector<float>{a->f} : a->floats;
  return {};
}

Verdict read_clip_bounds(const HostGraph& graph, const HostNode& clip, float& lo, float& hi) {
  lo = -std::numeric_limits<float>::max();
  hi = std::numeric_limits<float>::max();
  OCTILE_RETURN_IF_REFUSED(read_bound(graph, clip, 1, "min", lo));
  return read_bound(graph, clip, 2, "max", hi);
}

bool is_clamp(const HostNode& node) { return node.domain.empty() && (node.op == "Relu" || node.op == "Clip"); }

Verdict read_rank(const HostGraph& graph, int value, int64_t& rank) {
  const HostValue& v = graph.values[value];
  if (!v.ranked && !v.constant) return refuse(Reason::rank_unknown, v.name);
  rank = std::ssize(v.dims);
  return {};
}

Verdict read_axis(const HostGraph& graph, int value, int64_t& axis) {
  if (axis >= 0) return {};
  int64_t rank = 0;
  OCTILE_RETURN_IF_REFUSED(read_rank(graph, value, rank));
  axis += rank;
  return axis < 0 ? refuse(Reason::malformed, "axis") : Verdict{};
}

Verdict read_channels_last(const HostNode& node, int64_t rank, std::vector<int64_t>& there,
                           std::vector<int64_t>& back) {
  if (node.op != "NhwcMaxPool" && node.int_attribute("channels_last", 0) == 0) return {};
  if (rank < 3) return refuse(Reason::rank_unknown, "channels_last");
  there = back = {0};
  there.push_back(rank - 1);
  for (int64_t i = 1; i + 1 < rank; ++i) there.push_back(i);
  for (int64_t i = 2; i < rank; ++i) back.push_back(i);
  back.push_back(1);
  return {};
}

}  // namespace octile::plugin
