// The kernels compiled for AVX-512 with VBMI (Ice Lake, Zen 4); CMakeLists.txt holds the flags.
// In:  kernels.inc.  Out: kOpsAvx512Vbmi.
// Not here: any code of its own.
#if defined(__x86_64__)
#include "runtime/exec/ops/lanes_avx512.h"
#define OCTILE_OPS_TABLE kOpsAvx512Vbmi
#include "runtime/exec/ops/kernels.inc"
#endif
