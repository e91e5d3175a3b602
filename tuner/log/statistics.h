// Statistics: from raw samples of an interleaved pair to one robust estimate, its noise, and a yes or no.
// In:  samples in microseconds, taken in rounds: candidate, default, candidate, default, ...  Out: PairEstimate.
// Not here: clocks, processes.  Unit-tested on synthetic noise.
//
// What disturbs a timing is almost always something that adds time (an interrupt, a neighbour on the sibling core, a
// slower clock for a while), so the mean measures the disturbance, and the plain minimum keeps one lucky sample (a
// turbo phase, a coarse clock). Samples are therefore cut into consecutive blocks; the minimum of each block discards
// the short disturbances, the median over blocks discards the long ones. The ratio of a pair is taken block by block,
// where both sides saw the same machine.
#pragma once

#include <span>

namespace octile::tuner {

// Median over consecutive blocks of the block's minimum. 0 for no samples.
[[nodiscard]] double robust_estimate(std::span<const double> samples);

struct PairEstimate {
  double est_us = 0;   // candidate
  double base_us = 0;  // default; est_us / base_us is the median block ratio
  double noise = 0;    // relative half-width of that ratio: what it could be off by (about two sigma)
};

// Both spans have one sample per round, in order of time; the shorter one decides how many rounds count.
[[nodiscard]] PairEstimate estimate_pair(std::span<const double> cand, std::span<const double> base);

// Is a candidate with this ratio to the default faster beyond noise? At least one per cent is asked for in any case.
[[nodiscard]] bool beats(double ratio, double noise);

}  // namespace octile::tuner
