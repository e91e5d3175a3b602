// Lanes of AVX2; see lanes_portable.h for the names and why nothing else is called.
// In/out: vectors.  Not here: the kernels (*.inc).
// Intrinsics: docs/decisions/0007-ops-in-cpp.md.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace octile::runtime {
namespace {

constexpr int kLanes = 8, kBlock = 4 * kLanes;
using F = float __attribute__((vector_size(32)));
using I = int32_t __attribute__((vector_size(32)));
using U = uint32_t __attribute__((vector_size(32)));
using D = double __attribute__((vector_size(32)));
using L = uint64_t __attribute__((vector_size(32)));
using Bytes = uint8_t __attribute__((vector_size(32)));

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

inline F splat(float v) { return _mm256_set1_ps(v); }
inline D splat(double v) { return _mm256_set1_pd(v); }

// Whether a bit is set.
inline bool any(Bytes v) {
  const auto bits = reinterpret_cast<__m256i>(v);
  return _mm256_testz_si256(bits, bits) == 0;
}

// Of eight bytes each.
inline L sums_of_eight(Bytes v) {
  return reinterpret_cast<L>(_mm256_sad_epu8(reinterpret_cast<__m256i>(v), _mm256_setzero_si256()));
}

// A bit for each lane where both are equal.
inline uint32_t equal_lanes(F a, F b) {
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)));
}

// 32 codes: code i is from[order[i]] of 16, or 0 where the order has its highest bit set.
using Chunk = uint64_t __attribute__((vector_size(32)));
inline Chunk reorder_16(const uint8_t* from, Chunk order) {
  const __m256i codes = _mm256_broadcastsi128_si256(load<__m128i>(from));
  return reinterpret_cast<Chunk>(_mm256_shuffle_epi8(codes, reinterpret_cast<__m256i>(order)));
}

inline I widen(const uint8_t* p) {
  return reinterpret_cast<I>(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
inline F to_float(I v) { return _mm256_cvtepi32_ps(reinterpret_cast<__m256i>(v)); }
inline F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }  // rounded once
inline F mad(F a, F b, F c) { return fma(a, b, c); }              // rounded once or twice
inline F larger(F a, F b) { return _mm256_max_ps(a, b); }         // b if one is NaN
inline F smaller(F a, F b) { return _mm256_min_ps(a, b); }
inline F clamp(F v, F lo, F hi) { return _mm256_min_ps(_mm256_max_ps(v, lo), hi); }  // NaN: the second operand
inline I round(F v) { return reinterpret_cast<I>(_mm256_cvtps_epi32(v)); }
inline void store_codes(uint8_t* p, I v) {
  const auto w = reinterpret_cast<__m256i>(v);
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}
// Blocks stand in registers as instructions that keep to their half of 16 bytes leave them: v[j] holds elements
// 4 j ... and 16 + 4 j ....
inline void widen_block(const uint8_t* p, I (&v)[4]) {
  const auto codes = load<__m256i>(p);
  const __m256i first =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, 3, -1, -1, -1));
  const __m256i next = _mm256_setr_epi32(4, 4, 4, 4, 4, 4, 4, 4);
  __m256i at = first;
  for (int j = 0; j < 4; ++j) {
    v[j] = reinterpret_cast<I>(_mm256_shuffle_epi8(codes, at));
    at = _mm256_add_epi32(at, next);
  }
}
inline void load_block(const float* p, F (&v)[4]) {
  for (int j = 0; j < 4; ++j) {
    v[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p + 4 * j)), _mm_loadu_ps(p + 16 + 4 * j), 1);
  }
}
// Values of a block below 2^31, clamped and rounded, plus zp. Packs and sums saturate, so the bytes are clamped.
inline Bytes narrow_small(const F (&v)[4], float lo, float hi, int32_t zp) {
  const auto code = [zp](float bound) { return _mm256_set1_epi8(static_cast<char>(static_cast<int32_t>(bound) + zp)); };
  const __m256i zero_point = _mm256_set1_epi16(static_cast<int16_t>(zp));
  __m256i w[4];
  for (int j = 0; j < 4; ++j) w[j] = _mm256_cvtps_epi32(v[j]);
  const __m256i a = _mm256_adds_epi16(_mm256_packs_epi32(w[0], w[1]), zero_point);
  const __m256i b = _mm256_adds_epi16(_mm256_packs_epi32(w[2], w[3]), zero_point);
  const __m256i bytes = _mm256_max_epu8(_mm256_min_epu8(_mm256_packus_epi16(a, b), code(hi)), code(lo));
  return reinterpret_cast<Bytes>(bytes);
}
inline void widen_small(const uint8_t* p, I (&v)[4]) { widen_block(p, v); }
// Any values: what overflows an int32 converts to the lowest one, so a clamp comes first, and hands on NaN, which
// converts to the lowest as well.
inline Bytes narrow(const F (&v)[4], float lo, float hi, int32_t zp) {
  F w[4];
  for (int j = 0; j < 4; ++j) w[j] = _mm256_min_ps(_mm256_set1_ps(hi), v[j]);
  return narrow_small(w, lo, hi, zp);
}

