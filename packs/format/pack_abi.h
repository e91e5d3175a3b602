/* The contract between a kernel in a pack and whoever calls it. Standalone C, standard includes only, versioned.
 * In:  nothing.  Out: buffer struct, function types, layouts by name.
 * Not here: file parsing, JSON, dispatch.  A kernel imports nothing, allocates nothing, keeps no state, runs single
 * threaded and returns 0; any other return code is a broken kernel.
 *
 * A kernel computes a crop of its output. All buffers start at min 0: the caller moves pointers. The output extents
 * are whatever the caller asks, but at least the kernel's tile (x >= tile_x, y >= tile_y), and n a multiple of tile_n
 * unless the kernel is a tail kernel (tail_n: then n is anything from 1 to tile_n).
 */
#ifndef OCTILE_PACKS_FORMAT_PACK_ABI_H_
#define OCTILE_PACKS_FORMAT_PACK_ABI_H_

#include <stdint.h>

/* Packs carry it as their version: one of another contract is refused, not called. */
#define OCTILE_PACK_ABI_VERSION 2

#ifdef __cplusplus
extern "C" {
#endif

typedef struct octile_dim {
  int32_t min, extent, stride; /* in elements */
  uint32_t flags;
} octile_dim;

/* Same layout as Halide's runtime buffer (held by a static_assert in schedules/kernelc). */
typedef struct octile_buffer {
  uint64_t device;
  const void* device_interface;
  uint8_t* host;
  uint64_t flags;
  struct {
    uint8_t code, bits; /* code: 0 int, 1 uint, 2 float */
    uint16_t lanes;     /* 1 */
  } type;
  int32_t dimensions;
  octile_dim* dim;
  void* padding;
} octile_buffer;

/* Family "dot": conv2d of any stride and dilation, and dense, as one reduction over segments.
 *   acc(n,x,y) = bias(n) + sum over sy, sx, k of src(k, sx, sy, x, y) * wei(...)      int32, wrapping
 *   dst(n,x,y) = requantize f32-rne (workload/numerics)  or acc itself where dst is int32 ("_s32" kernels ignore
 *                mult, lo, hi, zp)
 * src  [k, sx, sy, x, y]  strides [1, any...]; element u8, or int16 for layouts k2*. k is the contiguous run of one
 *      segment, padded by the layout's quantum (4, or 2 for k2*): the last word may read up to quantum-1 elements past
 *      the real run, which must be readable; their weights are 0.  extents: k = padded run, sx, sy = segment counts.
 *      A conv with dilation 1 has run kw*ic, sx = 1, sy = kh; a dilated one run ic, sx = kw, sy = kh; a dense k, 1, 1.
 * wei  packed, K index = k_word + words_per_segment * (sx + SX * sy), channels in panels padded with zero weights:
 *        k4n16   s8  [4, 16, K4, panels]            x86-64/avx512vnni, x86-64/avxvnni
 *        k4n8    s8  [4, 8, K4, panels]             x86-64/avx2, acc16 kernels (each kernel states its group size)
 *        k2n16w  s16 [2, 16, K2, panels]            x86-64/avx512vnni, int32 destinations
 *        k2n8w   s16 [2, 8, K2, panels]             x86-64/avx2 and x86-64-v2, exact for any weights
 *      innermost first; buffers carry exactly these dimensions and strides; host pointers 64-byte aligned.
 * bias int32 [n], mult float [n], both readable up to the panel's end.
 * A kernel specialised to one workload (KernelEntry.op is not "*") holds as constants: the extents of k, sx, sy; the
 * source strides of x (sw*ic) and sx (dw*ic); the destination stride of x (oc); a dense the same with ic = k, oc = n,
 * but a free source stride where k is not a multiple of the quantum. Strides of y stay free.
 * lo, hi: clamp minus zero point, as floats; zp: destination zero point.
 * dst  [n, x, y] u8 or int32, stride of n is 1.
 *
 * Sources and destinations are always u8 here: a signed tensor is stored as q ^ 0x80 with zero point zp + 128, which
 * changes no answer; bias already holds  bias - src_zp * sum of weights.
 */
typedef int (*octile_dot_fn)(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                             float hi, int32_t zp, octile_buffer* dst);

/* Family "dotz": as dot, for weights with zero points:  acc -= wzp(n) * rowsum(x,y),
 * rowsum(x,y) = sum of src over the real run and all segments; bias also holds + K * src_zp * wzp(n). */
typedef int (*octile_dotz_fn)(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult,
                              float lo, float hi, int32_t zp, octile_buffer* wzp, octile_buffer* rowsum,
                              octile_buffer* dst);

/* Family "depthwise": one filter per channel.
 *   acc(c,x,y) = bias(c) + sum over kx, ky of src(c, kx, ky, x, y) * wei(c, kx, ky)
 * src [c, kx, ky, x, y] u8; wei by layout:
 *        t1c     s8  [c, kx, ky]                    any target; c padded to 64 with zeros
 *        t4c     s8  [4, c, groups, ky]             taps of a row in groups of 4 (kx, zero padded), c padded to 64
 *        t2cw    s16 [2, c, groups, ky]             taps of a row in groups of 2, c padded to 64
 * Kernels fixed to a filter and a stride (KernelEntry.kh, kw, sh, sw) take dilation 1 only: they use the strides of kx
 * and ky for neighbouring pixels and ignore those of x and y. Nothing outside the filter's windows is read, but up to
 * 15 bytes past the last channel are. dst [c, x, y] u8 or s32; c any (tail_n kernels), anything from tile_n
 * up (candidates with unpack=lane: their last block of channels shifts inwards) or a multiple of tile_n. */
typedef int (*octile_depthwise_fn)(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult,
                                   float lo, float hi, int32_t zp, octile_buffer* dst);

/* Family "quantize": src f32 [c, p] -> dst u8 [c, p], onnx-rne; here and below the stride of c is 1. */
typedef int (*octile_quantize_fn)(octile_buffer* src, float scale, float lo, float hi, int32_t zp, octile_buffer* dst);
/* Family "dequantize": src u8 [c, p] -> dst f32 [c, p]. */
typedef int (*octile_dequantize_fn)(octile_buffer* src, float scale, int32_t zp, octile_buffer* dst);
/* Family "requantize": src s32 or u8 [c, p] -> dst u8 [c, p]; acc = src - src_zp; mult [c]. */
typedef int (*octile_requantize_fn)(octile_buffer* src, int32_t src_zp, octile_buffer* mult, float lo, float hi,
                                    int32_t zp, octile_buffer* dst);
/* Family "transpose": u8 dst(c,p) = src(c,p) ^ flip, any strides: NCHW <-> NHWC, signed <-> unsigned (flip 0x80). */
typedef int (*octile_transpose_fn)(octile_buffer* src, uint8_t flip, octile_buffer* dst);

#ifdef __cplusplus
}
#endif
#endif /* OCTILE_PACKS_FORMAT_PACK_ABI_H_ */
