// Portable: C++ kernels with the pack ABI, the last resort and the stand-in for instruction sets a machine lacks.
// In:  nothing.  Out: kernel entries with function pointers, for every family, layout and destination type.
// Not here: choosing among kernels, packs, speed beyond what a compiler makes of plain loops.
#pragma once

#include <vector>

#include "runtime/loader/library.h"

namespace octile::runtime {

[[nodiscard]] std::vector<Kernel> portable_kernels();

// The families' functions, as packs hold them. dst may be u8 or int32 (the buffer's type says which).
int portable_dot_k4n16(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                       float hi, int32_t zp, octile_buffer* dst);
int portable_dot_k4n8(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                      float hi, int32_t zp, octile_buffer* dst);
int portable_dot_k2n8w(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                       float hi, int32_t zp, octile_buffer* dst);
int portable_dot_k2n16w(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                        float hi, int32_t zp, octile_buffer* dst);
int portable_dotz_k4n16(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                        float hi, int32_t zp, octile_buffer* wzp, octile_buffer* rowsum, octile_buffer* dst);
int portable_dotz_k4n8(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                       float hi, int32_t zp, octile_buffer* wzp, octile_buffer* rowsum, octile_buffer* dst);
int portable_dotz_k2n8w(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                        float hi, int32_t zp, octile_buffer* wzp, octile_buffer* rowsum, octile_buffer* dst);
int portable_depthwise_t1c(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                           float hi, int32_t zp, octile_buffer* dst);
int portable_depthwise_t4c(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                           float hi, int32_t zp, octile_buffer* dst);
int portable_depthwise_t2cw(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                            float hi, int32_t zp, octile_buffer* dst);
int portable_quantize(octile_buffer* src, float scale, float lo, float hi, int32_t zp, octile_buffer* dst);
int portable_dequantize(octile_buffer* src, float scale, int32_t zp, octile_buffer* dst);
int portable_requantize(octile_buffer* src, int32_t src_zp, octile_buffer* mult, float lo, float hi, int32_t zp,
                        octile_buffer* dst);
int portable_transpose(octile_buffer* src, uint8_t flip, octile_buffer* dst);

}  // namespace octile::runtime
