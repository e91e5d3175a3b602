// The checks that let everything after them trust a RegionDesc, and the choice of layouts.
// In:  RegionDesc.  Out: Graph.
// Not here: shapes.  A description that could be read in two ways is refused, never guessed.
#include "runtime/region/graph.h"

#include <algorithm>
#include <optional>

namespace octile::runtime {
namespace {

Status bad(const NodeDesc& node, const std::string& what) {
  return {Code::invalid_argument, "node " + node_label(node) + ": " + what};
}

bool in_range(const RegionDesc& desc, int value) { return value >= 0 && value < static_cast<int>(desc.values.size()); }

Status check_node(const RegionDesc& desc, const NodeDesc& node) {
  const OpSpec& s = node.spec;
  const bool variable = s.kind == OpKind::dense && s.wei_var;
  if (node.inputs.size() != (variable ? 2U : 1U)) {
    return bad(node, "has " + std::to_string(node.inputs.size()) + " inputs");
  }
  for (int v : node.inputs) {
    if (!in_range(desc, v)) return bad(node, "reads a value that does not exist");
  }
  if (!in_range(desc, node.output)) return bad(node, "writes a value that does not exist");
  const auto type_of = [&](int v) { return desc.values[static_cast<size_t>(v)].type; };
  if (type_of(node.inputs[0]) != s.src) return bad(node, "its source is not of the op's type");
  if (type_of(node.output) != s.dst) return bad(node, "its destination is not of the op's type");
  if (variable && type_of(node.inputs[1]) != s.wei) return bad(node, "its weights are not of the op's type");
  const OpSpec plain = shapeless(node);
  if (Status st = validate(plain); !st.ok()) return bad(node, st.message());
  if (!variable || s.n > 0) {
    if (Status st = validate(plain, node.quant); !st.ok()) return bad(node, st.message());
  }
  const int64_t wei_bytes = is_dot(node) && !variable ? plain.wei_elements() : 0;
  if (static_cast<int64_t>(node.wei.size()) != wei_bytes) {
    return bad(node,
               "has " + std::to_string(node.wei.size()) + " bytes of weights, its op " + std::to_string(wei_bytes));
  }
  if (!is_dot(node) && s.bias) return bad(node, "an elementwise op with a bias is not supported");
  if (s.kind != OpKind::conv2d) return {};
  if (node.spatial_rank != 1 && node.spatial_rank != 2) return bad(node, "has neither 1 nor 2 spatial axes");
  if (node.spatial_rank == 1 && (s.kh != 1 || s.pt != 0 || s.pb != 0))
    return bad(node, "is 1-D but pads or filters rows");
  const auto& pad = node.auto_pad;
  if (pad != "NOTSET" && pad != "VALID" && pad != "SAME_UPPER" && pad != "SAME_LOWER") {
    return bad(node, "unknown auto_pad " + pad);
  }
  return {};
}

Status connect(const RegionDesc& desc, Graph& graph) {
  graph.values.resize(desc.values.size());
  std::vector<bool> known(desc.values.size(), false);
  for (size_t i = 0; i < desc.inputs.size(); ++i) {
    if (!in_range(desc, desc.inputs[i])) return {Code::invalid_argument, "region input does not exist"};
    const auto v = static_cast<size_t>(desc.inputs[i]);
    if (known[v]) return {Code::invalid_argument, "region input " + desc.values[v].name + " given twice"};
    known[v] = true;
    graph.values[v].input = static_cast<int>(i);
  }
  for (size_t i = 0; i < desc.nodes.size(); ++i) {
    const NodeDesc& node = desc.nodes[i];
    OCTILE_RETURN_IF_ERROR(check_node(desc, node));
    for (int v : node.inputs) {
      if (!known[static_cast<size_t>(v)]) return bad(node, "reads a value that no earlier node makes");
      graph.values[static_cast<size_t>(v)].consumers.push_back(static_cast<int>(i));
    }
    const auto out = static_cast<size_t>(node.output);
    if (known[out]) return bad(node, "writes a value that exists already");
    known[out] = true;
    graph.values[out].producer = static_cast<int>(i);
  }
  for (size_t i = 0; i < desc.outputs.size(); ++i) {
    if (!in_range(desc, desc.outputs[i])) return {Code::invalid_argument, "region output does not exist"};
    Graph::Value& v = graph.values[static_cast<size_t>(desc.outputs[i])];
    const std::string& name = desc.values[static_cast<size_t>(desc.outputs[i])].name;
    if (v.producer < 0) return {Code::invalid_argument, "region output " + name + " is made by no node"};
    if (v.output >= 0) return {Code::invalid_argument, "region output " + name + " given twice"};
    v.output = static_cast<int>(i);
  }
  return {};
}

// Convolutions want nhwc, dense ops flat; elementwise ops carry a layout along. One that reads an input of the region
// reads the host's memory, whatever its strides, so no layout crosses there.
Status choose_orders(const RegionDesc& desc, Graph& graph) {
  std::vector<std::optional<Order>> orders(desc.values.size());
  for (bool changed = true; changed;) {
    changed = false;
    for (const NodeDesc& node : desc.nodes) {
      std::vector<int> tied = node.inputs;
      tied.push_back(node.output);
      std::optional<Order> want;
      if (node.spec.kind == OpKind::conv2d) want = Order::nhwc;
      if (node.spec.kind == OpKind::dense) want = Order::flat;
      if (!is_dot(node)) {
        if (graph.values[static_cast<size_t>(node.inputs[0])].input >= 0) tied = {node.output};
        for (int v : tied) want = want ? want : orders[static_cast<size_t>(v)];
      }
      if (!want) continue;
      for (int v : tied) {
        auto& have = orders[static_cast<size_t>(v)];
        if (have && *have != *want) {
          return bad(node, "value " + desc.values[static_cast<size_t>(v)].name + " is an image and a matrix at once");
        }
        changed = changed || !have;
        have = want;
      }
    }
  }
  for (size_t v = 0; v < orders.size(); ++v) graph.values[v].order = orders[v].value_or(Order::flat);
  return {};
}

// The border of a value is filled once, so all who pad it must mean the same zero point.
Status check_zero_points(const RegionDesc& desc, const Graph& graph) {
  for (const Graph::Value& value : graph.values) {
    const NodeDesc* first = nullptr;
    for (int i : value.consumers) {
      const NodeDesc& node = desc.nodes[static_cast<size_t>(i)];
      if (node.spec.kind != OpKind::conv2d) continue;
      if (first != nullptr && first->quant.src_zp != node.quant.src_zp) {
        return bad(node, "its source has another zero point than node " + node_label(*first) + " says");
      }
      first = &node;
    }
  }
  return {};
}

}  // namespace

std::string node_label(const NodeDesc& node) { return '"' + node.name + '"'; }

OpSpec shapeless(const NodeDesc& node) {
  OpSpec s = node.spec;
  s.mb = s.m = 1;
  if (s.kind == OpKind::conv2d) {
    s.ih = std::max<int64_t>(1, s.dh * (s.kh - 1) + 1);
    s.iw = std::max<int64_t>(1, s.dw * (s.kw - 1) + 1);
    if (node.auto_pad != "NOTSET") s.pt = s.pl = s.pb = s.pr = 0;
  } else if (s.kind == OpKind::dense && s.wei_var) {
    s.k = std::max<int64_t>(1, s.k);
    s.n = std::max<int64_t>(1, s.n);
  } else if (!is_dot(node) && !s.mult_per_c) {
    s.c = 1;
  }
  return s;
}

Result<Graph> analyse(const RegionDesc& desc) {
  Graph graph;
  OCTILE_RETURN_IF_ERROR(connect(desc, graph));
  OCTILE_RETURN_IF_ERROR(choose_orders(desc, graph));
  OCTILE_RETURN_IF_ERROR(check_zero_points(desc, graph));
  return graph;
}

}  // namespace octile::runtime
