// Candidate: one way to build one kernel, as a line of text.
// In:  a line.  Out: the struct, and the same line back.
// Not here: which candidates are valid or good (space.h), Halide, targets' facts.
//
//   layout=k4n16 tile=x7y1n64 uk=2 order=xyn
// Layout is the half that changes the data contract (how weights are packed, which groups acc16 sums); the rest is
// tuning and never changes a byte of a result or of a layout. Keys always print in this order; defaults are omitted
// except layout and tile:
//   layout  k4n16 | k4n8 | k2n16w | k2n8w | t1c | t4c | t2cw | none
//   group   acc16 only: k-words summed in 16 bits before widening, 1..4
//   tile    output pixels in x and y and channels computed together, held in registers
//   uk      k-words (acc16: groups) unrolled in the reduction loop
//   order   loop order over tiles, innermost first, a permutation of x, y, n
//   kxy     depthwise: filter size the taps are unrolled for (kxy=3x3); absent: any
//   st      depthwise: stride the kernel is built for (st=1); absent: any
//   unpack  lane: depthwise words are made by unpacking bytes inside 128-bit lanes; tile n is 32 or 64
//   tail    y: the last, partial channel panel; stores are masked
#pragma once

#include <string>
#include <string_view>

#include "workload/base/status.h"

namespace octile {

struct Candidate {
  std::string layout = "none";
  int group = 0;
  int tx = 1, ty = 1, tn = 16;
  int uk = 1;
  std::string order = "xyn";
  int kx = 0, ky = 0;
  int st = 0;
  bool lane_unpack = false;
  bool tail = false;

  bool operator==(const Candidate&) const = default;
};

[[nodiscard]] std::string to_line(const Candidate& cand);
[[nodiscard]] Result<Candidate> parse_candidate(std::string_view line);

}  // namespace octile
