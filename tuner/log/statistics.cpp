// Statistics: see statistics.h.  In: samples.  Out: estimates.  Not here: clocks.
#include "tuner/log/statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace octile::tuner {
namespace {

constexpr size_t kBlocks = 9;          // an odd number of blocks has a median; 9 stand 4 bad ones
constexpr double kMinimumGain = 0.01;  // differences below one per cent are not worth a kernel of their own

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

std::vector<double> block_minima(std::span<const double> samples) {
  const size_t blocks = std::min(kBlocks, samples.size());
  std::vector<double> minima;
  for (size_t b = 0; b < blocks; ++b) {
    const size_t begin = samples.size() * b / blocks, end = samples.size() * (b + 1) / blocks;
    minima.push_back(*std::min_element(samples.begin() + static_cast<std::ptrdiff_t>(begin),
                                       samples.begin() + static_cast<std::ptrdiff_t>(end)));
  }
  return minima;
}

}  // namespace

double robust_estimate(std::span<const double> samples) { return median(block_minima(samples)); }

PairEstimate estimate_pair(std::span<const double> cand, std::span<const double> base) {
  const size_t rounds = std::min(cand.size(), base.size());
  if (rounds == 0) return {robust_estimate(cand), robust_estimate(base), 1.0};
  const std::vector<double> c = block_minima(cand.first(rounds)), b = block_minima(base.first(rounds));
  std::vector<double> ratios;
  for (size_t i = 0; i < c.size(); ++i) ratios.push_back(b[i] > 0 ? c[i] / b[i] : 1.0);
  const double ratio = median(ratios);
  std::vector<double> off;
  for (double r : ratios) off.push_back(std::abs(r - ratio));
  // 1.4826 * MAD estimates sigma of one block; the median of n blocks has about 1.25 sigma / sqrt(n).
  const double sigma = 1.4826 * median(off) * 1.25 / std::sqrt(static_cast<double>(ratios.size()));
  PairEstimate estimate;
  estimate.base_us = median(b);
  estimate.est_us = ratio * estimate.base_us;
  estimate.noise = ratios.size() < 3 || ratio <= 0 ? 1.0 : 2 * sigma / ratio;
  return estimate;
}

bool beats(double ratio, double noise) { return ratio > 0 && ratio < 1 - std::max(noise, kMinimumGain); }

}  // namespace octile::tuner
