// Divisor: what the rows of a normalize node are divided by, or multiplied with.
// In:  the node.  Out: a function of a row's mean of squares, or of its length.
// Not here: sums over rows.
#pragma once

#include <array>
#include <cstddef>

#include "workload/graph/graph.h"

namespace octile {

struct Divisor {
  enum class By : uint8_t { deviation, length, root_mean_square };
  // Quantized and dequantized again, or as it is (type f32).
  struct Stage {
    DType type = DType::f32;
    float scale = 1.0F;
    int32_t zp = 0;
    [[nodiscard]] float operator()(float v) const;
  };
  By by = By::deviation;
  bool times = false;
  float epsilon = 0.0F;
  std::array<Stage, 4> stages;  // v, v + epsilon, its root, the inverse

  [[nodiscard]] float operator()(float spread) const;
  // What it makes of a value behind the stage; not by length.
  [[nodiscard]] float after(size_t stage, float v) const;
};

[[nodiscard]] Divisor divisor_of(const NodeDesc& node);

}  // namespace octile
