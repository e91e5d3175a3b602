// Sessions with a fake builder, runner and clock: search, failures, budgets, resume, the final word.
// In: a landscape with a known best.  Out: assertions on records.  Not here: processes, clocks.
#include "tuner/session/session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/unit/tuner/fakes.h"
#include "tests/unit/tuner/temp_file.h"

namespace octile::tuner {
namespace {

using testing::FakeBuilder;
using testing::FakeClock;
using testing::FakeRunner;
using testing::kConv;
using testing::kDense;
using testing::NoObserver;
using testing::options_of;
using testing::tasks_of;
using testing::TempFile;

// One session on a log; the parts stay to be looked at.
struct Bench {
  explicit Bench(const std::string& log) : path(log), builder(clock), runner(clock) {}
  Status run(TaskList list, const SessionOptions& options) {
    Result<LogWriter> log = LogWriter::open(path);
    if (!log.ok()) return log.status();
    Session session(std::move(list.tasks), options, builder, runner, *log, clock, observer);
    const Status status = session.run(stop);
    states = session.states();
    return status;
  }
  std::vector<Record> records() const {
    const Result<LogContents> read = read_log(path);
    EXPECT_TRUE(read.ok() && read->issues.empty());
    return read.ok() ? read->records : std::vector<Record>();
  }
  std::string path;
  FakeClock clock;
  FakeBuilder builder;
  FakeRunner runner;
  NoObserver observer;
  std::atomic<bool> stop{false};
  std::vector<TaskState> states;
};

double best_possible(const TaskList& list) {
  double best = 1e30;
  for (const Candidate& c : list.tasks[0].space.candidates()) best = std::min(best, testing::landscape_us(c));
  return best;
}

TEST(Session, FindsANearlyOptimalCandidateInNoise) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const TempFile file;
    Bench bench(file.path());
    SessionOptions options = options_of(0, 120);
    options.seed = seed;
    const TaskList list = tasks_of({kConv});
    ASSERT_TRUE(bench.run(list, options).ok());
    const std::vector<Record> records = bench.records();
    const Record* best = best_record(records, records[0].op, records[0].target, "layout=k4n16");
    ASSERT_NE(best, nullptr);
    EXPECT_EQ(best->phase, Phase::final);
    EXPECT_LE(testing::landscape_us(*parse_candidate(best->cand)), 1.03 * best_possible(list)) << "seed " << seed;
  }
}

TEST(Session, NeverTriesACandidateTwiceAndEndsWithTheSpace) {
  const TempFile file;
  Bench bench(file.path());
  SessionOptions options = options_of(0);
  options.patience = 1000000;
  const TaskList list = tasks_of({"dense mb1m1k64n96 src=u8:zp wei=s8 dst=u8:zp"});
  const size_t size = list.tasks[0].space.candidates().size();
  ASSERT_TRUE(bench.run(list, options).ok());
  std::set<std::string> seen;
  size_t trials = 0;
  for (const Record& r : bench.records()) {
    if (r.phase == Phase::final) continue;
    ++trials;
    EXPECT_TRUE(seen.insert(r.cand).second) << r.cand;
  }
  EXPECT_EQ(trials, size);
  EXPECT_EQ(bench.states[0].note, "every candidate was tried");
}

TEST(Session, FailuresAreRecordsWithAReasonAndEndNothing) {
  const TempFile file;
  Bench bench(file.path());
  const TaskList list = tasks_of({kConv});
  const std::string spared = to_line(list.tasks[0].space.default_candidate());
  bench.builder.outcome = [&](const std::string& line) {
    const uint64_t h = testing::hash_of(line) % 100;
    if (line == spared || h >= 20) return BuildResult::Outcome::ok;
    return h < 10 ? BuildResult::Outcome::failed : BuildResult::Outcome::timed_out;
  };
  bench.runner.verdict = [&](const std::string& line) {
    const uint64_t h = testing::hash_of(line) % 100;
    if (line == spared || h >= 50) return Verdict::ok;
    return h < 30 ? Verdict::wrong : h < 40 ? Verdict::crashed : Verdict::timeout;
  };
  ASSERT_TRUE(bench.run(list, options_of(0, 150)).ok());
  std::map<Verdict, int> counts;
  for (const Record& r : bench.records()) {
    ++counts[r.verdict];
    if (r.verdict != Verdict::ok) {
      EXPECT_EQ(r.reason, "planted");
      EXPECT_TRUE(r.us.empty());
      EXPECT_EQ(r.est_us, 0);
    }
  }
  for (Verdict v : {Verdict::ok, Verdict::wrong, Verdict::crashed, Verdict::timeout, Verdict::build_failed}) {
    EXPECT_GT(counts[v], 0) << to_string(v);
  }
  const std::vector<Record> records = bench.records();
  const Record* best = best_record(records, records[0].op, records[0].target, "layout=k4n16");
  EXPECT_LT(best->ratio(), 1);
}

