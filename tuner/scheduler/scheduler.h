// Scheduler: which workload deserves the next batch of trials.
// In:  per task how much of the model's time it takes, and how the last batches went.  Out: the next task.
// Not here: candidates (strategy/), budgets (session/).
//
// Every task gets one batch first, the heaviest before the others. From then on the promise of a task decides:
//   time in the model  x  the share of it a further batch may still save.
// The share is what recent batches saved (fading) plus a hope that shrinks with every trial, and with how near the task
// already is to the best rate (multiply-adds per second) seen on any task: what runs at the machine's peak is left.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace octile::tuner {

class Scheduler {
 public:
  struct Expected {
    double us = 0;    // time in the model (microseconds x count), a guess
    double work = 0;  // multiply-adds x count
  };
  explicit Scheduler(const std::vector<Expected>& expected);
  // The open task whose turn it is; nothing when all are closed.
  [[nodiscard]] std::optional<size_t> next() const;
  // A batch ended: trials it used, the task's time in the model before and after it.
  void report(size_t task, size_t trials, double before_us, double after_us);
  void close(size_t task) { tasks_[task].open = false; }
  [[nodiscard]] double time_in_model(size_t task) const { return tasks_[task].us; }

 private:
  struct Task {
    double us = 0, work = 0;
    double recent_saving = 0;
    size_t trials = 0;
    bool open = true;
  };
  [[nodiscard]] double headroom(const Task& task) const;
  std::vector<Task> tasks_;
};

}  // namespace octile::tuner
