// The provider of one session: claims nodes, then builds their regions.
// In:  the host's graphs.  Out: groups to fuse, and what runs them.
// Not here: devices and options (factory.cpp).  Claiming is pure and decides everything: what is claimed compiles.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "plugin/kernels/kernels.h"
#include "plugin/onnxruntime/graph_reader.h"
#include "plugin/onnxruntime/judge.h"
#include "plugin/onnxruntime/logging.h"
#include "plugin/onnxruntime/options.h"
#include "plugin/onnxruntime/ort_abi.h"
#include "plugin/onnxruntime/reports.h"
#include "plugin/partition/partition.h"
#include "runtime/plan_file/plan_file.h"
#include "runtime/region/weights_cache.h"

namespace octile::ort {

inline constexpr const char* kProviderName = "OctileExecutionProvider";

class Ep : public OrtEp {
 public:
  Ep(const Host& host, const Log& log, Options options, plugin::Kernels kernels, std::shared_ptr<Reports> reports);

 private:
  [[nodiscard]] Status claim(const OrtGraph* graph, OrtSupportInfo* support);
  // ep_compile.cpp. `context` stays null unless the session writes a compiled model.
  [[nodiscard]] Status compile(const OrtGraph* graph, const OrtNode* fused, OrtNodeComputeInfo*& out,
                               OrtNode*& context);
  [[nodiscard]] Status load(const ReadGraph& read, const OrtNode* fused, OrtNodeComputeInfo*& out) const;
  struct Positions {  // of the plan's tensors on the fused node
    std::vector<size_t> inputs, outputs;
  };
  [[nodiscard]] Status finish(runtime::PlanFile plan, std::shared_ptr<const void> weights, Positions at,
                              OrtNodeComputeInfo*& out) const;
  [[nodiscard]] plugin::Partition decide(const ReadGraph& read, const std::string& key) const;
  [[nodiscard]] std::vector<Judgement> leave_slower(const plugin::HostGraph& graph, plugin::Partition& partition);
  void log_partition(const plugin::HostGraph& graph, const plugin::Partition& partition) const;

  Host host_;
  Log log_;
  Options options_;
  plugin::Kernels kernels_;
  std::shared_ptr<Reports> reports_;              // null: nobody asked
  std::shared_ptr<runtime::WeightsCache> files_;  // null: nobody asked
  // What is known of the graph's shapes beyond what the host knows, which is all it says when it hands over a part.
  struct KnownShape {
    std::vector<int64_t> dims;
    std::vector<plugin::DimName> names;
  };
  std::unordered_map<std::string, KnownShape> shapes_;
  std::string claimed_;                  // on hosts that can have one: the graph with claims
  std::string net_ = "model";            // the name of the outermost graph, for op lines
  std::string model_path_;               // empty: it came from memory
  std::map<std::string, size_t> order_;  // of the model's own inputs and outputs
  Measured measured_;                    // until the regions of the session hold their weights
  int saved_ = 0;                        // EPContext nodes made so far
};

}  // namespace octile::ort
