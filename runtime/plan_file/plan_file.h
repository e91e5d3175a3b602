// A plan: the graph of one region as one file, so that a host or the C API can run it without the model it came from.
// In:  a PlanFile.  Out: its bytes; and back, every byte checked before it is believed.
// Not here: shapes, layouts, packed weights: plans per shape are made at run time, so that one file serves every CPU.
//
// Layout, little endian; the same bytes are a .octplan file and the payload of an EPContext node:
//   bytes 0..7 "OCTPLAN1", u32 format version, u32 zero, u64 size of the whole, u64 size of the description
//   the description: fields in a fixed order (plan_write.cpp); text is u32 length and bytes, a list is u32 count and
//     values; node kinds and types by name, spec nodes by their op line, floats by their bits
//   blobs: constants, then weights, in the description's order, each at the next multiple of 64, zeros between
//   32 bytes SHA-256 of all that stands before
// Rejected: JSON for the description (floats would need a second spelling to keep their bits), ONNX itself (its reader
// does not belong where only plans run, and says nothing about regions).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "workload/graph/graph.h"

namespace octile::runtime {

inline constexpr uint32_t kPlanVersion = 1;
inline constexpr size_t kBlobAlignment = 64;

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
// `file` is what errors name. Weights and constants are copied once, out of `bytes`.
[[nodiscard]] Result<PlanFile> read_plan(std::span<const uint8_t> bytes, const std::string& file);
[[nodiscard]] Result<std::vector<uint8_t>> read_plan_file(const std::string& path);

// What must hold of a plan beyond the graph's own rules, in both directions.
[[nodiscard]] Status check_plan(const PlanFile& plan);
// Does the shape of input `index` agree with what was declared?
[[nodiscard]] bool fits(const DeclaredShape& declared, const std::vector<int64_t>& shape);
// The shapes of all inputs where every extent was declared.
[[nodiscard]] std::optional<std::vector<std::vector<int64_t>>> fixed_shapes(const std::vector<DeclaredShape>& inputs);

}  // namespace octile::runtime
