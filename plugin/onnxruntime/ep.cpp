// GetCapability and Compile.  In/out: see ep.h.  Not here: recognition (plugin/partition), running (compute.cpp).
#include "plugin/onnxruntime/ep.h"

#include <algorithm>
#include <map>

#include "plugin/onnxruntime/compute.h"
#include "plugin/partition/partition.h"

namespace octile::ort {
namespace {

constexpr int kFirstWithSubgraphs = 24;  // before it, fused nodes of two graphs get the same name and collide

using plugin::HostGraph;
using plugin::HostNode;
using plugin::NodeVerdict;
using plugin::Partition;
using plugin::Reason;

bool could_be_ours(const HostNode& node) {
  return plugin::is_anchor(node) || plugin::is_quantize(node) || plugin::is_dequantize(node);
}

// Nothing is taken, all for one reason.
Partition leave_all(const HostGraph& graph, Reason reason) {
  Partition out;
  for (const HostNode& n : graph.nodes) {
    out.nodes.push_back({-1, could_be_ours(n) ? reason : Reason::op_not_supported, {}});
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

bool static_shape(const plugin::HostValue& v) {
  return v.ranked && std::all_of(v.dims.begin(), v.dims.end(), [](int64_t d) { return d >= 0; });
}

// The host values of a fused node's tensors, with their positions on it; constants and unnamed ones left out.
struct Border {
  std::vector<int> values;
  std::vector<size_t> positions;
};
Border border_of(const HostGraph& graph, const std::vector<std::string>& names) {
  Border out;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto it = graph.index.find(names[i]);
    if (it == graph.index.end() || graph.values[it->second].constant) continue;
    out.values.push_back(it->second);
    out.positions.push_back(i);
  }
  return out;
}

}  // namespace

Ep::Ep(const Host& host, const Log& log, Options options, Kernels kernels, std::shared_ptr<Reports> reports)
    : host_(host), log_(log), options_(std::move(options)), kernels_(std::move(kernels)), reports_(std::move(reports)) {
  GetName = [](const OrtEp*) noexcept { return kProviderName; };
  GetCapability = [](OrtEp* self, const OrtGraph* graph, OrtSupportInfo* support) noexcept -> OrtStatus* {
    auto& ep = *static_cast<Ep*>(self);
    return fence(ep.host_, [&] { return ep.claim(graph, support); });
  };
  Compile = [](OrtEp* self, const OrtGraph** graphs, const OrtNode** fused, size_t count, OrtNodeComputeInfo** out,
               OrtNode**) noexcept -> OrtStatus* {
    auto& ep = *static_cast<Ep*>(self);
    return fence(ep.host_, [&]() -> Status {
      for (size_t i = 0; i < count; ++i) OCTILE_RETURN_IF_ERROR(ep.compile(graphs[i], fused[i], out[i]));
      return {};
    });
  };
  ReleaseNodeComputeInfos = [](OrtEp*, OrtNodeComputeInfo** infos, size_t count) noexcept {
    for (size_t i = 0; i < count; ++i) delete static_cast<RegionCompute*>(infos[i]);
  };
}

Status Ep::claim(const OrtGraph* graph, OrtSupportInfo* support) {
  OCTILE_ASSIGN_OR_RETURN(const ReadGraph read, read_graph(host_, graph));
  if (!read.in_subgraph && !read.graph.name.empty()) net_ = read.graph.name;
  const std::string key = graph_key(read.graph, read.in_subgraph);
  const Partition partition = decide(read, key);
  if (!partition.groups.empty()) claimed_ = key;
  FusionOptions fusion;
  fusion.drop_constant_initializers = true;  // weights are packed into our own layout; the host may free its own
  for (const plugin::Group& group : partition.groups) {
    std::vector<const OrtNode*> nodes;
    for (const int n : group.nodes) nodes.push_back(read.nodes[n]);
    OCTILE_RETURN_IF_ERROR(host_.ep(Ep_AddNodesToFuse, support, nodes.data(), nodes.size(), &fusion));
  }
  log_partition(read.graph, partition);
  if (reports_ != nullptr) {
    const Status st = reports_->add_partition(key, read.graph, partition);
    if (!st.ok()) log_.warning(st.message());
  }
  return {};
}

Partition Ep::decide(const ReadGraph& read, const std::string& key) const {
  if (!kernels_.usable) return leave_all(read.graph, Reason::no_kernels);
  const bool second = read.in_subgraph || (!claimed_.empty() && claimed_ != key);
  if (second && host_.minor_version() < kFirstWithSubgraphs) return leave_all(read.graph, Reason::subgraph_on_old_host);
  return plugin::partition(read.graph);
}

Status Ep::compile(const OrtGraph* graph, const OrtNode* fused, OrtNodeComputeInfo*& out) const {
  OCTILE_ASSIGN_OR_RETURN(ReadGraph read, read_graph(host_, graph));
  read.graph.name = net_;
  OCTILE_ASSIGN_OR_RETURN(const plugin::Group group, plugin::recognise_all(read.graph));
  OCTILE_ASSIGN_OR_RETURN(const std::vector<std::string> input, input_names(host_, fused));
  OCTILE_ASSIGN_OR_RETURN(const std::vector<std::string> output, output_names(host_, fused));
  Border inputs = border_of(read.graph, input), outputs = border_of(read.graph, output);
  OCTILE_ASSIGN_OR_RETURN(runtime::RegionDesc desc,
                          plugin::build_region(read.graph, group, inputs.values, outputs.values));
  OCTILE_ASSIGN_OR_RETURN(std::unique_ptr<runtime::Region> region,
                          runtime::Region::create(kernels_.library, options_.best, std::move(desc), options_.threads));
  auto compute = std::make_unique<RegionCompute>(host_, log_, std::move(region), std::move(inputs.positions),
                                                 std::move(outputs.positions), options_.threads, reports_);
  std::vector<std::vector<int64_t>> shapes;
  for (const int v : inputs.values) {
    if (static_shape(read.graph.values[v])) shapes.push_back(read.graph.values[v].dims);
  }
  if (shapes.size() == inputs.values.size()) compute->report(shapes);
  out = compute.release();
  return {};
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
    } else if (could_be_ours(node)) {
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
