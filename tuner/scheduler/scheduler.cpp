// Scheduler: see scheduler.h.  In: reports of batches.  Out: the next task.  Not here: clocks.
#include "tuner/scheduler/scheduler.h"

#include <algorithm>

namespace octile::tuner {
namespace {

constexpr double kHope = 0.3;         // share an untouched task is hoped to save
constexpr double kHopeTrials = 16.0;  // trials after which half of that hope is gone
constexpr double kFade = 0.5;         // weight of earlier batches in what recent ones saved

}  // namespace

Scheduler::Scheduler(const std::vector<double>& expected_us) {
  for (double us : expected_us) tasks_.push_back({us});
}

std::optional<size_t> Scheduler::next() const {
  std::optional<size_t> best;
  double best_promise = -1;
  for (size_t i = 0; i < tasks_.size(); ++i) {
    const Task& t = tasks_[i];
    if (!t.open) continue;
    const double hope = kHope * kHopeTrials / (kHopeTrials + static_cast<double>(t.trials));
    const double promise = t.us * (t.recent_saving + hope);
    if (promise > best_promise) {
      best_promise = promise;
      best = i;
    }
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
