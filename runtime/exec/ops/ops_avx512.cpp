// The kernels compiled for AVX-512 as every target with VNNI has it; CMakeLists.txt holds the flags.
// In:  kernels.inc.  Out: kOpsAvx512.
// Not here: any code of its own.
#if defined(__x86_64__)
#include "runtime/exec/ops/lanes_avx512.h"
#define OCTILE_OPS_TABLE kOpsAvx512
#include "runtime/exec/ops/kernels.inc"
#endif
