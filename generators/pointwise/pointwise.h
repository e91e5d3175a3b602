// Pointwise: quantize, dequantize and requantize of rows of channels.
// In:  the family, the source type of a requantize.  Out: named stages for a schedule.
// Not here: vector widths, layout changes (runtime/region does those while it copies).
#pragma once

#include <Halide.h>

#include <vector>

namespace octile::generators {

enum class Pointwise { quantize, dequantize, requantize };

struct PointwiseStages {
  Halide::ImageParam src, mult;
  Halide::Param<float> scale{"scale"}, lo{"lo"}, hi{"hi"};
  Halide::Param<int32_t> src_zp{"src_zp"}, zp{"zp"};
  Halide::Var c{"c"}, p{"p"};
  Halide::Func out{"out"};
  std::vector<Halide::Argument> args;
};

// `src` matters to requantize only: Int(32) or UInt(8).
[[nodiscard]] PointwiseStages make_pointwise(Pointwise family, const Halide::Type& src);

}  // namespace octile::generators
