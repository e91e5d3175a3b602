// The walk over blocks; see float_function.h.
// In:  rows of floats.  Out: rows of floats.  Not here: arithmetic.
#include "runtime/exec/float_function.h"

#include <algorithm>
#include <cstring>

namespace octile::runtime {
namespace {

constexpr int64_t kBlock = 512;  // floats: all that a function of a few operations makes of them fits the first cache
constexpr int64_t kFloat = sizeof(float);

const float* floats(const uint8_t* data) { return reinterpret_cast<const float*>(data); }

}  // namespace

void FloatFunction::run_block(const Ops& ops, const float* src, const float* other, float* dst, int64_t count) const {
  alignas(64) float made[kMost][kBlock];
  const auto operand = [&](const Operation& op, int which) -> FloatOperand {
    if (which == kConstant) return {&op.constant, true};
    return {which == kSource ? src : which == kOther ? other : made[which - kMade], false};
  };
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& op = operations[i];
    float* const to = i + 1 == operations.size() ? dst : made[i];
    const FloatOperand a = operand(op, op.a), b = op.b == kNone ? a : operand(op, op.b);
    if (!vector_kernel(op.unary.kind)) {
      for (int64_t k = 0; k < count; ++k) {
        const float x = a.data[a.repeated ? 0 : k], y = b.data[b.repeated ? 0 : k];
        to[k] = op.b == kNone ? op.unary(x) : binary(op.unary.kind, x, y);
      }
    } else if (op.b == kNone) {
      ops.float_unary(op.unary, a.data, to, count);
    } else {
      ops.float_binary(op.unary.kind, a, b, to, count);
    }
  }
}

void FloatFunction::run(const Ops& ops, Rows src, Rows other, RowsOut dst, int64_t c, int64_t rows) const {
  const int64_t bytes = c * kFloat, element = codes ? 1 : kFloat;
  const bool reads = other.data != nullptr;
  if (src.stride == bytes && dst.stride == bytes && (!reads || other.stride == c * element)) {
    c *= rows;
    rows = 1;
  }
  alignas(64) float from[kBlock], with[kBlock], to[kBlock];
  const auto size = static_cast<size_t>(bytes);
  const auto load = [&](const uint8_t* data, float* at, int64_t count) {
    if (codes) {
      to_floats(ops, *codes, data, at, count);
    } else {
      std::memcpy(at, data, static_cast<size_t>(count * kFloat));
    }
  };
  if (src.stride == bytes && dst.stride == bytes && reads && other.stride == 0 && c <= kBlock && rows > 1) {
    // One row for all, as often as it fits a block.
    const int64_t some = std::min(kBlock / c, rows);
    load(other.data, with, c);
    for (int64_t r = 1; r < some; ++r) std::memcpy(with + r * c, with, size);
    for (int64_t first = 0; first < rows; first += some) {
      run_block(ops, floats(src.data + first * bytes), with, reinterpret_cast<float*>(dst.data + first * bytes),
                std::min(some, rows - first) * c);
    }
    return;
  }
  if (c >= kBlock / 2 || rows == 1) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t at = 0; at < c; at += kBlock) {
        const int64_t count = std::min(kBlock, c - at);
        const uint8_t* const beside = reads ? other.data + r * other.stride + at * element : nullptr;
        if (reads && codes) load(beside, with, count);
        run_block(ops, floats(src.data + r * src.stride) + at, codes ? with : floats(beside),
                  reinterpret_cast<float*>(dst.data + r * dst.stride) + at, count);
      }
    }
    return;
  }
  // Short rows: several at a time, side by side.
  for (int64_t first = 0; first < rows; first += kBlock / c) {
    const int64_t count = std::min(kBlock / c, rows - first);
    for (int64_t r = 0; r < count; ++r) {
      std::memcpy(from + r * c, src.data + (first + r) * src.stride, size);
      if (reads) load(other.data + (first + r) * other.stride, with + r * c, c);
    }
    run_block(ops, from, with, to, count * c);
    for (int64_t r = 0; r < count; ++r) std::memcpy(dst.data + (first + r) * dst.stride, to + r * c, size);
  }
}

}  // namespace octile::runtime
