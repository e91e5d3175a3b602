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
  if (by == By::length) return Unary{NodeKind::clip, epsilon, std::numeric_limits<float>::max()}(spread);
  return after(0, stages[0](spread));
}

float Divisor::after(size_t stage, float v) const {
  if (stage < 1) v = stages[1](v + epsilon);
  if (stage < 2) v = stages[2](std::sqrt(v));
  return times && stage < 3 ? stages[3](1 / v) : v;
}

Divisor divisor_of(const NodeDesc& node) {
  const auto real = [&](size_t i, float otherwise) { return i < node.floats.size() ? node.floats[i] : otherwise; };
  const auto by = static_cast<Divisor::By>(int_or(node, 1, 0));
  Divisor d{by, by != Divisor::By::length && int_or(node, 10, 0) != 0, real(0, 0.0F), {}};
  for (size_t i = 0; i < d.stages.size(); ++i) {
    const int64_t type = int_or(node, 2 + 2 * i, 0);
    d.stages[i] = {type == 0   ? DType::f32
                   : type == 1 ? DType::u8
                               : DType::s8,
                   real(i + 1, 1.0F), static_cast<int32_t>(int_or(node, 3 + 2 * i, 0))};
  }
  return d;
}

}  // namespace octile
