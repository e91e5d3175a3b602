// Tensor: a u8 NHWC tensor inside a region, possibly with a halo that holds its zero point.
// In/out: views only.  Not here: memory, which belongs to the plan's arena or the host.
// Signed tensors are stored as q ^ 0x80.
#pragma once

#include <cstdint>

namespace octile::runtime {

struct Tensor {
  uint8_t* data = nullptr;  // element (n 0, y 0, x 0, c 0) of the interior; the halo lies around it
  int64_t n = 1, h = 1, w = 1, c = 1;
  int64_t stride_n = 0, stride_y = 0, stride_x = 0;  // in bytes; channels are contiguous
  int pad_t = 0, pad_l = 0, pad_b = 0, pad_r = 0;    // halo available around the interior
  int slack = 0;                                     // readable bytes past the last element
  int border = -1;  // of a destination: the code that who writes it puts into its halo; -1: none, the halo stays
};

[[nodiscard]] inline uint8_t* pixel_at(const Tensor& t, int64_t n, int64_t y, int64_t x) {
  return t.data + n * t.stride_n + y * t.stride_y + x * t.stride_x;
}

}  // namespace octile::runtime
