// Values of random ops: tensors, zero points, scales, biases.
// In:  a valid OpSpec and a seed.  Out: operands whose results mostly do not saturate.
// Not here: shapes.  The destination scale is chosen from the accumulators the oracle finds, so that errors of one
// code stay visible; biases then move single accumulators onto exact ties.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/support/draw.h"
#include "tests/support/rng.h"
#include "workload/reference/reference.h"

namespace octile::testing {
namespace {

bool weighted(const OpSpec& s) { return s.kind == OpKind::conv2d || s.kind == OpKind::dense; }
int64_t depth_of(const OpSpec& s) { return s.kind == OpKind::conv2d ? s.ic / s.g * s.kh * s.kw : s.k; }

// ---- sources: filled as u8, sign flipped last

enum class SrcStyle : uint8_t { uniform, bell, sparse, runs, high };

void fill_src_bytes(Rng& rng, SrcStyle style, int32_t zp_u8, std::vector<uint8_t>& out) {
  int64_t run = 0;
  uint8_t held = 0;
  for (uint8_t& v : out) {
    switch (style) {
      case SrcStyle::uniform: v = static_cast<uint8_t>(rng.next()); break;
      case SrcStyle::bell: v = static_cast<uint8_t>(std::clamp(zp_u8 + 40 * rng.normal(), 0.0, 255.0)); break;
      case SrcStyle::sparse: v = static_cast<uint8_t>(rng.chance(0.6) ? zp_u8 : rng.code(0, 255)); break;
      case SrcStyle::high: v = static_cast<uint8_t>(rng.code(200, 255)); break;
      case SrcStyle::runs:
        if (run-- == 0) {
          run = rng.range(0, 12);
          held = rng.pick<uint8_t>({255, 255, 255, 0, 254, static_cast<uint8_t>(rng.next())});
        }
        v = held;
        break;
    }
  }
}

SrcStyle src_style(Rng& rng, Trap trap) {
  if (trap == Trap::saturating_pairs || trap == Trap::acc16_edge || trap == Trap::wei_min) return SrcStyle::runs;
  if (trap == Trap::huge_acc) return SrcStyle::high;
  return rng.pick({SrcStyle::uniform, SrcStyle::uniform, SrcStyle::bell, SrcStyle::sparse, SrcStyle::runs});
}

// ---- weights: one channel at a time in reduction order (ky, kx, ic), as s8

enum class WeiStyle : uint8_t { uniform, bell127, bell63, bell31, bell15, sparse, runs, edge, minimum, high };

void fill_edge(Rng& rng, std::vector<int32_t>& w) {
  static constexpr int32_t kPairs[][2] = {{64, 64},   {127, 1},    {1, 127}, {100, 28}, {-64, -64}, {-128, 0},
                                          {-127, -1}, {127, -128}, {65, 64}, {127, 2},  {-65, -64}, {0, 0},
                                          {32, 32},   {-32, -32},  {33, 32}, {127, 127}};
  const int64_t styles = rng.pick<int64_t>({8, 12, 14, 16});  // with or without pairs past the limit
  for (size_t i = 0; i < w.size(); i += 2) {
    const auto& pair = kPairs[rng.chance(0.5) ? 11 + rng.below(3) : rng.below(styles)];
    w[i] = pair[0];
    if (i + 1 < w.size()) w[i + 1] = pair[1];
  }
}

void fill_bell(Rng& rng, int32_t peak, std::vector<int32_t>& w) {
  std::vector<double> v(w.size());
  double largest = 1e-9;
  for (double& x : v) {
    x = rng.normal();
    largest = std::max(largest, std::fabs(x));
  }
  for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<int32_t>(std::lrint(v[i] / largest * peak));
}

void fill_channel(Rng& rng, WeiStyle style, std::vector<int32_t>& w) {
  int64_t run = 0;
  int32_t held = 0;
  const int32_t sign = rng.chance(0.5) ? 1 : -1;
  switch (style) {
    case WeiStyle::bell127: return fill_bell(rng, 127, w);
    case WeiStyle::bell63: return fill_bell(rng, 63, w);
    case WeiStyle::bell31: return fill_bell(rng, 31, w);
    case WeiStyle::bell15: return fill_bell(rng, 15, w);
    case WeiStyle::edge: return fill_edge(rng, w);
    default: break;
  }
  for (int32_t& v : w) {
    if (style == WeiStyle::uniform) v = rng.code(-128, 127);
    if (style == WeiStyle::sparse) v = rng.chance(0.7) ? 0 : rng.code(-128, 127);
    if (style == WeiStyle::minimum) v = rng.chance(0.5) ? -128 : rng.code(-128, 127);
    if (style == WeiStyle::high) v = sign * rng.code(100, 127);
    if (style == WeiStyle::runs) {
      if (run-- == 0) {
        run = rng.range(0, 7);
        held = rng.pick({127, 127, -128, -128, 126, rng.code(-128, 127)});
      }
      v = held;
    }
  }
}

WeiStyle wei_style(Rng& rng, Trap trap) {
  if (trap == Trap::saturating_pairs) return WeiStyle::runs;
  if (trap == Trap::acc16_edge) return WeiStyle::edge;
  if (trap == Trap::wei_min) return WeiStyle::minimum;
  if (trap == Trap::huge_acc) return WeiStyle::high;
  return rng.pick({WeiStyle::uniform, WeiStyle::bell127, WeiStyle::bell127, WeiStyle::bell63, WeiStyle::bell31,
                   WeiStyle::bell15, WeiStyle::sparse, WeiStyle::runs});
}

// Where weight (channel, k) of matrix `b` lies.
size_t wei_index(const OpSpec& s, int64_t b, int64_t channel, int64_t k) {
  if (s.kind == OpKind::dense) return static_cast<size_t>((b * s.k + k) * s.n + channel);
  const int64_t icg = s.ic / s.g, tap = k / icg, i = k % icg;
  return static_cast<size_t>((channel * icg + i) * s.kh * s.kw + tap);
}

void fill_wei(Rng& rng, const OpSpec& s, Trap trap, std::vector<uint8_t>& out) {
  const int64_t matrices = s.wei_var ? s.mb : 1;
  const uint8_t flip = s.wei == DType::u8 ? 0x80 : 0;
  const bool mixed = rng.chance(0.4);  // panels of unlike weights
  WeiStyle style = wei_style(rng, trap);
  std::vector<int32_t> w(static_cast<size_t>(depth_of(s)));
  for (int64_t b = 0; b < matrices; ++b) {
    for (int64_t c = 0; c < s.channels(); ++c) {
      if (mixed && c % 8 == 0 && rng.chance(0.5)) style = wei_style(rng, rng.chance(0.5) ? trap : Trap::none);
      fill_channel(rng, style, w);
      for (size_t k = 0; k < w.size(); ++k) {
        out[wei_index(s, b, c, static_cast<int64_t>(k))] = static_cast<uint8_t>(static_cast<uint8_t>(w[k]) ^ flip);
      }
    }
  }
}

// ---- zero points

int32_t draw_zp(Rng& rng, DType type, bool extreme) {
  if (type == DType::s32) return extreme ? rng.pick({INT32_MIN, INT32_MAX, -1}) : rng.code(-100000, 100000);
  const int32_t lo = qmin_of(type), hi = qmax_of(type);
  if (extreme || rng.chance(0.15)) return rng.pick({lo, hi, lo, hi, lo + 1, hi - 1});
  return rng.chance(0.3) ? lo + 128 : rng.code(lo, hi);
}

void draw_source_zps(Rng& rng, const OpSpec& s, Trap trap, OpQuant& q) {
  const bool extreme = trap == Trap::zp_extreme;
  if (s.src_zp) q.src_zp = draw_zp(rng, s.src, extreme);
  if (!weighted(s) || !s.wei_zp) return;
  q.wei_zp.assign(s.wei_per_oc ? static_cast<size_t>(s.channels()) : 1, 0);
  for (int32_t& zp : q.wei_zp) {
    zp = s.wei == DType::s8 && !extreme ? rng.code(-20, 20) : draw_zp(rng, s.wei, extreme);
  }
}

// ---- scales

// Real values an output channel takes: accumulator statistics before scales exist.
struct Spread {
  std::vector<int32_t> acc;     // [points, channels]
  std::vector<double> largest;  // |acc| per channel
  double typical = 1;           // 90th percentile of |acc|
};

Spread measure(std::vector<int32_t> acc, int64_t channels) {
  Spread sp;
  sp.largest.assign(static_cast<size_t>(channels), 0);
  std::vector<double> all;
  for (size_t i = 0; i < acc.size(); ++i) {
    const double v = std::fabs(static_cast<double>(acc[i]));
    double& largest = sp.largest[i % static_cast<size_t>(channels)];
    largest = std::max(largest, v);
    all.push_back(v);
  }
  const auto nth = all.begin() + static_cast<int64_t>(all.size() * 9 / 10);
  std::nth_element(all.begin(), nth, all.end());
  sp.typical = std::max(*nth, 1.0);
  for (double& v : sp.largest) v = v > 0 ? v : sp.typical;
  sp.acc = std::move(acc);
  return sp;
}

void draw_dst_zp(Rng& rng, const OpSpec& s, Trap trap, double low, double high, OpQuant& q) {
  if (!s.dst_zp) return;
  const int32_t qmin = qmin_of(s.dst), qmax = qmax_of(s.dst);
  const double ideal = qmin + 255.0 * -low / std::max(high - low, 1e-9) + rng.uniform(-30, 30);
  q.dst_zp = static_cast<int32_t>(std::clamp(ideal, static_cast<double>(qmin), static_cast<double>(qmax)));
  if (trap == Trap::zp_extreme || rng.chance(0.08)) q.dst_zp = rng.pick({qmin, qmax});
  if (trap == Trap::ties) q.dst_zp |= 1;
}

// Scales whose product or quotient leaves the normal floats.
void odd_scales(Rng& rng, OpQuant& q) {
  const int64_t kind = rng.below(4);
  if (kind < 2) {  // the product of the scales is denormal, the multiplier is not
    const auto shrink = static_cast<float>(1e-40 / (static_cast<double>(q.src_scale) * q.wei_scale[0]));
    q.src_scale = std::max(q.src_scale * shrink, 1e-44F);
    q.dst_scale = std::max(q.dst_scale * shrink, 1e-44F);
    return;
  }
  for (float& w : q.wei_scale) {  // the multiplier is infinite, or denormal or zero
    if (rng.chance(0.5)) w = kind == 2 ? std::numeric_limits<float>::max() : std::max(w * 1e-36F, 1e-44F);
  }
}

// Chooses dst_zp and all scales so that most accumulators land inside the destination's codes.
void draw_scales(Rng& rng, const OpSpec& s, Trap trap, const Spread& sp, OpQuant& q) {
  const auto channels = static_cast<size_t>(s.channels());
  const bool per_channel = s.wei_per_oc || s.mult_per_c;
  const bool power_of_two = trap == Trap::ties && rng.chance(0.6);
  std::vector<double> unit(per_channel ? channels : 1);  // real value of one accumulator step, in typical magnitudes
  for (size_t c = 0; c < unit.size(); ++c) {
    unit[c] = per_channel ? rng.log_uniform(0.4, 1.0) / sp.largest[c] : 1.0 / sp.typical;
  }
  std::vector<double> real;
  for (size_t i = 0; i < sp.acc.size(); ++i) real.push_back(sp.acc[i] * unit[per_channel ? i % channels : 0]);
  std::sort(real.begin(), real.end());
  const double low = std::min(real[real.size() / 20], 0.0),
               high = std::max(real[real.size() - 1 - real.size() / 20], 0.0);
  draw_dst_zp(rng, s, trap, low, high, q);
  const double below = q.dst_zp - qmin_of(s.dst), above = qmax_of(s.dst) - q.dst_zp;
  double step = 1e-9;  // real value of one destination code
  if (above > 0) step = std::max(step, high / above);
  if (below > 0) step = std::max(step, -low / below);
  step *= rng.log_uniform(0.8, 2.5);
  q.src_scale = static_cast<float>(rng.log_uniform(1e-3, 0.1));
  q.dst_scale = static_cast<float>(rng.log_uniform(0.01, 0.06));
  if (power_of_two) q.src_scale = 0x1p-7F, q.dst_scale = 0x1p-5F;
  q.wei_scale.resize(unit.size());
  for (size_t c = 0; c < unit.size(); ++c) {
    double mult = unit[c] / step;
    if (power_of_two) mult = std::exp2(std::round(std::log2(mult)));
    q.wei_scale[c] = static_cast<float>(mult * q.dst_scale / q.src_scale);
  }
  if (trap == Trap::odd_scales) odd_scales(rng, q);
}

void draw_clamp(Rng& rng, const OpSpec& s, OpQuant& q) {
  const auto real = [&](int32_t code) { return static_cast<float>(code - q.dst_zp) * q.dst_scale; };
  const int32_t lo = rng.code(qmin_of(s.dst), qmin_of(s.dst) + 60), hi = rng.code(qmax_of(s.dst) - 60, qmax_of(s.dst));
  set_clamp(q, s.dst, s.post, real(lo), real(hi));
}

// ---- ties

float mult_of(const OpQuant& q, size_t channel) {
  return multiplier(q.src_scale, q.wei_scale[q.wei_scale.size() == 1 ? 0 : channel], q.dst_scale);
}

// An accumulator whose float product is exactly a half, or next to one where float(acc) rounds.
bool find_tie(Rng& rng, const OpQuant& q, float mult, int32_t& acc) {
  if (!std::isnormal(mult)) return false;
  for (int tries = 0; tries < 48; ++tries) {
    const float half = static_cast<float>(rng.code(q.clamp_lo, q.clamp_hi) - q.dst_zp) + 0.5F;
    const double exact = std::round(static_cast<double>(half) / static_cast<double>(mult));
    if (std::fabs(exact) > 2147483000.0) continue;
    acc = static_cast<int32_t>(exact) + (std::fabs(exact) > 0x1p24 ? rng.code(-1, 1) : 0);
    if (static_cast<float>(acc) * mult == half) return true;
  }
  return false;
}

// Moves the bias of channels so that one of their outputs is a tie.
void bias_to_ties(Rng& rng, const OpSpec& s, double share, const std::vector<int32_t>& without_bias, OpQuant& q) {
  const auto channels = static_cast<size_t>(s.channels());
  for (size_t c = 0; c < channels; ++c) {
    int32_t acc = 0;
    if (!rng.chance(share) || !find_tie(rng, q, mult_of(q, c), acc)) continue;
    const auto point = static_cast<size_t>(rng.below(static_cast<int64_t>(without_bias.size() / channels)));
    const auto sum = static_cast<uint32_t>(without_bias[point * channels + c]);
    q.bias[c] = static_cast<int32_t>(static_cast<uint32_t>(acc) - sum);
  }
}

// ---- the kinds of op

std::vector<int32_t> accumulators(const OpSpec& spec, const OpQuant& quant, const Operands& o) {
  OpSpec s = spec;
  s.dst = DType::s32;
  s.dst_zp = s.bias = false;
  s.post = Post::none;
  OpQuant q = quant;
  q.dst_zp = 0;
  q.bias.clear();
  std::vector<int32_t> acc(static_cast<size_t>(s.dst_elements()));
  const Status status = reference::run(s, q, o.src.data(), o.wei.data(), acc.data());
  OCTILE_CHECK(status.ok());
  return acc;
}

void draw_bias(Rng& rng, const OpSpec& s, Trap trap, const Spread& sp, OpQuant& q) {
  const auto channels = static_cast<size_t>(s.channels());
  const double huge = trap == Trap::huge_acc ? rng.pick({0.0, 0x1p25, 0x1p30, 0x1.fffffep30}) : 0;
  for (size_t c = 0; c < channels; ++c) {
    double b = sp.largest[c] * rng.normal() * 0.3;
    if (rng.chance(0.5)) b -= sp.acc[c];  // centres the channel
    if (huge > 0) b = rng.chance(0.5) ? huge : -huge;
    q.bias.push_back(static_cast<int32_t>(std::clamp(b, -2147483648.0, 2147483647.0)));
  }
}

void draw_weighted(Rng& rng, const OpSpec& s, Trap trap, Operands& o) {
  OpQuant& q = o.quant;
  draw_source_zps(rng, s, trap, q);
  const int32_t flip = s.src == DType::s8 ? 0x80 : 0;
  fill_src_bytes(rng, src_style(rng, trap), q.src_zp + flip, o.src);
  if (flip != 0) {
    for (uint8_t& v : o.src) v = static_cast<uint8_t>(v ^ 0x80);
  }
  fill_wei(rng, s, trap, o.wei);
  const std::vector<int32_t> plain = accumulators(s, q, o);
  Spread sp = measure(plain, s.channels());
  if (s.bias) {
    draw_bias(rng, s, trap, sp, q);
    std::vector<int32_t> acc = plain;
    for (size_t i = 0; i < acc.size(); ++i) {
      acc[i] = static_cast<int32_t>(static_cast<uint32_t>(acc[i]) + static_cast<uint32_t>(q.bias[i % q.bias.size()]));
    }
    sp = measure(std::move(acc), s.channels());
  }
  if (s.dst == DType::s32) {
    if (s.wei_per_oc) q.wei_scale.assign(static_cast<size_t>(s.channels()), 0.01F);
    return;
  }
  draw_scales(rng, s, trap, sp, q);
  draw_clamp(rng, s, q);
  const bool aim = trap == Trap::ties || trap == Trap::huge_acc;
  if (s.bias) bias_to_ties(rng, s, aim ? 0.6 : 0.05, plain, q);
}

void draw_requantize(Rng& rng, const OpSpec& s, Trap trap, Operands& o) {
  OpQuant& q = o.quant;
  draw_source_zps(rng, s, trap, q);
  std::vector<int32_t> acc(static_cast<size_t>(s.src_elements()));
  const double reach = trap == Trap::huge_acc ? 2147483647.0 : rng.log_uniform(300, 5e7);
  for (size_t i = 0; i < acc.size(); ++i) {
    if (s.src != DType::s32) {
      o.src[i] = static_cast<uint8_t>(rng.next());
      acc[i] = (s.src == DType::u8 ? o.src[i] : static_cast<int8_t>(o.src[i])) - q.src_zp;
    } else {
      acc[i] = static_cast<int32_t>(rng.uniform(-reach, reach));
    }
  }
  draw_scales(rng, s, trap, measure(acc, s.c), q);
  draw_clamp(rng, s, q);
  if (s.src != DType::s32) return;
  for (size_t i = 0; i < acc.size(); ++i) {
    int32_t tie = 0;
    if (rng.chance(0.3) && find_tie(rng, q, mult_of(q, i % static_cast<size_t>(s.c)), tie)) acc[i] = tie;
    acc[i] = static_cast<int32_t>(static_cast<uint32_t>(acc[i]) + static_cast<uint32_t>(q.src_zp));
  }
  std::memcpy(o.src.data(), acc.data(), o.src.size());
}

void draw_quantize(Rng& rng, const OpSpec& s, Trap trap, Operands& o) {
  OpQuant& q = o.quant;
  q.dst_scale = static_cast<float>(rng.log_uniform(1e-3, 10));
  if (trap == Trap::odd_scales) q.dst_scale = rng.pick({1e-38F, 1e-41F, 1e38F, 1.17549435e-38F});
  draw_dst_zp(rng, s, trap, -1, 1, q);
  draw_clamp(rng, s, q);
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < o.src.size() / 4; ++i) {
    const auto half = static_cast<float>(rng.code(q.clamp_lo, q.clamp_hi) - q.dst_zp) + 0.5F;
    float v = static_cast<float>(60 * rng.normal()) * q.dst_scale;
    if (rng.chance(0.4)) v = half * q.dst_scale;
    if (rng.chance(trap == Trap::none ? 0.01 : 0.1)) {
      v = rng.pick({kInf, -kInf, std::numeric_limits<float>::quiet_NaN(), 0.0F, -0.0F, 1e-40F, 3e38F, -3e38F});
    }
    std::memcpy(o.src.data() + 4 * i, &v, 4);
  }
}

void draw_dequantize(Rng& rng, const OpSpec& s, Trap trap, Operands& o) {
  draw_source_zps(rng, s, trap, o.quant);
  o.quant.src_scale = static_cast<float>(trap == Trap::odd_scales ? 1e-40 : rng.log_uniform(1e-4, 10));
  for (uint8_t& v : o.src) v = static_cast<uint8_t>(rng.next());
}

}  // namespace

Operands draw_operands(const OpSpec& spec, uint64_t seed) {
  Rng rng(mix(seed ^ 0x6f70));
  const Trap trap = trap_of(seed);
  Operands o;
  o.src.resize(static_cast<size_t>(spec.src_elements() * size_of(spec.src)));
  o.wei.resize(static_cast<size_t>(spec.wei_elements()));
  o.dst_bytes = static_cast<size_t>(spec.dst_elements() * size_of(spec.dst));
  switch (spec.kind) {
    case OpKind::conv2d:
    case OpKind::dense: draw_weighted(rng, spec, trap, o); break;
    case OpKind::requantize: draw_requantize(rng, spec, trap, o); break;
    case OpKind::quantize: draw_quantize(rng, spec, trap, o); break;
    case OpKind::dequantize: draw_dequantize(rng, spec, trap, o); break;
  }
  return o;
}

}  // namespace octile::testing
