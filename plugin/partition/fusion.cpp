// What ONNX Runtime's optimiser does to nodes between dequantizes and quantizes.  In/out: see fusion.h.
// Not here: other fusions of floats.
#include "plugin/partition/fusion.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "plugin/partition/constants.h"
#include "plugin/partition/unit.h"

namespace octile::plugin {

bool dequantized(const HostGraph& graph, int value) {
  const int maker = value < 0 ? -1 : graph.values[value].producer;
  return maker >= 0 && is_dequantize(graph.nodes[maker]);
}

bool writes_quantized(const HostGraph& graph, const HostNode& node, bool through_clamp) {
  return std::any_of(node.outputs.begin(), node.outputs.end(), [&](int v) {
    if (v < 0) return false;
    const std::vector<int>& readers = graph.values[v].consumers;
    return std::any_of(readers.begin(), readers.end(), [&](int r) {
      const HostNode& reader = graph.nodes[r];
      return is_quantize(reader) || (through_clamp && is_clamp(reader) && writes_quantized(graph, reader, false));
    });
  });
}

bool host_fuses(const HostGraph& graph, const HostNode& node) {
  if (is_anchor(node)) {
    return node.inputs.size() > 1 && dequantized(graph, node.input(0)) && dequantized(graph, node.input(1));
  }
  static const std::set<std::string_view> kOfOne = {"AveragePool", "Flatten", "Gather",    "GlobalAveragePool",
                                                    "LeakyRelu",   "MaxPool", "Reshape",   "Resize",
                                                    "Sigmoid",     "Slice",   "Softmax",   "Split",
                                                    "Squeeze",     "Tile",    "Transpose", "Unsqueeze"};
  static const std::set<std::string_view> kOfAll = {"Add", "Concat", "Mul"};
  if (!node.domain.empty() || !writes_quantized(graph, node)) return false;
  if (kOfOne.contains(node.op)) return dequantized(graph, node.input(0));
  return kOfAll.contains(node.op) &&
         std::all_of(node.inputs.begin(), node.inputs.end(), [&](int v) { return dequantized(graph, v); });
}

}  // namespace octile::plugin
