// Tails applied to one crop.
// In:  the tails of a run(), its dst, a crop.  Out: dst changed in place.
// Not here: cutting, kernels.
#pragma once

#include <span>

#include "runtime/exec/tail.h"
#include "workload/base/status.h"

namespace octile::runtime {

// Pixels [x, x + xs) of rows [y, y + ys) of image n. `row`: pixels of all rows and images counted as one row, n = y =
// 0.
struct Crop {
  int64_t n = 0, y = 0, x = 0;
  int64_t ys = 1, xs = 1;
  int64_t channel = 0, channels = 0;
  bool row = false;
};

// Whether these tails can be applied to dst.
[[nodiscard]] Status check_tails(std::span<const Tail> tails, const Tensor& dst);

// All tails in order; wants FloatMode.
void apply_tails(const Ops& ops, std::span<const Tail> tails, const Tensor& dst, const Crop& crop);

}  // namespace octile::runtime
