// The scalar kernel with its faults. Every `is(Fault::x)` is the only place where fault x changes anything.
// In:  a fault, an op.  Out: dst.
// Not here: speed, or any claim to be right beyond Fault::none.
#include "tests/conformance/planted_faults.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace octile::testing {
namespace {

constexpr int64_t kPanel = 16;

int32_t wrap16(int32_t v) { return static_cast<int16_t>(static_cast<uint16_t>(v)); }
int32_t at(const std::vector<int32_t>& v, int64_t c) { return v.size() == 1 ? v[0] : v[static_cast<size_t>(c)]; }

class Kernel {
 public:
  Kernel(Fault fault, const OpSpec& spec, const OpQuant& quant) : fault_(fault), s_(spec), q_(quant) {}

  void run(const void* src, const void* wei, void* dst) {
    dst_ = static_cast<uint8_t*>(dst);
    if (s_.kind == OpKind::quantize) return quantize(static_cast<const float*>(src));
    if (s_.kind == OpKind::dequantize) return dequantize(static_cast<const uint8_t*>(src));
    if (s_.kind == OpKind::requantize) return requantize(src);
    unsign(static_cast<const uint8_t*>(src), static_cast<const uint8_t*>(wei));
    if (s_.kind == OpKind::conv2d) {
      conv();
    } else {
      dense();
    }
  }

 private:
  [[nodiscard]] bool is(Fault f) const { return fault_ == f; }

  // ---- values to u8 activations and s8 weights

  void unsign(const uint8_t* src, const uint8_t* wei) {
    const bool flip_a = s_.src == DType::s8, flip_w = s_.wei == DType::u8;
    for (int64_t i = 0; i < s_.src_elements(); ++i) a_.push_back(flip_a ? src[i] ^ 0x80 : src[i]);
    for (int64_t i = 0; i < s_.wei_elements(); ++i) {
      int32_t w = static_cast<int8_t>(flip_w ? wei[i] ^ 0x80 : wei[i]);
      if (is(Fault::wei_min_negated) && w == -128) w = -127;
      w_.push_back(w);
    }
    za_ = q_.src_zp + (flip_a && !is(Fault::sign_flip_without_zp) ? 128 : 0);
    if (is(Fault::src_zp_ignored)) za_ = flip_a ? 128 : 0;
    const int64_t n = s_.channels();
    for (int64_t c = 0; c < n; ++c) {
      int32_t zw = at(q_.wei_zp, is(Fault::wei_zp_first_only) ? 0 : c);
      if (is(Fault::wei_zp_ignored)) zw = 0;
      zw_.push_back(zw - (flip_w && !is(Fault::wei_flip_without_zp) ? 128 : 0));
    }
  }

  // ---- one output: sources and weights of the reduction are gathered first

  uint32_t reduce(const std::vector<int32_t>& a, const std::vector<int32_t>& w, int32_t zw, int32_t rowsum) const {
    uint32_t acc = 0;
    size_t depth = a.size();
    if (is(Fault::k_tail_dropped) && depth > 4) depth -= depth % 4;
    for (size_t k = 0; k < depth; k += 4) {
      int32_t p[4] = {};
      for (size_t i = 0; i < 4 && k + i < depth; ++i) p[i] = a[k + i] * w[k + i];
      int32_t low = p[0] + p[1], high = p[2] + p[3];
      if (is(Fault::pair_saturation)) {
        low = std::clamp(low, -32768, 32767);
        high = std::clamp(high, -32768, 32767);
      }
      if (is(Fault::group_of_two_wraps)) low = wrap16(low), high = wrap16(high);
      int32_t sum = low + high;
      if (is(Fault::group_of_four_wraps)) sum = wrap16(sum);
      acc += static_cast<uint32_t>(sum);
    }
    uint32_t colsum = 0;
    const size_t taps = w.size() - (is(Fault::colsum_without_last_tap) && w.size() > 1 ? 1 : 0);
    for (size_t k = 0; k < taps; ++k) colsum += static_cast<uint32_t>(w[k]);
    const auto za = static_cast<uint32_t>(za_);
    const auto uzw = static_cast<uint32_t>(zw);
    acc -= za * colsum + uzw * static_cast<uint32_t>(rowsum);
    if (!is(Fault::constant_term_missing)) acc += static_cast<uint32_t>(w.size()) * za * uzw;
    return acc;
  }

