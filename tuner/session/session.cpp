// Session: see session.h.  In: tasks and roles.  Out: records.  Not here: processes, files, time.
#include "tuner/session/session.h"

#include <algorithm>
#include <cmath>

#include "tuner/log/statistics.h"

namespace octile::tuner {
namespace {

Record build_failure(Record record, const BuildResult& built) {
  record.verdict = built.outcome == BuildResult::Outcome::timed_out ? Verdict::timeout : Verdict::build_failed;
  record.reason = built.reason;
  return record;
}

// Before anything is measured: multiply-adds at 200 a nanosecond, plus a call.
double guessed_us(const OpSpec& op) { return static_cast<double>(op.macs()) / 2e5 + 1; }

constexpr size_t kContenders = 3;  // the winner of many noisy trials may fail the pair run; then the next may try

}  // namespace

Session::Session(std::vector<Task> tasks, SessionOptions options, Builder& builder, Runner& runner, LogWriter& log,
                 Clock& clock, Observer& observer)
    : tasks_(std::move(tasks)),
      options_(std::move(options)),
      builder_(&builder),
      runner_(&runner),
      log_(&log),
      clock_(&clock),
      observer_(&observer),
      states_(tasks_.size()) {
  std::map<std::string, size_t> index;  // op | target | layout half
  for (size_t i = 0; i < tasks_.size(); ++i) {
    const Task& t = tasks_[i];
    index[to_key(t.op) + "|" + std::string(t.target->name) + "|" + layout_half(t.layout)] = i;
    strategies_.emplace_back(t.space, options_.seed + i);
  }
  for (const Record& r : log_->contents().records) {
    const auto it = index.find(r.op + "|" + r.target + "|" + std::string(r.layout()));
    if (it != index.end()) recall(r, it->second);
  }
  std::vector<Scheduler::Expected> expected;
  for (size_t i = 0; i < tasks_.size(); ++i) {
    const OpSpec& op = tasks_[i].op;
    expected.push_back({time_in_model(i), static_cast<double>(op.macs()) * static_cast<double>(op.count)});
  }
  scheduler_ = std::make_unique<Scheduler>(expected);
  for (size_t i = 0; i < tasks_.size(); ++i) {
    if (states_[i].recalled > 0) {
      scheduler_->report(i, static_cast<size_t>(states_[i].recalled), expected[i].us, expected[i].us);
    }
  }
}

// What an earlier session learned. Times of another CPU model or against another default say nothing here; failures
// may be cured by another version of the generator.
void Session::recall(const Record& record, size_t task) {
  if (record.cpu != options_.cpu || record.default_cand != default_line(task)) return;
  if (record.verdict != Verdict::ok && (record.commit != options_.commit || record.halide != options_.halide)) return;
  if (record.phase == Phase::final) {
    note_final(record, task);
    return;
  }
  const Result<Candidate> cand = parse_candidate(record.cand);
  if (!cand.ok() || !tasks_[task].space.check(*cand).ok()) return;
  note_trial(record, task);
  ++states_[task].recalled;
}

std::string Session::default_line(size_t task) const {
  const Task& t = tasks_[task];
  return options_.default_pack.empty()
             ? to_line(t.space.default_candidate())
             : layout_half(t.layout) + " pack=" + options_.default_pack + std::string(kAnyShape);
}

void Session::note_trial(const Record& record, size_t task) {
  TaskState& s = states_[task];
  const Result<Candidate> cand = parse_candidate(record.cand);
  OCTILE_CHECK(cand.ok());
  const bool ok = record.verdict == Verdict::ok;
  const bool is_default = record.is_default();
  strategies_[task].tell(*cand, ok ? std::optional(record.ratio()) : std::nullopt);
  ++s.trials;
  ++s.since_better;
  if (!ok) {
    drop_contender(task, *cand);
    if (is_default) close(task, "the default candidate failed: " + record.reason);
    return;
  }
  s.default_us = record.base_us;
  if (is_default || !beats(record.ratio(), record.noise)) return;
  if (record.ratio() < s.best_ratio) {
    s.best_ratio = record.ratio();
    s.since_better = 0;
    s.chosen = false;
  }
  drop_contender(task, *cand);
  s.contenders.push_back({*cand, record.ratio()});
  std::ranges::stable_sort(s.contenders, {}, &Contender::ratio);
  if (s.contenders.size() > kContenders) s.contenders.pop_back();
}

void Session::note_final(const Record& record, size_t task) {
  TaskState& s = states_[task];
  if (record.verdict != Verdict::ok) {
    const Result<Candidate> cand = parse_candidate(record.cand);
    if (cand.ok()) drop_contender(task, *cand);
    return;
  }
  s.chosen = true;
  s.choice = record.cand;
  s.choice_ratio = record.ratio();
}

void Session::drop_contender(size_t task, const Candidate& cand) {
  std::erase_if(states_[task].contenders, [&](const Contender& c) { return c.cand == cand; });
}

bool Session::wants_final(size_t task) const { return !states_[task].contenders.empty() && !states_[task].chosen; }

double Session::time_in_model(size_t task) const {
  const TaskState& s = states_[task];
  const double us = s.default_us > 0 ? s.default_us * s.best_ratio : guessed_us(tasks_[task].op);
  return us * static_cast<double>(tasks_[task].op.count);
}

void Session::close(size_t task, std::string note) {
  states_[task].closed = true;
  states_[task].note = std::move(note);
  if (scheduler_ != nullptr) {
    scheduler_->close(task);
    observer_->on_event(event(Event::Kind::closed, task), *this);
  }
}

void Session::close_if_done(size_t task) {
  const TaskState& s = states_[task];
  if (s.closed) return;
  if (strategies_[task].exhausted()) {
    close(task, "every candidate was tried");
  } else if (options_.trials > 0 && s.trials >= options_.trials) {
    close(task, "--trials reached");
  } else if (s.since_better >= options_.patience) {
    close(task, "no better candidate in the last " + std::to_string(s.since_better) + " trials");
  }
}

bool Session::out_of_time(double more_s) const {
  if (options_.budget_s <= 0) return false;
  double open_finals = 0;
  for (size_t i = 0; i < tasks_.size(); ++i) open_finals += wants_final(i) ? 1 : 0;
  const double reserve = std::min(0.25 * options_.budget_s, open_finals * final_cost_s_);
  return clock_->seconds() - start_s_ + more_s >= options_.budget_s - reserve;
}

Event Session::event(Event::Kind kind, size_t task) const {
  Event e;
  e.kind = kind;
  e.task = task;
  e.elapsed_s = clock_->seconds() - start_s_;
  double left = 0, done = 0;
  if (options_.trials > 0) {
    double wanted = 0, have = 0;
    for (const TaskState& s : states_) {
      if (s.closed) continue;
      wanted += options_.trials;
      have += std::min(s.trials, options_.trials);
    }
    const double pace = new_trials_ > 0 ? e.elapsed_s / new_trials_ : 0;
    left = pace * (wanted - have);
    done = e.elapsed_s + left > 0 ? e.elapsed_s / (e.elapsed_s + left) : 1;
  }
  if (options_.budget_s > 0) {
    const double by_budget = std::max(0.0, options_.budget_s - e.elapsed_s);
    left = options_.trials > 0 ? std::min(left, by_budget) : by_budget;
    done = std::max(done, std::min(1.0, e.elapsed_s / options_.budget_s));
  }
  e.eta_s = left;
  e.fraction = done;
  return e;
}

Record Session::blank_record(size_t task, const Candidate& cand) const {
  const Task& t = tasks_[task];
  Record r;
  r.op = to_key(t.op);
  r.target = std::string(t.target->name);
  r.cand = to_line(cand);
  r.default_cand = default_line(task);
  r.halide = options_.halide;
  r.commit = options_.commit;
  r.host = options_.host;
  r.cpu = options_.cpu;
  r.date = clock_->utc_date();
  r.seed = options_.seed;
  return r;
}

Record Session::measured_record(size_t task, const Candidate& cand, const Measurement& m, Phase phase) const {
  Record r = blank_record(task, cand);
  r.phase = phase;
  r.verdict = m.verdict;
  r.reason = m.reason;
  if (m.verdict != Verdict::ok) return r;
  const PairEstimate e = estimate_pair(m.us, m.base_us);
  r.us = m.us;
  r.est_us = e.est_us;
  r.base_us = e.base_us;
  r.noise = e.noise;
  if (!(e.est_us > 0) || !(e.base_us > 0)) {
    r.verdict = Verdict::rejected;
    r.reason = "the runner returned no usable times";
    r.us.clear();
    r.est_us = r.base_us = 0;
  }
  return r;
}

Status Session::append(const Record& record, Event::Kind kind, size_t task) {
  OCTILE_RETURN_IF_ERROR(log_->append(record));
  if (record.phase == Phase::trial) {
    ++new_trials_;
    if (record.verdict != Verdict::ok) ++failed_trials_;
    note_trial(record, task);
  } else {
    note_final(record, task);
  }
  Event e = event(kind, task);
  e.record = &record;
  observer_->on_event(e, *this);
  return {};
}

Status Session::build_default(size_t task, const std::atomic<bool>& stop) {
  if (defaults_.contains(task)) return {};
  if (!options_.default_pack.empty()) {
    defaults_[task] = {};  // the runner's pack
    return {};
  }
  const Task& t = tasks_[task];
  const BuildRequest request{t.op, t.target, t.space.default_candidate()};
  const BuildResult built = builder_->build({&request, 1}, stop).at(0);
  switch (built.outcome) {
    case BuildResult::Outcome::ok:
      defaults_[task] = built.artifact;
      strategies_[task].tell(request.cand, 1.0);  // never proposed again, whatever the log says of it
      return {};
    case BuildResult::Outcome::stopped: return {};
    case BuildResult::Outcome::unavailable: return {Code::io_error, built.reason};
    case BuildResult::Outcome::failed:
    case BuildResult::Outcome::timed_out: break;
  }
  return append(build_failure(blank_record(task, request.cand), built), Event::Kind::trial, task);
}

// The default is built once a session, and measured against itself once a log: its time, its noise, its correctness.
Status Session::prepare_default(size_t task, const std::atomic<bool>& stop) {
  OCTILE_RETURN_IF_ERROR(build_default(task, stop));
  const auto base = defaults_.find(task);
  if (base == defaults_.end() || !options_.default_pack.empty() || states_[task].default_us > 0) return {};
  const Task& t = tasks_[task];
  const Measurement m =
      runner_->measure({t.op, t.target, base->second, base->second, options_.seed, options_.trial}, stop);
  if (m.outcome == Measurement::Outcome::unavailable) return {Code::io_error, m.reason};
  if (m.outcome == Measurement::Outcome::stopped) return {};
  return append(measured_record(task, t.space.default_candidate(), m, Phase::trial), Event::Kind::trial, task);
}

Status Session::run_batch(size_t task, const std::atomic<bool>& stop) {
  OCTILE_RETURN_IF_ERROR(prepare_default(task, stop));
  if (!defaults_.contains(task) || states_[task].closed || stop.load() || out_of_time()) return {};
  size_t count = static_cast<size_t>(std::max(1, options_.batch));
  if (options_.trials > 0) {
    const int left = options_.trials - states_[task].trials;
    if (left <= 0) return {};
    count = std::min(count, static_cast<size_t>(left));
  }
  const Task& t = tasks_[task];
  std::vector<BuildRequest> requests;
  for (Candidate& c : strategies_[task].propose(count)) requests.push_back({t.op, t.target, std::move(c)});
  const double began = clock_->seconds();
  const std::vector<BuildResult> built = builder_->build(requests, stop);
  batch_build_s_ = clock_->seconds() - began;
  const Status status = measure_batch(task, requests, built, stop);
  for (const BuildResult& b : built) {
    if (b.outcome == BuildResult::Outcome::ok) builder_->discard(b.artifact);
  }
  return status;
}

Status Session::measure_batch(size_t task, const std::vector<BuildRequest>& requests,
                              const std::vector<BuildResult>& built, const std::atomic<bool>& stop) {
  const Task& t = tasks_[task];
  for (size_t i = 0; i < requests.size(); ++i) {
    const BuildResult& b = built[i];
    const Candidate& cand = requests[i].cand;
    if (b.outcome == BuildResult::Outcome::stopped) continue;
    if (b.outcome == BuildResult::Outcome::unavailable) return {Code::io_error, b.reason};
    if (b.outcome != BuildResult::Outcome::ok) {
      OCTILE_RETURN_IF_ERROR(append(build_failure(blank_record(task, cand), b), Event::Kind::trial, task));
      continue;
    }
    if (stop.load() || out_of_time()) return {};
    const double began = clock_->seconds();
    const Measurement m =
        runner_->measure({t.op, t.target, b.artifact, defaults_.at(task), options_.seed, options_.trial}, stop);
    const double rounds_ratio = static_cast<double>(options_.final.rounds) / options_.trial.rounds;
    const double build_s = batch_build_s_ / static_cast<double>(requests.size());
    final_cost_s_ = std::max(final_cost_s_, build_s + rounds_ratio * (clock_->seconds() - began));
    if (m.outcome == Measurement::Outcome::unavailable) return {Code::io_error, m.reason};
    if (m.outcome == Measurement::Outcome::stopped) return {};
    OCTILE_RETURN_IF_ERROR(append(measured_record(task, cand, m, Phase::trial), Event::Kind::trial, task));
  }
  return {};
}

// The longer pair run: a contender against the default. The first that wins beyond noise is the choice, else the
// default is, and its record says so.
Status Session::run_final(size_t task, const std::atomic<bool>& stop) {
  const Task& t = tasks_[task];
  Record stays;  // what to record if nobody wins
  OCTILE_RETURN_IF_ERROR(build_default(task, stop));
  if (!defaults_.contains(task)) return {};
  for (const Contender& contender : std::vector<Contender>(states_[task].contenders)) {
    const double began = clock_->seconds();
    const BuildRequest request{t.op, t.target, contender.cand};
    const BuildResult built = builder_->build({&request, 1}, stop).at(0);
    if (built.outcome == BuildResult::Outcome::unavailable) return {Code::io_error, built.reason};
    if (built.outcome != BuildResult::Outcome::ok) return {};
    const Measurement m =
        runner_->measure({t.op, t.target, built.artifact, defaults_.at(task), options_.seed + 1, options_.final}, stop);
    builder_->discard(built.artifact);
    if (m.outcome == Measurement::Outcome::unavailable) return {Code::io_error, m.reason};
    if (m.outcome == Measurement::Outcome::stopped) return {};
    final_cost_s_ = 1.2 * (clock_->seconds() - began);
    const Record record = measured_record(task, contender.cand, m, Phase::final);
    if (record.verdict != Verdict::ok || beats(record.ratio(), record.noise)) {
      OCTILE_RETURN_IF_ERROR(append(record, Event::Kind::final, task));
      if (record.verdict == Verdict::ok) return {};
      continue;
    }
    if (!stays.op.empty()) continue;
    stays = record;
    stays.cand = stays.default_cand;
    stays.us = m.base_us;
    stays.est_us = record.base_us;
    stays.reason = "the default stays: " + record.cand + " was not faster beyond noise";
  }
  return stays.op.empty() ? Status() : append(stays, Event::Kind::final, task);
}

Status Session::run_finals(const std::atomic<bool>& stop) {
  std::vector<size_t> order;
  for (size_t i = 0; i < tasks_.size(); ++i) {
    if (wants_final(i)) order.push_back(i);
  }
  std::ranges::stable_sort(order, {}, [&](size_t i) { return -time_in_model(i); });
  for (size_t i : order) {
    if (stop.load()) break;
    if (options_.budget_s > 0 && clock_->seconds() - start_s_ >= options_.budget_s) break;
    OCTILE_RETURN_IF_ERROR(run_final(i, stop));
  }
  return {};
}

Status Session::run(const std::atomic<bool>& stop) {
  start_s_ = clock_->seconds();
  for (size_t i = 0; i < tasks_.size(); ++i) {
    if (states_[i].closed) scheduler_->close(i);
    close_if_done(i);
  }
  while (!stop.load() && !out_of_time(batch_build_s_)) {
    const std::optional<size_t> task = scheduler_->next();
    if (!task.has_value()) break;
    const double before = time_in_model(*task);
    const int trials = states_[*task].trials;
    OCTILE_RETURN_IF_ERROR(run_batch(*task, stop));
    if (stop.load()) break;
    scheduler_->report(*task, static_cast<size_t>(states_[*task].trials - trials), before, time_in_model(*task));
    close_if_done(*task);
  }
  return run_finals(stop);
}

}  // namespace octile::tuner
