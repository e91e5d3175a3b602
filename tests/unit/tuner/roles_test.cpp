// Strategy, scheduler, runner protocol, command line: the roles one by one.
// In: plain data.  Out: assertions.  Not here: sessions (session_test.cpp).
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "tests/unit/tuner/fakes.h"
#include "tuner/cli/options.h"
#include "tuner/measure/process_runner.h"
#include "tuner/scheduler/scheduler.h"
#include "tuner/strategy/strategy.h"

namespace octile::tuner {
namespace {

Space space_of(const char* line) {
  const OpSpec op = *parse_op(line);
  const TargetDesc& vnni = target(Isa::avx512vnni);
  return *Space::make(op, vnni, Space::layouts(op, vnni)->at(0));
}

TEST(Strategy, BeginsWithTheDefaultAndNeverRepeats) {
  const Space space = space_of(testing::kConv);
  Strategy strategy(space, 3);
  const std::vector<Candidate> first = strategy.propose(5);
  ASSERT_EQ(first.size(), 5U);
  EXPECT_EQ(first[0], space.default_candidate());
  std::set<std::string> seen;
  for (const Candidate& c : first) seen.insert(to_line(c));
  for (int i = 0; i < 500; ++i) {
    for (const Candidate& c : strategy.propose(3)) {
      EXPECT_TRUE(space.check(c).ok()) << to_line(c);
      EXPECT_TRUE(seen.insert(to_line(c)).second) << to_line(c);
      strategy.tell(c, testing::landscape_us(c) / 100);
    }
  }
}

TEST(Strategy, SameSeedSameProposals) {
  const Space space = space_of(testing::kConv);
  Strategy a(space, 3), b(space, 3), c(space, 4);
  EXPECT_EQ(a.propose(50), b.propose(50));
  EXPECT_NE(a.propose(50), c.propose(50));
}

TEST(Strategy, EndsWhenTheSpaceIsUsedUp) {
  const Space space = space_of("dense mb1m1k64n32 src=u8:zp wei=s8 dst=u8:zp");
  Strategy strategy(space, 1);
  EXPECT_EQ(strategy.propose(100000).size(), space.candidates().size());
  EXPECT_TRUE(strategy.exhausted());
  EXPECT_TRUE(strategy.propose(1).empty());
}

TEST(Strategy, IgnoresHistoryFromOutsideTheSpace) {
  const Space space = space_of(testing::kConv);
  Strategy strategy(space, 1);
  strategy.tell(*parse_candidate("layout=k2n8w tile=x1y1n8"), 0.01);
  EXPECT_EQ(strategy.tried(), 0U);
}

TEST(Scheduler, EveryTaskOnceTheHeaviestFirst) {
  Scheduler s({{100, 1}, {1000, 1}, {10, 1}});
  for (size_t expected : {size_t{1}, size_t{0}, size_t{2}}) {
    ASSERT_EQ(s.next(), expected);
    s.report(expected, 5, s.time_in_model(expected), s.time_in_model(expected));
  }
  s.close(0);
  s.close(1);
  EXPECT_EQ(s.next(), 2U);
  s.close(2);
  EXPECT_FALSE(s.next().has_value());
}

TEST(Scheduler, AfterLongWithoutASavingOthersGetTheirTurn) {
  Scheduler s({{100, 100}, {1000, 1000}});
  s.report(0, 5, 100, 100);
  s.report(1, 5, 1000, 1000);
  EXPECT_EQ(s.next(), 1U);
  for (int i = 0; i < 60; ++i) s.report(1, 5, 1000, 1000);
  EXPECT_EQ(s.next(), 0U);
}

TEST(Scheduler, ATaskThatStillImprovesKeepsItsTurn) {
  Scheduler s({{1000, 1}, {1000, 1}});
  for (int i = 0; i < 4; ++i) {
    s.report(0, 8, 1000, 1000);
    s.report(1, 8, 1000, 1000);
  }
  s.report(1, 8, 1000, 800);
  EXPECT_EQ(s.next(), 1U);
}

TEST(Scheduler, WhatRunsAtTheBestRateIsLeftForWhatDoesNot) {
  Scheduler s({{1000, 1000}, {300, 30}});  // the first is heavier, the second ten times further from the peak
  s.report(0, 8, 1000, 1000);
  s.report(1, 8, 300, 300);
  EXPECT_EQ(s.next(), 1U);
}

TEST(RunnerProtocol, ScriptNamesKernelsPacksAndTheRun) {
  MeasureRequest r;
  r.op = *parse_op(testing::kDense);
  r.target = &target(Isa::avx512vnni);
  r.candidate = {"/w/c.so", "{\"name\":\"c\"}"};
  r.base = {"/w/b.so", "{\"name\":\"b\"}"};
  r.seed = 9;
  r.config = {27, 250};
  EXPECT_EQ(runner_script(r, "/d.octpack"),
            "kernel candidate /w/c.so {\"name\":\"c\"}\npack candidate /d.octpack\n"
            "kernel base /w/b.so {\"name\":\"b\"}\npack base /d.octpack\n"
            "run seed=9 rounds=27 sample_us=250 target=avx512vnni op=" +
                to_key(r.op) + "\nquit\n");
  r.base = {};
  EXPECT_NE(runner_script(r, "/d.octpack").find("\npack base /d.octpack\n"), std::string::npos);
  EXPECT_EQ(runner_script(r, "").find("base"), std::string::npos);
}

TEST(RunnerProtocol, AnswersBecomeVerdicts) {
  const Measurement ok =
      parse_answer("done\ndone\nverdict base ok\nverdict candidate ok\nus base 3 4\nus candidate 1 2\n");
  EXPECT_EQ(ok.verdict, Verdict::ok);
  EXPECT_EQ(ok.us, (std::vector<double>{1, 2}));
  EXPECT_EQ(ok.base_us, (std::vector<double>{3, 4}));
  const Measurement wrong = parse_answer("verdict base ok\nverdict candidate wrong at byte 7\ndone\n");
  EXPECT_EQ(wrong.verdict, Verdict::wrong);
  EXPECT_EQ(wrong.reason, "wrong at byte 7");
  EXPECT_EQ(parse_answer("verdict base ok\nverdict candidate unused x\n").verdict, Verdict::rejected);
  EXPECT_EQ(parse_answer("verdict base wrong at byte 1\nverdict candidate ok\n").verdict, Verdict::rejected);
  EXPECT_EQ(parse_answer("error corrupt: x\n").verdict, Verdict::rejected);
  EXPECT_EQ(parse_answer("").verdict, Verdict::rejected);
  EXPECT_EQ(parse_answer("verdict base ok\nverdict candidate ok\nus base 1\nus candidate -1\n").verdict,
            Verdict::crashed);
  EXPECT_EQ(parse_answer("verdict base ok\nverdict candidate ok\nus base 1 2\nus candidate 1\n").verdict,
            Verdict::rejected);
}

// A shell script in the runner's place: what goes wrong there becomes a verdict here.
Measurement measure_with(const std::string& script, double seconds = 20) {
  char path[] = "/tmp/octile-fake-runner-XXXXXX";
  const int fd = mkstemp(path);
  const std::string text = "#!/bin/sh\n" + script + "\n";
  EXPECT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  fchmod(fd, 0755);
  close(fd);
  ProcessRunner runner({path, "", seconds, 0});
  MeasureRequest request;
  request.op = *parse_op(testing::kDense);
  request.target = &target(Isa::avx512vnni);
  const std::atomic<bool> stop{false};
  const Measurement m = runner.measure(request, stop);
  unlink(path);
  return m;
}

TEST(ProcessRunner, CrashesHangsAndMissingProgramsAreToldApart) {
  EXPECT_EQ(measure_with("kill -ILL $$").verdict, Verdict::crashed);
  EXPECT_EQ(measure_with("sleep 1000", 0.2).verdict, Verdict::timeout);
  EXPECT_EQ(measure_with("exit 4").verdict, Verdict::crashed);
  EXPECT_EQ(measure_with("echo verdict candidate wrong at byte 2; echo verdict base ok").verdict, Verdict::wrong);
  EXPECT_EQ(measure_with("exit 127").outcome, Measurement::Outcome::unavailable);
}

TEST(Options, ReadsWhatTheUsageSays) {
  const char* argv[] = {"octile-tune", "--ops",  "a.txt",  "--ops",      "b.txt",  "--target", "avx2",
                        "--budget",    "10m",    "--seed", "7",          "--jobs", "2",        "--dry-run",
                        "--json",      "--only", "kh3",    "--progress", "json"};
  Options o;
  ASSERT_EQ(parse_options(static_cast<int>(std::size(argv)), argv, o), std::nullopt);
  EXPECT_EQ(o.ops_files.size(), 2U);
  EXPECT_EQ(o.budget_s, 600);
  EXPECT_EQ(o.seed, 7U);
  EXPECT_EQ(o.jobs, 2);
  EXPECT_TRUE(o.dry_run && o.json);
  EXPECT_EQ(o.progress, ProgressKind::json);
}

TEST(Options, ErrorsNameTheOption) {
  const auto refused = [](std::vector<const char*> args, const char* named) {
    args.insert(args.begin(), "octile-tune");
    Options o;
    ::testing::internal::CaptureStderr();
    const std::optional<int> status = parse_options(static_cast<int>(args.size()), args.data(), o);
    EXPECT_NE(::testing::internal::GetCapturedStderr().find(named), std::string::npos) << named;
    EXPECT_EQ(status, 2) << args.back();
  };
  refused({}, "--ops");
  refused({"--ops"}, "--ops");
  refused({"--ops", "a", "--bugdet", "1"}, "--bugdet");
  refused({"--ops", "a", "--seed", "x"}, "--seed");
  refused({"--ops", "a", "--jobs", "0"}, "--jobs");
  refused({"--ops", "a", "--progress", "loud"}, "--progress");
  for (const char* bad : {"", "0", "-3s", "10x", "1e9"}) refused({"--ops", "a", "--budget", bad}, "--budget");
}

TEST(Options, TimesHaveUnits) {
  for (const auto& [text, seconds] : {std::pair("90", 90.0), {"1.5h", 5400.0}, {"2m", 120.0}, {"3s", 3.0}}) {
    const char* argv[] = {"octile-tune", "--ops", "a", "--budget", text};
    Options o;
    EXPECT_EQ(parse_options(5, argv, o), std::nullopt) << text;
    EXPECT_EQ(o.budget_s, seconds) << text;
  }
}

}  // namespace
}  // namespace octile::tuner
