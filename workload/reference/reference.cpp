// The oracle's loops. Zero points are subtracted element by element, so padding is simply skipped.
// In:  OpSpec, OpQuant, dense tensors.  Out: dst.
// Not here: speed beyond unpacking each tensor once, taps of a sum beside one another, so that compilers vectorize it.
#include "workload/reference/reference.h"

#include <vector>

namespace octile::reference {
namespace {

// Reads any integer tensor as int32.
std::vector<int32_t> widen(const void* data, DType type, int64_t count) {
  const auto n = static_cast<size_t>(count);
  if (type == DType::u8) return {static_cast<const uint8_t*>(data), static_cast<const uint8_t*>(data) + n};
  if (type == DType::s8) return {static_cast<const int8_t*>(data), static_cast<const int8_t*>(data) + n};
  return {static_cast<const int32_t*>(data), static_cast<const int32_t*>(data) + n};
}

// q - zp of 8-bit values: both lie in the type's range, so 16 bits hold the difference.
int16_t centre(int32_t q, int32_t zp) { return static_cast<int16_t>(q - zp); }

std::vector<int16_t> centred_src(const OpSpec& s, const OpQuant& q, const void* src) {
  std::vector<int16_t> out;
  for (int32_t v : widen(src, s.src, s.src_elements())) out.push_back(centre(v, q.src_zp));
  return out;
}

// The sum of products modulo 2^32.
uint32_t dot(const int16_t* a, const int16_t* b, int64_t count) {
  uint32_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<uint32_t>(int32_t{a[i]} * b[i]);
  return sum;
}

int32_t wei_zp(const OpQuant& q, int64_t channel) {
  return q.wei_zp.size() == 1 ? q.wei_zp[0] : q.wei_zp[static_cast<size_t>(channel)];
}

float wei_scale(const OpQuant& q, int64_t channel) {
  return q.wei_scale.size() == 1 ? q.wei_scale[0] : q.wei_scale[static_cast<size_t>(channel)];
}

// Writes one accumulator (bias not yet added) as element `index` of channel `channel`.
void store(const OpSpec& s, const OpQuant& q, uint32_t sum, int64_t channel, int64_t index, void* dst) {
  if (s.bias) sum += static_cast<uint32_t>(q.bias[static_cast<size_t>(channel)]);
  const auto acc = static_cast<int32_t>(sum);
  if (s.dst == DType::s32) {
    static_cast<int32_t*>(dst)[index] = acc;
    return;
  }
  const float mult = multiplier(q.src_scale, wei_scale(q, channel), q.dst_scale);
  const int32_t code = requantize_f32_rne(acc, mult, q.dst_zp, q.clamp_lo, q.clamp_hi);
  static_cast<uint8_t*>(dst)[index] = static_cast<uint8_t>(code);
}

// OIHW to [oc, kh, kw, ic/g], zero points removed.
std::vector<int16_t> conv_weights(const OpSpec& s, const OpQuant& q, const void* wei) {
  const std::vector<int32_t> oihw = widen(wei, s.wei, s.wei_elements());
  std::vector<int16_t> out(oihw.size());
  const int64_t icg = s.ic / s.g, taps = s.kh * s.kw;
  size_t from = 0;
  for (int64_t o = 0; o < s.oc; ++o)
    for (int64_t i = 0; i < icg; ++i)
      for (int64_t t = 0; t < taps; ++t) {
        out[static_cast<size_t>((o * taps + t) * icg + i)] = centre(oihw[from++], wei_zp(q, o));
      }
  return out;
}

void conv2d(const OpSpec& s, const OpQuant& q, const void* src, const void* wei, void* dst) {
  const std::vector<int16_t> a = centred_src(s, q, src), w = conv_weights(s, q, wei);
  const int64_t icg = s.ic / s.g, ocg = s.oc / s.g;
  int64_t out = 0;
  for (int64_t b = 0; b < s.mb; ++b)
    for (int64_t y = 0; y < s.oh(); ++y)
      for (int64_t x = 0; x < s.ow(); ++x)
        for (int64_t o = 0; o < s.oc; ++o, ++out) {
          uint32_t sum = 0;
          for (int64_t ky = 0; ky < s.kh; ++ky)
            for (int64_t kx = 0; kx < s.kw; ++kx) {
              const int64_t iy = y * s.sh - s.pt + ky * s.dh, ix = x * s.sw - s.pl + kx * s.dw;
              if (iy < 0 || iy >= s.ih || ix < 0 || ix >= s.iw) continue;  // holds the zero point
              const int64_t pixel = ((b * s.ih + iy) * s.iw + ix) * s.ic + o / ocg * icg;
              sum += dot(&a[static_cast<size_t>(pixel)], &w[static_cast<size_t>(((o * s.kh + ky) * s.kw + kx) * icg)],
                         icg);
            }
          store(s, q, sum, o, out, dst);
        }
}

// [batch, k, n] to [batch, n, k], zero points removed.
std::vector<int16_t> dense_weights(const OpSpec& s, const OpQuant& q, const void* wei) {
  const std::vector<int32_t> kn = widen(wei, s.wei, s.wei_elements());
  std::vector<int16_t> out(kn.size());
  for (size_t i = 0; i < kn.size(); ++i) {
    const auto at = static_cast<int64_t>(i), matrix = at / (s.k * s.n), k = at / s.n % s.k, n = at % s.n;
    out[static_cast<size_t>((matrix * s.n + n) * s.k + k)] = centre(kn[i], wei_zp(q, n));
  }
  return out;
}

void dense(const OpSpec& s, const OpQuant& q, const void* src, const void* wei, void* dst) {
  const std::vector<int16_t> a = centred_src(s, q, src), w = dense_weights(s, q, wei);
  int64_t out = 0;
  for (int64_t b = 0; b < s.mb; ++b)
    for (int64_t row = 0; row < s.m; ++row)
      for (int64_t col = 0; col < s.n; ++col, ++out) {
        const int64_t matrix = s.wei_var ? b : 0;
        store(s, q,
              dot(&a[static_cast<size_t>((b * s.m + row) * s.k)], &w[static_cast<size_t>((matrix * s.n + col) * s.k)],
                  s.k),
              col, out, dst);
      }
}

void requantize(const OpSpec& s, const OpQuant& q, const void* src, void* dst) {
  int64_t i = 0;
  for (int32_t v : widen(src, s.src, s.src_elements())) {
    store(s, q, static_cast<uint32_t>(v) - static_cast<uint32_t>(q.src_zp), i % s.c, i, dst);
    ++i;
  }
}

void quantize(const OpSpec& s, const OpQuant& q, const void* src, void* dst) {
  for (int64_t i = 0; i < s.src_elements(); ++i) {
    const float v = static_cast<const float*>(src)[i];
    static_cast<uint8_t*>(dst)[i] =
        static_cast<uint8_t>(quantize_onnx_rne(v, q.dst_scale, q.dst_zp, q.clamp_lo, q.clamp_hi));
  }
}

void dequantize(const OpSpec& s, const OpQuant& q, const void* src, void* dst) {
  float* out = static_cast<float*>(dst);
  for (int32_t v : widen(src, s.src, s.src_elements())) *out++ = octile::dequantize(v, q.src_scale, q.src_zp);
}

}  // namespace

Status run(const OpSpec& spec, const OpQuant& quant, const void* src, const void* wei, void* dst) {
  OCTILE_RETURN_IF_ERROR(validate(spec));
  OCTILE_RETURN_IF_ERROR(validate(spec, quant));
  switch (spec.kind) {
    case OpKind::conv2d: conv2d(spec, quant, src, wei, dst); break;
    case OpKind::dense: dense(spec, quant, src, wei, dst); break;
    case OpKind::requantize: requantize(spec, quant, src, dst); break;
    case OpKind::quantize: quantize(spec, quant, src, dst); break;
    case OpKind::dequantize: dequantize(spec, quant, src, dst); break;
  }
  return {};
}

}  // namespace octile::reference
