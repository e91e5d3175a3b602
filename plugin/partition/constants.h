// Parameters that hosts give as attributes or as constant inputs, depending on the opset.
// In:  a host graph, a node.  Out: lists and numbers, or a refusal.
// Not here: scales and zero points (quant_params.h).
#pragma once

#include <string_view>
#include <vector>

#include "plugin/partition/host_graph.h"
#include "plugin/partition/reasons.h"

namespace octile::plugin {

// Elements of a constant of 32- or 64-bit integers, or of extents that are known; refuses other types and what only the
// run knows.
[[nodiscard]] Verdict read_int64s(const HostGraph& graph, int value, std::vector<int64_t>& out);
// The list in the attribute, else in the constant input, else nothing (`found` false).
[[nodiscard]] Verdict read_list(const HostGraph& graph, const HostNode& node, std::string_view attribute, size_t input,
                                std::vector<int64_t>& out, bool& found);
// The same for floats; a number alone is a list of one.
[[nodiscard]] Verdict read_float_list(const HostGraph& graph, const HostNode& node, std::string_view attribute,
                                      size_t input, std::vector<float>& out, bool& found);
// Bounds of a Clip, constant inputs or attributes; open ones are the largest floats.
[[nodiscard]] Verdict read_clip_bounds(const HostGraph& graph, const HostNode& clip, float& lo, float& hi);
// Relu or Clip.
[[nodiscard]] bool is_clamp(const HostNode& node);
// The rank of a value, or a refusal where the host does not know it.
[[nodiscard]] Verdict read_rank(const HostGraph& graph, int value, int64_t& rank);
// Ops of com.microsoft may have their channels last, where the region's graph has them second: the transposes in front
// of such an op and behind it, else none. rank: of its tensors.
[[nodiscard]] Verdict read_channels_last(const HostNode& node, int64_t rank, std::vector<int64_t>& there,
                                         std::vector<int64_t>& back);
// The axis counted from the front.
[[nodiscard]] Verdict read_axis(const HostGraph& graph, int value, int64_t& axis);

}  // namespace octile::plugin
