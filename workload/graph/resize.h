// Resize: which source elements an output element is made of.
// In:  a resize node, the shape it reads.  Out: per axis and output index, the coordinate and its neighbours.
// Not here: arithmetic on values.
#pragma once

#include <cstdint>
#include <vector>

#include "workload/graph/graph.h"

namespace octile {

struct ResizeAxis {
  int64_t in = 1, out = 1;
  float scale = 1.0F;
  // Per output index. nearest: lo alone. linear: lo, hi and the share f of hi.
  std::vector<int64_t> lo, hi;
  std::vector<float> f;
  [[nodiscard]] bool changes() const;  // false: every element is its own source
};

struct Resize {
  bool linear = false;
  std::vector<ResizeAxis> axes;
};

[[nodiscard]] Result<Resize> resize_of(const NodeDesc& node, const std::vector<int64_t>& src);

}  // namespace octile
