// From verdicts on single nodes to regions.  In/out: see partition.h.  Not here: recognition, convexity.
#include "plugin/partition/partition.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <string_view>
#include <unordered_map>

#include "plugin/partition/groups.h"

namespace octile::plugin {
namespace {

class Partitioner {
 public:
  explicit Partitioner(const HostGraph& graph)
      : graph_(graph), unit_of_(graph.nodes.size(), -1), verdicts_(graph.nodes.size()) {}

  void take_anchors() {
    for (int n = 0; n < count(); ++n) {
      if (!is_anchor(graph_.nodes[n])) continue;
      consider(n, recognise);
    }
  }

  // Lone quantizes and dequantizes beside what is taken; in claimed graphs all that are left.
  void take_lone(bool all) {
    for (bool changed = true; changed;) {
      changed = false;
      for (int n = 0; n < count(); ++n) {
        const HostNode& node = graph_.nodes[n];
        if (unit_of_[n] >= 0 || !(is_quantize(node) || is_dequantize(node))) continue;
        const Reason reason = all ? Reason::taken : is_quantize(node) ? quantize_helps(node) : dequantize_helps(node);
        if (reason != Reason::taken) {
          verdicts_[n] = {-1, reason, {}};
        } else {
          changed |= consider(n, recognise_lone);
        }
      }
    }
  }

  Partition finish() {
    Partition p;
    p.groups.reserve(units_.size());
    for (const std::vector<int>& members : make_groups(graph_, units_)) add_group(p, members);
    p.nodes = std::move(verdicts_);
    return p;
  }

