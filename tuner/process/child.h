// Child: one program run to its end under a time and a memory limit.
// In:  argv, text for its stdin, limits, a stop flag.  Out: what it printed and how it ended; never a hang.
// Not here: what the program is for (build/, measure/).
//
// The child leads its own process group, so a limit kills its helpers too, and dies with us (PR_SET_PDEATHSIG): a
// tuner killed with -9 leaves nothing running.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace octile::tuner {

struct ChildLimits {
  double seconds = 60;
  int64_t memory_bytes = 0;  // address space; 0 is unlimited
};

struct ChildResult {
  enum class End : uint8_t { exited, signalled, timed_out, stopped, not_started };
  End end = End::not_started;
  int code = 0;          // exit code or signal number; errno when not started
  std::string out, err;  // the first 1 MiB of each
  [[nodiscard]] bool ok() const { return end == End::exited && code == 0; }
  // "exit code 3", "signal 11 (Segmentation fault)", "no end after 20 s", followed by the last line of stderr.
  [[nodiscard]] std::string describe(const ChildLimits& limits) const;
};

// `stop` becoming true ends the child early (Ctrl-C). The terminal's own SIGINT does not reach the child.
[[nodiscard]] ChildResult run_child(const std::vector<std::string>& argv, const std::string& stdin_text,
                                    const ChildLimits& limits, const std::atomic<bool>* stop = nullptr);

}  // namespace octile::tuner