inline void store_rows(uint8_t* p, int64_t stride, const F (&v)[4], float lo, float hi, int32_t zp) {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i rows = _mm256_permutevar8x32_epi32(reinterpret_cast<__m256i>(narrow_small(v, lo, hi, zp)), order);
  const __m128i front = _mm256_castsi256_si128(rows), back = _mm256_extracti128_si256(rows, 1);
  store(p, _mm_cvtsi128_si64(front));
  store(p + stride, _mm_extract_epi64(front, 1));
  store(p + 2 * stride, _mm_cvtsi128_si64(back));
  store(p + 3 * stride, _mm_extract_epi64(back, 1));
}

inline D as_doubles(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
inline D low(F v) { return _mm256_cvtps_pd(_mm256_castps256_ps128(v)); }
inline D high(F v) { return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)); }
inline F join(D a, D b) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(a)), _mm256_cvtpd_ps(b), 1);
}

inline D fma(D a, D b, D c) { return _mm256_fmadd_pd(a, b, c); }
// In a register: GCC would read it from memory wherever it is used, and loads are what such loops are short of.
inline D held(double v) {
  D all = splat(v);
  __asm__("" : "+x"(all));
  return all;
}
inline U low_words(D a, D b) {
  return reinterpret_cast<U>(_mm256_shuffle_ps(reinterpret_cast<F>(a), reinterpret_cast<F>(b), 0x88));
}

// A table of 256 bytes as 16 tables of 16. vpshufb answers 0 where the top bit of its index is set; so after the
// first row of a half, every further row needs one subtraction (rows not yet reached turn negative), one shuffle and
// one xor with what it differs from the row before. Rows that do not differ, as where a function saturates, are left
// out.
class Lookup {
 public:
  explicit Lookup(const uint8_t* t) : base_(_mm256_set1_epi8(static_cast<char>(t[0]))) {
    for (int half = 0; half < 2; ++half) {
      __m256i before = base_;
      int reached = 0;
      for (int row = 0; row < 8; ++row) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(t + half * 128 + row * 16));
        const __m256i now = _mm256_broadcastsi128_si256(bytes);
        const __m256i differs = _mm256_xor_si256(now, before);
        if (_mm256_testz_si256(differs, differs) != 0) continue;
        steps_[half][counts_[half]++] = {_mm256_set1_epi8(static_cast<char>(16 * (row - reached))), differs};
        before = now;
        reached = row;
      }
    }
  }

  void run(const uint8_t* src, uint8_t* dst, int64_t count) const {
    int64_t i = 0;
    for (; i + 4 * kBlock <= count; i += 4 * kBlock) blocks<4>(src + i, dst + i);
    for (; i + kBlock <= count; i += kBlock) blocks<1>(src + i, dst + i);
    if (i == count) return;
    uint8_t part[kBlock] = {};
    for (int64_t j = i; j < count; ++j) part[j - i] = src[j];
    blocks<1>(part, part);
    for (int64_t j = i; j < count; ++j) dst[j] = part[j - i];
  }

 private:
  struct Step {
    __m256i forward, differs;
  };

  template <int N>
  void blocks(const uint8_t* src, uint8_t* dst) const {
    __m256i index[N], found[N];
    for (int j = 0; j < N; ++j) {
      index[j] = load<__m256i>(src + j * kBlock);
      found[j] = base_;
    }
    for (int half = 0; half < 2; ++half) {
      for (int s = 0; s < counts_[half]; ++s) {
        const Step step = steps_[half][s];
        for (int j = 0; j < N; ++j) {
          index[j] = _mm256_subs_epi8(index[j], step.forward);
          found[j] = _mm256_xor_si256(found[j], _mm256_shuffle_epi8(step.differs, index[j]));
        }
      }
      if (half == 1) break;
      for (int j = 0; j < N; ++j) {
        index[j] = _mm256_xor_si256(load<__m256i>(src + j * kBlock), _mm256_set1_epi8(static_cast<char>(0x80)));
      }
    }
    for (int j = 0; j < N; ++j) store(dst + j * kBlock, found[j]);
  }

  __m256i base_;
  Step steps_[2][8];
  int counts_[2] = {0, 0};
};

}  // namespace
}  // namespace octile::runtime

#include "runtime/exec/ops/lanes_floats.inc"
#include "runtime/exec/ops/lanes_parts.inc"