  void store(uint32_t sum, int64_t channel, int64_t index) {
    const int64_t n = s_.channels();
    float apart = 0;
    const float mult = scale_of(channel);
    if (s_.bias) {
      const int32_t bias = q_.bias[static_cast<size_t>(channel)];
      const bool last_panel = n % kPanel != 0 && channel >= n / kPanel * kPanel;
      if (is(Fault::bias_scaled_apart)) {
        apart = static_cast<float>(bias) * mult;
      } else if (is(Fault::acc_saturates)) {
        const int64_t wide = int64_t{static_cast<int32_t>(sum)} + bias;
        sum = static_cast<uint32_t>(std::clamp<int64_t>(wide, INT32_MIN, INT32_MAX));
      } else if (!(is(Fault::bias_dropped_on_last_panel) && last_panel)) {
        sum += static_cast<uint32_t>(bias);
      }
    }
    const auto acc = static_cast<int32_t>(sum);
    if (s_.dst == DType::s32) {
      std::memcpy(dst_ + 4 * index, &acc, 4);
    } else {
      dst_[index] = narrow(acc, mult, apart);
    }
    if (is(Fault::last_channel_from_previous) && channel == n - 1 && n > 1) copy(index - 1, index);
  }

  void copy(int64_t from, int64_t to) {
    const int64_t size = size_of(s_.dst);
    std::memcpy(dst_ + to * size, dst_ + from * size, static_cast<size_t>(size));
  }

  // ---- requantize

  [[nodiscard]] float scale_of(int64_t channel) const {
    const size_t c = q_.wei_scale.size() == 1 || is(Fault::first_scale_only) ? 0 : static_cast<size_t>(channel);
    const float w = q_.wei_scale[c];
    if (is(Fault::multiplier_by_reciprocal)) return q_.src_scale * w * (1.0F / q_.dst_scale);
    if (is(Fault::multiplier_order)) return q_.src_scale * (w / q_.dst_scale);
    return multiplier(q_.src_scale, w, q_.dst_scale);
  }

  [[nodiscard]] int32_t low_code() const {
    if (is(Fault::no_clamp)) return qmin_of(s_.dst);
    const bool relu = s_.post == Post::relu || s_.post == Post::relu6;
    if (is(Fault::relu_at_zero) && relu) return std::min(std::max(0, qmin_of(s_.dst)), q_.clamp_hi);
    return q_.clamp_lo;
  }
  [[nodiscard]] int32_t high_code() const { return is(Fault::no_clamp) ? qmax_of(s_.dst) : q_.clamp_hi; }

  [[nodiscard]] uint8_t narrow(int32_t acc, float mult, float apart) const {
    float f = static_cast<float>(acc) * mult + apart;
    if (is(Fault::double_precision)) return code(static_cast<double>(acc) * mult);
    if (is(Fault::double_rounding)) f = std::nearbyintf(f * 256.0F) / 256.0F;
    if (is(Fault::fma_contraction)) {
      const float magic = 12582912.0F;
      const float product = static_cast<float>(acc) * mult;
      if (std::fabs(product) < 4194304.0F) f = std::fmaf(static_cast<float>(acc), mult, magic) - magic;
    }
    return code(static_cast<double>(f));
  }

  // A real value in destination steps to its code. Doubles hold every float exactly.
  [[nodiscard]] uint8_t code(double f) const {
    const int32_t zp = is(Fault::dst_zp_ignored) ? 0 : q_.dst_zp;
    const int32_t lo = low_code(), hi = high_code();
    if (std::isnan(f)) f = is(Fault::nan_to_high) ? 1e9 : -1e9;
    if (is(Fault::truncating_narrow)) {
      const double bounded = std::clamp(f, -1e6, 1e6);
      return static_cast<uint8_t>(static_cast<int32_t>(std::nearbyint(bounded)) + zp);
    }
    const int32_t shift = is(Fault::clamp_after_zp_lost) ? 0 : zp;
    f = std::clamp(f, static_cast<double>(lo - shift), static_cast<double>(hi - shift));
    double r = std::nearbyint(f);
    if (is(Fault::half_away_from_zero)) r = std::round(f);
    if (is(Fault::half_up)) r = std::floor(f + 0.5);
    if (is(Fault::truncation)) r = std::trunc(f);
    if (is(Fault::zp_before_rounding)) r = std::nearbyint(f + zp) - zp;
    return static_cast<uint8_t>(std::clamp(static_cast<int32_t>(r) + zp, qmin_of(s_.dst), qmax_of(s_.dst)));
  }

