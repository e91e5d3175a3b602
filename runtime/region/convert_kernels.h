// Inner loops of the conversions: rows of elements, and blocks turned between planes (NCHW) and pixels (NHWC).
// In:  pointers and counts.  Out: pointers' contents.
// Not here: shapes, threads.  One source (convert_kernels.inc) compiled once per instruction set; all give equal bytes.
#pragma once

#include <cstdint>

#include "runtime/exec/ops/ops.h"
#include "targets/desc/target.h"

namespace octile::runtime {

// The numbers of one elementwise op. Bytes are codes of a u8 tensor once `flip` is applied.
struct FloatFunction;

struct RowArgs {
  float scale = 1.0F;                       // quantize: divisor; dequantize, requantize: factor
  const float* mult = nullptr;              // requantize_*_by_channel: one factor per element
  const FloatFunction* function = nullptr;  // quantize: of what it makes of the floats
  const Ops* ops = nullptr;                 // what runtime/exec/ops does better: floats from and to codes as stored
  float lo = 0.0F, hi = 0.0F;               // clamp minus zero point
  int32_t src_zp = 0, dst_zp = 0;
  uint8_t flip = 0;  // of the source (of the result, for copy)
};
using RowFn = void (*)(const void* src, void* dst, int64_t count, const RowArgs& args);

// The sides of a block: a line of the cache, of a plane and of a pixel. Few channels make long blocks, so that rows of
// floats are long, and so do copies, which need no room in between.
inline constexpr int kBlockPixels = 64, kCopyPixels = 256, kLongBlock = 512;
inline constexpr int kBlockChannels = 64, kVectorChannels = 16, kFewChannels = 4;
static_assert(kFewChannels * kLongBlock <= kBlockChannels * kBlockPixels);

// Pixel i of a block lies at base + offsets[i]. Bytes of one plane follow each other, planes are `plane` bytes apart.
// Up to kVectorChannels channels, or a multiple of that up to kBlockChannels.
// planes_to_pixels with fewer than 16 channels may write past every pixel but the last, by less than one pixel: into
// the next pixel, which it writes later, or into a border, which the caller fills later. pixels_to_planes reads 16
// bytes of every pixel, or all its channels if they are more.
using PlanesToPixelsFn = void (*)(const uint8_t* src, int64_t plane, int channels, int pixels, uint8_t flip,
                                  uint8_t* dst, const int64_t* offsets);
using PixelsToPlanesFn = void (*)(const uint8_t* src, const int64_t* offsets, int channels, int pixels, uint8_t flip,
                                  uint8_t* dst, int64_t plane);

// Turns a matrix of 32-bit words: word c of row r goes to word r of row c. Rows are `from` and `to` bytes apart.
using TurnWordsFn = void (*)(const uint8_t* src, int64_t from, int64_t rows, int64_t columns, uint8_t* dst, int64_t to);

struct ConvertKernels {
  RowFn copy_u8, quantize, dequantize, requantize_u8, requantize_s32, requantize_u8_by_channel,
      requantize_s32_by_channel;
  PlanesToPixelsFn planes_to_pixels;
  PixelsToPlanesFn pixels_to_planes;
  TurnWordsFn turn_words;
};

extern const ConvertKernels kConvertPortable;
#if defined(__x86_64__)
extern const ConvertKernels kConvertAvx2, kConvertAvx512;
#endif

}  // namespace octile::runtime
