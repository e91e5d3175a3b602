// One copy.  In/out: see kept_weights.h.  Not here: what weights mean.
#include "plugin/onnxruntime/kept_weights.h"

#include <cstring>

#include "runtime/exec/aligned.h"

namespace octile::ort {

Result<packs::Pages> keep_weights(GraphDesc& graph) {
  size_t size = 0;
  for (const NodeDesc& node : graph.nodes) size += runtime::align_up(node.lent.size());
  OCTILE_ASSIGN_OR_RETURN(packs::Pages kept, packs::Pages::make(size, "weights of " + graph.name));
  uint8_t* to = kept.bytes().data();
  for (NodeDesc& node : graph.nodes) {
    if (node.lent.empty()) continue;
    std::memcpy(to, node.lent.data(), node.lent.size());
    node.lent = {to, node.lent.size()};
    to += runtime::align_up(node.lent.size());
  }
  return kept;
}

}  // namespace octile::ort
