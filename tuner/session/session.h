// Session: one run of the tuner, from workloads to a log that names a winner for each.
// In:  tasks, a builder, a runner, a log, limits.  Out: records; events for whoever draws progress.
// Not here: command line (cli/), processes (build/, measure/), which candidate is promising (strategy/).
//
//   scheduler --task--> strategy --candidates--> builder --artifacts--> runner --samples--> log
//       ^                   ^-------------------- verdict, ratio -----------------------------|
//       '------------------------------ time in the model before and after ------------------'
//
// Builds come in small batches and are done before the batch is timed: two logical CPUs may share a core, and a
// compiler on the other half would be measured too. A search ends with a longer pair run of the best candidate against
// the default; unless it wins beyond noise, the default is recorded as the choice.
//
// The default is what runs untuned: the any-shape kernels of a pack, or, where there is no pack, the space's default
// candidate.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "schedules/space/space.h"
#include "tuner/build/builder.h"
#include "tuner/log/log.h"
#include "tuner/measure/runner.h"
#include "tuner/scheduler/scheduler.h"
#include "tuner/strategy/strategy.h"

namespace octile::tuner {

// Time as the session sees it, so that tests run without a clock.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual double seconds() = 0;        // since any fixed moment
  [[nodiscard]] virtual std::string utc_date() = 0;  // 2026-11-24T00:12:31Z
};

// One workload with one weight layout.
struct Task {
  OpSpec op;  // count: how often the model runs it
  const TargetDesc* target = nullptr;
  Candidate layout;
  Space space;
  [[nodiscard]] std::string label() const;  // the op's name if it has one, else its key; the layout if not the only one
};

struct Skipped {
  std::string op, reason;
};
struct TaskList {
  std::vector<Task> tasks;
  std::vector<Skipped> skipped;
};
// Equal workloads become one task with the sum of their counts.
[[nodiscard]] TaskList make_tasks(const std::vector<OpSpec>& ops, const TargetDesc& target);

struct SessionOptions {
  double budget_s = 0;  // stop after this long; 0: no limit
  int trials = 0;       // candidates per task, those already in the log included; 0: no limit
  int patience = 96;    // trials without a better candidate after which a task is done
  int batch = 4;        // candidates built before they are timed
  uint64_t seed = 1;
  std::string default_pack;  // identity of the runner's pack, whose any-shape kernels are the default; empty: no pack
  MeasureConfig trial, final{.rounds = 270, .sample_us = 500};
  std::string halide, commit, host, cpu;  // copied into every record
};

struct Contender {
  Candidate cand;
  double ratio = 1;
};

struct TaskState {
  int trials = 0;  // recalled ones included
  int recalled = 0;
  int since_better = 0;
  double default_us = 0;
  double best_ratio = 1;              // of the best trial to the default
  std::vector<Contender> contenders;  // trials that beat the default beyond noise, fastest first, a few
  bool chosen = false;                // the last word in the log is a final record
  std::string choice;                 // its candidate line
  double choice_ratio = 1;
  bool closed = false;
  std::string note;  // why closed
};

struct Event {
  enum class Kind : uint8_t { trial, final, closed };
  Kind kind = Kind::trial;
  size_t task = 0;
  const Record* record = nullptr;  // trial and final
  double elapsed_s = 0, eta_s = 0;
  double fraction = 0;  // of the budget or of the trials, whichever ends first
};

class Session;
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_event(const Event& event, const Session& session) = 0;
};

class Session {
 public:
  Session(std::vector<Task> tasks, SessionOptions options, Builder& builder, Runner& runner, LogWriter& log,
          Clock& clock, Observer& observer);
  // Until the budget is used, every task is done, or `stop`. Only the log can fail it.
  [[nodiscard]] Status run(const std::atomic<bool>& stop);

  [[nodiscard]] const std::vector<Task>& tasks() const { return tasks_; }
  [[nodiscard]] const std::vector<TaskState>& states() const { return states_; }
  [[nodiscard]] int new_trials() const { return new_trials_; }
  [[nodiscard]] int failed_trials() const { return failed_trials_; }
  [[nodiscard]] const SessionOptions& options() const { return options_; }

 private:
  [[nodiscard]] std::string default_line(size_t task) const;
  void recall(const Record& record, size_t task);
  void note_trial(const Record& record, size_t task);
  void note_final(const Record& record, size_t task);
  [[nodiscard]] Record blank_record(size_t task, const Candidate& cand) const;
  [[nodiscard]] Record measured_record(size_t task, const Candidate& cand, const Measurement& m, Phase phase) const;
  [[nodiscard]] Status append(const Record& record, Event::Kind kind, size_t task);
  [[nodiscard]] Status run_batch(size_t task, const std::atomic<bool>& stop);
  [[nodiscard]] Status measure_batch(size_t task, const std::vector<BuildRequest>& requests,
                                     const std::vector<BuildResult>& built, const std::atomic<bool>& stop);
  [[nodiscard]] Status build_default(size_t task, const std::atomic<bool>& stop);
  [[nodiscard]] Status prepare_default(size_t task, const std::atomic<bool>& stop);
  [[nodiscard]] Status run_final(size_t task, const std::atomic<bool>& stop);
  [[nodiscard]] Status run_finals(const std::atomic<bool>& stop);
  void close(size_t task, std::string note);
  void close_if_done(size_t task);
  void drop_contender(size_t task, const Candidate& cand);
  [[nodiscard]] bool wants_final(size_t task) const;
  // For trials: the final runs keep their share. `more_s`: what is about to be spent.
  [[nodiscard]] bool out_of_time(double more_s = 0) const;
  [[nodiscard]] double time_in_model(size_t task) const;
  [[nodiscard]] Event event(Event::Kind kind, size_t task) const;

  std::vector<Task> tasks_;
  SessionOptions options_;
  Builder* builder_;
  Runner* runner_;
  LogWriter* log_;
  Clock* clock_;
  Observer* observer_;
  std::vector<TaskState> states_;
  std::vector<Strategy> strategies_;
  std::unique_ptr<Scheduler> scheduler_;
  std::map<size_t, Artifact> defaults_;  // built in this session
  double start_s_ = 0, final_cost_s_ = 1.0, batch_build_s_ = 0;
  int new_trials_ = 0, failed_trials_ = 0;
};

}  // namespace octile::tuner
