// Lanes in plain compiler vectors, 16 bytes wide: what the kernels are written in, for any machine.
// In/out: vectors.  Not here: the kernels (*.inc), intrinsics.
//
// Every lanes_*.h defines the same names in an unnamed namespace: kLanes floats F, as many int32 I and uint32 U, half
// as many doubles D, and kBlock = 4 * kLanes codes. Nothing from another header is called, so that no function compiled
// for a newer instruction set can end up shared with code for an older one.
#pragma once

#include <cstdint>

namespace octile::runtime {
namespace {

constexpr int kLanes = 4, kBlock = 4 * kLanes;
using F = float __attribute__((vector_size(16)));
using I = int32_t __attribute__((vector_size(16)));
using U = uint32_t __attribute__((vector_size(16)));
using D = double __attribute__((vector_size(16)));
using L = uint64_t __attribute__((vector_size(16)));
using Bytes = uint8_t __attribute__((vector_size(16)));

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

inline F splat(float v) { return F{v, v, v, v}; }
inline D splat(double v) { return D{v, v}; }

// Whether a bit is set.
inline bool any(Bytes v) {
  const auto halves = reinterpret_cast<L>(v);
  return (halves[0] | halves[1]) != 0;
}

// Of eight bytes each.
inline L sums_of_eight(Bytes v) {
  const auto eights = reinterpret_cast<L>(v);
  L sums = (eights & 0x00FF00FF00FF00FF) + (eights >> 8 & 0x00FF00FF00FF00FF);
  sums += sums >> 32;
  return (sums + (sums >> 16)) & 0xFFFF;
}

// A bit for each lane where both are equal.
inline uint32_t equal_lanes(F a, F b) {
  uint32_t lanes = 0;
  for (int i = 0; i < kLanes; ++i) lanes |= static_cast<uint32_t>(a[i] == b[i]) << i;
  return lanes;
}

// 32 codes: code i is from[order[i]] of 16, or 0 where the order has its highest bit set.
struct Chunk {
  uint8_t codes[32];
};
inline Chunk operator|(const Chunk& a, const Chunk& b) {
  Chunk out;
  for (int i = 0; i < 32; ++i) out.codes[i] = static_cast<uint8_t>(a.codes[i] | b.codes[i]);
  return out;
}
inline void operator|=(Chunk& a, const Chunk& b) { a = a | b; }
inline Chunk reorder_16(const uint8_t* from, const Chunk& order) {
  Chunk out;
  for (int i = 0; i < 32; ++i) {
    out.codes[i] = (order.codes[i] & 0x80) != 0 ? uint8_t{0} : from[order.codes[i] & 15];
  }
  return out;
}

// kLanes codes as integers.
inline I widen(const uint8_t* p) { return I{p[0], p[1], p[2], p[3]}; }
inline F to_float(I v) { return __builtin_convertvector(v, F); }
// a * b + c, rounded once.
inline F fma(F a, F b, F c) {
  return F{__builtin_fmaf(a[0], b[0], c[0]), __builtin_fmaf(a[1], b[1], c[1]), __builtin_fmaf(a[2], b[2], c[2]),
           __builtin_fmaf(a[3], b[3], c[3])};
}
inline F mad(F a, F b, F c) { return a * b + c; }  // rounded once or twice
inline F larger(F a, F b) { return a > b ? a : b; }
inline F smaller(F a, F b) { return a < b ? a : b; }
// NaN goes to lo.
inline F clamp(F v, F lo, F hi) {
  v = v > lo ? v : lo;
  return v < hi ? v : hi;
}
// Half to even, of numbers within +-2^22 of 0: adding 1.5 * 2^23 rounds them into the low mantissa bits.
inline I round(F v) { return reinterpret_cast<I>(v + 12582912.0F) - 0x4B400000; }
inline void store_codes(uint8_t* p, I v) {
  for (int i = 0; i < kLanes; ++i) p[i] = static_cast<uint8_t>(v[i]);
}
// A block of kBlock elements, in the order narrow() wants.
inline void widen_block(const uint8_t* p, I (&v)[4]) {
  for (int j = 0; j < 4; ++j) v[j] = widen(p + j * kLanes);
}
inline void load_block(const float* p, F (&v)[4]) {
  for (int j = 0; j < 4; ++j) v[j] = load<F>(p + j * kLanes);
}
// Values of a block, clamped and rounded, plus zp.
inline Bytes narrow(const F (&v)[4], float lo, float hi, int32_t zp) {
  uint8_t bytes[kBlock];
  for (int j = 0; j < 4; ++j) store_codes(bytes + j * kLanes, round(clamp(v[j], splat(lo), splat(hi))) + zp);
  return load<Bytes>(bytes);
}
// A block whose values stay below 2^31, in any order of its own.
inline void widen_small(const uint8_t* p, I (&v)[4]) { widen_block(p, v); }
inline Bytes narrow_small(const F (&v)[4], float lo, float hi, int32_t zp) { return narrow(v, lo, hi, zp); }

// Four rows of kLanes values below 2^31, `stride` bytes apart.
inline void store_rows(uint8_t* p, int64_t stride, const F (&v)[4], float lo, float hi, int32_t zp) {
  for (int j = 0; j < 4; ++j) store_codes(p + j * stride, round(clamp(v[j], splat(lo), splat(hi))) + zp);
}

// As many floats as D holds.
inline D as_doubles(const float* p) { return D{p[0], p[1]}; }
inline D low(F v) { return D{v[0], v[1]}; }
inline D high(F v) { return D{v[2], v[3]}; }
inline F join(D a, D b) {
  return F{static_cast<float>(a[0]), static_cast<float>(a[1]), static_cast<float>(b[0]), static_cast<float>(b[1])};
}

inline D fma(D a, D b, D c) { return a * b + c; }  // here rounded twice
// A number in all lanes, for short loops over many of them.
inline D held(double v) { return splat(v); }
// The lower 32 bits of each double, in any order.
inline U low_words(D a, D b) {
  const auto x = reinterpret_cast<U>(a), y = reinterpret_cast<U>(b);
  return U{x[0], x[2], y[0], y[2]};
}

// A table of 256 bytes, ready to be looked up.
class Lookup {
 public:
  explicit Lookup(const uint8_t* t) : t_(t) {}
  void run(const uint8_t* src, uint8_t* dst, int64_t count) const {
    for (int64_t i = 0; i < count; ++i) dst[i] = t_[src[i]];
  }

 private:
  const uint8_t* t_;
};

}  // namespace
}  // namespace octile::runtime

#include "runtime/exec/ops/lanes_floats.inc"
#include "runtime/exec/ops/lanes_parts.inc"
