// What every PreparedOp refuses: shapes of another op, tensors that break the contract of prepared_op.h.
// In:  specs, a Choice, tensors.  Out: a Status.
// Not here: what only one way of running asks for (run.cpp).
#pragma once

#include "runtime/exec/choice.h"
#include "runtime/exec/tensor.h"

namespace octile::runtime {

// `shaped` is valid, and `spec` at other extents.
[[nodiscard]] Status check_shape(const OpSpec& shaped, const OpSpec& spec);
// Some kernel was tuned for this op, at whatever extents: where those are not known yet it goes first.
[[nodiscard]] bool tuned_for(std::span<const Kernel> kernels, Isa isa, const OpSpec& spec);
// Data, extents, distances of pixels, halo and slack.
[[nodiscard]] Status check_tensors(const Choice& choice, const Tensor& src, const Tensor& dst);

}  // namespace octile::runtime