  // ---- the ops

  void conv() {
    OpSpec t = s_;  // the geometry as the faulty kernel sees it
    if (is(Fault::stride_swapped)) std::swap(t.sh, t.sw);
    if (is(Fault::dilation_ignored)) t.dh = t.dw = 1;
    if (is(Fault::pads_swapped)) std::swap(t.pt, t.pb), std::swap(t.pl, t.pr);
    const int64_t icg = s_.ic / s_.g, ocg = s_.oc / s_.g;
    int64_t index = 0;
    std::vector<int32_t> a, w;
    for (int64_t b = 0; b < s_.mb; ++b)
      for (int64_t y = 0; y < s_.oh(); ++y)
        for (int64_t x = 0; x < s_.ow(); ++x) {
          for (int64_t o = 0; o < s_.oc; ++o, ++index) {
            const int64_t group = is(Fault::group_offset_ignored) ? 0 : o / ocg;
            const int32_t rowsum = gather(t, b, y, x, group * icg, a);
            gather_wei(o, icg, w);
            store(reduce(a, w, zw_[static_cast<size_t>(o)], rowsum), o, index);
          }
          if (!is(Fault::last_pixel_from_previous) || x == 0 || x != s_.ow() - 1) continue;
          for (int64_t o = 0; o < s_.oc; ++o) copy(index - 2 * s_.oc + o, index - s_.oc + o);
        }
  }

  // The sources of one window in reduction order (ky, kx, ic), padding included; their sum for weight zero points.
  int32_t gather(const OpSpec& t, int64_t b, int64_t y, int64_t x, int64_t first, std::vector<int32_t>& a) const {
    a.clear();
    int32_t rowsum = 0;
    const int64_t icg = t.ic / t.g;
    if (is(Fault::second_image_first)) b = 0;
    for (int64_t ky = 0; ky < t.kh; ++ky)
      for (int64_t kx = 0; kx < t.kw; ++kx) {
        const int64_t iy = y * t.sh - t.pt + ky * t.dh, ix = x * t.sw - t.pl + kx * t.dw;
        const bool inside = iy >= 0 && iy < t.ih && ix >= 0 && ix < t.iw;
        for (int64_t i = 0; i < icg; ++i) {
          const int32_t pad = is(Fault::zero_padding) ? (s_.src == DType::s8 ? 128 : 0) : za_;
          const int32_t v = inside ? a_[static_cast<size_t>(((b * t.ih + iy) * t.iw + ix) * t.ic + first + i)] : pad;
          a.push_back(v);
          if (inside || !is(Fault::rowsum_without_padding)) rowsum += v;
        }
      }
    return rowsum;
  }

  void gather_wei(int64_t o, int64_t icg, std::vector<int32_t>& w) const {
    w.clear();
    for (int64_t ky = 0; ky < s_.kh; ++ky)
      for (int64_t kx = 0; kx < s_.kw; ++kx) {
        const bool turn = is(Fault::kernel_transposed) && s_.kh == s_.kw;
        const int64_t tap = turn ? kx * s_.kw + ky : ky * s_.kw + kx;
        for (int64_t i = 0; i < icg; ++i) w.push_back(w_[static_cast<size_t>((o * icg + i) * s_.kh * s_.kw + tap)]);
      }
  }

  void dense() {
    int64_t index = 0;
    std::vector<int32_t> a, w;
    for (int64_t b = 0; b < s_.mb; ++b)
      for (int64_t row = 0; row < s_.m; ++row) {
        const int64_t image = is(Fault::second_image_first) ? 0 : b;
        const auto from = a_.begin() + (image * s_.m + row) * s_.k;
        a.assign(from, from + s_.k);
        int32_t rowsum = 0;
        for (int32_t v : a) rowsum += v;
        for (int64_t o = 0; o < s_.n; ++o, ++index) {
          const int64_t matrix = s_.wei_var && !is(Fault::batch_weights_shared) ? b : 0;
          w.clear();
          for (int64_t k = 0; k < s_.k; ++k) w.push_back(w_[static_cast<size_t>((matrix * s_.k + k) * s_.n + o)]);
          store(reduce(a, w, zw_[static_cast<size_t>(o)], rowsum), o, index);
        }
        if (!is(Fault::last_pixel_from_previous) || row == 0 || row != s_.m - 1) continue;
        for (int64_t o = 0; o < s_.n; ++o) copy(index - 2 * s_.n + o, index - s_.n + o);
      }
  }

