// Random ops with data, for tests of the runtime.
// In:  a seeded generator.  Out: OpSpec, OpQuant and tensors whose outputs are mostly not saturated.
// Not here: the conformance set, which walks the whole grammar.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "workload/numerics/requantize.h"
#include "workload/spec/op_spec.h"

namespace octile::test {

struct OpCase {
  OpSpec spec;
  OpQuant quant;
  std::vector<uint8_t> src, wei;
};

class RandomOps {
 public:
  explicit RandomOps(uint64_t seed) : rng_(seed) {}

  int64_t pick(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(rng_); }
  bool coin() { return pick(0, 1) == 1; }

  // Fills values and data for a spec. narrow: weights within +-bound.
  OpCase fill(OpSpec s, int bound = 127) {
    OpCase c;
    s.bias = s.kind == OpKind::conv2d || s.kind == OpKind::dense ? coin() : false;
    const int64_t channels = s.channels();
    OpQuant& q = c.quant;
    if (s.src_zp) q.src_zp = static_cast<int32_t>(pick(qmin_of(s.src), qmax_of(s.src)));
    if (s.dst_zp && size_of(s.dst) == 1) q.dst_zp = static_cast<int32_t>(pick(qmin_of(s.dst), qmax_of(s.dst)));
    const size_t scales = s.wei_per_oc || s.mult_per_c ? static_cast<size_t>(channels) : 1;
    q.wei_scale.assign(scales, 1.0F);
    const double depth = s.kind == OpKind::conv2d  ? static_cast<double>(s.ic / s.g * s.kh * s.kw)
                         : s.kind == OpKind::dense ? static_cast<double>(s.k)
                                                   : 1.0;
    for (float& v : q.wei_scale) v = static_cast<float>(0.5 + 0.01 * static_cast<double>(pick(0, 100)));
    q.src_scale = 0.02F;
    q.dst_scale =
        static_cast<float>(0.02 * (s.kind == OpKind::requantize ? 1.0 : 60.0 * bound * std::sqrt(depth) / 80));
    if (s.wei_zp) {
      q.wei_zp.assign(s.wei_per_oc ? static_cast<size_t>(channels) : 1, 0);
      for (int32_t& z : q.wei_zp) z = static_cast<int32_t>(pick(qmin_of(s.wei), qmax_of(s.wei)));
    }
    q.clamp_lo = qmin_of(s.dst);
    q.clamp_hi = qmax_of(s.dst);
    if (coin() && size_of(s.dst) == 1) q.clamp_lo = q.dst_zp;
    if (s.bias) {
      for (int64_t i = 0; i < channels; ++i) q.bias.push_back(static_cast<int32_t>(pick(-20000, 20000)));
    }
    c.src.resize(static_cast<size_t>(s.src_elements() * size_of(s.src)));
    if (s.src == DType::f32) {
      for (int64_t i = 0; i < s.src_elements(); ++i) {
        const float v = static_cast<float>(pick(-400, 400)) * 0.01F;
        std::copy_n(reinterpret_cast<const uint8_t*>(&v), 4, &c.src[static_cast<size_t>(i) * 4]);
      }
    } else if (s.src == DType::s32) {
      for (int64_t i = 0; i < s.src_elements(); ++i) {
        const auto v = static_cast<int32_t>(pick(-300, 300));
        std::copy_n(reinterpret_cast<const uint8_t*>(&v), 4, &c.src[static_cast<size_t>(i) * 4]);
      }
    } else {
      for (uint8_t& v : c.src) v = static_cast<uint8_t>(pick(0, 9) == 0 ? 255 * pick(0, 1) : pick(0, 255));
    }
    if (s.kind == OpKind::conv2d || s.kind == OpKind::dense) {
      c.wei.resize(static_cast<size_t>(s.wei_elements()));
      const int64_t centre = s.wei == DType::u8 ? 128 : 0;
      for (uint8_t& v : c.wei) v = static_cast<uint8_t>(centre + (pick(0, 30) == 0 ? -bound - 1 : pick(-bound, bound)));
    }
    c.spec = s;
    return c;
  }

  void types(OpSpec& s) {
    s.src = coin() ? DType::u8 : DType::s8;
    s.wei = pick(0, 2) == 0 ? DType::u8 : DType::s8;
    s.dst = std::vector<DType>{DType::u8, DType::s8, DType::s32}[static_cast<size_t>(pick(0, 2))];
    s.src_zp = coin();
    s.dst_zp = s.dst != DType::s32 && coin();
    s.wei_zp = s.wei == DType::u8 || pick(0, 3) == 0;
    s.wei_per_oc = coin();
  }

  OpSpec conv() {
    for (;;) {
      OpSpec s;
      s.kind = OpKind::conv2d;
      types(s);
      s.mb = pick(1, 2);
      const int64_t form = pick(0, 4);  // 0, 1: plain, 2: pointwise, 3: depthwise, 4: grouped
      s.ic = pick(1, 40);
      s.oc = pick(1, 70);
      if (form == 3) s.g = s.oc = s.ic = pick(2, 150);
      if (form == 4) {
        s.g = pick(2, 4);
        s.ic = s.g * pick(1, 12);
        s.oc = s.g * pick(1, 20);
      }
      s.kh = form == 2 ? 1 : pick(1, 5);
      s.kw = form == 2 ? 1 : pick(1, 5);
      s.sh = pick(1, 2);
      s.sw = pick(1, 2);
      s.dh = pick(0, 4) == 0 ? 2 : 1;
      s.dw = pick(0, 4) == 0 ? 2 : 1;
      s.ih = pick(1, 14);
      s.iw = pick(1, 20);
      if (form != 2 || coin()) {
        s.pt = pick(0, 2);
        s.pl = pick(0, 2);
        s.pb = pick(0, 2);
        s.pr = pick(0, 2);
      }
      if (validate(s).ok()) return s;
    }
  }

  OpSpec dense() {
    OpSpec s;
    s.kind = OpKind::dense;
    types(s);
    s.mb = pick(1, 3);
    s.m = pick(1, 30);
    s.k = pick(1, 300);
    s.n = pick(1, 150);
    s.wei_var = pick(0, 2) == 0;
    return s;
  }

  OpSpec elementwise() {
    OpSpec s;
    s.kind =
        std::vector<OpKind>{OpKind::quantize, OpKind::dequantize, OpKind::requantize}[static_cast<size_t>(pick(0, 2))];
    s.mb = pick(1, 2);
    s.m = pick(1, 40);
    s.c = pick(1, 70);
    const DType byte = coin() ? DType::u8 : DType::s8, other = coin() ? DType::u8 : DType::s8;
    s.src = s.kind == OpKind::quantize ? DType::f32 : s.kind == OpKind::requantize && coin() ? DType::s32 : byte;
    s.dst = s.kind == OpKind::dequantize ? DType::f32 : other;
    s.src_zp = s.src != DType::f32 && s.src != DType::s32 && coin();
    s.dst_zp = s.dst != DType::f32 && coin();
    s.mult_per_c = s.kind == OpKind::requantize && coin();
    return s;
  }

  std::mt19937_64& rng() { return rng_; }

 private:
  std::mt19937_64 rng_;
};

}  // namespace octile::test
