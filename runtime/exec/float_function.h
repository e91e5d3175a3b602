// FloatFunction: a function of one or two tensors of floats, element by element, as a straight line of operations.
// In:  floats.  Out: floats.
// Not here: single operations (ops/ops.h), who makes one of a graph's nodes (runtime/region).
//
// Blocks of numbers take all operations one after the other while they are in the innermost cache. Every operation is
// rounded by itself, as workload/numerics has it: the answer equals the same nodes one by one.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "runtime/exec/ops/ops.h"

namespace octile::runtime {

struct FloatFunction {
  // Operands: the source, the other tensor, what operation i made (kMade + i), or the operation's own constant.
  static constexpr int kNone = -2, kConstant = -1, kSource = 0, kOther = 1, kMade = 2;
  static constexpr size_t kMost = 12;  // operations
  struct Operation {
    Unary unary;  // its kind is the operation's; one with two operands has no other use for it
    int a = kSource, b = kNone;
    float constant = 0;
  };
  std::vector<Operation> operations;
  // What the other tensor means where it is codes, a byte each; none: it is floats.
  std::optional<Meaning> codes{};
  std::shared_ptr<const std::vector<float>> values{};  // of that meaning, if it has any
  Quick quick = Quick::none;                           // what quick_of() says, for to_codes() and range()

  // `rows` rows of `c` floats. `other` is not read where no operation does; a stride of 0 repeats its row. dst may be
  // the source.
  void run(const Ops& ops, Rows src, Rows other, RowsOut dst, int64_t c, int64_t rows) const;

  // Of a quick function, without its floats: the codes of `count`, and range() of ops.h.
  void to_codes(const Ops& ops, const float* src, const QuantizeForm& to, uint8_t* dst, int64_t count) const;
  void range(const Ops& ops, Rows src, int64_t count, int64_t rows, float* lo, float* hi) const;

 private:
  void run_block(const Ops& ops, const float* src, const float* other, float* dst, int64_t count) const;
};

// Whether float32 tells most codes of f, and as which function.
[[nodiscard]] Quick quick_of(const FloatFunction& f);
// What f multiplies by, if that is all it does and an ordinary power of two; else 0.
[[nodiscard]] float power_of_two(const FloatFunction& f);

}  // namespace octile::runtime
