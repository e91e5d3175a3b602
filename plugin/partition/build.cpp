// From units to a GraphDesc.  In/out: see build.h and partition.h.  Not here: recognition.
#include "plugin/partition/build.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <span>
#include <unordered_map>

namespace octile::plugin {
namespace {

constexpr int64_t kTile = 32;

// [n, k] to [k, n], in squares that stay in the cache.
std::vector<uint8_t> turn(std::span<const uint8_t> from, int64_t k, int64_t n) {
  std::vector<uint8_t> out(from.size());
  for (int64_t j0 = 0; j0 < n; j0 += kTile) {
    for (int64_t i0 = 0; i0 < k; i0 += kTile) {
      for (int64_t i = i0; i < std::min(k, i0 + kTile); ++i) {
        for (int64_t j = j0; j < std::min(n, j0 + kTile); ++j) out[i * n + j] = from[j * k + i];
      }
    }
  }
  return out;
}

// The host's own bytes where they lie as a region wants them.
void give_weights(const HostValue& wei, const Step& step, NodeDesc& node) {
  const OpSpec& s = step.desc.spec;
  const size_t size = s.kind == OpKind::dense ? static_cast<size_t>(s.k * s.n) : wei.bytes;
  node.lent = {static_cast<const uint8_t*>(wei.data) + step.wei_begin, size};
  if (!step.wei_transposed) return;
  node.wei = turn(node.lent, s.k, s.n);
  node.lent = {};
}

class Builder {
 public:
  Builder(const HostGraph& graph, bool with_weights) : graph_(graph), with_weights_(with_weights) {
    desc_.name = graph.name;
  }

  // A graph may be as large as a model: vectors that grow would copy it several times.
  Status add(const std::vector<Unit>& units) {
    size_t steps = 0, inner = 0;
    for (const Unit& unit : units) {
      steps += unit.steps.size();
      inner += unit.inner.size();
    }
    desc_.nodes.reserve(steps);
    desc_.values.reserve(inner + std::min(graph_.values.size(), 4 * steps));
    for (const Unit& unit : units) OCTILE_RETURN_IF_ERROR(add(unit));
    return {};
  }

  Status add(const Unit& unit) {
    inner_.assign(unit.inner.size(), -1);
    for (const Step& step : unit.steps) OCTILE_RETURN_IF_ERROR(add(unit, step));
    return {};
  }

  Result<runtime::RegionDesc> finish(const std::vector<int>& inputs, const std::vector<int>& outputs) {
    for (const int v : inputs) {
      const int made = host_value(v);  // met now for the first time if no op needs more of it than its shape
      if (made < 0) return error(v, "is of a type that regions do not have");
      desc_.inputs.push_back(made);
    }
    for (const int v : outputs) {
      const auto it = index_.find(v);
      if (it == index_.end()) return error(v, "leaves the region but no op makes it");
      desc_.outputs.push_back(it->second);
    }
    drop_unread();
    return std::move(desc_);
  }

 private:
  Status add(const Unit& unit, const Step& step) {
    NodeDesc node = step.desc;
    for (int& v : node.inputs) {
      v = value(unit, v);
      if (v < 0) return type_error(step);
    }
    if (stands_for_a_constant(node)) {
      index_[step.desc.output] = node.inputs[0];
      return {};
    }
    node.output = value(unit, node.output);
    if (node.output < 0) return type_error(step);
    note_scales(node);
    if (step.wei >= 0 && with_weights_) give_weights(graph_.values[step.wei], step, node);
    desc_.nodes.push_back(std::move(node));
    return {};
  }

  [[nodiscard]] Status error(int value, const std::string& what) const {
    return {Code::internal, "octile: '" + graph_.values[value].name + "' " + what};
  }

  static Status type_error(const Step& step) {
    return {Code::invalid_argument, "node \"" + step.desc.name + "\": an operand's type is not supported"};
  }

  [[nodiscard]] bool stands_for_a_constant(const NodeDesc& node) const {
    return node.kind == NodeKind::identity && desc_.values[node.inputs[0]].constant;
  }

