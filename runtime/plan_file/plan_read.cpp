// From bytes to a PlanFile: the fields, then what they say must be a whole, valid graph.
// In/out: see plan_file.h.
// Not here: the writer (plan_write.cpp), which puts the same fields in the same order; the file around them
// (packs/format/fields.h).

#include <algorithm>

#include "runtime/plan_file/plan_file.h"
#include "runtime/plan_file/plan_layout.h"

namespace octile::runtime {
namespace {

using Reader = packs::FieldReader;

void get_type(Reader& r, DType& type) {
  std::string name;
  r.text(name);
  for (const DType t : {DType::u8, DType::s8, DType::s32, DType::f32, DType::s64}) {
    if (name != to_string(t)) continue;
    type = t;
    return;
  }
  r.fail("unknown type '" + name + "'");
}

void get_kind(Reader& r, NodeKind& kind) {
  std::string name;
  r.text(name);
  for (int i = 0; i < kNodeKinds; ++i) {
    if (name != to_string(static_cast<NodeKind>(i))) continue;
    kind = static_cast<NodeKind>(i);
    return;
  }
  r.fail("unknown kind of node '" + name + "'");
}

void get_value(Reader& r, ValueDesc& value) {
  auto& [name, type, scale, zp, constant, dims, data] = value;
  r.text(name);
  get_type(r, type);
  r.number(scale);
  r.number(zp);
  r.flag(constant);
  r.list(dims);
  const auto bytes = r.blob();
  data.assign(bytes.begin(), bytes.end());
  // The number of elements is asked for before anything else checks the extents: it must not overflow.
  int64_t elements = 1;
  for (const int64_t d : dims) {
    if (d < 0 || __builtin_mul_overflow(elements, std::max<int64_t>(d, 1), &elements) || elements > INT32_MAX) {
      return r.fail("the value '" + name + "' has an impossible shape");
    }
  }
}

void get_spec(Reader& r, OpSpec& spec) {
  std::string line, name;
  std::vector<int64_t> open;
  int64_t count = 0;
  r.text(line);
  r.list(open);
  r.text(name);
  r.number(count);
  if (!r.ok()) return;
  Result<OpSpec> parsed = parse_op(line);
  if (!parsed.ok()) return r.fail(parsed.status().message());
  spec = std::move(*parsed);
  const auto extents = open_extents(spec);
  if (open.size() != extents.size()) return r.fail("the op '" + line + "' leaves other extents open");
  for (size_t i = 0; i < open.size(); ++i) spec.*extents[i] = open[i];
  spec.name = std::move(name);
  spec.count = count;
}

void get_quant(Reader& r, OpQuant& quant) {
  auto& [src_scale, src_zp, wei_scale, wei_zp, dst_scale, dst_zp, clamp_lo, clamp_hi, bias] = quant;
  r.number(src_scale);
  r.number(src_zp);
  r.list(wei_scale);
  r.list(wei_zp);
  r.number(dst_scale);
  r.number(dst_zp);
  r.number(clamp_lo);
  r.number(clamp_hi);
  r.list(bias);
}

void get_node(Reader& r, NodeDesc& node) {
  auto& [name, kind, spec, quant, spatial_rank, auto_pad, wei, lent, ints, floats, inputs, output] = node;
  wei.clear();
  r.text(name);
  get_kind(r, kind);
  if (r.ok() && has_spec(kind)) {
    get_spec(r, spec);
    get_quant(r, quant);
  }
  r.number(spatial_rank);
  r.text(auto_pad);
  lent = r.blob();
  r.list(ints);
  r.list(floats);
  r.list(inputs);
  r.number(output);
}

void get_shapes(Reader& r, std::vector<DeclaredShape>& shapes, size_t count) {
  for (size_t i = 0; i < count && r.ok(); ++i) {
    r.flag(shapes.emplace_back().ranked);
    r.list(shapes.back().dims);
  }
}

void get_plan(Reader& r, PlanFile& plan) {
  auto& [octile_version, graph, inputs, outputs, ready] = plan;
  r.text(octile_version);
  r.text(graph.name);
  // Elements are appended as they are read, so that a forged count allocates no more than its bytes can fill.
  for (uint32_t n = r.count(1); n > 0 && r.ok(); --n) get_value(r, graph.values.emplace_back());
  for (uint32_t n = r.count(1); n > 0 && r.ok(); --n) get_node(r, graph.nodes.emplace_back());
  r.list(graph.inputs);
  r.list(graph.outputs);
  get_shapes(r, inputs, graph.inputs.size());
  get_shapes(r, outputs, graph.outputs.size());
  for (uint32_t n = r.count(4); n > 0 && r.ok() && !inputs.empty(); --n) {
    auto& set = ready.emplace_back();
    for (size_t i = 0; i < inputs.size() && r.ok(); ++i) r.list(set.emplace_back());
  }
  r.finish();
}

}  // namespace

Result<PlanFile> read_plan(std::span<const uint8_t> bytes, const std::string& file) {
  OCTILE_ASSIGN_OR_RETURN(Reader reader, Reader::open(bytes, kPlanFormat, file));
  PlanFile plan;
  get_plan(reader, plan);
  if (reader.ok()) {
    if (const Status st = check_plan(plan); !st.ok()) reader.fail(st.message());
  }
  OCTILE_RETURN_IF_ERROR(reader.status());
  return plan;
}

Result<std::shared_ptr<const packs::MappedFile>> read_plan_file(const std::string& path) {
  Result<std::shared_ptr<const packs::MappedFile>> file = packs::MappedFile::open(path);
  if (file.ok()) return file;
  return Status(file.status().code(), file.status().message() + "; name a .octplan file made by octile compile");
}

}  // namespace octile::runtime
