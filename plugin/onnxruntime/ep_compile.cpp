// Compile: what runs each claimed group, built from the host's nodes or loaded from an EPContext node.
// In/out: see ep.h.  Not here: claiming (ep.cpp), EPContext nodes themselves (ep_context.cpp), running (compute.cpp).
#include <algorithm>

#include "plugin/onnxruntime/compute.h"
#include "plugin/onnxruntime/ep.h"
#include "plugin/onnxruntime/ep_context.h"
#include "plugin/onnxruntime/kept_weights.h"
#include "runtime/plan_file/plan_file.h"
#include "runtime/region/check.h"

namespace octile::ort {
namespace {

using plugin::ElemType;
using plugin::HostGraph;
using plugin::HostValue;

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

// The host lists a fused node's tensors as its nodes happen to use them; a plan is read by people, who know the model's
// own order.
void sort_as_model(Border& border, const HostGraph& graph, const std::map<std::string, size_t>& order) {
  std::vector<size_t> by(border.values.size());
  for (size_t i = 0; i < by.size(); ++i) by[i] = i;
  const auto rank = [&](size_t i) {
    const auto it = order.find(graph.values[border.values[i]].name);
    return it == order.end() ? order.size() : it->second;
  };
  std::stable_sort(by.begin(), by.end(), [&](size_t a, size_t b) { return rank(a) < rank(b); });
  Border sorted;
  for (const size_t i : by) {
    sorted.values.push_back(border.values[i]);
    sorted.positions.push_back(border.positions[i]);
  }
  border = std::move(sorted);
}

std::vector<runtime::DeclaredShape> declared(const HostGraph& graph, const Border& border) {
  std::vector<runtime::DeclaredShape> out;
  for (const int v : border.values) {
    const HostValue& value = graph.values[v];
    out.push_back({value.ranked, value.ranked ? value.dims : std::vector<int64_t>()});
  }
  return out;
}

std::vector<std::string> names_of(const HostGraph& graph, const std::vector<int>& values) {
  std::vector<std::string> out;
  for (const int v : values) out.push_back(graph.values[v].name);
  return out;
}

// The sets of shapes that name every input of the plan.
std::vector<std::vector<std::vector<int64_t>>> ready_for(const runtime::PlanFile& plan,
                                                         const std::vector<NamedShapes>& sets) {
  std::vector<std::vector<std::vector<int64_t>>> out;
  for (const NamedShapes& set : sets) {
    std::vector<std::vector<int64_t>> shapes;
    for (size_t i = 0; i < plan.graph.inputs.size(); ++i) {
      const auto it = set.find(plan.graph.values[plan.graph.inputs[i]].name);
      if (it != set.end() && runtime::fits(plan.inputs[i], it->second)) shapes.push_back(it->second);
    }
    if (shapes.size() == plan.inputs.size()) out.push_back(std::move(shapes));
  }
  return out;
}

bool same_type(ElemType host, DType ours) {
  switch (host) {
    case ElemType::f32: return ours == DType::f32;
    case ElemType::u8: return ours == DType::u8;
    case ElemType::s8: return ours == DType::s8;
    case ElemType::s32: return ours == DType::s32;
    case ElemType::s64: return ours == DType::s64;
    default: return false;
  }
}

// Where the tensors of an EPContext node stand on the fused node made of it; checks that they are the plan's.
Result<std::vector<size_t>> positions_of(const HostGraph& graph, const std::vector<int>& values,
                                         const std::vector<std::string>& fused, const GraphDesc& plan,
                                         const std::vector<int>& wanted, const std::string& file) {
  const auto differs = [&](const std::string& what) {
    return Status(Code::corrupt, file + ": " + what + "; compile the model again (octile compile)");
  };
  if (values.size() != wanted.size()) {
    return differs("the plan has " + std::to_string(wanted.size()) + " inputs or outputs where the model's node has " +
                   std::to_string(values.size()));
  }
  std::vector<size_t> out;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] < 0) return differs("the model's node leaves out a tensor of the plan");
    const HostValue& value = graph.values[values[i]];
    const auto it = std::find(fused.begin(), fused.end(), value.name);
    if (it == fused.end() || !same_type(value.type, plan.values[wanted[i]].type)) {
      return differs("tensor '" + value.name + "' of the model is not of the plan's type, " +
                     std::string(to_string(plan.values[wanted[i]].type)));
    }
    out.push_back(static_cast<size_t>(it - fused.begin()));
  }
  return out;
}

}  // namespace

