// The three report files.  In/out: see reports.h.  Not here: what decides.
#include "plugin/onnxruntime/reports.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "packs/format/atomic_file.h"
#include "plugin/onnxruntime/ep.h"
#include "workload/spec/op_spec.h"

namespace octile::ort {
namespace {

using Json = nlohmann::ordered_json;

bool is_fused(const plugin::HostNode& node) { return node.op.starts_with(std::string(kProviderName) + "_"); }

// `first`: the number of the partition's first region.
Json node_json(const plugin::HostGraph& graph, const plugin::Partition& partition, size_t n,
               const std::vector<std::string>& unit_names, size_t first) {
  const plugin::HostNode& node = graph.nodes[n];
  const plugin::NodeVerdict& verdict = partition.nodes[n];
  Json out{{"name", node.name}, {"op_type", node.op}, {"taken", verdict.group >= 0}};
  if (verdict.group >= 0) {
    out["region"] = first + static_cast<size_t>(verdict.group);
    out["unit"] = unit_names[n];
  } else {
    out["reason"] = plugin::to_string(verdict.reason);
    if (!verdict.detail.empty()) out["detail"] = verdict.detail;
  }
  return out;
}

void add_costs(Json& region, const Judgement& judgement) {
  if (judgement.known) {
    region["cycles"] = std::llround(judgement.cost.ours);
    region["host_cycles"] = std::llround(judgement.cost.host);
    region["measured"] = judgement.measured;
  }
  if (!judgement.reason.empty()) region["decision"] = judgement.reason;
}

// Regions that the host runs faster: known by what they would have cost.
Json left_json(size_t kept, const std::vector<Judgement>& judged) {
  Json out = Json::array();
  for (size_t i = kept; i < judged.size(); ++i) {
    Json& region = out.emplace_back(Json{{"nodes", judged[i].nodes}});
    add_costs(region, judged[i]);
  }
  return out;
}

void add_regions(Json& out, const plugin::HostGraph& graph, const plugin::Partition& partition,
                 const std::vector<Judgement>& judged) {
  const size_t first = out.size();
  for (const plugin::Group& group : partition.groups) {
    const plugin::Border border = plugin::border_of(graph, group);
    out.push_back({{"region", out.size()},
                   {"nodes", group.nodes.size()},
                   {"inputs", border.inputs},
                   {"float_inputs", border.float_inputs},
                   {"outputs", border.outputs},
                   {"float_outputs", border.float_outputs}});
    if (out.size() - first <= judged.size()) add_costs(out.back(), judged[out.size() - 1 - first]);
  }
}

// Per host node, the name of the unit it is part of.
std::vector<std::string> unit_names(const plugin::HostGraph& graph, const plugin::Partition& partition) {
  std::vector<std::string> out(graph.nodes.size());
  for (const plugin::Group& group : partition.groups) {
    for (const plugin::Unit& unit : group.units) {
      const std::string name = plugin::node_label(graph, graph.nodes[unit.anchor]);
      for (const int n : unit.nodes) out[n] = name;
    }
  }
  return out;
}

std::string dump(const Json& json) { return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"; }

// Appends in one write, so that lines of several processes do not mix.
Status append(const std::string& option, const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  if (fd >= 0) ::close(fd);
  return written ? Status() : Status(Code::io_error, "option " + option + ": " + path + ": " + std::strerror(error));
}

}  // namespace

struct Reports::State {
  std::mutex mutex;
  std::string explain_path, workloads_path, profile_path;
  SessionFacts facts;
  std::map<std::string, Json> graphs;                               // key -> array of nodes
  std::map<std::string, Json> regions;                              // key -> array of regions
  std::map<std::string, Json> left;                                 // key -> array of regions that the host runs faster
  std::map<std::string, std::pair<std::string, size_t>> region_of;  // node -> its graph's key and region
  std::unordered_map<std::string, std::vector<Json>> shaped;        // unit -> what was chosen, per shape met
  std::vector<std::string> compiled;                                // units that no host node is named after
  std::set<std::string> logged;

