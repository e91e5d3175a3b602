// Stand-ins: instructions for which Halide 21 has no vector call, written as calls of the same shape that it does have.
// In:  vectors of whole registers; later the IR Halide wrote.  Out: expressions; the IR with the instructions meant.
// Not here: when to use which.
// No kernel uses the calls that stand in for what they say, which is why every one of them may be replaced.
#pragma once

#include <Halide.h>

#include <string>

namespace octile::kernelc::stand_ins {

// Float32 to int32, rounded as the mode says; the lowest integer where it does not fit.
[[nodiscard]] Halide::Expr round(const Halide::Expr& f);
// Inside every 128-bit lane: the elements of a, then those of b, saturated. int32 to int16; int16 to uint8.
[[nodiscard]] Halide::Expr pack_words(const Halide::Expr& a, const Halide::Expr& b);
[[nodiscard]] Halide::Expr pack_bytes(const Halide::Expr& a, const Halide::Expr& b);

[[nodiscard]] std::string replace(std::string ir);

}  // namespace octile::kernelc::stand_ins
