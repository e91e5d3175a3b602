// The conversion loops compiled for the compiler's default instruction set; CMakeLists.txt holds the flags.
// In:  convert_kernels.inc.  Out: kConvertPortable.
// Not here: any code of its own.
#define OCTILE_CONVERT_TABLE kConvertPortable
#include "runtime/region/convert_kernels.inc"
