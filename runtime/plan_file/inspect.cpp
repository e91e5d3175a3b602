// Tables and JSON of a plan; see inspect.h.
// In:  PlanFile.  Out: text.
// Not here: printing.
#include "runtime/plan_file/inspect.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "runtime/plan_file/plan_layout.h"

namespace octile::runtime {
namespace {

using Json = nlohmann::ordered_json;

std::string size_text(size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f KiB", static_cast<double>(bytes) / 1024);
  return text;
}

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text + "  ";
}

std::string list_text(const std::vector<int64_t>& values) {
  std::string text;
  for (const int64_t v : values) text += (text.empty() ? "" : ",") + (v == -1 ? std::string("?") : std::to_string(v));
  return "[" + text + "]";
}

std::string shape_text(const DeclaredShape& shape) { return shape.ranked ? list_text(shape.dims) : "any shape"; }

// What a node is: its op, or its kind with parameters.
std::string what_of(const NodeDesc& node) {
  if (node.kind == NodeKind::spec) return to_key(with_extents(node.spec));
  std::string text(to_string(node.kind));
  if (has_spec(node.kind)) text += " of " + to_key(with_extents(node.spec));
  for (const int64_t i : node.ints) text += " " + std::to_string(i);
  for (const float f : node.floats) {
    char number[32];
    std::snprintf(number, sizeof number, " %.9g", static_cast<double>(f));
    text += number;
  }
  return text;
}

std::string kind_of(const NodeDesc& node) {
  return std::string(node.kind == NodeKind::spec ? to_string(node.spec.kind) : to_string(node.kind));
}

std::string tensor_lines(const char* title, const GraphDesc& graph, const std::vector<int>& values,
                         const std::vector<DeclaredShape>& shapes) {
  std::string text;
  for (size_t i = 0; i < values.size(); ++i) {
    const ValueDesc& v = graph.values[values[i]];
    text += padded(title, 7) + padded(v.name, 24) + padded(std::string(to_string(v.type)), 3) + shape_text(shapes[i]);
    text += "\n";
  }
  return text;
}

std::string kind_table(const GraphDesc& graph) {
  std::map<std::string, std::pair<int, size_t>> kinds;  // count, bytes of weights
  for (const NodeDesc& node : graph.nodes) {
    auto& [count, bytes] = kinds[kind_of(node)];
    ++count;
    bytes += node.weights().size();
  }
  std::string text = padded("kind", 20) + padded("nodes", 5) + "weights\n";
  for (const auto& [kind, of] : kinds) {
    text +=
        padded(kind, 20) + padded(std::to_string(of.first), 5) + (of.second > 0 ? size_text(of.second) : "-") + "\n";
  }
  return text;
}

Json shape_json(const DeclaredShape& shape) { return shape.ranked ? Json(shape.dims) : Json(nullptr); }

Json tensors_json(const GraphDesc& graph, const std::vector<int>& values, const std::vector<DeclaredShape>& shapes) {
  Json out = Json::array();
  for (size_t i = 0; i < values.size(); ++i) {
    const ValueDesc& v = graph.values[values[i]];
    Json tensor{{"name", v.name}, {"type", to_string(v.type)}, {"shape", shape_json(shapes[i])}};
    if (size_of(v.type) == 1) tensor.update({{"scale", v.scale}, {"zero_point", v.zp}});
    out.push_back(std::move(tensor));
  }
  return out;
}

Json node_json(const GraphDesc& graph, const NodeDesc& node) {
  Json inputs = Json::array();
  for (const int v : node.inputs) inputs.push_back(graph.values[v].name);
  return {{"name", node.name},           {"kind", kind_of(node)},
          {"what", what_of(node)},       {"weight_bytes", node.weights().size()},
          {"inputs", std::move(inputs)}, {"output", graph.values[node.output].name}};
}

}  // namespace

std::string inspect_text(const InspectedFile& file, const PlanFile& plan) {
  const GraphDesc& graph = plan.graph;
  std::string text = file.path + ": region " + graph.name + ", " + std::to_string(graph.nodes.size()) + " nodes, " +
                     size_text(file.bytes) + "\nmade by Octile " + plan.octile_version + ", plan format " +
                     std::to_string(kPlanVersion) + ", SHA-256 " + file.sha256 + ", verified\n\n";
  text += tensor_lines("input", graph, graph.inputs, plan.inputs);
  text += tensor_lines("output", graph, graph.outputs, plan.outputs);
  for (const auto& set : plan.ready) {
    text += padded("ready", 7);
    for (const std::vector<int64_t>& shape : set) text += list_text(shape) + " ";
    text.back() = '\n';
  }
  text += "\n" + kind_table(graph) + "\n";
  for (const NodeDesc& node : graph.nodes) text += "  " + padded(node.name, 24) + what_of(node) + "\n";
  return text;
}

std::string inspect_json(const InspectedFile& file, const PlanFile& plan) {
  Json nodes = Json::array();
  for (const NodeDesc& node : plan.graph.nodes) nodes.push_back(node_json(plan.graph, node));
  const Json json{{"file", file.path},
                  {"bytes", file.bytes},
                  {"sha256", file.sha256},
                  {"format", kPlanVersion},
                  {"octile", plan.octile_version},
                  {"name", plan.graph.name},
                  {"inputs", tensors_json(plan.graph, plan.graph.inputs, plan.inputs)},
                  {"outputs", tensors_json(plan.graph, plan.graph.outputs, plan.outputs)},
                  {"ready", plan.ready},
                  {"nodes", std::move(nodes)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace octile::runtime
