// What the writer and the reader of plans share: the header, alignment, how a spec becomes a line.
// In:  nothing.  Out: constants and small functions.
// Not here: the order of fields.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "runtime/plan_file/plan_file.h"

namespace octile::runtime {

struct PlanHeader {
  char magic[8] = {'O', 'C', 'T', 'P', 'L', 'A', 'N', '1'};
  uint32_t version = kPlanVersion;
  uint32_t zero = 0;
  uint64_t size = 0;
  uint64_t description = 0;
};
inline constexpr size_t kHeaderSize = 32, kDigestSize = 32;
static_assert(sizeof(PlanHeader) == kHeaderSize);

constexpr uint64_t align_blob(uint64_t n) { return (n + kBlobAlignment - 1) / kBlobAlignment * kBlobAlignment; }

constexpr bool has_spec(NodeKind kind) {
  return kind == NodeKind::spec || kind == NodeKind::conv_transpose || kind == NodeKind::dynamic;
}

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
