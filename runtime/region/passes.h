// Passes: steps on codes between products, task by task.
// In:  a step, its tensors.  Out: how it is cut, what each task writes, codes.
// Not here: products and other steps (execute.cpp), loops over bytes (runtime/exec/ops).
#pragma once

#include <atomic>

#include "runtime/exec/job.h"
#include "runtime/region/execute.h"

namespace octile::runtime {

// tasks 0: not a pass, or none that is cut like this.
[[nodiscard]] PassCut cut_pass(const Program& program, const Step& step, int threads);
// What a task of a pass writes.
[[nodiscard]] Patch patch_of(const Program& program, const Step& step, size_t task);

// Tasks share so many pixels or rows evenly; the first one of a task.
[[nodiscard]] inline int64_t share_start(const PassCut& cut, int64_t units, int64_t task) {
  return units * task / cut.tasks;
}

// What the tasks of one run of a pass share.
struct PassState {
  static constexpr int64_t kSums = 2048;
  uint32_t sums[kSums];
  std::atomic<int64_t> left;  // bands that are not added up
};
void begin_pass(const Program& program, const Step& step, PassState& state);
void run_pass(const RunContext& run, const Step& step, PassState& state, size_t task);

}  // namespace octile::runtime
