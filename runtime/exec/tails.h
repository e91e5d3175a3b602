// Tails applied to one crop.
// In:  the tails of a run(), its dst, a crop.  Out: dst changed in place.
// Not here: cutting, kernels.
#pragma once

#include <span>

#include "runtime/exec/tail.h"
#include "workload/base/status.h"
#include "workload/spec/op_spec.h"

namespace octile::runtime {

// Pixels [x, x + xs) of rows [y, y + ys) of image n. `row`: pixels of all rows and images counted as one row, n = y =
// 0.
struct Crop {
  int64_t n = 0, y = 0, x = 0;
  int64_t ys = 1, xs = 1;
  int64_t channel = 0, channels = 0;
  bool row = false;
};

// Bytes of a crop that tails find in the innermost cache, with room for another operand.
inline constexpr int64_t kTailBytes = 16 * 1024;

// Whether these tails can be applied to dst, which holds `type`. `whole`: crops are of all channels.
[[nodiscard]] Status check_tails(std::span<const Tail> tails, const Tensor& dst, DType type, bool whole);

// What of dst's halo lies beside a crop of its codes: each thread finds there what it wrote itself. Only of a dst with
// a border.
void fill_halo(const Tensor& dst, const Crop& crop);

// All tails in order; wants FloatMode.
void apply_tails(const Ops& ops, std::span<const Tail> tails, const Tensor& dst, const Crop& crop);

}  // namespace octile::runtime