  void requantize(const void* src) {
    for (int64_t i = 0; i < s_.src_elements(); ++i) {
      int32_t v = 0;
      if (s_.src == DType::s32) std::memcpy(&v, static_cast<const uint8_t*>(src) + 4 * i, 4);
      if (s_.src == DType::u8) v = static_cast<const uint8_t*>(src)[i];
      if (s_.src == DType::s8) v = static_cast<const int8_t*>(src)[i];
      const int32_t zp = is(Fault::src_zp_ignored) ? 0 : q_.src_zp;
      store(static_cast<uint32_t>(v) - static_cast<uint32_t>(zp), i % s_.c, i);
    }
  }

  void quantize(const float* src) {
    for (int64_t i = 0; i < s_.src_elements(); ++i) {
      const float f = is(Fault::quantize_by_reciprocal) ? src[i] * (1.0F / q_.dst_scale) : src[i] / q_.dst_scale;
      dst_[i] = code(static_cast<double>(f));
    }
  }

  void dequantize(const uint8_t* src) {
    for (int64_t i = 0; i < s_.src_elements(); ++i) {
      const int32_t v = s_.src == DType::s8 ? static_cast<int8_t>(src[i]) : src[i];
      float f = static_cast<float>(v - q_.src_zp) * q_.src_scale;
      if (is(Fault::dequantize_expanded)) {
        f = static_cast<float>(v) * q_.src_scale - static_cast<float>(q_.src_zp) * q_.src_scale;
      }
      std::memcpy(dst_ + 4 * i, &f, 4);
    }
  }

  Fault fault_;
  const OpSpec& s_;
  const OpQuant& q_;
  uint8_t* dst_ = nullptr;
  std::vector<int32_t> a_, w_, zw_;
  int32_t za_ = 0;
};

}  // namespace

std::string_view to_string(Fault fault) {
  constexpr std::string_view kNames[kFaults] = {"none",
                                                "half_away_from_zero",
                                                "half_up",
                                                "truncation",
                                                "zp_before_rounding",
                                                "fma_contraction",
                                                "double_precision",
                                                "double_rounding",
                                                "multiplier_by_reciprocal",
                                                "multiplier_order",
                                                "first_scale_only",
                                                "quantize_by_reciprocal",
                                                "dequantize_expanded",
                                                "bias_scaled_apart",
                                                "no_clamp",
                                                "relu_at_zero",
                                                "clamp_after_zp_lost",
                                                "truncating_narrow",
                                                "nan_to_high",
                                                "zero_padding",
                                                "sign_flip_without_zp",
                                                "src_zp_ignored",
                                                "dst_zp_ignored",
                                                "wei_zp_ignored",
                                                "wei_zp_first_only",
                                                "wei_flip_without_zp",
                                                "colsum_without_last_tap",
                                                "rowsum_without_padding",
                                                "constant_term_missing",
                                                "pair_saturation",
                                                "group_of_two_wraps",
                                                "group_of_four_wraps",
                                                "k_tail_dropped",
                                                "wei_min_negated",
                                                "acc_saturates",
                                                "bias_dropped_on_last_panel",
                                                "last_channel_from_previous",
                                                "last_pixel_from_previous",
                                                "stride_swapped",
                                                "dilation_ignored",
                                                "pads_swapped",
                                                "group_offset_ignored",
                                                "kernel_transposed",
                                                "batch_weights_shared",
                                                "second_image_first"};
  return kNames[static_cast<size_t>(fault)];
}

Status run_faulty(Fault fault, const OpSpec& spec, const OpQuant& quant, const void* src, const void* wei, void* dst) {
  OCTILE_RETURN_IF_ERROR(validate(spec));
  OCTILE_RETURN_IF_ERROR(validate(spec, quant));
  Kernel(fault, spec, quant).run(src, wei, dst);
  return {};
}

}  // namespace octile::testing
