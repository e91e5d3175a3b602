// Lanes of AVX-512 (F, BW, CD, DQ, VL, as targets/ has it); see lanes_portable.h for the names and why nothing else is
// called. With VBMI, where the including file is compiled for it, tables are looked up by vpermi2b.
// In/out: vectors.  Not here: the kernels (*.inc).
// Intrinsics: docs/decisions/0007-ops-in-cpp.md.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace octile::runtime {
namespace {

constexpr int kLanes = 16, kBlock = 4 * kLanes;
using F = float __attribute__((vector_size(64)));
using I = int32_t __attribute__((vector_size(64)));
using U = uint32_t __attribute__((vector_size(64)));
using D = double __attribute__((vector_size(64)));
using L = uint64_t __attribute__((vector_size(64)));
using Bytes = uint8_t __attribute__((vector_size(64)));

template <class V, class T>
inline V load(const T* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class V, class T>
inline void store(T* p, V v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// The first n floats, fewer than kLanes; what is behind them is 0, and not touched.
inline F load_part(const float* p, int64_t n) {
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << n) - 1), p);
}
inline void store_part(float* p, F v, int64_t n) { _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1U << n) - 1), v); }

inline F splat(float v) { return _mm512_set1_ps(v); }
inline D splat(double v) { return _mm512_set1_pd(v); }

// Whether a bit is set.
inline bool any(Bytes v) {
  const auto bits = reinterpret_cast<__m512i>(v);
  return _mm512_test_epi32_mask(bits, bits) != 0;
}

// Of eight bytes each.
inline L sums_of_eight(Bytes v) {
  return reinterpret_cast<L>(_mm512_sad_epu8(reinterpret_cast<__m512i>(v), _mm512_setzero_si512()));
}

// A bit for each lane where both are equal.
inline uint32_t equal_lanes(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }

// 32 codes: code i is from[order[i]] of 16, or 0 where the order has its highest bit set.
using Chunk = uint64_t __attribute__((vector_size(32)));
inline Chunk reorder_16(const uint8_t* from, Chunk order) {
  const __m256i codes = _mm256_broadcastsi128_si256(load<__m128i>(from));
  return reinterpret_cast<Chunk>(_mm256_shuffle_epi8(codes, reinterpret_cast<__m256i>(order)));
}

