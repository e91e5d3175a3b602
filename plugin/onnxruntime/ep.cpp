// GetCapability.  In/out: see ep.h.  Not here: Compile (ep_compile.cpp), recognition (plugin/partition).
#include "plugin/onnxruntime/ep.h"

#include <algorithm>
#include <map>

#include "plugin/onnxruntime/compute.h"
#include "plugin/onnxruntime/ep_context.h"
#include "plugin/partition/partition.h"
#include "plugin/partition/shapes.h"

namespace octile::ort {
namespace {

constexpr int kFirstWithSubgraphs = 24;  // before it, fused nodes of two graphs get the same name and collide

using plugin::HostGraph;
using plugin::HostNode;
using plugin::NodeVerdict;
using plugin::Partition;
using plugin::Reason;

// Nothing is taken, all for one reason.
Partition leave_all(const HostGraph& graph, Reason reason) {
  Partition out;
  for (const HostNode& n : graph.nodes) {
    out.nodes.push_back({-1, plugin::could_be_taken(n) ? reason : Reason::op_not_supported, {}});
  }
  return out;
}

// Tells the graphs of a model apart, also those of two branches with the same name.
std::string graph_key(const HostGraph& graph, bool in_subgraph) {
  std::string key = in_subgraph ? "1" : "0";
  for (const plugin::HostValue& v : graph.values) {
    if (v.graph_output) key += "\n" + v.name;
  }
  return key;
}

// Compiled regions are ours whatever else is in the graph.
void take_contexts(const HostGraph& graph, Partition& partition) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!is_context(graph.nodes[n]) || graph.nodes[n].taken_elsewhere) continue;
    partition.nodes[n] = {static_cast<int>(partition.groups.size()), Reason::taken, {}};
    partition.groups.emplace_back().nodes = {static_cast<int>(n)};
  }
}

}  // namespace

Ep::Ep(const Host& host, const Log& log, Options options, plugin::Kernels kernels, std::shared_ptr<Reports> reports)
    : host_(host), log_(log), options_(std::move(options)), kernels_(std::move(kernels)), reports_(std::move(reports)) {
  if (!options_.weights_cache.empty()) {
    files_ = std::make_shared<runtime::WeightsCache>(options_.weights_cache);
  }
  GetName = [](const OrtEp*) noexcept { return kProviderName; };
  GetCapability = [](OrtEp* self, const OrtGraph* graph, OrtSupportInfo* support) noexcept -> OrtStatus* {
    auto& ep = *static_cast<Ep*>(self);
    return fence(ep.host_, [&] { return ep.claim(graph, support); });
  };
  Compile = [](OrtEp* self, const OrtGraph** graphs, const OrtNode** fused, size_t count, OrtNodeComputeInfo** out,
               OrtNode** contexts) noexcept -> OrtStatus* {
    auto& ep = *static_cast<Ep*>(self);
    return fence(ep.host_, [&]() -> Status {
      for (size_t i = 0; i < count; ++i) OCTILE_RETURN_IF_ERROR(ep.compile(graphs[i], fused[i], out[i], contexts[i]));
      ep.measured_.clear();
      return {};
    });
  };
  ReleaseNodeComputeInfos = [](OrtEp*, OrtNodeComputeInfo** infos, size_t count) noexcept {
    for (size_t i = 0; i < count; ++i) delete static_cast<RegionCompute*>(infos[i]);
  };
  GetCompiledModelCompatibilityInfo = [](OrtEp*, const OrtGraph*) noexcept { return compatibility(); };
}

