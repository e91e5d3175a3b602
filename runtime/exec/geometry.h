// Geometry: an op as the dot family sees it: groups, segments and how long each contiguous run is.
// In:  OpSpec (conv2d or dense).  Out: segment counts, words, how raw weights are addressed.
// Not here: shapes of outputs, kernels, packing itself.  The rule is the one of packs/format/pack_abi.h.
#pragma once

#include <cstdint>

#include "workload/spec/op_spec.h"

namespace octile::runtime {

struct DotGeometry {
  int64_t groups = 1;
  int64_t channels = 1;  // output channels of one group
  int64_t depth = 1;     // input channels of one group
  int64_t run = 1;       // source elements of one segment, not padded
  int64_t sx = 1, sy = 1;
  int64_t kh = 1, kw = 1;

  [[nodiscard]] int64_t words(int quantum) const { return (run + quantum - 1) / quantum; }
  [[nodiscard]] int64_t total_words(int quantum) const { return words(quantum) * sx * sy; }
  [[nodiscard]] int64_t reduction() const { return run * sx * sy; }
};

[[nodiscard]] inline DotGeometry dot_geometry(const OpSpec& s) {
  DotGeometry d;
  if (s.kind == OpKind::dense) {
    d.channels = s.n;
    d.depth = d.run = s.k;
    return d;
  }
  d.groups = s.g;
  d.channels = s.oc / s.g;
  d.depth = s.ic / s.g;
  d.kh = d.sy = s.kh;
  d.kw = s.kw;
  const bool joined = s.g == 1 && s.dw == 1;  // taps of a row follow each other in memory
  d.run = joined ? s.kw * d.depth : d.depth;
  d.sx = joined ? 1 : s.kw;
  return d;
}

}  // namespace octile::runtime
