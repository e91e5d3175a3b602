// Shapes, and both halves of a prediction together.  In/out: see cost.h.  Not here: the halves.
#include "plugin/partition/cost.h"

#include <algorithm>

namespace octile::plugin {

std::optional<std::vector<Shape>> input_shapes(const HostGraph& graph, const Outline& outline) {
  std::vector<Shape> out;
  for (const int v : outline.inputs) {
    const HostValue& value = graph.values[v];
    if (!value.ranked) return std::nullopt;
    Shape& shape = out.emplace_back(value.dims);
    if (!shape.empty() && shape[0] < 0) shape[0] = 1;
    if (std::any_of(shape.begin(), shape.end(), [](int64_t e) { return e < 0; })) return std::nullopt;
  }
  return out;
}

OpSpec shaped(const NodeDesc& node, const std::vector<Shape>& shapes) {
  OpSpec s = node.spec;
  const Shape& src = shapes[node.inputs[0]];
  const Shape& dst = shapes[node.output];
  if (s.kind == OpKind::dense) {
    s.k = src.empty() ? 1 : src.back();
    s.n = dst.empty() ? 1 : dst.back();
    s.m = dst.size() < 2 ? 1 : dst[dst.size() - 2];
    s.mb = s.m * s.n == 0 ? 0 : element_count(dst) / (s.m * s.n);
    if (!s.wei_var) {  // one long matrix
      s.m *= s.mb;
      s.mb = 1;
    }
    return s;
  }
  s.mb = src[0];
  s.ih = src.size() == 4 ? src[2] : 1;
  s.iw = src.back();
  const Result<std::vector<WindowAxis>> axes = window_axes(node, src);
  if (!axes.ok()) return s;
  s.pl = axes->back().begin;
  s.pr = axes->back().end;
  if (axes->size() == 2) {
    s.pt = axes->front().begin;
    s.pb = axes->front().end;
  }
  return s;
}

Result<Cost> predict(const HostGraph& graph, const Group& group, const Outline& outline,
                     const std::vector<Shape>& inputs, const Machine& machine) {
  const GraphDesc& desc = outline.desc;
  std::vector<Shape> shapes(desc.values.size());
  for (size_t v = 0; v < desc.values.size(); ++v) {
    if (desc.values[v].constant) shapes[v] = desc.values[v].dims;
  }
  for (size_t i = 0; i < inputs.size(); ++i) shapes[desc.inputs[i]] = inputs[i];
  for (const NodeDesc& node : desc.nodes) {
    std::vector<Shape> operands;
    for (const int v : node.inputs) operands.push_back(shapes[v]);
    OCTILE_ASSIGN_OR_RETURN(shapes[node.output], infer_shape(node, operands));
  }
  return Cost{own_cost(desc, shapes, machine), host_cost(graph, group, desc, shapes, machine)};
}

}  // namespace octile::plugin
