// What a region runs, asked of one node.
// In/out: see supported.h.  Not here: how it is run (lower.h).
#include "runtime/region/supported.h"

#include "runtime/region/check.h"

namespace octile::runtime {
namespace {

Status no(const NodeDesc& node, const std::string& what) {
  return {Code::unsupported, "node \"" + node.name + "\" (" + std::string(to_string(node.kind)) + "): " + what};
}

}  // namespace

Status supported(const NodeDesc& node, const std::vector<ValueDesc>& values) {
  const DType out = values[static_cast<size_t>(node.output)].type;
  switch (node.kind) {
    case NodeKind::max_pool:
    case NodeKind::global_max_pool: return out == DType::s32 ? no(node, "of int32") : Status();
    case NodeKind::reduce_max:
      if (out == DType::s32) return no(node, "of int32");
      return out == DType::f32 || node.ints.size() == 2 ? Status() : no(node, "of codes, along more than one axis");
    default: return {};
  }
}

Ground ground_of(const NodeDesc& node) {
  switch (node.kind) {
    case NodeKind::softmax:
    case NodeKind::layer_norm:
    case NodeKind::normalize: return Ground::rows;
    case NodeKind::cast: return Ground::island;
    default: return Ground::integer;
  }
}

}  // namespace octile::runtime
