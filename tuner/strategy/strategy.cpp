// Strategy: evolutionary search over one space; see strategy.h.
// In:  Space, history.  Out: proposals.  Not here: clocks, processes.
#include "tuner/strategy/strategy.h"

#include <algorithm>

namespace octile::tuner {
namespace {

constexpr size_t kElite = 8;     // parents kept
constexpr size_t kFounders = 6;  // measured before children are made
constexpr size_t kPool = 16;     // random draws of which the best predicted one is taken
constexpr int kAttempts = 24;    // tries to make an unseen child

}  // namespace

void Strategy::tell(const Candidate& cand, std::optional<double> ratio) {
  if (!space_->check(cand).ok()) return;  // history of another version of the space
  std::string line = to_line(cand);
  seen_.insert(line);
  if (!ratio.has_value()) return;
  std::erase_if(elite_, [&](const Measured& m) { return m.line == line; });
  Measured m{*ratio, std::move(line), cand};
  const auto place = std::ranges::upper_bound(elite_, m, [](const Measured& a, const Measured& b) {
    return a.ratio != b.ratio ? a.ratio < b.ratio : a.line < b.line;
  });
  elite_.insert(place, std::move(m));
  if (elite_.size() > kElite) elite_.pop_back();
}

std::vector<Candidate> Strategy::propose(size_t count) {
  std::vector<Candidate> proposals;
  while (proposals.size() < count && !exhausted()) {
    std::optional<Candidate> next;
    if (unseen(space_->default_candidate())) {
      next = space_->default_candidate();
    } else {
      next = draw();
    }
    if (!next.has_value()) break;
    seen_.insert(to_line(*next));
    proposals.push_back(std::move(*next));
  }
  return proposals;
}

// The better the rank the likelier.
const Candidate& Strategy::parent() {
  const size_t a = rng_() % elite_.size(), b = rng_() % elite_.size(), c = rng_() % elite_.size();
  return elite_[std::min({a, b, c})].cand;
}

std::optional<Candidate> Strategy::draw() {
  const uint64_t dice = rng_() % 100;
  if (elite_.size() < kFounders || dice < 15) return fresh();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const Candidate child = dice < 70 ? space_->mutate(parent(), rng_) : space_->crossover(parent(), parent(), rng_);
    if (unseen(child)) return child;
  }
  return fresh();
}

// The best predicted of some unseen draws; a walk over the list when draws hit only what is known.
std::optional<Candidate> Strategy::fresh() {
  const Candidate* best = nullptr;
  double best_cost = 0;
  for (size_t i = 0; i < kPool; ++i) {
    const Candidate& c = space_->sample(rng_);
    if (!unseen(c)) continue;
    const double cost = space_->predicted_cost(c);
    if (best == nullptr || cost < best_cost) {
      best = &c;
      best_cost = cost;
    }
  }
  if (best != nullptr) return *best;
  const auto& all = space_->candidates();
  const size_t start = rng_() % all.size();
  for (size_t i = 0; i < all.size(); ++i) {
    const Candidate& c = all[(start + i) % all.size()];
    if (unseen(c)) return c;
  }
  return std::nullopt;
}

}  // namespace octile::tuner
