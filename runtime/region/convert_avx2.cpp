// The conversion loops compiled for AVX2; CMakeLists.txt holds the flags.
// In:  convert_kernels.inc.  Out: kConvertAvx2.
// Not here: any code of its own.
#define OCTILE_CONVERT_TABLE kConvertAvx2
#include "runtime/region/convert_kernels.inc"