Status Ep::compile(const OrtGraph* graph, const OrtNode* fused, OrtNodeComputeInfo*& out, OrtNode*& context) {
  OCTILE_ASSIGN_OR_RETURN(ReadGraph read, read_graph(host_, graph));
  if (read.graph.nodes.size() == 1 && is_context(read.graph.nodes[0])) return load(read, fused, out);
  read.graph.name = net_;
  if (!read.in_subgraph) {
    for (plugin::HostValue& v : read.graph.values) {
      const auto known = shapes_.find(v.name);
      if (known == shapes_.end()) continue;
      v.ranked = true;
      v.dims = known->second.dims;
      v.dim_names = known->second.names;
    }
  }
  OCTILE_ASSIGN_OR_RETURN(const plugin::Group group, plugin::recognise_all(read.graph));
  OCTILE_ASSIGN_OR_RETURN(const std::vector<std::string> input, input_names(host_, fused));
  OCTILE_ASSIGN_OR_RETURN(const std::vector<std::string> output, output_names(host_, fused));
  Border inputs = border_of(read.graph, input), outputs = border_of(read.graph, output);
  sort_as_model(inputs, read.graph, order_);
  sort_as_model(outputs, read.graph, order_);
  runtime::PlanFile plan{.octile_version = OCTILE_VERSION,
                         .graph = {},
                         .inputs = declared(read.graph, inputs),
                         .outputs = declared(read.graph, outputs),
                         .ready = {}};
  OCTILE_ASSIGN_OR_RETURN(plan.graph, plugin::build_region(read.graph, group, inputs.values, outputs.values));
  plan.ready = ready_for(plan, options_.ready);
  if (options_.context.enable) {
    OCTILE_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, runtime::write_plan(plan));
    const char* name = nullptr;
    OCTILE_RETURN_IF_ERROR(host_(Node_GetName, fused, &name));
    const ContextNode node{name, names_of(read.graph, inputs.values), names_of(read.graph, outputs.values)};
    OCTILE_ASSIGN_OR_RETURN(context, make_context(host_, options_.context, model_path_, saved_++, node, bytes));
  }
  packs::Pages weights;
  if (files_ == nullptr) {
    OCTILE_ASSIGN_OR_RETURN(weights, keep_weights(plan.graph));
  }
  return finish(std::move(plan), std::make_shared<const packs::Pages>(std::move(weights)),
                {inputs.positions, outputs.positions}, out);
}

Status Ep::load(const ReadGraph& read, const OrtNode* fused, OrtNodeComputeInfo*& out) const {
  const plugin::HostNode& node = read.graph.nodes[0];
  OCTILE_ASSIGN_OR_RETURN(const Payload payload,
                          read_context(host_, options_.context, model_path_, read.nodes[0], node));
  OCTILE_ASSIGN_OR_RETURN(runtime::PlanFile plan, runtime::read_plan(payload.bytes, payload.file));
  OCTILE_ASSIGN_OR_RETURN(const std::vector<std::string> input, input_names(host_, fused));
  OCTILE_ASSIGN_OR_RETURN(const std::vector<std::string> output, output_names(host_, fused));
  Positions at;
  OCTILE_ASSIGN_OR_RETURN(at.inputs,
                          positions_of(read.graph, node.inputs, input, plan.graph, plan.graph.inputs, payload.file));
  OCTILE_ASSIGN_OR_RETURN(at.outputs,
                          positions_of(read.graph, node.outputs, output, plan.graph, plan.graph.outputs, payload.file));
  return finish(std::move(plan), payload.owner, std::move(at), out);
}

Status Ep::finish(runtime::PlanFile plan, std::shared_ptr<const void> weights, Positions at,
                  OrtNodeComputeInfo*& out) const {
  OCTILE_RETURN_IF_ERROR(runtime::check(plan.graph));
  RegionParts parts{kernels_.library, options_.best, std::move(plan), std::move(weights), files_};
  auto compute = std::make_unique<RegionCompute>(host_, log_, std::move(parts), std::move(at.inputs),
                                                 std::move(at.outputs), options_.threads, reports_);
  // Weights that come from files are looked at, not copied: the host's own serve.
  if (files_ != nullptr) OCTILE_RETURN_IF_ERROR(compute->start());
  out = compute.release();
  return {};
}

}  // namespace octile::ort
