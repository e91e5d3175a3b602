// The conversion loops compiled for AVX-512, which has twice as many registers of 32 bytes; CMakeLists.txt holds the
// flags.
// In:  convert_kernels.inc.  Out: kConvertAvx512.
// Not here: any code of its own.
#define OCTILE_CONVERT_TABLE kConvertAvx512
#include "runtime/region/convert_kernels.inc"
