// Kernels of tiles without tile registers: the same cutting and the same ends of sums, over registers in memory.
// In:  nothing.  Out: functions of the pack ABI, for CPUs with AVX-512.
// Not here: what is compared (tile_dot_test.cpp).
#pragma once

#include "packs/format/pack_abi.h"

namespace octile::test {

int emulated_dot(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo, float hi,
                 int32_t zp, octile_buffer* dst);
int emulated_dotz(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo, float hi,
                  int32_t zp, octile_buffer* wzp, octile_buffer* rowsum, octile_buffer* dst);

}  // namespace octile::test