TEST(Session, ACandidateThatFailsItsFinalRunIsReplacedByTheNext) {
  const TempFile file;
  Bench bench(file.path());
  int finals = 0;
  std::string first_final;
  const TaskList list = tasks_of({kConv});
  bench.observer.after = [&] {
    const Record& r = bench.observer.records.back();
    if (r.phase == Phase::final && finals++ == 0) first_final = r.cand;
  };
  std::set<std::string> timed;
  bench.runner.verdict = [&](const std::string& line) {
    // Wrong the second time it is measured, if no other was: the first contender of the finals.
    if (!timed.insert(line).second && finals == 0 && line != to_line(list.tasks[0].space.default_candidate())) {
      return Verdict::wrong;
    }
    return Verdict::ok;
  };
  ASSERT_TRUE(bench.run(list, options_of(0, 60)).ok());
  EXPECT_EQ(finals, 2);
  const std::vector<Record> records = bench.records();
  const Record* best = best_record(records, records[0].op, records[0].target, "layout=k4n16");
  EXPECT_EQ(best->phase, Phase::final);
  EXPECT_NE(best->cand, first_final);
  EXPECT_EQ(best->verdict, Verdict::ok);
}

TEST(Session, ALuckyTrialDoesNotReplaceTheDefault) {
  const TempFile file;
  Bench bench(file.path());
  // Every candidate is as fast as the default; noise makes some trial look better, the long pair run does not.
  const TaskList list = tasks_of({kConv});
  bench.runner.noise = 0;
  int calls = 0;
  bench.runner.any_shape_us = 100;
  SessionOptions options = options_of(0, 40);
  options.default_pack = "1f2e3d4c";
  class Lucky final : public Runner {
   public:
    explicit Lucky(int& n) : calls(&n) {}
    Measurement measure(const MeasureRequest& request, const std::atomic<bool>&) override {
      Measurement m;
      m.verdict = Verdict::ok;
      const bool trial = request.config.rounds == MeasureConfig().rounds;
      const auto rounds = static_cast<size_t>(request.config.rounds);
      m.us.assign(rounds, trial && ++*calls == 17 ? 90 : 100);
      m.base_us.assign(rounds, 100);
      return m;
    }
    int* calls;
  } lucky(calls);
  Result<LogWriter> log = LogWriter::open(file.path());
  ASSERT_TRUE(log.ok());
  TaskList copy = list;
  Session session(std::move(copy.tasks), options, bench.builder, lucky, *log, bench.clock, bench.observer);
  ASSERT_TRUE(session.run(bench.stop).ok());
  const std::vector<Record> records = bench.records();
  const Record* best = best_record(records, records[0].op, records[0].target, "layout=k4n16");
  ASSERT_NE(best, nullptr);
  EXPECT_EQ(best->phase, Phase::final);
  EXPECT_TRUE(best->is_default());
  EXPECT_NE(best->reason.find("the default stays"), std::string::npos);
}

