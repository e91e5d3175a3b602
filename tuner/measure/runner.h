// Runner: is a kernel right, and how fast is it beside another; the role, its data and nothing else.
// In:  two artifacts for the same workload, the candidate's and the default's.  Out: samples of both, interleaved, or
// a verdict.  Not here: how (process_runner.h), statistics (log/statistics.h), what to do about it (session/).
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "tuner/build/builder.h"
#include "tuner/log/record.h"

namespace octile::tuner {

// How we measure, in one place.
// Many short samples rather than few long ones: on a busy machine a long one is nearly always disturbed.
struct MeasureConfig {
  int rounds = 81;         // samples per side: nine blocks of nine (log/statistics.h)
  double sample_us = 500;  // a sample repeats the kernel until about this long
};

struct MeasureRequest {
  OpSpec op;
  const TargetDesc* target = nullptr;
  Artifact candidate, base;
  uint64_t seed = 0;  // of the tensors
  MeasureConfig config;
};

struct Measurement {
  // stopped and unavailable (no runner, no disk) say nothing about the candidate; judged has a verdict.
  enum class Outcome : uint8_t { judged, stopped, unavailable };
  Outcome outcome = Outcome::judged;
  Verdict verdict = Verdict::crashed;
  std::string reason;
  std::vector<double> us, base_us;  // one sample of each per round, in order of time
};

class Runner {
 public:
  virtual ~Runner() = default;
  // The candidate's answer is compared with the oracle before its time counts.
  [[nodiscard]] virtual Measurement measure(const MeasureRequest& request, const std::atomic<bool>& stop) = 0;
};

}  // namespace octile::tuner
