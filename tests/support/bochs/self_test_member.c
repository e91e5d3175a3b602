/* A member written by hand, for the harness's own test: one right dot kernel and several wrong in known ways.
 * In:  family "dot", layout k4n16 (packs/format/pack_abi.h).  Out: the destination; see each function.
 * Not here: kernels that ship. They come from Halide.
 */
#include <immintrin.h>

#include "packs/format/pack_abi.h"

#define EXPORT __attribute__((visibility("default")))
#define INPUTS \
  octile_buffer *src, octile_buffer *wei, octile_buffer *bias, octile_buffer *mult, float lo, float hi, int32_t zp
#define PASSED src, wei, bias, mult, lo, hi, zp

static __m512i panel_sum(const octile_buffer* src, const octile_buffer* wei, const uint8_t* from, const int8_t* panel,
                         __m512i acc) {
  const int words = (src->dim[0].extent + 3) / 4;
  for (int sy = 0; sy < src->dim[2].extent; ++sy) {
    for (int sx = 0; sx < src->dim[1].extent; ++sx) {
      const uint8_t* run = from + (int64_t)sx * src->dim[1].stride + (int64_t)sy * src->dim[2].stride;
      const int8_t* weights = panel + (int64_t)wei->dim[2].stride * words * (sx + src->dim[1].extent * sy);
      for (int k = 0; k < words; ++k) {
        int32_t four;
        __builtin_memcpy(&four, run + 4 * k, 4);
        acc = _mm512_dpbusd_epi32(acc, _mm512_set1_epi32(four), _mm512_load_si512(weights + 64 * k));
      }
    }
  }
  return acc;
}

/* Any n; right to the last bit. */
static int dot(INPUTS, octile_buffer* dst) {
  for (int y = 0; y < dst->dim[2].extent; ++y) {
    for (int x = 0; x < dst->dim[1].extent; ++x) {
      for (int n = 0; n < dst->dim[0].extent; n += 16) {
        const int left = dst->dim[0].extent - n;
        const __mmask16 lanes = left >= 16 ? 0xffff : (__mmask16)((1 << left) - 1);
        const uint8_t* from = src->host + (int64_t)x * src->dim[3].stride + (int64_t)y * src->dim[4].stride;
        const int8_t* panel = (const int8_t*)wei->host + (int64_t)(n / 16) * wei->dim[3].stride;
        __m512i acc = panel_sum(src, wei, from, panel, _mm512_maskz_loadu_epi32(lanes, (int32_t*)bias->host + n));
        __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_maskz_loadu_ps(lanes, (float*)mult->host + n));
        scaled = _mm512_min_ps(_mm512_max_ps(scaled, _mm512_set1_ps(lo)), _mm512_set1_ps(hi));
        const __m512i code = _mm512_add_epi32(_mm512_cvtps_epi32(scaled), _mm512_set1_epi32(zp));
        _mm512_mask_cvtusepi32_storeu_epi8(
            dst->host + n + (int64_t)x * dst->dim[1].stride + (int64_t)y * dst->dim[2].stride, lanes, code);
      }
    }
  }
  return 0;
}

EXPORT int self_dot(INPUTS, octile_buffer* dst) { return dot(PASSED, dst); }

/* One element off by one. */
EXPORT int self_dot_wrong(INPUTS, octile_buffer* dst) {
  dot(PASSED, dst);
  dst->host[0] ^= 1;
  return 0;
}

/* The right answer, and one byte beyond it. */
EXPORT int self_dot_beyond(INPUTS, octile_buffer* dst) {
  dot(PASSED, dst);
  dst->host[dst->dim[0].extent - 1 + (int64_t)(dst->dim[1].extent - 1) * dst->dim[1].stride +
            (int64_t)(dst->dim[2].extent - 1) * dst->dim[2].stride + 1] = 0;
  return 0;
}

/* The right answer and a return code. */
EXPORT int self_dot_code(INPUTS, octile_buffer* dst) {
  dot(PASSED, dst);
  return 3;
}

/* An instruction that Zen 4 has and Ice Lake has not: bfloat16 dot product. */
EXPORT int self_dot_zen4(INPUTS, octile_buffer* dst) {
  __asm__ volatile(".byte 0x62, 0xf2, 0x76, 0x48, 0x52, 0xc2" : : : "xmm0"); /* vdpbf16ps %zmm2, %zmm1, %zmm0 */
  return dot(PASSED, dst);
}

/* An aligned load from an odd address. */
EXPORT int self_dot_unaligned(INPUTS, octile_buffer* dst) {
  __asm__ volatile("vmovdqa64 1(%0), %%zmm0" : : "r"(wei->host) : "xmm0");
  return dot(PASSED, dst);
}
