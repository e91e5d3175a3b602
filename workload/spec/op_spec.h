// OpSpec: one quantized operation as the field names it, and its canonical text line.
// In:  nothing.  Out: the struct every other room passes around; parse and print that round-trip.
// Not here: tensor values, scales, zero points (see OpQuant in numerics), kernels, layouts chosen for speed.
//
// The line is the key everywhere (log, manifest, dispatch); its grammar is in docs/names.md:
//   conv2d mb1g1ic64ih56iw56oc64kh3kw3pt1pl1pb1pr1 src=u8:zp wei=s8:per_oc bia=s32 dst=u8:zp post=relu
//   dense mb1m128k768n768 src=s8:zp wei=s8 dst=s32
//   requantize mb1m3136c64 src=s32 mult=per_c dst=u8:zp
//   quantize mb1m3136c64 src=f32 dst=u8:zp           dequantize mb1m3136c64 src=u8:zp dst=f32
// A trailing  n"net:layer*3"  names origin and multiplicity; it is not part of the key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "workload/base/status.h"

namespace octile {

enum class OpKind : uint8_t { conv2d, dense, requantize, quantize, dequantize };
enum class DType : uint8_t { u8, s8, s32, f32, s64 };  // s64: indices, of no op here
enum class Post : uint8_t { none, relu, relu6, clip };

[[nodiscard]] std::string_view to_string(OpKind kind);
[[nodiscard]] std::string_view to_string(DType type);
[[nodiscard]] std::string_view to_string(Post post);
[[nodiscard]] constexpr int size_of(DType t) { return t == DType::u8 || t == DType::s8 ? 1 : t == DType::s64 ? 8 : 4; }
[[nodiscard]] constexpr int qmin_of(DType t) { return t == DType::s8 ? -128 : 0; }
[[nodiscard]] constexpr int qmax_of(DType t) { return t == DType::s8 ? 127 : 255; }

struct OpSpec {
  OpKind kind = OpKind::conv2d;
  int64_t mb = 1;  // batch: images of a conv, matrices of a dense

  // conv2d. src [mb, ih, iw, ic], wei [oc, ic/g, kh, kw] (OIHW), dst [mb, oh, ow, oc]. A 1-D conv has ih = kh = 1.
  int64_t g = 1, ic = 1, ih = 1, iw = 1, oc = 1, kh = 1, kw = 1;
  int64_t sh = 1, sw = 1;                  // strides
  int64_t dh = 1, dw = 1;                  // dilations, 1 = dense taps
  int64_t pt = 0, pl = 0, pb = 0, pr = 0;  // pads; padding holds the source's zero point

  // dense. src [mb, m, k], wei [mb or 1, k, n], dst [mb, m, n].
  // requantize, quantize, dequantize: [mb, m, c], channels innermost.
  int64_t m = 1, k = 1, n = 1, c = 1;

  DType src = DType::u8, wei = DType::s8, dst = DType::u8;
  bool src_zp = false;      // source has a zero point (any value)
  bool wei_zp = false;      // weights have zero points
  bool wei_per_oc = false;  // weight scales (and zero points) per output channel
  bool wei_var = false;     // dense only: weights are an activation, not a constant
  bool bias = false;        // int32 bias per output channel
  bool dst_zp = false;
  bool mult_per_c = false;  // requantize only: a multiplier per channel
  Post post = Post::none;

  std::string name;   // "resnet_50:res2a_branch2b", empty if unknown; not part of the key
  int64_t count = 1;  // how often it occurs there

  [[nodiscard]] int64_t oh() const { return (ih + pt + pb - (dh * (kh - 1) + 1)) / sh + 1; }
  [[nodiscard]] int64_t ow() const { return (iw + pl + pr - (dw * (kw - 1) + 1)) / sw + 1; }
  [[nodiscard]] bool depthwise() const { return kind == OpKind::conv2d && g > 1 && g == ic && oc == ic; }
  // Output channels: oc, n or c.
  [[nodiscard]] int64_t channels() const { return kind == OpKind::conv2d ? oc : kind == OpKind::dense ? n : c; }
  // Multiply-adds, padding not counted out (the field's convention); 0 for elementwise ops.
  [[nodiscard]] int64_t macs() const;
  [[nodiscard]] int64_t src_elements() const;
  [[nodiscard]] int64_t wei_elements() const;
  [[nodiscard]] int64_t dst_elements() const;
};

// Refuses what no kernel could mean: non-positive sizes, groups that do not divide, an empty output, K beyond the
// int32 bound (T17: 255*128*K < 2^31, so K <= 65793), a dst type the kind does not have.
[[nodiscard]] Status validate(const OpSpec& spec);
// The canonical line without the trailing name: the key.
[[nodiscard]] std::string to_key(const OpSpec& spec);
// The canonical line with  n"name*count"  when there is a name.
[[nodiscard]] std::string to_line(const OpSpec& spec);
// Parses and validates one line; errors name the offending token.
[[nodiscard]] Result<OpSpec> parse_op(std::string_view line);

}  // namespace octile
