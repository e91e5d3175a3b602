// Sums of floats in one order that vectors of any width can keep.
// In:  a count and the summand of each index.  Out: their float64 sum.
// Not here: which elements are summed (workload/graph).
//
// Summand i goes to partial sum i % 16; the 16 are then halved four times, the upper half added to the lower. That is
// 16 lanes of any machine: two registers of eight doubles, four of four, eight of two. Sums of up to 2^21 values that
// come from one dequantize are exact: 24 bits each, spread over 8 bits of exponents, in 53.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace octile {

inline constexpr size_t kPartialSums = 16;

template <class Summand>
[[nodiscard]] double sum_in_order(int64_t count, const Summand& summand) {
  std::array<double, kPartialSums> part{};
  for (int64_t i = 0; i < count; ++i) part[static_cast<size_t>(i) % kPartialSums] += static_cast<double>(summand(i));
  for (size_t half = kPartialSums / 2; half > 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) part[j] += part[j + half];
  }
  return part[0];
}

}  // namespace octile
