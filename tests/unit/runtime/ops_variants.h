// What the tests of Ops share: the variants this machine runs, buffers that end at a guard page, plain arithmetic.
// In:  a seed.  Out: variants, rows of random bytes, codes by workload/numerics.
// Not here: what each function should answer.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/exec/ops/variants.h"
#include "targets/probe/probe.h"
#include "tests/support/guarded.h"
#include "tests/support/rng.h"
#include "workload/numerics/requantize.h"

namespace octile::runtime::test {

using octile::testing::Guarded;
using octile::testing::Rng;

struct Variant {
  const char* name;
  const Ops* ops;
};
inline std::vector<Variant> variants() {
  std::vector<Variant> all{{"portable", &kOpsPortable}};
#if defined(__x86_64__)
  if (can_run(Isa::avx2)) all.push_back({"avx2", &kOpsAvx2});
  if (can_run(Isa::avx512vnni)) all.push_back({"avx512", &kOpsAvx512});
  if (cpu_info().avx512vbmi) all.push_back({"avx512vbmi", &kOpsAvx512Vbmi});
#endif
  return all;
}

// Rows of random bytes, the last of which ends at a page that must not be touched.
class RowBytes {
 public:
  RowBytes(Rng& rng, int64_t c, int64_t rows, int64_t stride)
      : stride_(stride), memory_(static_cast<size_t>(rows > 0 ? (rows - 1) * stride + c : 0)) {
    for (size_t i = 0; i < memory_.size(); ++i) memory_.data()[i] = static_cast<uint8_t>(rng.next());
  }
  [[nodiscard]] Rows rows() const { return {memory_.data(), stride_}; }
  [[nodiscard]] RowsOut out() const { return {memory_.data(), stride_}; }
  [[nodiscard]] uint8_t* data() const { return memory_.data(); }
  [[nodiscard]] uint8_t at(int64_t row, int64_t i) const { return memory_.data()[row * stride_ + i]; }
  [[nodiscard]] std::vector<uint8_t> bytes() const { return {memory_.data(), memory_.data() + memory_.size()}; }
  void set(const std::vector<uint8_t>& bytes) { std::memcpy(memory_.data(), bytes.data(), bytes.size()); }
  [[nodiscard]] bool intact() const { return memory_.canary_intact(); }

 private:
  int64_t stride_;
  Guarded memory_;
};

// Floats that end at a guard page.
class Floats {
 public:
  explicit Floats(const std::vector<float>& v) : memory_(v.size() * sizeof(float)) {
    if (!v.empty()) std::memcpy(memory_.data(), v.data(), v.size() * sizeof(float));
  }
  [[nodiscard]] float* data() const { return reinterpret_cast<float*>(memory_.data()); }
  [[nodiscard]] std::vector<float> all() const {
    return {data(), data() + static_cast<int64_t>(memory_.size() / sizeof(float))};
  }
  [[nodiscard]] bool intact() const { return memory_.canary_intact(); }

 private:
  Guarded memory_;
};

// The definition of QuantizeForm. NaN to lo.
inline uint8_t code(float scaled, float lo, float hi, int32_t zp) {
  return static_cast<uint8_t>(
      quantize_onnx_rne(scaled, 1.0F, zp, static_cast<int32_t>(lo) + zp, static_cast<int32_t>(hi) + zp));
}
inline uint8_t code(float v, const QuantizeForm& to) { return code(v / to.scale, to.lo, to.hi, to.zp); }

inline float odd_scale(Rng& rng) {
  if (rng.chance(0.05)) return rng.pick({0.0F, 1e-44F, 3e38F, INFINITY, NAN, -0.25F});
  if (rng.chance(0.4)) return rng.pick({0.25F, 0.5F, 1.0F, 0.0625F});
  return static_cast<float>(rng.log_uniform(1e-3, 1.0));
}
// A plain scale: positive and finite.
inline float plain_scale(Rng& rng) {
  return rng.chance(0.5) ? rng.pick({0.25F, 0.5F, 1.0F, 0.0625F}) : static_cast<float>(rng.log_uniform(1e-3, 1.0));
}
inline int32_t zero_point(Rng& rng) { return rng.chance(0.4) ? rng.pick({0, 128, 255}) : rng.code(0, 255); }
// A clamp minus its zero point.
inline void draw_clamp(Rng& rng, int32_t zp, float& lo, float& hi) {
  const int32_t a = rng.chance(0.5) ? 0 : rng.code(0, 255), b = rng.chance(0.5) ? 255 : rng.code(0, 255);
  lo = static_cast<float>(std::min(a, b) - zp);
  hi = static_cast<float>(std::max(a, b) - zp);
}
inline QuantizeForm draw_form(Rng& rng, bool odd) {
  QuantizeForm q;
  q.scale = odd ? odd_scale(rng) : plain_scale(rng);
  q.zp = zero_point(rng);
  draw_clamp(rng, q.zp, q.lo, q.hi);
  return q;
}
// Small numbers and a few huge ones that often cancel out: the order of their sum shows.
inline float cancelling(Rng& rng) {
  return rng.chance(0.2) ? rng.pick({0x1p60F, -0x1p60F}) : static_cast<float>(rng.code(-9, 9));
}
// Bits, except that every NaN is the same.
inline std::vector<uint32_t> bits(const std::vector<float>& v) {
  std::vector<uint32_t> b;
  for (float f : v) b.push_back(std::isnan(f) ? 0x7FC00000U : std::bit_cast<uint32_t>(f));
  return b;
}
inline int64_t draw_length(Rng& rng) {
  return rng.chance(0.3) ? rng.pick<int64_t>({0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 256, 1000})
                         : rng.below(rng.chance(0.5) ? 40 : 300);
}

}  // namespace octile::runtime::test
