// What every PreparedOp refuses: shapes of another op, tensors that break the contract of prepared_op.h.
// In:  specs, a Choice, tensors.  Out: a Status.
// Not here: what only one way of running asks for (run.cpp).
#pragma once

#include "runtime/exec/choice.h"
#include "runtime/exec/tensor.h"

namespace octile::runtime {

// `shaped` is valid, and `spec` at other extents.
[[nodiscard]] Status check_shape(const OpSpec& shaped, const OpSpec& spec);
// Bit g: a kernel with acc16 groups of g words (0: for any weights) was tuned for this op, at whatever extents, since
// those are not known where an op is prepared.
[[nodiscard]] unsigned tuned_groups(std::span<const Kernel> kernels, Isa isa, const OpSpec& spec);
// Data, extents, distances of pixels, halo and slack.
[[nodiscard]] Status check_tensors(const Choice& choice, const Tensor& src, const Tensor& dst);

}  // namespace octile::runtime
