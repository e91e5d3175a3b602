// Kill and resume: a session in a child process, killed with -9 at ten random moments, loses no finished record.
// In: a printed seed.  Out: assertions on the log.  Not here: real builds.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>
#include <set>

#include "tests/unit/tuner/fakes.h"
#include "tests/unit/tuner/temp_file.h"

namespace octile::tuner {
namespace {

using testing::FakeBuilder;
using testing::FakeClock;
using testing::FakeRunner;
using testing::NoObserver;
using testing::TempFile;

constexpr int kTrials = 400;

// Tunes until done; says one byte on `announce` after every event, when its record must be safe.
[[noreturn]] void tune_in_child(const std::string& path, int announce) {
  FakeClock clock;
  FakeBuilder builder(clock);
  FakeRunner runner(clock);
  runner.on_measure = [] { poll(nullptr, 0, 1); };
  NoObserver observer;
  observer.after = [announce] { (void)!write(announce, ".", 1); };
  Result<LogWriter> log = LogWriter::open(path);
  if (!log.ok()) _exit(2);
  SessionOptions options = testing::options_of(0, kTrials);
  options.patience = kTrials;
  Session session(testing::tasks_of({testing::kConv}).tasks, options, builder, runner, *log, clock, observer);
  const std::atomic<bool> stop{false};
  _exit(session.run(stop).ok() ? 0 : 3);
}

// Starts a tuner, kills it after `milliseconds` (or never, if negative); how many records it announced.
size_t tune_and_kill(const std::string& path, int milliseconds, int& status) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    tune_in_child(path, ends[1]);
  }
  close(ends[1]);
  if (milliseconds >= 0) {
    poll(nullptr, 0, milliseconds);
    kill(child, SIGKILL);
  }
  size_t announced = 0;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(ends[0], buffer, sizeof buffer)) > 0;) announced += static_cast<size_t>(got);
  close(ends[0]);
  waitpid(child, &status, 0);
  return announced;
}

TEST(Kill, TenRandomKillsLoseNoFinishedRecordAndTheNextStartGoesOn) {
  const uint64_t seed = std::random_device()();
  std::mt19937_64 rng(seed);
  const TempFile file;
  size_t records = 0, kills = 0;
  int status = 0;
  for (int i = 0; i < 10; ++i) {
    const size_t announced = tune_and_kill(file.path(), static_cast<int>(5 + rng() % 60), status);
    if (WIFSIGNALED(status)) ++kills;
    const Result<LogContents> read = read_log(file.path());
    const size_t have = read.ok() ? read->records.size() : 0;
    EXPECT_GE(have, records + announced) << "kill " << i << ", seed " << seed;
    EXPECT_LE(have, records + announced + 1) << "kill " << i << ", seed " << seed;
    records = have;
  }
  EXPECT_GT(kills, 0U) << "seed " << seed;
  tune_and_kill(file.path(), -1, status);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  const Result<LogContents> read = read_log(file.path());
  ASSERT_TRUE(read.ok());
  EXPECT_LE(read->issues.size(), 10U);
  std::set<std::string> seen;
  int trials = 0;
  for (const Record& r : read->records) {
    if (r.phase == Phase::final) continue;
    ++trials;
    EXPECT_TRUE(seen.insert(r.cand).second) << r.cand << " was measured twice, seed " << seed;
  }
  EXPECT_EQ(trials, kTrials) << "seed " << seed;
  EXPECT_EQ(read->records.back().phase, Phase::final);
}

}  // namespace
}  // namespace octile::tuner
