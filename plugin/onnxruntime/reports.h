// Reports: what the provider decided, as files a user asked for.
// In:  partitions, and the runtime's decisions per region and shape.
// Out: `explain`, one JSON document rewritten whole at each news; `log_workloads`, one op line appended per distinct
//      shaped conv or dense, flushed as written.  Grammar of both: docs/plugin.md.
// Not here: the decisions.  A file that cannot be written is reported once in the log and then forgotten.
#pragma once

#include <memory>
#include <string>
#include <vector>

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
  Reports(std::string explain_path, std::string workloads_path, SessionFacts facts);
  ~Reports();
  Reports(const Reports&) = delete;
  Reports& operator=(const Reports&) = delete;

  [[nodiscard]] bool wanted() const;
  // The verdicts on one graph; a graph seen again replaces what was said of it. `key` tells graphs apart.
  [[nodiscard]] Status add_partition(const std::string& key, const plugin::HostGraph& graph,
                                     const plugin::Partition& partition);
  // What the kernels of one region are at shapes not met before.
  [[nodiscard]] Status add_decisions(const std::vector<runtime::NodeDecision>& decisions);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace octile::ort
