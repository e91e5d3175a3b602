// The variants of Ops this build has.
// In:  nothing.  Out: one table per instruction set.
// Not here: which of them a machine runs (ops.cpp).
#pragma once

#include "runtime/exec/ops/ops.h"

namespace octile::runtime {

extern const Ops kOpsPortable;
#if defined(__x86_64__)
extern const Ops kOpsAvx2, kOpsAvx512, kOpsAvx512Vbmi;
#endif

}  // namespace octile::runtime
