// The conversion loops compiled for AVX-512 (F, BW, CD, DQ, VL); CMakeLists.txt holds the flags.
// In:  convert_kernels.inc.  Out: kConvertAvx512.
// Not here: any code of its own.
#define OCTILE_CONVERT_TABLE kConvertAvx512
#include "runtime/region/convert_kernels.inc"
