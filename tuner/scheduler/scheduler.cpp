// Scheduler: see scheduler.h.  In: reports of batches.  Out: the next task.  Not here: clocks.
#include "tuner/scheduler/scheduler.h"

#include <algorithm>

namespace octile::tuner {
namespace {

constexpr double kHope = 0.3;        // share an untouched task far from the peak is hoped to save
constexpr double kHopeTrials = 8.0;  // trials after which half of that hope is gone
constexpr double kLeast = 0.05;      // of the hope stays even at the best rate seen
constexpr double kFade = 0.5;        // weight of earlier batches in what recent ones saved

}  // namespace

Scheduler::Scheduler(const std::vector<Expected>& expected) {
  for (const Expected& e : expected) tasks_.push_back({e.us, e.work});
}

// 1 - rate over the best rate of any measured task.
double Scheduler::headroom(const Task& task) const {
  double best = 0;
  for (const Task& t : tasks_) {
    if (t.trials > 0 && t.us > 0) best = std::max(best, t.work / t.us);
  }
  return best > 0 && task.us > 0 ? std::max(kLeast, 1 - task.work / task.us / best) : 1.0;
}

std::optional<size_t> Scheduler::next() const {
  std::optional<size_t> best;
  double best_promise = -1;
  bool best_is_new = false;
  for (size_t i = 0; i < tasks_.size(); ++i) {
    const Task& t = tasks_[i];
    if (!t.open) continue;
    const bool is_new = t.trials == 0;
    const double hope = kHope * kHopeTrials / (kHopeTrials + static_cast<double>(t.trials)) * headroom(t);
    const double promise = is_new ? t.us : t.us * (t.recent_saving + hope);
    if (is_new < best_is_new || (is_new == best_is_new && promise <= best_promise)) continue;
    best_promise = promise;
    best_is_new = is_new;
    best = i;
  }
  return best;
}

void Scheduler::report(size_t task, size_t trials, double before_us, double after_us) {
  Task& t = tasks_[task];
  const bool first = t.trials == 0;
  const double saved = before_us > 0 ? std::max(0.0, 1 - after_us / before_us) : 0.0;
  t.recent_saving = first ? 0.0 : kFade * t.recent_saving + (1 - kFade) * saved;
  t.trials += trials;
  t.us = after_us;
}

}  // namespace octile::tuner
