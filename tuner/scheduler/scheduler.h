// Scheduler: which workload deserves the next batch of trials.
// In:  per task how much of the model's time it takes, and how the last batches went.  Out: the next task.
// Not here: candidates (strategy/), budgets (session/).
//
// The promise of a task is  time in the model  x  the share of it a further batch may still save.  The share is what
// recent batches saved (fading) plus hope that shrinks with every trial, so that a heavy task is not dug forever and
// a light one is not forgotten.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace octile::tuner {

class Scheduler {
 public:
  // One entry per task: estimated time in the model (microseconds x count) before anything is measured.
  explicit Scheduler(const std::vector<double>& expected_us);
  // The open task with the largest promise; nothing when all are closed.
  [[nodiscard]] std::optional<size_t> next() const;
  // A batch ended: trials it used, the task's time in the model before and after it.
  void report(size_t task, size_t trials, double before_us, double after_us);
  void close(size_t task) { tasks_[task].open = false; }
  [[nodiscard]] double time_in_model(size_t task) const { return tasks_[task].us; }

 private:
  struct Task {
    double us = 0;
    double recent_saving = 0;
    size_t trials = 0;
    bool open = true;
  };
  std::vector<Task> tasks_;
};

}  // namespace octile::tuner
