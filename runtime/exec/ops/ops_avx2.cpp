// The kernels compiled for AVX2; CMakeLists.txt holds the flags.
// In:  kernels.inc.  Out: kOpsAvx2.
// Not here: any code of its own.
#if defined(__x86_64__)
#include "runtime/exec/ops/lanes_avx2.h"
#define OCTILE_OPS_TABLE kOpsAvx2
#include "runtime/exec/ops/kernels.inc"
#endif
