// Divisor: what the rows of a normalize node are divided by.
// In:  the node.  Out: a function of a row's mean of squares, or of its length.
// Not here: sums over rows.
#pragma once

#include "workload/graph/graph.h"

namespace octile {

struct Divisor {
  // Quantized and dequantized again, or as it is (type f32).
  struct Stage {
    DType type = DType::f32;
    float scale = 1.0F;
    int32_t zp = 0;
    [[nodiscard]] float operator()(float v) const;
  };
  bool length = false;
  float epsilon = 0.0F;
  Stage squares, sum;  // v, v + epsilon

  [[nodiscard]] float operator()(float spread) const;
};

[[nodiscard]] Divisor divisor_of(const NodeDesc& node);

}  // namespace octile
