// What the writer and the reader of plans share: the format, how a spec becomes a line.
// In:  nothing.  Out: constants and small functions.
// Not here: the order of fields.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "packs/format/fields.h"
#include "packs/format/sha256.h"
#include "runtime/plan_file/plan_file.h"

namespace octile::runtime {

inline constexpr packs::FileFormat kPlanFormat{
    .magic = "OCTPLAN1",
    .version = kPlanVersion,
    .hash = packs::sha256,
    .hash_name = "SHA-256",
    .noun = "plan",
    .cure = "compile the model again (octile compile) or copy the file again",
    .version_cure = "compile the model again with this version (octile compile)",
};

constexpr bool has_spec(NodeKind kind) { return kind <= NodeKind::dynamic; }

// Extents a graph leaves open because they come with each input's shape. An op line has no word for "open", so the line
// says the smallest that validates, and what the graph holds stands in a list of its own.
inline std::vector<int64_t OpSpec::*> open_extents(const OpSpec& spec) {
  if (spec.kind == OpKind::conv2d) return {&OpSpec::mb, &OpSpec::ih, &OpSpec::iw};
  if (spec.kind == OpKind::dense && spec.wei_var) return {&OpSpec::mb, &OpSpec::m, &OpSpec::k, &OpSpec::n};
  if (spec.kind == OpKind::dense || spec.mult_per_c) return {&OpSpec::mb, &OpSpec::m};
  return {&OpSpec::mb, &OpSpec::m, &OpSpec::c};
}

inline OpSpec with_extents(OpSpec spec) {
  for (const auto extent : open_extents(spec)) spec.*extent = 1;
  if (spec.kind == OpKind::conv2d) {  // one window fits
    spec.ih = std::max<int64_t>(spec.dh * (spec.kh - 1) + 1, 1);
    spec.iw = std::max<int64_t>(spec.dw * (spec.kw - 1) + 1, 1);
  }
  return spec;
}

}  // namespace octile::runtime
