// Judge: which groups to leave because the host would run them faster.
// In:  a partition, kernels, options.  Out: a verdict per group, with the costs behind it.
// Not here: predicting costs (plugin/partition/cost.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugin/kernels/kernels.h"
#include "plugin/onnxruntime/options.h"
#include "plugin/partition/cost.h"

namespace octile::ort {

struct Judgement {
  bool known = false;     // false: shapes unknown before the first run, or nothing to compare; kept
  bool measured = false;  // ours: run here, not predicted
  bool left = false;
  size_t nodes = 0;
  plugin::Cost cost;   // cycles of one core
  std::string reason;  // why it is kept or left, in words
};

// What was built in order to be measured; held until the session's own regions are, so that weights are packed once.
using Measured = std::vector<std::unique_ptr<runtime::Region>>;

// "10.2 million cycles here, 8.1 there".
[[nodiscard]] std::string costs_text(const Judgement& judgement);
// Can a verdict be to leave a group? Else only reports have use for verdicts.
[[nodiscard]] bool may_leave(const Options& options);
// The kernels another CPU would have, where `judge_for` asks about one: those of the packs, as tables. Else none.
[[nodiscard]] std::vector<runtime::Kernel> kernels_elsewhere(const Options& options, const plugin::Kernels& kernels);
// `elsewhere`: kernels_elsewhere(), the same for every group.
[[nodiscard]] Judgement judge(const plugin::HostGraph& graph, const plugin::Group& group, const Options& options,
                              const plugin::Kernels& kernels, const std::vector<runtime::Kernel>& elsewhere,
                              Measured& measured);

}  // namespace octile::ort
