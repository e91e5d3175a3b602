// The conversion loops compiled for x86-64-v2; CMakeLists.txt holds the flags.
// In:  convert_kernels.inc.  Out: kConvertV2.
// Not here: any code of its own.
#define OCTILE_CONVERT_TABLE kConvertV2
#include "runtime/region/convert_kernels.inc"