Status Ep::claim(const OrtGraph* graph, OrtSupportInfo* support) {
  OCTILE_ASSIGN_OR_RETURN(ReadGraph read, read_graph(host_, graph));
  if (!read.in_subgraph) {  // names of values are those of one graph
    shapes_.clear();
    for (const int v : plugin::fill_shapes(read.graph)) {
      const plugin::HostValue& value = read.graph.values[v];
      shapes_.emplace(value.name, KnownShape{value.dims, value.dim_names});
    }
    if (!read.graph.name.empty()) net_ = read.graph.name;
    model_path_ = read.model_path;
    OCTILE_ASSIGN_OR_RETURN(const std::vector<std::string> border, border_names(host_, graph));
    for (const std::string& name : border) order_.emplace(name, order_.size());
  }
  const std::string key = graph_key(read.graph, read.in_subgraph);
  Partition partition = decide(read, key);
  std::vector<Judgement> judged = leave_slower(read.graph, partition);
  take_contexts(read.graph, partition);
  if (!partition.groups.empty()) claimed_ = key;
  if (partition.groups.empty()) measured_.clear();  // nothing will be compiled
  FusionOptions fusion;
  fusion.drop_constant_initializers = true;  // weights are packed into our own layout; the host may free its own
  for (const plugin::Group& group : partition.groups) {
    std::vector<const OrtNode*> nodes;
    for (const int n : group.nodes) nodes.push_back(read.nodes[n]);
    OCTILE_RETURN_IF_ERROR(host_.ep(Ep_AddNodesToFuse, support, nodes.data(), nodes.size(), &fusion));
  }
  log_partition(read.graph, partition);
  if (reports_ != nullptr) {
    const Status st = reports_->add_partition(key, read.graph, partition, judged);
    if (!st.ok()) log_.warning(st.message());
  }
  return {};
}

// Groups that the host runs faster are taken out of the partition, their judgements put behind those of the others.
std::vector<Judgement> Ep::leave_slower(const HostGraph& graph, Partition& partition) {
  const bool asked = options_.target_given && options_.best < Isa::avx2;  // for kernels that are slow anyway
  if (asked || (reports_ == nullptr && !may_leave(options_))) return std::vector<Judgement>(partition.groups.size());
  const std::vector<runtime::Kernel> elsewhere = kernels_elsewhere(options_, kernels_);
  std::vector<Judgement> kept, left;
  std::vector<plugin::Group> groups;
  for (plugin::Group& group : partition.groups) {
    Judgement j = judge(graph, group, options_, kernels_, elsewhere, measured_);
    for (const int n : group.nodes) {
      NodeVerdict& verdict = partition.nodes[n];
      if (j.left) verdict = {-1, Reason::host_is_faster, costs_text(j)};
      if (!j.left) verdict.group = static_cast<int>(groups.size());
    }
    if (!j.left) groups.push_back(std::move(group));
    (j.left ? left : kept).push_back(std::move(j));
  }
  partition.groups = std::move(groups);
  kept.insert(kept.end(), left.begin(), left.end());
  return kept;
}

Partition Ep::decide(const ReadGraph& read, const std::string& key) const {
  if (!kernels_.usable) return leave_all(read.graph, Reason::no_kernels);
  const bool second = read.in_subgraph || (!claimed_.empty() && claimed_ != key);
  if (second && host_.minor_version() < kFirstWithSubgraphs) return leave_all(read.graph, Reason::subgraph_on_old_host);
  return plugin::partition(read.graph);
}

void Ep::log_partition(const HostGraph& graph, const Partition& partition) const {
  if (!log_.informs()) return;
  std::map<std::string, int> left;  // ops that were never candidates
  size_t taken = 0;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const NodeVerdict& verdict = partition.nodes[n];
    const HostNode& node = graph.nodes[n];
    if (verdict.group >= 0) {
      ++taken;
    } else if (plugin::could_be_taken(node)) {
      log_.info("left " + node.op + " '" + node.name + "': " + std::string(to_string(verdict.reason)) +
                (verdict.detail.empty() ? "" : " (" + verdict.detail + ")"));
    } else {
      ++left[node.op];
    }
  }
  for (const auto& [op, count] : left) {
    log_.info("left " + std::to_string(count) + " " + op + ": " + std::string(to_string(Reason::op_not_supported)));
  }
  log_.info(graph.name + ": took " + std::to_string(taken) + " of " + std::to_string(graph.nodes.size()) +
            " nodes in " + std::to_string(partition.groups.size()) + " regions");
}

}  // namespace octile::ort