  // Index of a step's operand, made at its first meeting; -1 for a type a region does not know.
  int value(const Unit& unit, int operand) {
    if (operand < 0) {
      int& known = inner_[~operand];
      if (known < 0) {
        known = static_cast<int>(desc_.values.size());
        desc_.values.push_back(unit.inner[~operand]);
      }
      return known;
    }
    return host_value(operand);
  }

  int host_value(int operand) {
    const auto it = index_.find(operand);
    if (it != index_.end()) return it->second;
    const HostValue& host = graph_.values[operand];
    ValueDesc v;
    v.name = host.name;
    if (!read_dtype(host.type, v.type)) return -1;
    v.constant = host.constant;
    if (host.constant) {
      v.dims = host.dims;
      v.data.resize(host.bytes);
      if (host.bytes > 0) std::memcpy(v.data.data(), host.data, host.bytes);
    }
    const int made = static_cast<int>(desc_.values.size());
    desc_.values.push_back(std::move(v));
    index_.emplace(operand, made);
    return made;
  }

  void note_scales(const NodeDesc& node) {
    if (node.kind > NodeKind::scaled) return;
    const OpQuant& q = node.quant;
    const auto note = [&](int v, float scale, int32_t zp) {
      if (size_of(desc_.values[v].type) != 1) return;
      desc_.values[v].scale = scale;
      desc_.values[v].zp = zp;
    };
    note(node.inputs[0], q.src_scale, q.src_zp);
    if (node.inputs.size() > 1) note(node.inputs[1], q.wei_scale[0], q.wei_zp[0]);
    note(node.output, q.dst_scale, q.dst_zp);
  }

  // Dequantizes whose readers all look through them, and the like.
  void drop_unread() {
    std::vector<bool> read(desc_.values.size());
    for (const int v : desc_.outputs) read[v] = true;
    for (auto it = desc_.nodes.rbegin(); it != desc_.nodes.rend(); ++it) {
      if (!read[it->output]) continue;
      for (const int v : it->inputs) read[v] = true;
    }
    std::erase_if(desc_.nodes, [&](const NodeDesc& node) { return !read[node.output]; });
  }

  const HostGraph& graph_;
  bool with_weights_;
  runtime::RegionDesc desc_;
  std::unordered_map<int, int> index_;  // by host value
  std::vector<int> inner_;              // of the unit being added
};

}  // namespace

Result<runtime::RegionDesc> build_unit(const HostGraph& graph, const Unit& unit) {
  Builder builder(graph, false);
  OCTILE_RETURN_IF_ERROR(builder.add(unit));
  std::set<int> made, read;
  for (const Step& step : unit.steps) {
    if (step.desc.output >= 0) made.insert(step.desc.output);
    for (const int v : step.desc.inputs) {
      if (v >= 0 && !graph.values[v].constant) read.insert(v);
    }
  }
  std::vector<int> inputs;
  std::set_difference(read.begin(), read.end(), made.begin(), made.end(), std::back_inserter(inputs));
  return builder.finish(inputs, {made.begin(), made.end()});
}

Result<Outline> outline(const HostGraph& graph, const Group& group) {
  const auto inside = [&](int n) { return std::binary_search(group.nodes.begin(), group.nodes.end(), n); };
  Outline out;
  for (int v = 0; v < static_cast<int>(graph.values.size()); ++v) {
    const HostValue& value = graph.values[v];
    const std::vector<int>& readers = value.consumers;
    if (value.constant) continue;
    if (value.producer >= 0 && inside(value.producer)) {
      if (value.graph_output || !std::all_of(readers.begin(), readers.end(), inside)) out.outputs.push_back(v);
    } else if (std::any_of(readers.begin(), readers.end(), inside)) {
      out.inputs.push_back(v);
    }
  }
  Builder builder(graph, false);
  OCTILE_RETURN_IF_ERROR(builder.add(group.units));
  OCTILE_ASSIGN_OR_RETURN(out.desc, builder.finish(out.inputs, out.outputs));
  OCTILE_RETURN_IF_ERROR(validate(out.desc));
  return out;
}

Result<runtime::RegionDesc> build_region(const HostGraph& graph, const Group& group, const std::vector<int>& inputs,
                                         const std::vector<int>& outputs) {
  Builder builder(graph, true);
  OCTILE_RETURN_IF_ERROR(builder.add(group.units));
  return builder.finish(inputs, outputs);
}

}  // namespace octile::plugin
