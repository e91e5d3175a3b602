// Depthwise: one filter per channel, taps of a row packed into 32-bit words so that a dot instruction sums them.
// In:  DepthwiseConfig (taps of a word, filter and stride if fixed).  Out: named stages for a schedule.
// Not here: tiles, vector widths, targets.
//
// Lanes are channels. A word holds 4 bytes (t4c) or 2 int16 (t2cw) of neighbouring taps of one channel:
//   acc(c,x,y) = bias(c) + sum over ky, groups of dot(pack(c, x, y*st + ky, group), wei(c, group, ky))
// Neighbouring rows of outputs share the packed words, which is why pack is a stage of its own. Taps past the filter
// have zero weights and repeat the last real tap, so nothing outside the filter's window is read.
//
// With phases, the words begin at the first of so many outputs of a row and reach to the last one's taps; output p
// takes its weights from words of weights moved p*st elements up: 3 taps in words of 4 serve two outputs.
#pragma once

#include <Halide.h>

#include <vector>

namespace octile::generators {

struct DepthwiseConfig {
  int taps = 4;             // taps in a word: 4 (t4c) or 2 (t2cw)
  int kx = 0, ky = 0;       // filter; 0: asked of the buffers
  int stride = 0;           // of both axes, dilation 1; 0: anything, the source's x and y dimensions say
  bool lane_order = false;  // a fixed filter: words by unpacking bytes inside 128-bit lanes (markers.h)
  int phases = 1;           // lane order, bytes: outputs beside each other that read the same words
  bool row_loop = false;    // lane order, bytes: a loop over the filter's rows instead of one expression
  bool dst_s32 = false;     // store the accumulators
};

struct DepthwiseStages {
  Halide::ImageParam src, wei, bias, mult;
  Halide::Param<float> lo{"lo"}, hi{"hi"};
  Halide::Param<int32_t> zp{"zp"};
  Halide::Var c{"c"}, x{"x"}, y{"y"}, row{"row"}, group{"group"};
  Halide::Func pack{"pack"}, acc{"acc"}, out{"out"};
  Halide::Func column{"column"}, last{"last"};  // has_column: words of the last column, two rows in one; the last row
  std::vector<Halide::Func> kept;       // lane order: bias, words of weights, multipliers of a block of channels
  std::vector<Halide::Func> kept_rows;  // row_loop: words of weights, of all rows
  bool lane_order = false;
  int phases = 1;
  bool fixed = false;  // filter and stride known: pack is a stage, acc one expression
  bool has_column = false;
  int groups = 0;     // fixed only: words of a row in pack
  Halide::RDom taps;  // otherwise: [group, ky]
  bool row_loop = false;
  Halide::RDom rows;  // row_loop: of the filter
  std::vector<Halide::Argument> args;
};

[[nodiscard]] DepthwiseStages make_depthwise(const DepthwiseConfig& config);

}  // namespace octile::generators