  Result<Group> finish_as_one() {
    for (int n = 0; n < count(); ++n) {
      if (unit_of_[n] >= 0) continue;
      return Status(Code::internal, "octile: node '" + graph_.nodes[n].name + "' (" + graph_.nodes[n].op +
                                        ") was claimed but is now refused: " +
                                        std::string(to_string(verdicts_[n].reason)) + " " + verdicts_[n].detail);
    }
    std::vector<int> all(units_.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int>(i);
    std::sort(all.begin(), all.end(), [&](int a, int b) { return units_[a].anchor < units_[b].anchor; });
    Partition p;
    add_group(p, all);
    return std::move(p.groups.front());
  }

 private:
  [[nodiscard]] int count() const { return static_cast<int>(graph_.nodes.size()); }

  bool consider(int n, Verdict (*recogniser)(const HostGraph&, int, Unit&)) {
    Unit unit;
    Verdict refusal =
        graph_.nodes[n].taken_elsewhere ? refuse(Reason::assigned_elsewhere) : recogniser(graph_, n, unit);
    if (!refusal && !agrees(unit)) refusal = refuse(Reason::zero_points_disagree);
    if (refusal) {
      verdicts_[n] = {-1, refusal->reason, std::move(refusal->detail)};
      return false;
    }
    for (const int member : unit.nodes) unit_of_[member] = static_cast<int>(units_.size());
    for (const auto& [value, zp] : zero_points(unit)) zero_point_.emplace(value, zp);
    units_.push_back(std::move(unit));
    return true;
  }

  // The zero points a unit gives the 8-bit values it touches. Inside a region a value has one.
  [[nodiscard]] static std::vector<std::pair<int, int32_t>> zero_points(const Unit& unit) {
    const NodeDesc& d = unit.desc;
    std::vector<std::pair<int, int32_t>> out;
    if (size_of(d.spec.src) == 1) out.emplace_back(d.inputs[0], d.quant.src_zp);
    if (d.inputs.size() > 1) out.emplace_back(d.inputs[1], d.quant.wei_zp[0]);
    if (size_of(d.spec.dst) == 1) out.emplace_back(d.output, d.quant.dst_zp);
    return out;
  }

  [[nodiscard]] bool agrees(const Unit& unit) const {
    const auto zps = zero_points(unit);
    return std::all_of(zps.begin(), zps.end(), [&](const auto& value_zp) {
      const auto it = zero_point_.find(value_zp.first);
      return it == zero_point_.end() || it->second == value_zp.second;
    });
  }

  [[nodiscard]] bool taken(int node) const { return node >= 0 && unit_of_[node] >= 0; }

  // A quantize pays when a taken unit reads it and the host would not have fused it with what makes its source.
  [[nodiscard]] Reason quantize_helps(const HostNode& q) const {
    if (q.input(0) < 0 || q.output(0) < 0) return Reason::malformed;
    const std::vector<int>& readers = graph_.values[q.output(0)].consumers;
    const int maker = graph_.values[q.input(0)].producer;
    const bool beside = std::any_of(readers.begin(), readers.end(), [&](int r) { return taken(r); }) || taken(maker);
    if (!beside) return Reason::no_taken_neighbour;
    const int before = maker_before_clamp(q.input(0));
    const bool fused = before >= 0 && !taken(before) && host_fuses(graph_.nodes[before]);
    return fused ? Reason::host_fuses_it : Reason::taken;
  }

  // A dequantize pays when a taken unit writes its source and the host would not have fused it with its reader.
  [[nodiscard]] Reason dequantize_helps(const HostNode& dq) const {
    if (dq.input(0) < 0 || dq.output(0) < 0) return Reason::malformed;
    const HostValue& wide = graph_.values[dq.output(0)];
    const bool read_by_taken =
        std::any_of(wide.consumers.begin(), wide.consumers.end(), [&](int r) { return taken(r); });
    if (!taken(graph_.values[dq.input(0)].producer) && !read_by_taken) return Reason::no_taken_neighbour;
    for (const int r : wide.consumers) {
      const HostNode& reader = graph_.nodes[r];
      if (taken(r) || is_quantize(reader)) continue;
      if (is_anchor(reader) || host_fuses(reader)) return Reason::host_fuses_it;
    }
    return Reason::taken;
  }

  // Would the host make one integer op of the node, the dequantizes before and the quantize behind it?
  [[nodiscard]] bool host_fuses(const HostNode& node) const {
    if (is_anchor(node)) return node.inputs.size() > 1 && dequantized(node.input(0)) && dequantized(node.input(1));
    static const std::set<std::string_view> kOfOne = {"AveragePool", "Flatten", "Gather",    "GlobalAveragePool",
                                                      "LeakyRelu",   "MaxPool", "Reshape",   "Resize",
                                                      "Sigmoid",     "Slice",   "Softmax",   "Split",
                                                      "Squeeze",     "Tile",    "Transpose", "Unsqueeze"};
    static const std::set<std::string_view> kOfAll = {"Add", "Concat", "Mul"};
    if (!node.domain.empty() || !writes_quantized(node)) return false;
    if (kOfOne.contains(node.op)) return dequantized(node.input(0));
    return kOfAll.contains(node.op) &&
           std::all_of(node.inputs.begin(), node.inputs.end(), [&](int v) { return dequantized(v); });
  }

  [[nodiscard]] bool dequantized(int value) const {
    const int maker = value < 0 ? -1 : graph_.values[value].producer;
    return maker >= 0 && is_dequantize(graph_.nodes[maker]);
  }

  // Is the node's result quantized, perhaps after a clamp?
  [[nodiscard]] bool writes_quantized(const HostNode& node, bool through_clamp = true) const {
    return std::any_of(node.outputs.begin(), node.outputs.end(), [&](int v) {
      if (v < 0) return false;
      const std::vector<int>& readers = graph_.values[v].consumers;
      return std::any_of(readers.begin(), readers.end(), [&](int r) {
        const HostNode& reader = graph_.nodes[r];
        return is_quantize(reader) || (through_clamp && is_clamp(reader) && writes_quantized(reader, false));
      });
    });
  }

  // The node that makes the value, or whose result a clamp made it of; -1 for inputs and constants.
  [[nodiscard]] int maker_before_clamp(int value) const {
    const int maker = graph_.values[value].producer;
    if (maker < 0 || !is_clamp(graph_.nodes[maker]) || graph_.nodes[maker].input(0) < 0) return maker;
    return graph_.values[graph_.nodes[maker].input(0)].producer;
  }

  [[nodiscard]] static bool is_clamp(const HostNode& node) { return node.op == "Relu" || node.op == "Clip"; }

  void add_group(Partition& p, const std::vector<int>& members) {
    const int id = static_cast<int>(p.groups.size());
    Group& g = p.groups.emplace_back();
    for (const int m : members) {
      for (const int n : units_[m].nodes) {
        verdicts_[n] = {id, Reason::taken, {}};
        g.nodes.push_back(n);
      }
      g.units.push_back(std::move(units_[m]));
    }
    std::sort(g.nodes.begin(), g.nodes.end());
  }

  const HostGraph& graph_;
  std::vector<Unit> units_;
  std::vector<int> unit_of_;  // by host node
  std::vector<NodeVerdict> verdicts_;
  std::unordered_map<int, int32_t> zero_point_;  // by host value
};

// Region value indices, made as host values are met.
class Values {
 public:
  Values(const HostGraph& graph, runtime::RegionDesc& desc) : graph_(graph), desc_(desc) {}

