// Statistics on synthetic noise.  In: seeds.  Out: assertions on answers.  Not here: clocks.
#include "tuner/log/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace octile::tuner {
namespace {

constexpr int kRounds = 81;

// Jitter upwards, a share of samples disturbed by up to three times their time, and slow phases of the whole machine.
struct Machine {
  explicit Machine(uint64_t seed) : rng(seed) {}
  double unit() { return static_cast<double>(rng() % 100000) / 100000; }
  double sample(double us, double disturbed, double phase) {
    return us * phase * (1 + 0.02 * unit() + (unit() < disturbed ? 3 * unit() : 0));
  }
  std::mt19937_64 rng;
};

struct Pair {
  std::vector<double> cand, base;
};

Pair draw(uint64_t seed, double cand_us, double base_us, double disturbed, bool phases) {
  Machine m(seed);
  Pair p;
  for (int i = 0; i < kRounds; ++i) {
    const double phase = phases && (i / 20) % 2 == 1 ? 1.4 : 1.0;
    p.cand.push_back(m.sample(cand_us, disturbed, phase));
    p.base.push_back(m.sample(base_us, disturbed, phase));
  }
  return p;
}

TEST(Statistics, EstimateIsNearTheUndisturbedTime) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const Pair p = draw(seed, 40, 50, 0.4, false);
    EXPECT_NEAR(robust_estimate(p.cand), 40, 0.6) << "seed " << seed;
  }
}

TEST(Statistics, OneLuckySampleDoesNotDecide) {
  Pair p = draw(3, 40, 50, 0.2, false);
  p.cand[10] = 1;
  EXPECT_NEAR(robust_estimate(p.cand), 40, 1);
}

TEST(Statistics, RatioSurvivesSlowPhasesOfTheMachine) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const Pair p = draw(seed, 40, 50, 0.4, true);
    const PairEstimate e = estimate_pair(p.cand, p.base);
    EXPECT_NEAR(e.est_us / e.base_us, 0.8, 0.02) << "seed " << seed;
    EXPECT_TRUE(beats(e.est_us / e.base_us, e.noise)) << "seed " << seed;
  }
}

TEST(Statistics, EqualKernelsSeldomBeatEachOther) {
  int wins = 0;
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    const Pair p = draw(seed, 50, 50, 0.4, true);
    const PairEstimate e = estimate_pair(p.cand, p.base);
    wins += beats(e.est_us / e.base_us, e.noise) ? 1 : 0;
  }
  EXPECT_LE(wins, 20);
}

TEST(Statistics, NoisyMeasurementsClaimNothing) {
  std::mt19937_64 rng(5);
  std::vector<double> a, b;
  for (int i = 0; i < 9; ++i) {
    a.push_back(10 + static_cast<double>(rng() % 30));
    b.push_back(10 + static_cast<double>(rng() % 30));
  }
  const PairEstimate e = estimate_pair(a, b);
  EXPECT_GT(e.noise, 0.1);
}

TEST(Statistics, FewOrNoSamplesAreNoProof) {
  EXPECT_EQ(robust_estimate({}), 0);
  const std::vector<double> one{3}, two{1, 2};
  EXPECT_EQ(robust_estimate(one), 3);
  EXPECT_EQ(estimate_pair({}, {}).noise, 1.0);
  EXPECT_EQ(estimate_pair(one, two).noise, 1.0);
  EXPECT_FALSE(beats(0.5, estimate_pair(one, two).noise));
  EXPECT_FALSE(beats(0, 0));
}

TEST(Statistics, LessThanOnePercentIsNoGain) {
  EXPECT_FALSE(beats(0.995, 0.001));
  EXPECT_TRUE(beats(0.98, 0.001));
  EXPECT_FALSE(beats(0.98, 0.03));
}

}  // namespace
}  // namespace octile::tuner
