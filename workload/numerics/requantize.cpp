// The normative arithmetic, one expression per line so that each float operation rounds once.
// In:  int32 accumulators, scales, zero points.  Out: int8 values.
// Not here: vector code.  Rounding is written out: the host may have changed the floating-point mode.
#include "workload/numerics/requantize.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace octile {
namespace {

// Half to even, for |f| < 2^23.
int32_t round_half_even(float f) {
  const float below = std::floor(f);
  const float rest = f - below;  // exact
  const auto r = static_cast<int32_t>(below);
  return rest > 0.5F || (rest == 0.5F && (r & 1) != 0) ? r + 1 : r;
}

// Clamp and round; the order of the comparisons sends NaN to lo.
int32_t narrow(float f, int32_t zp, int32_t lo, int32_t hi) {
  const auto flo = static_cast<float>(lo - zp);
  const auto fhi = static_cast<float>(hi - zp);
  f = f > flo ? f : flo;
  f = f < fhi ? f : fhi;
  return round_half_even(f) + zp;
}

Status bad(const std::string& what) { return {Code::invalid_argument, "op values: " + what}; }

bool in_type(int32_t v, DType t) { return size_of(t) == 4 || (v >= qmin_of(t) && v <= qmax_of(t)); }
bool good_scale(float s) { return std::isfinite(s) && s > 0; }
bool good_length(size_t size, bool per_channel, int64_t channels) {
  return size == 1 || (per_channel && static_cast<int64_t>(size) == channels);
}

}  // namespace

float multiplier(float src_scale, float wei_scale, float dst_scale) {
  const float product = src_scale * wei_scale;
  return product / dst_scale;
}

int32_t requantize_f32_rne(int32_t acc, float mult, int32_t zp, int32_t lo, int32_t hi) {
  const float f = static_cast<float>(acc) * mult;
  return narrow(f, zp, lo, hi);
}

int32_t quantize_onnx_rne(float v, float scale, int32_t zp, int32_t lo, int32_t hi) {
  const float f = v / scale;
  return narrow(f, zp, lo, hi);
}

void set_clamp(OpQuant& quant, DType dst, Post post, float clip_lo, float clip_hi) {
  const int32_t qmin = qmin_of(dst), qmax = qmax_of(dst);
  const auto code = [&](float v) { return quantize_onnx_rne(v, quant.dst_scale, quant.dst_zp, qmin, qmax); };
  quant.clamp_lo = qmin;
  quant.clamp_hi = qmax;
  if (post == Post::relu || post == Post::relu6) quant.clamp_lo = code(0.0F);
  if (post == Post::relu6) quant.clamp_hi = code(6.0F);
  if (post == Post::clip) {
    quant.clamp_hi = code(clip_hi);
    quant.clamp_lo = std::min(code(clip_lo), quant.clamp_hi);  // ONNX Clip: where min > max, everything is max
  }
}

Status validate(const OpSpec& spec, const OpQuant& quant) {
  const int64_t channels = spec.channels();
  if (!good_scale(quant.src_scale) || !good_scale(quant.dst_scale)) return bad("a scale is not positive and finite");
  const bool per_channel = spec.wei_per_oc || spec.mult_per_c;
  if (!good_length(quant.wei_scale.size(), per_channel, channels)) return bad("wrong number of weight scales");
  if (!std::all_of(quant.wei_scale.begin(), quant.wei_scale.end(), good_scale)) {
    return bad("a weight scale is not positive and finite");
  }
  if (!good_length(quant.wei_zp.size(), spec.wei_per_oc, channels)) return bad("wrong number of weight zero points");
  for (int32_t zp : quant.wei_zp) {
    if (zp != 0 && (!spec.wei_zp || !in_type(zp, spec.wei))) return bad("weight zero point " + std::to_string(zp));
  }
  if (quant.src_zp != 0 && (!spec.src_zp || !in_type(quant.src_zp, spec.src))) {
    return bad("source zero point " + std::to_string(quant.src_zp));
  }
  if (quant.dst_zp != 0 && (!spec.dst_zp || !in_type(quant.dst_zp, spec.dst))) {
    return bad("destination zero point " + std::to_string(quant.dst_zp));
  }
  if (size_of(spec.dst) == 1 &&
      (!in_type(quant.clamp_lo, spec.dst) || !in_type(quant.clamp_hi, spec.dst) || quant.clamp_lo > quant.clamp_hi)) {
    return bad("clamp [" + std::to_string(quant.clamp_lo) + ", " + std::to_string(quant.clamp_hi) + "]");
  }
  if (static_cast<int64_t>(quant.bias.size()) != (spec.bias ? channels : 0)) return bad("wrong number of biases");
  return {};
}

}  // namespace octile