  int at(int host_value) {
    const auto [it, added] = index_.try_emplace(host_value, static_cast<int>(desc_.values.size()));
    if (added) desc_.values.emplace_back().name = graph_.values[host_value].name;
    return it->second;
  }
  int set(int host_value, DType type, float scale, int32_t zp) {
    const int v = at(host_value);
    desc_.values[v].type = type;
    if (size_of(type) == 1) {
      desc_.values[v].scale = scale;
      desc_.values[v].zp = zp;
    }
    return v;
  }
  [[nodiscard]] bool has(int host_value) const { return index_.contains(host_value); }

 private:
  const HostGraph& graph_;
  runtime::RegionDesc& desc_;
  std::unordered_map<int, int> index_;
};

std::vector<uint8_t> copy_weights(const HostValue& wei, const Unit& unit) {
  std::vector<uint8_t> out(wei.bytes);
  const auto* from = static_cast<const uint8_t*>(wei.data);
  if (!unit.wei_transposed) {
    std::memcpy(out.data(), from, out.size());
    return out;
  }
  const int64_t k = unit.desc.spec.k, n = unit.desc.spec.n;
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t i = 0; i < k; ++i) out[i * n + j] = from[j * k + i];
  }
  return out;
}

}  // namespace

Partition partition(const HostGraph& graph) {
  Partitioner p(graph);
  p.take_anchors();
  p.take_lone(false);
  return p.finish();
}

Result<Group> recognise_all(const HostGraph& graph) {
  Partitioner p(graph);
  p.take_anchors();
  p.take_lone(true);
  return p.finish_as_one();
}

Result<runtime::RegionDesc> build_region(const HostGraph& graph, const Group& group, const std::vector<int>& inputs,
                                         const std::vector<int>& outputs) {
  runtime::RegionDesc desc;
  desc.name = graph.name;
  Values values(graph, desc);
  for (const Unit& unit : group.units) {
    NodeDesc node = unit.desc;
    const OpQuant& q = node.quant;
    node.inputs[0] = values.set(unit.desc.inputs[0], node.spec.src, q.src_scale, q.src_zp);
    if (node.spec.wei_var) {
      node.inputs[1] = values.set(unit.desc.inputs[1], node.spec.wei, q.wei_scale[0], q.wei_zp[0]);
    }
    node.output = values.set(unit.desc.output, node.spec.dst, q.dst_scale, q.dst_zp);
    if (unit.wei >= 0) node.wei = copy_weights(graph.values[unit.wei], unit);
    desc.nodes.push_back(std::move(node));
  }
  for (const auto* list : {&inputs, &outputs}) {
    for (const int v : *list) {
      if (!values.has(v)) {
        return Status(Code::internal, "octile: '" + graph.values[v].name + "' crosses the region but no op uses it");
      }
      (list == &inputs ? desc.inputs : desc.outputs).push_back(values.at(v));
    }
  }
  return desc;
}

}  // namespace octile::plugin
