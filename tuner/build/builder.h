// Builder: candidates to loadable members; the role, its data and nothing else.
// In:  what to build.  Out: a member per candidate, or why there is none.  A bad candidate is a value, not an error.
// Not here: how (kernelc_builder.h), timing.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "schedules/space/candidate.h"
#include "targets/desc/target.h"
#include "workload/spec/op_spec.h"

namespace octile::tuner {

struct BuildRequest {
  OpSpec op;
  const TargetDesc* target = nullptr;
  Candidate cand;
};

struct Artifact {
  std::string member;      // path of the linked member
  std::string entry_json;  // its KernelEntry, as kernelc wrote it
};

struct BuildResult {
  // unavailable: this machine failed (no kernelc, no disk), which says nothing about the candidate.
  enum class Outcome : uint8_t { ok, failed, timed_out, stopped, unavailable };
  Outcome outcome = Outcome::failed;
  std::string reason;
  Artifact artifact;
};

class Builder {
 public:
  virtual ~Builder() = default;
  // One result per request, in order. `stop` becoming true ends it early: what is missing is `stopped`.
  [[nodiscard]] virtual std::vector<BuildResult> build(std::span<const BuildRequest> requests,
                                                       const std::atomic<bool>& stop) = 0;
  // An artifact that is no longer needed.
  virtual void discard(const Artifact& artifact) = 0;
};

}  // namespace octile::tuner
