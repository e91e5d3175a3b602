// Fakes: a builder, a runner and a clock that need no time, and a landscape whose best candidate is known.
// In:  candidates.  Out: verdicts and samples by hash and seed.  Not here: processes.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "tuner/session/session.h"

namespace octile::tuner::testing {

inline constexpr const char* kConv =
    "conv2d mb1g1ic64ih56iw56oc64kh3kw3pt1pl1pb1pr1 src=u8:zp wei=s8:per_oc bia=s32 dst=u8:zp post=relu "
    "n\"net:conv*3\"";
inline constexpr const char* kDense = "dense mb1m128k768n768 src=u8:zp wei=s8 bia=s32 dst=u8:zp n\"net:qkv*2\"";
inline constexpr const char* kQuantize = "quantize mb1m3136c64 src=f32 dst=u8:zp";

inline uint64_t hash_of(const std::string& text) {
  uint64_t h = 1469598103934665603ULL;
  for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return h ^ (h >> 29);
}

class FakeClock final : public Clock {
 public:
  double seconds() override { return now; }
  std::string utc_date() override { return "2026-11-24T00:00:00Z"; }
  double now = 100;
};

class FakeBuilder final : public Builder {
 public:
  explicit FakeBuilder(FakeClock& clock) : clock_(&clock) {}
  std::vector<BuildResult> build(std::span<const BuildRequest> requests, const std::atomic<bool>& stop) override {
    std::vector<BuildResult> results;
    for (const BuildRequest& r : requests) {
      const std::string line = to_line(r.cand);
      built.push_back(to_key(r.op) + "|" + line);
      clock_->now += 0.5;
      BuildResult b;
      b.outcome = stop.load() ? BuildResult::Outcome::stopped : outcome(line);
      b.reason = b.outcome == BuildResult::Outcome::ok ? "" : "planted";
      b.artifact = {"member of " + line, line};
      results.push_back(b);
    }
    return results;
  }
  void discard(const Artifact&) override { ++discarded; }

  std::function<BuildResult::Outcome(const std::string&)> outcome = [](const std::string&) {
    return BuildResult::Outcome::ok;
  };
  std::vector<std::string> built;
  int discarded = 0;

 private:
  FakeClock* clock_;
};

// Microseconds of a candidate: smooth in every parameter, best at x7 y1 n48 uk=3 in the order yxn.
inline double landscape_us(const Candidate& c) {
  const double x = (c.tx - 7) / 7.0, y = (c.ty - 1) / 3.0, n = (c.tn - 48) / 48.0, u = (c.uk - 3) / 5.0;
  return 100 * (1 + 0.5 * x * x + 0.4 * y * y + 0.5 * n * n + 0.2 * u * u + (c.order == "yxn" ? 0 : 0.05));
}

class FakeRunner final : public Runner {
 public:
  explicit FakeRunner(FakeClock& clock) : clock_(&clock) {}
  Measurement measure(const MeasureRequest& request, const std::atomic<bool>& stop) override {
    clock_->now += trial_s * request.config.rounds / MeasureConfig().rounds;
    Measurement m;
    if (on_measure) on_measure();
    if (stop.load()) {
      m.outcome = Measurement::Outcome::stopped;
      return m;
    }
    const std::string& line = request.candidate.entry_json;
    measured.push_back(to_key(request.op) + "|" + line);
    m.verdict = verdict(line);
    m.reason = m.verdict == Verdict::ok ? "" : "planted";
    if (m.verdict != Verdict::ok) return m;
    Rng rng(hash_of(line) + request.seed);
    m.us = samples(us_of(line), request.config.rounds, rng);
    m.base_us = samples(us_of(request.base.entry_json), request.config.rounds, rng);
    return m;
  }
  double us_of(const std::string& line) const {
    return line.empty() ? any_shape_us : landscape_us(*parse_candidate(line));
  }
  // Two per cent of jitter upwards; one sample in four disturbed by up to twice its time.
  std::vector<double> samples(double us, int rounds, Rng& rng) const {
    std::vector<double> all;
    for (int i = 0; i < rounds; ++i) {
      const auto unit = [&] { return static_cast<double>(rng() % 10000) / 10000; };
      const double jitter = noise * 0.02 * unit();
      all.push_back(us * (1 + jitter + (rng() % 4 == 0 ? noise * 2 * unit() : 0)));
    }
    return all;
  }

  std::function<Verdict(const std::string&)> verdict = [](const std::string&) { return Verdict::ok; };
  std::function<void()> on_measure;
  std::vector<std::string> measured;
  double noise = 1, any_shape_us = 150, trial_s = 0.2;

 private:
  FakeClock* clock_;
};

class NoObserver final : public Observer {
 public:
  void on_event(const Event& e, const Session&) override {
    ++events;
    if (e.record != nullptr) records.push_back(*e.record);
    if (after) after();
  }
  int events = 0;
  std::vector<Record> records;
  std::function<void()> after;
};

inline TaskList tasks_of(const std::vector<std::string>& lines, Isa isa = Isa::avx512vnni) {
  std::vector<OpSpec> ops;
  for (const std::string& line : lines) ops.push_back(*parse_op(line));
  return make_tasks(ops, target(isa));
}

inline SessionOptions options_of(double budget_s, int trials = 0) {
  SessionOptions o;
  o.budget_s = budget_s;
  o.trials = trials;
  o.seed = 7;
  o.halide = "halide 21.0.0";
  o.commit = "abc";
  o.host = "here";
  o.cpu = "some cpu";
  return o;
}

}  // namespace octile::tuner::testing
