// Strategy: which candidates of one space to try next.
// In:  a Space, a seed, what was measured so far.  Out: proposals, never one twice.
// Not here: building, timing, which workload deserves the next second (scheduler/).
//
// Evolutionary search: the default first; then a few of the best by the target's facts out of random draws; then
// mostly children of the fastest so far (one parameter moved, or two parents mixed), always with some fresh draws.
// Deterministic for a seed and a history. Knows nothing of time limits and ends by itself when the space is used up.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "schedules/space/space.h"

namespace octile::tuner {

class Strategy {
 public:
  Strategy(const Space& space, uint64_t seed) : space_(&space), rng_(seed) {}

  // Up to `count` candidates nobody has proposed or told about; fewer when the space is nearly used up.
  [[nodiscard]] std::vector<Candidate> propose(size_t count);
  // What came of a candidate: its time relative to the default, or nothing if it failed. Also how history is recalled.
  void tell(const Candidate& cand, std::optional<double> ratio);

  [[nodiscard]] bool exhausted() const { return seen_.size() >= space_->candidates().size(); }
  [[nodiscard]] size_t tried() const { return seen_.size(); }

 private:
  struct Measured {
    double ratio;
    std::string line;
    Candidate cand;
  };
  [[nodiscard]] std::optional<Candidate> draw();
  [[nodiscard]] std::optional<Candidate> fresh();
  [[nodiscard]] const Candidate& parent();
  [[nodiscard]] bool unseen(const Candidate& cand) const { return !seen_.contains(to_line(cand)); }

  const Space* space_;
  Rng rng_;
  std::set<std::string> seen_;
  std::vector<Measured> elite_;  // fastest first
};

}  // namespace octile::tuner
