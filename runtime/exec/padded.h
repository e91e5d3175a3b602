// Padded sources: reference tensors as the u8 tensors with halo that PreparedOp reads.
// In:  OpSpec, OpQuant, dense NHWC or [mb, m, k] data.  Out: memory and its Tensor.
// Not here: regions, which keep tensors in this form between ops.
#pragma once

#include "runtime/exec/aligned.h"
#include "runtime/exec/tensor.h"
#include "workload/numerics/requantize.h"

namespace octile::runtime {

// The halo holds the zero point; signed data is flipped. Not ok() when out of memory.
[[nodiscard]] AlignedBytes padded_source(const OpSpec& spec, const OpQuant& quant, const void* src, Tensor* tensor);
// The reference layout of dst, as a Tensor.
[[nodiscard]] Tensor dense_destination(const OpSpec& spec, void* dst);

}  // namespace octile::runtime
