// Tail: what is done to the codes (or sums) of a crop right after its kernels wrote them, in place and hot.
// In/out: views only.  A run() takes a short list and applies it in order.
// Not here: who decides that a step may be a tail, the loops over codes (ops/ops.h).
//
// Codes are as stored: u8, signed ones flipped. The answer equals the same steps as passes over the whole tensor.
#pragma once

#include <cstdint>

#include "runtime/exec/float_function.h"
#include "runtime/exec/tensor.h"

namespace octile::runtime {

struct Tail {
  enum class Kind : uint8_t {
    table,     // dst = table[dst]
    binary,    // dst = form(dst, other), element by element
    gate,      // dst = form(dst, other[n, 0, 0, c]): other has one pixel per image, or one for all images
    line,      // dst = line(dst): a line per channel
    copy,      // other = table[dst], or dst where there is no table; dst stays
    sums,      // int32 sums to floats; the only one that takes sums
    floats,    // floats = function(floats, other), after sums; other like dst, or a pixel per image, or one for all
    quantize,  // other = codes of the floats, which stay, or of a quick function of them, or of the softmax of each
               // pixel's; with its halo
  };
  Kind kind = Kind::table;
  const uint8_t* table = nullptr;  // 256 entries
  BinaryForm form;
  GateForm line;  // its lists begin at channel 0
  SumsForm sums;  // likewise
  const FloatFunction* function = nullptr;
  QuantizeForm to;
  bool softmax = false;  // quantize: crops must be whole pixels, of at most kQuickMost
  bool alone = false;    // quantize, the last: nobody else reads the floats, so they need not lie where dst has them
  bool other_first = false;  // binary and gate: form(other, dst)
  int64_t channel = 0;       // copy: `other` has those of dst from here on
  // binary, floats, copy, quantize: n, h, w of dst, and all but copy: c, any strides, halo ignored. A dense's tensors
  // have h = 1, w = m. It may not overlap dst unless it is dst's own elements (binary).
  Tensor other;
};

}  // namespace octile::runtime
