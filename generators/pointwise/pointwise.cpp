// The algorithms of the pointwise families; see pointwise.h.
#include "generators/pointwise/pointwise.h"

#include "generators/common/requantize.h"

namespace octile::generators {

using namespace Halide;  // NOLINT(google-build-using-namespace)

PointwiseStages make_pointwise(Pointwise family, const Type& src) {
  PointwiseStages s;
  const Type type = family == Pointwise::quantize ? Float(32) : family == Pointwise::dequantize ? UInt(8) : src;
  s.src = ImageParam(type, 2, "src");
  s.src.dim(0).set_min(0).set_stride(1);
  s.src.dim(1).set_min(0);
  const Expr value = s.src(s.c, s.p);
  switch (family) {
    case Pointwise::quantize:  // mode onnx-rne: a true division; strict, so it stays one
      s.out(s.c, s.p) = round(strict_float(value / s.scale), s.lo, s.hi, s.zp, false);
      s.args = {s.src, s.scale, s.lo, s.hi, s.zp};
      break;
    case Pointwise::dequantize:
      s.out(s.c, s.p) = strict_float(cast<float>(cast<int32_t>(value) - s.zp) * s.scale);
      s.args = {s.src, s.scale, s.zp};
      break;
    case Pointwise::requantize:
      s.mult = ImageParam(Float(32), 1, "mult");
      s.mult.dim(0).set_min(0).set_stride(1);
      s.out(s.c, s.p) = requantize(cast<int32_t>(value) - s.src_zp, s.mult(s.c), s.lo, s.hi, s.zp, false);
      s.args = {s.src, s.src_zp, s.mult, s.lo, s.hi, s.zp};
      break;
  }
  s.out.output_buffer().dim(0).set_min(0).set_stride(1);
  s.out.output_buffer().dim(1).set_min(0);
  return s;
}

}  // namespace octile::generators
