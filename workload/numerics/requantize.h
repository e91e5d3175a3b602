// The normative arithmetic: mode f32-rne. Every kernel on every target equals it bit for bit.
// In:  int32 accumulators, scales, zero points.  Out: int8 values.
// Not here: loops over tensors (reference/), vector code.  Compiled with -ffp-contract=off.
//
//   mult[c] = (src_scale * wei_scale[c]) / dst_scale         each operation rounded to float32, in this order
//   q       = rne(clamp(float(acc) * mult[c], lo - zp, hi - zp)) + zp      lo, hi: the clamp in dst codes
// (ONNX Runtime's QLinearConv, core/providers/cpu/quantization/qlinearconv.cc and mlas/lib/quantize.cpp.)
// NaN products clamp to lo; mult may be 0, infinite or denormal: the formula is applied as written.
#pragma once

#include <cstdint>
#include <vector>

#include "workload/spec/op_spec.h"

namespace octile {

// The values an OpSpec leaves open. Vectors have 1 element (per tensor) or one per output channel.
struct OpQuant {
  float src_scale = 1.0F;
  int32_t src_zp = 0;
  std::vector<float> wei_scale{1.0F};
  std::vector<int32_t> wei_zp{0};
  float dst_scale = 1.0F;
  int32_t dst_zp = 0;
  // Fused clamp in dst codes, inside the dst type's range: relu of u8 zp 3 is [3, 255].
  int32_t clamp_lo = 0;
  int32_t clamp_hi = 255;
  std::vector<int32_t> bias;  // empty, or one per output channel
};

// Refuses values that contradict the spec: wrong vector lengths, zero points without the attribute or outside their
// type, a clamp outside the dst type, scales that are not positive and finite.
[[nodiscard]] Status validate(const OpSpec& spec, const OpQuant& quant);
// The multiplier of channel c.
[[nodiscard]] float multiplier(float src_scale, float wei_scale, float dst_scale);
// One accumulator (bias included) to a dst code in [lo, hi].
[[nodiscard]] int32_t requantize_f32_rne(int32_t acc, float mult, int32_t zp, int32_t lo, int32_t hi);
// Mode onnx-rne: v / scale by true division, clamp, half to even, plus zp. NaN gives lo.
[[nodiscard]] int32_t quantize_onnx_rne(float v, float scale, int32_t zp, int32_t lo, int32_t hi);
// (q - zp) * scale.
[[nodiscard]] inline float dequantize(int32_t q, float scale, int32_t zp) { return static_cast<float>(q - zp) * scale; }
// The clamp of `post` in dst codes, from the float bounds of a Relu/Clip: quantizes them with the dst's own scale.
void set_clamp(OpQuant& quant, DType dst, Post post, float clip_lo, float clip_hi);

}  // namespace octile
