// In/out: see divisor.h.
#include "workload/graph/divisor.h"

#include <cmath>
#include <limits>

#include "workload/graph/infer.h"
#include "workload/numerics/requantize.h"
#include "workload/numerics/unary.h"

namespace octile {

float Divisor::Stage::operator()(float v) const {
  if (type == DType::f32) return v;
  const int32_t lowest = type == DType::s8 ? -128 : 0;
  return dequantize(quantize_onnx_rne(v, scale, zp, lowest, lowest + 255), scale, zp);
}

float Divisor::operator()(float spread) const {
  if (length) return Unary{NodeKind::clip, epsilon, std::numeric_limits<float>::max()}(spread);
  return std::sqrt(sum(squares(spread) + epsilon));
}

Divisor divisor_of(const NodeDesc& node) {
  const auto real = [&](size_t i, float otherwise) { return i < node.floats.size() ? node.floats[i] : otherwise; };
  const auto stage = [&](size_t at, float scale) {
    const int64_t type = int_or(node, at, 0);
    return Divisor::Stage{type == 0   ? DType::f32
                          : type == 1 ? DType::u8
                                      : DType::s8,
                          scale, static_cast<int32_t>(int_or(node, at + 1, 0))};
  };
  return {int_or(node, 1, 0) != 0, real(0, 0.0F), stage(2, real(1, 1.0F)), stage(4, real(2, 1.0F))};
}

}  // namespace octile