TEST(Session, ADefaultThatFailsClosesItsTaskOnly) {
  const TempFile file;
  Bench bench(file.path());
  const TaskList list = tasks_of({kConv, kDense});
  const std::string broken = to_line(list.tasks[0].space.default_candidate());
  bench.runner.verdict = [&](const std::string& line) { return line == broken ? Verdict::crashed : Verdict::ok; };
  ASSERT_TRUE(bench.run(list, options_of(0, 20)).ok());
  EXPECT_EQ(bench.states[0].note, "the default candidate failed: planted");
  EXPECT_EQ(bench.states[0].trials, 1);
  EXPECT_EQ(bench.states[1].trials, 20);
}

TEST(Session, StaysWithinItsBudgetFinalRunsIncluded) {
  const TempFile file;
  Bench bench(file.path());
  const double began = bench.clock.now;
  ASSERT_TRUE(bench.run(tasks_of({kConv, kDense}), options_of(60)).ok());
  EXPECT_LE(bench.clock.now - began, 62);
  EXPECT_TRUE(bench.states[0].chosen);
  EXPECT_TRUE(bench.states[1].chosen);
}

TEST(Session, ReservesTimeForTheFinalRunsOfSlowOps) {
  const TempFile file;
  Bench bench(file.path());
  bench.runner.trial_s = 4;
  const double began = bench.clock.now;
  ASSERT_TRUE(bench.run(tasks_of({kConv}), options_of(120)).ok());
  EXPECT_LE(bench.clock.now - began, 126);  // a trial more or less
  EXPECT_LT(bench.states[0].best_ratio, 1);
  EXPECT_TRUE(bench.states[0].chosen);
}

TEST(Session, SpendsMoreWhereTheModelSpendsTime) {
  const TempFile file;
  Bench bench(file.path());
  std::string heavy = kConv, light = kDense;
  heavy.replace(heavy.find("*3"), 2, "*40");
  ASSERT_TRUE(bench.run(tasks_of({heavy, light}), options_of(120)).ok());
  EXPECT_GT(bench.states[0].trials, 2 * bench.states[1].trials);
  EXPECT_GT(bench.states[1].trials, 0);
}

TEST(Session, SameSeedAndFakesSameLogBytes) {
  std::string first;
  for (int run = 0; run < 2; ++run) {
    const TempFile file;
    Bench bench(file.path());
    ASSERT_TRUE(bench.run(tasks_of({kConv, kDense}), options_of(40)).ok());
    if (run == 0) {
      first = file.text();
    } else {
      EXPECT_EQ(file.text(), first);
    }
  }
  EXPECT_GT(first.size(), 1000U);
}

TEST(Session, RunningAgainGoesOnAndRepeatsNothing) {
  const TempFile file;
  {
    Bench bench(file.path());
    ASSERT_TRUE(bench.run(tasks_of({kConv}), options_of(0, 30)).ok());
  }
  const size_t before = read_log(file.path())->records.size();
  {
    Bench bench(file.path());
    ASSERT_TRUE(bench.run(tasks_of({kConv}), options_of(0, 30)).ok());
    EXPECT_TRUE(bench.builder.built.empty());  // all was done: a second run is quick
    EXPECT_EQ(read_log(file.path())->records.size(), before);
  }
  Bench bench(file.path());
  ASSERT_TRUE(bench.run(tasks_of({kConv}), options_of(0, 50)).ok());
  std::set<std::string> seen;
  int trials = 0;
  for (const Record& r : bench.records()) {
    if (r.phase == Phase::final) continue;
    ++trials;
    EXPECT_TRUE(seen.insert(r.cand).second) << r.cand;
  }
  EXPECT_EQ(trials, 50);
}

TEST(Session, AnotherCpuStartsAnew) {
  const TempFile file;
  Bench first(file.path());
  ASSERT_TRUE(first.run(tasks_of({kConv}), options_of(0, 10)).ok());
  Bench second(file.path());
  SessionOptions options = options_of(0, 10);
  options.cpu = "another cpu";
  ASSERT_TRUE(second.run(tasks_of({kConv}), options).ok());
  EXPECT_EQ(second.states[0].recalled, 0);
  EXPECT_EQ(second.states[0].trials, 10);
}

