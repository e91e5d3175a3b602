// Reports: what the provider decided and how long it took, as files a user asked for.
// In:  partitions, and the runtime's decisions per region and shape.
// Out: `explain`, one JSON document rewritten whole at each news; `log_workloads`, one op line appended per distinct
//      shaped conv or dense, flushed as written; `profile`, one JSON object appended per step.  Grammar:
//      docs/plugin.md.
// Not here: the decisions.  A file that cannot be written is reported once in the log and then forgotten.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugin/onnxruntime/judge.h"
#include "plugin/partition/partition.h"

namespace octile::ort {

// What stays the same for a session.
struct SessionFacts {
  std::string host_version, target;
  int threads = 1;
  std::vector<std::string> packs, warnings;
};

class Reports {
 public:
  struct Paths {
    std::string explain, workloads, profile;  // empty: off
  };
  Reports(Paths paths, SessionFacts facts);
  ~Reports();
  Reports(const Reports&) = delete;
  Reports& operator=(const Reports&) = delete;

  // Makes the profile's file, so that a session knows at once when it cannot.
  [[nodiscard]] Status begin_profile();
  [[nodiscard]] bool profiles() const;
  // The verdicts on one graph; a graph seen again replaces what was said of it, but for what it holds as fused nodes of
  // ours: the host asks again once it has written out functions it has no kernel for. `key` tells graphs apart.
  // `judged`: of the partition's groups, then of those that were left for being slower.
  [[nodiscard]] Status add_partition(const std::string& key, const plugin::HostGraph& graph,
                                     const plugin::Partition& partition, const std::vector<Judgement>& judged);
  // What the kernels of one region are at shapes not met before.
  [[nodiscard]] Status add_decisions(const std::vector<runtime::NodeDecision>& decisions);
  // What the steps of one region cost, once it will run no more.
  [[nodiscard]] Status add_times(const std::vector<runtime::StepTime>& times);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace octile::ort