  Status write_explain() {
    if (explain_path.empty()) return {};
    int64_t taken = 0, total = 0;
    Json nodes = Json::array();
    for (auto& [key, graph_nodes] : graphs) {
      for (const Json& n : graph_nodes) {
        ++total;
        taken += n["taken"].get<bool>() ? 1 : 0;
        nodes.push_back(with_kernels(n));
      }
    }
    Json inside = Json::array();
    for (const std::string& unit : compiled) inside.push_back(with_kernels({{"name", unit}, {"unit", unit}}));
    Json all_regions = Json::array();
    for (const auto& [key, some] : regions) all_regions.insert(all_regions.end(), some.begin(), some.end());
    Json all_left = Json::array();
    for (const auto& [key, some] : left) all_left.insert(all_left.end(), some.begin(), some.end());
    const std::string text = dump(Json{{"version", 1},
                                       {"octile", OCTILE_VERSION},
                                       {"onnxruntime", facts.host_version},
                                       {"target", facts.target},
                                       {"threads", facts.threads},
                                       {"packs", facts.packs},
                                       {"warnings", facts.warnings},
                                       {"nodes_taken", taken},
                                       {"nodes_total", total},
                                       {"regions", std::move(all_regions)},
                                       {"regions_left", std::move(all_left)},
                                       {"nodes", std::move(nodes)},
                                       {"compiled", std::move(inside)}});
    const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
    const Status st = packs::write_file_atomically(explain_path, std::span(&bytes, 1));
    if (st.ok()) return st;
    explain_path.clear();
    return {st.code(), "option explain: " + st.message()};
  }

  // The node with its kernels, if it is one that steps are named after.
  [[nodiscard]] Json with_kernels(const Json& node) const {
    Json out = node;
    if (!node.contains("unit")) return out;
    const auto it = shaped.find(node["name"].get<std::string>());
    if (it == shaped.end()) return out;
    out["op"] = it->second.back()["op"];
    out["kernels"] = it->second.back()["kernels"];
    if (it->second.size() > 1) out["shapes"] = it->second;
    return out;
  }

  // What the steps between a region's inputs and outputs store, at the shapes met last.
  void count_inside(const std::vector<runtime::NodeDecision>& decisions) {
    const auto known = std::find_if(decisions.begin(), decisions.end(),
                                    [&](const runtime::NodeDecision& d) { return region_of.contains(d.node); });
    if (known == decisions.end()) return;
    const auto& [key, index] = region_of[known->node];
    Json floats = Json::object(), layouts = Json::object();
    for (const runtime::NodeDecision& d : decisions) {
      if (d.stored_floats > 0) floats[d.node] = d.stored_floats;
      if (d.layout_changes > 0) layouts[d.node] = d.layout_changes;
    }
    regions[key][index]["stored_floats"] = std::move(floats);
    regions[key][index]["layout_changes"] = std::move(layouts);
  }

  Status append_profile(const std::string& text) {
    if (profile_path.empty()) return {};
    const Status st = append("profile", profile_path, text);
    if (!st.ok()) profile_path.clear();
    return st;
  }