inline I widen(const uint8_t* p) {
  return reinterpret_cast<I>(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline F to_float(I v) { return _mm512_cvtepi32_ps(reinterpret_cast<__m512i>(v)); }
inline F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }  // rounded once
inline F mad(F a, F b, F c) { return fma(a, b, c); }              // rounded once or twice
inline F larger(F a, F b) { return _mm512_max_ps(a, b); }         // b if one is NaN
inline F smaller(F a, F b) { return _mm512_min_ps(a, b); }
inline F clamp(F v, F lo, F hi) { return _mm512_min_ps(_mm512_max_ps(v, lo), hi); }  // NaN: the second operand
inline F off_whole(F v) { return _mm512_reduce_ps(v, 0); }                           // less the nearest whole number
inline I round(F v) { return reinterpret_cast<I>(_mm512_cvtps_epi32(v)); }
// v / scale, for who rounds it to a code: right to the last bit from 2^-30 to 2^10 in magnitude; about it nearer to 0;
// beyond all codes further away; NaN, or below them, where v is far below or NaN. A division takes ten cycles. This is
// q + (v - q scale) / scale with quotients by products: q is the nearest float to v / scale, or one beside it, so the
// remainder is exact, and that sum rounds right (P. Markstein, 1990) unless the significand of scale is almost 2. Where
// remainders would be subnormal, q is 0.
struct Quotient {
  F scale, inverse, rest, most, least;
  bool divides;
  explicit Quotient(float s) : scale(splat(s)), most(splat(s * 0x1p10F)), least(splat(s * 0x1p-30F)) {
    const float once = 1 / s;
    uint32_t bits;
    __builtin_memcpy(&bits, &s, sizeof bits);
    inverse = splat(once);
    rest = splat(__builtin_fmaf(-once, s, 1.0F) * once);  // of 1 / s
    divides = !(s >= 0x1p-40F && s <= 0x1p40F) || (bits & 0x7FFFFF) >= 0x7FFF80;
  }
  [[nodiscard]] F of(F v) const {
    if (divides) return v / scale;
    v = _mm512_min_ps(most, v);
    const __mmask16 far = _mm512_cmp_ps_mask(_mm512_abs_ps(v), least, _CMP_GE_OQ);
    const F q = _mm512_maskz_fmadd_ps(far, v, inverse, _mm512_maskz_mul_ps(far, v, rest));
    return _mm512_fnmadd_ps(_mm512_fmsub_ps(q, scale, v), inverse, q);
  }
};
inline void store_codes(uint8_t* p, I v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(reinterpret_cast<__m512i>(v)));
}
// A block of kBlock elements, in the order narrow() wants.
inline void widen_block(const uint8_t* p, I (&v)[4]) {
  for (int j = 0; j < 4; ++j) v[j] = widen(p + j * kLanes);
}
inline void load_block(const float* p, F (&v)[4]) {
  for (int j = 0; j < 4; ++j) v[j] = load<F>(p + j * kLanes);
}
// Values below 2^31, in the order unpacking inside lanes of 16 bytes leaves: as lanes_avx2.h does it.
inline void widen_small(const uint8_t* p, I (&v)[4]) {
  const auto codes = load<__m512i>(p);
  const __m512i first =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, 3, -1, -1, -1));
  for (int j = 0; j < 4; ++j) {
    const __m512i at = _mm512_add_epi32(first, _mm512_set1_epi32(4 * j));
    v[j] = reinterpret_cast<I>(_mm512_shuffle_epi8(codes, at));
  }
}
inline Bytes narrow_small(const F (&v)[4], float lo, float hi, int32_t zp) {
  const auto code = [zp](float bound) { return _mm512_set1_epi8(static_cast<char>(static_cast<int32_t>(bound) + zp)); };
  const __m512i zero_point = _mm512_set1_epi16(static_cast<int16_t>(zp));
  __m512i w[4];
  for (int j = 0; j < 4; ++j) w[j] = _mm512_cvtps_epi32(v[j]);
  const __m512i a = _mm512_adds_epi16(_mm512_packs_epi32(w[0], w[1]), zero_point);
  const __m512i b = _mm512_adds_epi16(_mm512_packs_epi32(w[2], w[3]), zero_point);
  const __m512i bytes = _mm512_max_epu8(_mm512_min_epu8(_mm512_packus_epi16(a, b), code(hi)), code(lo));
  return reinterpret_cast<Bytes>(bytes);
}
// Its bytes in order.
inline __m512i in_order(Bytes bytes) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, reinterpret_cast<__m512i>(bytes));
}
// Any values, in the order of widen_block.
inline Bytes narrow(const F (&v)[4], float lo, float hi, int32_t zp) {
  F w[4];
  for (int j = 0; j < 4; ++j) w[j] = _mm512_min_ps(_mm512_set1_ps(hi), v[j]);
  return reinterpret_cast<Bytes>(in_order(narrow_small(w, lo, hi, zp)));
}
inline void store_rows(uint8_t* p, int64_t stride, const F (&v)[4], float lo, float hi, int32_t zp) {
  const __m512i rows = in_order(narrow_small(v, lo, hi, zp));
  store(p, _mm512_castsi512_si128(rows));
  store(p + stride, _mm512_extracti32x4_epi32(rows, 1));
  store(p + 2 * stride, _mm512_extracti32x4_epi32(rows, 2));
  store(p + 3 * stride, _mm512_extracti32x4_epi32(rows, 3));
}

inline D as_doubles(const float* p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
inline D low(F v) { return _mm512_cvtps_pd(_mm512_castps512_ps256(v)); }
inline D high(F v) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)); }
inline F join(D a, D b) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(a)), _mm512_cvtpd_ps(b), 1);
}

inline D fma(D a, D b, D c) { return _mm512_fmadd_pd(a, b, c); }
inline D held(double v) {  // see lanes_avx2.h
  D all = splat(v);
  __asm__("" : "+v"(all));
  return all;
}
inline U low_words(D a, D b) {
  return reinterpret_cast<U>(_mm512_shuffle_ps(reinterpret_cast<F>(a), reinterpret_cast<F>(b), 0x88));
}

// A table of 256 bytes in four registers. With VBMI two lookups of 128 bytes are told apart by the index' top bit.
// Without it words are looked up, 64 at a time, by the index halved, for even and odd bytes apart; the lowest bit then
// says which byte of the word is meant.
class Lookup {
 public:
  explicit Lookup(const uint8_t* t) {
    for (int i = 0; i < 4; ++i) t_[i] = load<__m512i>(t + 64 * i);
  }

  void run(const uint8_t* src, uint8_t* dst, int64_t count) const {
    int64_t i = 0;
    for (; i + kBlock <= count; i += kBlock) store(dst + i, find(load<__m512i>(src + i)));
    if (i == count) return;
    const __mmask64 rest = ~__mmask64{0} >> (kBlock - (count - i));
    _mm512_mask_storeu_epi8(dst + i, rest, find(_mm512_maskz_loadu_epi8(rest, src + i)));
  }

