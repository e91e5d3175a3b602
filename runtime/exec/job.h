// Job: one run of an op, as its tasks see it.
// In:  what run() is given.  Out: plain data and what kernels returned.
// Not here: how a task goes about it (run.cpp, winograd.cpp, paired.cpp).
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "runtime/exec/choice.h"
#include "runtime/exec/slots.h"
#include "runtime/exec/tails.h"
#include "runtime/exec/tensor.h"

namespace octile::runtime {

struct Job {
  const Choice* choice = nullptr;
  Tensor src, dst;
  std::span<const Tail> tails;
  uint8_t* scratch = nullptr;
  // Ops whose tasks borrow scratch: which piece of it, and the bytes of one.
  Slots* slots = nullptr;
  size_t slot_bytes = 0;
  // Ops that call kernels on the source as it lies.
  const uint8_t* origin = nullptr;  // what the first output pixel reads first
  const int16_t* wide = nullptr;    // the same place, widened
  int64_t wide_n = 0, wide_y = 0, wide_x = 0;
  const uint8_t* wei = nullptr;
  const int32_t* bias = nullptr;
  int64_t first_batch = 0, batches = 1;
  std::atomic<int> rc{0};  // of a kernel that did not return 0
};

// What a task writes: pixels `first` to `last`, counted row by row through all images; of their rows columns `x` to
// `x_end`; channels.
struct Patch {
  int64_t first = 0, last = 0;
  int64_t x = 0, x_end = 0;
  int64_t channel = 0, channel_end = 0;
};
// Of a crop of an output of that many columns and rows.
[[nodiscard]] Patch patch_of(const Crop& crop, int64_t columns, int64_t rows);

}  // namespace octile::runtime
