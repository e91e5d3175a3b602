// A plan: the graph of one region as one file, so that a host or the C API can run it without the model it came from.
// In:  a PlanFile.  Out: its bytes; and back, every byte checked before it is believed.
// Not here: shapes, layouts, packed weights: plans per shape are made at run time, so that one file serves every CPU.
//
// The same bytes are a .octplan file and the payload of an EPContext node: fields (packs/format/fields.h) behind the
// magic "OCTPLAN1", in the order of plan_write.cpp: node kinds and types by name, spec nodes by their op line, floats
// by their bits; blobs are constants, then weights; the hash is SHA-256. Rejected: JSON for the description (floats
// would need a second spelling to keep their bits), ONNX itself (its reader does not belong where only plans run, and
// says nothing about regions).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "packs/format/mapped_file.h"
#include "workload/graph/graph.h"

namespace octile::runtime {

inline constexpr uint32_t kPlanVersion = 1;

// What the host declared of a tensor at the border.
struct DeclaredShape {
  bool ranked = false;          // else nothing is known, and dims is empty
  std::vector<int64_t> dims{};  // -1: any
};

struct PlanFile {
  std::string octile_version;  // of the writer
  GraphDesc graph;
  std::vector<DeclaredShape> inputs, outputs;  // as graph.inputs and graph.outputs
  // Input shapes worth planning before the first run: sets, each with a shape per input.
  std::vector<std::vector<std::vector<int64_t>>> ready;
};

// Refuses graphs that read_plan would refuse.
[[nodiscard]] Result<std::vector<uint8_t>> write_plan(const PlanFile& plan);
// `file` is what errors name. Weights are lent: `bytes` must live until they are packed.
[[nodiscard]] Result<PlanFile> read_plan(std::span<const uint8_t> bytes, const std::string& file);
[[nodiscard]] Result<std::shared_ptr<const packs::MappedFile>> read_plan_file(const std::string& path);

// What must hold of a plan beyond the graph's own rules, in both directions.
[[nodiscard]] Status check_plan(const PlanFile& plan);
// Does the shape of input `index` agree with what was declared?
[[nodiscard]] bool fits(const DeclaredShape& declared, const std::vector<int64_t>& shape);
// The shapes of all inputs where every extent was declared.
[[nodiscard]] std::optional<std::vector<std::vector<int64_t>>> fixed_shapes(const std::vector<DeclaredShape>& inputs);

}  // namespace octile::runtime
