// From a PlanFile to bytes.
// In/out: see plan_file.h.
// Not here: files; the reader (plan_read.cpp), which takes the same fields in the same order.
#include "runtime/plan_file/plan_file.h"
#include "runtime/plan_file/plan_layout.h"

namespace octile::runtime {
namespace {

using Writer = packs::FieldWriter;

// Structured bindings name every field: one that is added to a struct does not compile until it has a place here, in
// the reader, and in the version number.
void put_value(Writer& w, const ValueDesc& value) {
  const auto& [name, type, scale, zp, constant, dims, data] = value;
  w.text(name);
  w.text(to_string(type));
  w.number(scale);
  w.number(zp);
  w.flag(constant);
  w.list(dims);
  w.blob(data);
}

void put_quant(Writer& w, const OpQuant& quant) {
  const auto& [src_scale, src_zp, wei_scale, wei_zp, dst_scale, dst_zp, clamp_lo, clamp_hi, bias] = quant;
  w.number(src_scale);
  w.number(src_zp);
  w.list(wei_scale);
  w.list(wei_zp);
  w.number(dst_scale);
  w.number(dst_zp);
  w.number(clamp_lo);
  w.number(clamp_hi);
  w.list(bias);
}

void put_node(Writer& w, const NodeDesc& node) {
  const auto& [name, kind, spec, quant, spatial_rank, auto_pad, wei, lent, ints, floats, inputs, output] = node;
  w.text(name);
  w.text(to_string(kind));
  if (has_spec(kind)) {
    w.text(to_key(with_extents(spec)));
    std::vector<int64_t> open;
    for (const auto extent : open_extents(spec)) open.push_back(spec.*extent);
    w.list(open);
    w.text(spec.name);
    w.number(spec.count);
    put_quant(w, quant);
  }
  w.number(int32_t{spatial_rank});
  w.text(auto_pad);
  w.blob(wei.empty() ? lent : wei);
  w.list(ints);
  w.list(floats);
  w.list(inputs);
  w.number(int32_t{output});
}

void put_shapes(Writer& w, const std::vector<DeclaredShape>& shapes) {
  for (const DeclaredShape& shape : shapes) {
    w.flag(shape.ranked);
    w.list(shape.dims);
  }
}

}  // namespace

Result<std::vector<uint8_t>> write_plan(const PlanFile& plan) {
  for (const NodeDesc& node : plan.graph.nodes) {
    if (!has_spec(node.kind)) continue;
    if (const Status st = validate(with_extents(node.spec)); !st.ok()) {
      return Status(st.code(), "node \"" + node.name + "\": " + st.message());
    }
  }
  OCTILE_RETURN_IF_ERROR(check_plan(plan));
  const auto& [octile_version, graph, inputs, outputs, ready] = plan;
  Writer w;
  w.text(octile_version);
  w.text(graph.name);
  w.number(static_cast<uint32_t>(graph.values.size()));
  for (const ValueDesc& value : graph.values) put_value(w, value);
  w.number(static_cast<uint32_t>(graph.nodes.size()));
  for (const NodeDesc& node : graph.nodes) put_node(w, node);
  w.list(graph.inputs);
  w.list(graph.outputs);
  put_shapes(w, inputs);
  put_shapes(w, outputs);
  w.number(static_cast<uint32_t>(ready.size()));
  for (const auto& set : ready) {
    for (const std::vector<int64_t>& shape : set) w.list(shape);
  }
  return w.finish(kPlanFormat);
}

}  // namespace octile::runtime
