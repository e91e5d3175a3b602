// Conversions: between the host's tensors and the region's, and the elementwise ops, which are the same thing.
// In:  a ConvertOp and two views of one shape.  Out: the destination.
// Not here: borders (see fill_border), what to convert when (plan).
// Written by hand in place of the packs' elementwise kernels: one pass reads and writes memory once, whatever the
// strides.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/exec/float_function.h"
#include "runtime/exec/parallel.h"
#include "runtime/exec/tensor.h"
#include "targets/desc/target.h"
#include "workload/numerics/requantize.h"
#include "workload/spec/op_spec.h"

namespace octile::runtime {

// A tensor in memory as the conversions see it. Strides count elements.
struct View {
  void* data = nullptr;
  int64_t n = 1, h = 1, w = 1, c = 1;
  int64_t stride_n = 0, stride_y = 0, stride_x = 0, stride_c = 0;
  DType type = DType::u8;  // s8: the bytes are signed codes, as in the host; inside a region they are flipped u8
};

// The host's NCHW memory.
[[nodiscard]] View planar_view(int64_t n, int64_t c, int64_t h, int64_t w, DType type);
// Rows of channels, without gaps.
[[nodiscard]] View row_view(int64_t rows, int64_t c, DType type);

struct ConvertOp {
  OpKind kind = OpKind::quantize;
  bool copy = true;                        // nothing but layout and sign; `kind` and the rest are ignored
  DType src = DType::u8, dst = DType::u8;  // the op's types, whatever the memory holds
  float scale = 1.0F;
  std::vector<float> mult;  // requantize: one factor, or one per channel
  int32_t src_zp = 0, dst_zp = 0, lo = 0, hi = 255;
  const FloatFunction* function = nullptr;  // quantize: of a quick function of the floats; dst is no host's s8
};

[[nodiscard]] ConvertOp convert_op(const OpSpec& spec, const OpQuant& quant);
// src and dst have equal extents. Pixels of an interleaved src are readable 16 bytes wide (region tensors have slack).
void convert(const ConvertOp& op, const View& src, const View& dst, Isa best, const Parallel& parallel);
// Sets the halo around the interior to `code`.
void fill_border(const Tensor& tensor, uint8_t code, const Parallel& parallel = {});
// The instruction set convert() uses under `best` on this machine.
[[nodiscard]] Isa convert_isa(Isa best);

}  // namespace octile::runtime