  Status write_workloads(const std::vector<runtime::NodeDecision>& decisions) {
    if (workloads_path.empty()) return {};
    std::vector<OpSpec> distinct;
    for (const runtime::NodeDecision& d : decisions) {
      Result<OpSpec> op = parse_op(d.op);
      if (!op.ok() || (op->kind != OpKind::conv2d && op->kind != OpKind::dense)) continue;
      const auto same = std::find_if(distinct.begin(), distinct.end(),
                                     [&](const OpSpec& other) { return to_key(other) == to_key(*op); });
      if (same == distinct.end()) {
        distinct.push_back(std::move(*op));
      } else {
        same->count += op->count;
      }
    }
    std::string text;
    for (const OpSpec& op : distinct) {
      if (logged.insert(to_line(op)).second) text += to_line(op) + "\n";
    }
    const Status st = text.empty() ? Status() : append("log_workloads", workloads_path, text);
    if (!st.ok()) workloads_path.clear();
    return st;
  }
};

Reports::Reports(Paths paths, SessionFacts facts) : state_(std::make_unique<State>()) {
  state_->explain_path = std::move(paths.explain);
  state_->workloads_path = std::move(paths.workloads);
  state_->profile_path = std::move(paths.profile);
  state_->facts = std::move(facts);
}

Reports::~Reports() = default;

Status Reports::begin_profile() {
  const std::lock_guard lock(state_->mutex);
  return state_->append_profile("");
}

bool Reports::profiles() const {
  const std::lock_guard lock(state_->mutex);
  return !state_->profile_path.empty();
}

Status Reports::add_partition(const std::string& key, const plugin::HostGraph& graph,
                              const plugin::Partition& partition, const std::vector<Judgement>& judged) {
  const std::lock_guard lock(state_->mutex);
  if (state_->explain_path.empty()) return {};
  const std::vector<std::string> names = unit_names(graph, partition);
  const bool again = std::any_of(graph.nodes.begin(), graph.nodes.end(), is_fused);
  Json nodes = Json::array(), &regions = state_->regions[key];
  if (again) {
    for (const Json& node : state_->graphs[key]) {
      if (node["taken"].get<bool>()) nodes.push_back(node);
    }
  } else {
    regions = Json::array();
  }
  const size_t first = regions.size();
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!is_fused(graph.nodes[n])) nodes.push_back(node_json(graph, partition, n, names, first));
  }
  state_->graphs[key] = std::move(nodes);
  add_regions(regions, graph, partition, judged);
  state_->left[key] = left_json(partition.groups.size(), judged);
  for (size_t g = 0; g < partition.groups.size(); ++g) {
    for (const plugin::Unit& unit : partition.groups[g].units) {
      for (const int n : unit.nodes) state_->region_of[plugin::node_label(graph, graph.nodes[n])] = {key, first + g};
    }
  }
  return state_->write_explain();
}

Status Reports::add_decisions(const std::vector<runtime::NodeDecision>& decisions) {
  const std::lock_guard lock(state_->mutex);
  const Status logged = state_->write_workloads(decisions);
  if (!state_->explain_path.empty()) {
    state_->count_inside(decisions);
    for (const runtime::NodeDecision& d : decisions) {
      Json kernels = Json::array();
      for (const runtime::Decision& k : d.kernels) {
        kernels.push_back({{"kernel", k.kernel}, {"target", k.target}, {"reason", k.reason}, {"panels", k.panels}});
      }
      std::vector<Json>& shapes = state_->shaped[d.node];
      if (shapes.empty() && !state_->region_of.contains(d.node)) state_->compiled.push_back(d.node);
      shapes.push_back({{"op", d.op}, {"kernels", std::move(kernels)}});
    }
  }
  const Status explained = state_->write_explain();
  return logged.ok() ? explained : logged;
}

Status Reports::add_times(const std::vector<runtime::StepTime>& times) {
  const std::lock_guard lock(state_->mutex);
  if (state_->profile_path.empty()) return {};
  std::string text;
  for (const runtime::StepTime& t : times) {
    const std::string& name = t.nodes.empty() ? t.kind : t.nodes.front();
    const Json line{{"node", name}, {"nodes", t.nodes},     {"kind", t.kind},   {"op", t.op},     {"form", t.form},
                    {"us", t.us},   {"best_us", t.best_us}, {"calls", t.calls}, {"macs", t.macs}, {"bytes", t.bytes}};
    text += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  return state_->append_profile(text);
}

}  // namespace octile::ort
