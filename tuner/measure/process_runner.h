// ProcessRunner: one octile-runner child per measurement, under a time and a memory limit.
// In:  MeasureRequest.  Out: Measurement.  Not here: what the runner does with the lines (runtime/runner/main.cpp).
#pragma once

#include <string>

#include "tuner/measure/runner.h"
#include "workload/base/status.h"

namespace octile::tuner {

struct ProcessRunnerOptions {
  std::string program;                      // octile-runner
  std::string pack;                         // any-shape kernels: for channels a candidate leaves over, and the default
  double seconds = 30;                      // limit for one measurement
  int64_t memory_bytes = int64_t{4} << 30;  // address space
};

class ProcessRunner final : public Runner {
 public:
  explicit ProcessRunner(ProcessRunnerOptions options) : options_(std::move(options)) {}
  // That the program starts and answers.
  [[nodiscard]] Status check() const;
  [[nodiscard]] Measurement measure(const MeasureRequest& request, const std::atomic<bool>& stop) override;

 private:
  ProcessRunnerOptions options_;
};

// The lines a runner is sent, and what its answer says; apart, so that tests need no process.
[[nodiscard]] std::string runner_script(const MeasureRequest& request, const std::string& pack);
[[nodiscard]] Measurement parse_answer(const std::string& out);

}  // namespace octile::tuner
