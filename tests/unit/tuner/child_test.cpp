// Children: output, exit codes, signals, limits, stopping.  In: small shell commands.  Out: assertions.
#include "tuner/process/child.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>

namespace octile::tuner {
namespace {

ChildResult shell(const std::string& script, const ChildLimits& limits = {}, const std::string& input = "") {
  return run_child({"/bin/sh", "-c", script}, input, limits);
}

TEST(Child, OutputAndExitCode) {
  const ChildResult r = shell("echo out; echo err >&2; exit 3");
  EXPECT_EQ(r.end, ChildResult::End::exited);
  EXPECT_EQ(r.code, 3);
  EXPECT_EQ(r.out, "out\n");
  EXPECT_EQ(r.describe({}), "exit code 3: err");
}

TEST(Child, TakesInputLargerThanAPipe) {
  const std::string big(1 << 18, 'x');
  EXPECT_EQ(shell("cat", {}, big).out, big);
  EXPECT_TRUE(shell("exit 0", {}, big).ok());  // nobody reads: no SIGPIPE here, no hang
}

TEST(Child, KeepsTheFirstMebibyteOfEndlessOutput) {
  EXPECT_EQ(shell("head -c 3000000 /dev/zero").out.size(), size_t{1} << 20);
}

TEST(Child, ACrashIsASignal) {
  const ChildResult r = shell("kill -SEGV $$");
  EXPECT_EQ(r.end, ChildResult::End::signalled);
  EXPECT_EQ(r.code, SIGSEGV);
  EXPECT_EQ(r.describe({}), "signal 11 (Segmentation fault)");
}

TEST(Child, AHangEndsAtItsLimitWithItsHelpers) {
  const ChildLimits limits{0.2, 0};
  const ChildResult r = shell("sleep 1000 & sleep 1000", limits);
  EXPECT_EQ(r.end, ChildResult::End::timed_out);
  EXPECT_EQ(r.describe(limits), "no end after 0.2 s");
}

TEST(Child, AHelperLeftBehindDoesNotHoldUs) { EXPECT_TRUE(shell("sleep 1000 & exit 0").ok()); }

TEST(Child, MemoryBeyondTheLimitFailsTheChildNotUs) {
  const ChildLimits limits{60, int64_t{256} << 20};
  EXPECT_TRUE(
      run_child({"/bin/sh", "-c", "exec head -c 1000000000 /dev/zero | tail -c 900000000 >/dev/null"}, "", limits)
          .out.empty());
  const ChildResult r = run_child({"/bin/sh", "-c", "ulimit -v"}, "", limits);
  EXPECT_EQ(r.out, "262144\n");
}

TEST(Child, TheStopFlagEndsIt) {
  const std::atomic<bool> stop{true};
  EXPECT_EQ(run_child({"/bin/sleep", "1000"}, "", {}, &stop).end, ChildResult::End::stopped);
}

TEST(Child, AMissingProgramSaysSo) {
  const ChildResult r = run_child({"/no/such/program"}, "", {});
  EXPECT_FALSE(r.ok());
  EXPECT_NE(r.describe({}).find("No such file"), std::string::npos);
  EXPECT_EQ(run_child({}, "", {}).code, EINVAL);
}

}  // namespace
}  // namespace octile::tuner