TEST(Session, CtrlCKeepsWhatIsFinishedAndRecordsNothingElse) {
  const TempFile file;
  Bench bench(file.path());
  int calls = 0;
  bench.runner.on_measure = [&] { bench.stop.store(++calls == 9); };
  ASSERT_TRUE(bench.run(tasks_of({kConv}), options_of(0, 100)).ok());
  EXPECT_EQ(bench.records().size(), 8U);
  for (const Record& r : bench.records()) EXPECT_EQ(r.phase, Phase::trial);
}

TEST(Session, AFullDiskEndsItWithTheReason) {
  Bench bench("/dev/full");
  const Status status = bench.run(tasks_of({kConv}), options_of(0, 10));
  EXPECT_EQ(status.code(), Code::io_error);
  EXPECT_NE(status.message().find("/dev/full"), std::string::npos);
  EXPECT_LE(bench.runner.measured.size(), 1U);
}

TEST(Session, AMissingCompilerEndsItAndBlamesNoCandidate) {
  const TempFile file;
  Bench bench(file.path());
  bench.builder.outcome = [](const std::string&) { return BuildResult::Outcome::unavailable; };
  const Status status = bench.run(tasks_of({kConv}), options_of(0, 10));
  EXPECT_EQ(status.code(), Code::io_error);
  EXPECT_TRUE(bench.records().empty());
}

TEST(Session, WithAPackItsAnyShapeKernelsAreTheDefault) {
  const TempFile file;
  Bench bench(file.path());
  SessionOptions options = options_of(0, 60);
  options.default_pack = "1f2e3d4c";
  ASSERT_TRUE(bench.run(tasks_of({kConv}), options).ok());
  for (const Record& r : bench.records()) EXPECT_EQ(r.default_cand, "layout=k4n16 pack=1f2e3d4c any-shape");
  const std::vector<Record> records = bench.records();
  const Record* best = best_record(records, records[0].op, records[0].target, "layout=k4n16");
  EXPECT_FALSE(best->is_default());
  EXPECT_LT(best->ratio(), 0.8);  // the best is 0.67
}

TEST(Session, AnotherPackIsAnotherDefaultAndStartsAnew) {
  const TempFile file;
  SessionOptions options = options_of(0, 10);
  for (const char* pack : {"1f2e3d4c", "00000000"}) {
    Bench bench(file.path());
    options.default_pack = pack;
    ASSERT_TRUE(bench.run(tasks_of({kConv}), options).ok());
    EXPECT_EQ(bench.states[0].recalled, 0);
  }
  const std::vector<Record> records = read_log(file.path())->records;
  EXPECT_EQ(best_records(records).size(), 1U);
  EXPECT_EQ(best_records(records)[0]->default_cand, "layout=k4n16 pack=00000000 any-shape");
}

TEST(Session, ArtifactsAreDiscarded) {
  const TempFile file;
  Bench bench(file.path());
  ASSERT_TRUE(bench.run(tasks_of({kConv}), options_of(0, 30)).ok());
  EXPECT_EQ(bench.builder.discarded + 1, static_cast<int>(bench.builder.built.size()));  // the default stays
}

TEST(Tasks, EqualWorkloadsJoinAndTheRestIsExplained) {
  const TaskList list = tasks_of({kConv, kConv, testing::kQuantize});
  ASSERT_EQ(list.tasks.size(), 1U);
  EXPECT_EQ(list.tasks[0].op.count, 6);
  ASSERT_EQ(list.skipped.size(), 1U);
  EXPECT_NE(list.skipped[0].reason.find("any-shape kernels only"), std::string::npos);
  EXPECT_EQ(tasks_of({kConv}, Isa::avx2).tasks.size(), 5U);
  EXPECT_TRUE(tasks_of({kConv}, Isa::portable).tasks.empty());
  const char* const depthwise = "conv2d mb1g8ic8ih9iw9oc8kh3kw3 src=u8 wei=s8 dst=u8";
  const TaskList tiles = tasks_of({kConv, depthwise}, Isa::avx512amx);
  EXPECT_TRUE(tiles.tasks.empty());
  EXPECT_NE(tiles.skipped.at(1).reason.find("part of the runtime"), std::string::npos);
}

}  // namespace
}  // namespace octile::tuner