 private:
#if defined(__AVX512VBMI__)
  [[nodiscard]] __m512i find(__m512i q) const {
    const __m512i lower = _mm512_permutex2var_epi8(t_[0], q, t_[1]), upper = _mm512_permutex2var_epi8(t_[2], q, t_[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(q), lower, upper);
  }
#else
  // The bytes of the table that words of indices, below 256, stand for: in the low half of each word.
  [[nodiscard]] __m512i find_words(__m512i q) const {
    const __m512i half = _mm512_srli_epi16(q, 1);
    const __m512i lower = _mm512_permutex2var_epi16(t_[0], half, t_[1]);
    const __m512i upper = _mm512_permutex2var_epi16(t_[2], half, t_[3]);
    const __mmask32 top = _mm512_test_epi16_mask(q, _mm512_set1_epi16(0x80));
    const __m512i word = _mm512_mask_blend_epi16(top, lower, upper);
    const __m512i shift = _mm512_slli_epi16(_mm512_and_si512(q, _mm512_set1_epi16(1)), 3);
    return _mm512_srlv_epi16(word, shift);
  }
  [[nodiscard]] __m512i find(__m512i q) const {
    const __m512i even = find_words(_mm512_and_si512(q, _mm512_set1_epi16(0xFF)));
    const __m512i odd = find_words(_mm512_srli_epi16(q, 8));
    return _mm512_mask_blend_epi8(0xAAAAAAAAAAAAAAAAU, even, _mm512_slli_epi16(odd, 8));
  }
#endif

  __m512i t_[4];
};

#if defined(__AVX512VBMI__)
// A table of 256 floats as four of their bytes, which codes are looked up in apart.
class FloatLookup {
 public:
  static void arrange(float* t) {
    uint8_t planes[4][256], bytes[4 * 256];
    __builtin_memcpy(bytes, t, sizeof bytes);
    for (int i = 0; i < 256; ++i) {
      for (int b = 0; b < 4; ++b) planes[b][i] = bytes[4 * i + b];
    }
    __builtin_memcpy(t, planes, sizeof planes);
  }
  explicit FloatLookup(const float* arranged) {
    const auto* const bytes = reinterpret_cast<const uint8_t*>(arranged);
    for (int i = 0; i < 16; ++i) t_[i / 4][i % 4] = load<__m512i>(bytes + 64 * i);
  }
  void run(const uint8_t* src, float* dst, int64_t count) const {
    int64_t i = 0;
    for (; i + kBlock <= count; i += kBlock) floats_of(load<__m512i>(src + i), ~__mmask64{0}, dst + i);
    if (i == count) return;
    const __mmask64 rest = ~__mmask64{0} >> (kBlock - (count - i));
    floats_of(_mm512_maskz_loadu_epi8(rest, src + i), rest, dst + i);
  }
  void all(float* dst) const {
    for (int i = 0; i < 4; ++i) {
      __m512i bytes[4];
      for (int b = 0; b < 4; ++b) bytes[b] = in_order(reinterpret_cast<Bytes>(t_[b][i]));
      join_bytes(bytes, ~__mmask64{0}, dst + i * kBlock);
    }
  }

 private:
  // Codes go where joining their bytes inside lanes of 16 puts the floats in order.
  void floats_of(__m512i codes, __mmask64 real, float* dst) const {
    const __m512i q = in_order(reinterpret_cast<Bytes>(codes));
    const __mmask64 upper = _mm512_movepi8_mask(q);
    __m512i bytes[4];
    for (int b = 0; b < 4; ++b) {
      bytes[b] = _mm512_mask_blend_epi8(upper, _mm512_permutex2var_epi8(t_[b][0], q, t_[b][1]),
                                        _mm512_permutex2var_epi8(t_[b][2], q, t_[b][3]));
    }
    join_bytes(bytes, real, dst);
  }
  static void join_bytes(const __m512i (&bytes)[4], __mmask64 real, float* dst) {
    for (int half = 0; half < 2; ++half) {
      const auto pair = [half](__m512i a, __m512i b) {
        return half == 0 ? _mm512_unpacklo_epi8(a, b) : _mm512_unpackhi_epi8(a, b);
      };
      const __m512i low = pair(bytes[0], bytes[1]), high = pair(bytes[2], bytes[3]);
      const int j = 2 * half;
      store(dst + j * kLanes,
            _mm512_maskz_mov_epi32(static_cast<__mmask16>(real >> (16 * j)), _mm512_unpacklo_epi16(low, high)));
      store(dst + (j + 1) * kLanes,
            _mm512_maskz_mov_epi32(static_cast<__mmask16>(real >> (16 * (j + 1))), _mm512_unpackhi_epi16(low, high)));
    }
  }

  __m512i t_[4][4];
};
#endif

}  // namespace
}  // namespace octile::runtime

#if !defined(__AVX512VBMI__)
#include "runtime/exec/ops/lanes_floats.inc"
#endif
