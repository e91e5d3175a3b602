// The oracle: obvious scalar loops, one per op, exact by construction.
// In:  OpSpec, OpQuant, tensors in the layouts OpSpec states.  Out: dst.
// Not here: speed, any ISA, packed layouts.  int32 accumulators wrap modulo 2^32 as every kernel's do.
#pragma once

#include <cstdint>

#include "workload/numerics/requantize.h"
#include "workload/spec/op_spec.h"

namespace octile::reference {

// src, wei, dst: dense arrays of the spec's types and layouts (conv: NHWC, OIHW, NHWC; dense: [mb,m,k], [k,n],
// [mb,m,n]). dst of type s32 receives the accumulator (zero points removed, bias added).
[[nodiscard]] Status run(const OpSpec& spec, const OpQuant& quant, const void* src, const void* wei, void* dst);

}  // namespace octile::reference
