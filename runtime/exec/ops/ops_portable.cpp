// The kernels compiled for the compiler's default instruction set; CMakeLists.txt holds the flags.
// In:  kernels.inc.  Out: kOpsPortable.
// Not here: any code of its own.
#include "runtime/exec/ops/lanes_portable.h"
#define OCTILE_OPS_TABLE kOpsPortable
#include "runtime/exec/ops/kernels.inc"
