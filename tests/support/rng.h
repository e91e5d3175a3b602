// A random generator whose numbers are the same on every machine and library: seeds in repro lines must mean the same.
// In:  a seed.  Out: numbers.  Not here: std distributions, which differ between libraries.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numbers>
#include <vector>

namespace octile::testing {

// splitmix64: one step; also used to derive the seed of draw i from the seed of a run.
[[nodiscard]] constexpr uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}
  uint64_t next() { return mix(state_++ * 0x2545F4914F6CDD1DU); }
  // In [0, n).
  int64_t below(int64_t n) { return static_cast<int64_t>(next() % static_cast<uint64_t>(n)); }
  // In [lo, hi].
  int64_t range(int64_t lo, int64_t hi) { return lo + below(hi - lo + 1); }
  int32_t code(int32_t lo, int32_t hi) { return static_cast<int32_t>(range(lo, hi)); }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  double uniform(double lo, double hi) { return lo + (hi - lo) * uniform(); }
  // Even in the logarithm.
  double log_uniform(double lo, double hi) { return lo * std::pow(hi / lo, uniform()); }
  bool chance(double p) { return uniform() < p; }
  double normal() {
    const double u = 1.0 - uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * uniform());
  }
  template <class T>
  T pick(std::initializer_list<T> list) {
    return *(list.begin() + below(static_cast<int64_t>(list.size())));
  }

 private:
  uint64_t state_;
};

}  // namespace octile::testing
