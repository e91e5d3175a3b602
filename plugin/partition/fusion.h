// Fusion: which nodes the host's optimiser makes one integer op of, with the conversions around them.
// In:  a host graph.  Out: yes or no.  Not here: what follows from it (worth.h, cost.h).
#pragma once

#include "plugin/partition/host_graph.h"

namespace octile::plugin {

// Does a dequantize make the value?
[[nodiscard]] bool dequantized(const HostGraph& graph, int value);
// Is the node's result quantized, perhaps after a clamp?
[[nodiscard]] bool writes_quantized(const HostGraph& graph, const HostNode& node, bool through_clamp = true);
// Would the host make one integer op of the node, the dequantizes before and the quantize behind it?
[[nodiscard]] bool host_fuses(const HostGraph& graph, const HostNode& node);

}  // namespace octile::plugin
