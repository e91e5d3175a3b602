// Dot: conv2d and dense as one reduction over segments of contiguous source elements.
// In:  DotConfig (layout, what is known at build time).  Out: named stages for a schedule.
// Not here: tiles, unrolling, vector widths, targets.
//
// With src' = src - zs and wei' = wei - zw(n) the accumulator is
//   sum src*wei - zs * sum wei - zw(n) * sum src + K*zs*zw(n)
// The second and fourth terms are constants folded into bias when weights are packed; the third is the dotz variant's
// rowsum. A conv is a strided view: segment (sx, sy) of output pixel (x, y) starts at src(0, sx, sy, x, y), so no
// im2col is ever stored. See packs/format/pack_abi.h for the buffers.
#pragma once

#include <Halide.h>

#include <vector>

namespace octile::generators {

// What a specialised kernel knows in advance; 0 is "asked of the buffers at run time".
struct DotFacts {
  int words = 0;       // k-words of one segment
  int sx = 0, sy = 0;  // segments
  int src_x = 0;       // source elements between neighbouring output pixels
  int src_sx = 0;      // source elements between neighbouring segments in x
  int dst_x = 0;       // destination elements between neighbouring output pixels
};

struct DotConfig {
  int lanes = 16;  // channels in a weight panel
  int word = 4;    // elements in a 32-bit word: 4 bytes, or 2 int16 (k2n8w)
  int group = 0;   // acc16: k-words summed in 16 bits; 0: none
  int step = 1;    // k-words (or groups) of one reduction iteration; the rest of a run goes word by word
  int ahead = 0;   // panels: weights that lie as far ahead, the next tile's, are asked for early; 0: none are
  bool weight_zero_points = false;
  bool dst_s32 = false;
  DotFacts facts;
};

struct DotStages {
  Halide::ImageParam src, wei, bias, mult, wzp, rowsum;
  Halide::Param<float> lo{"lo"}, hi{"hi"};
  Halide::Param<int32_t> zp{"zp"};
  Halide::Var n{"n"}, x{"x"}, y{"y"};
  Halide::Func acc{"acc"}, out{"out"};
  Halide::RDom main, rest;  // main: [step, iterations, sx, sy]; rest: [words left, sx, sy]
  bool has_rest = true, any_segments = true;
  Halide::Expr words, sx, sy;  // k-words of a segment; segments
  std::vector<Halide::Argument> args;
};

[[nodiscard]] DotStages make_dot(const DotConfig& config);

}  // namespace octile::generators
