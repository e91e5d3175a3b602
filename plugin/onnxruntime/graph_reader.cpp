// The walk over the host's graph.  In/out: see graph_reader.h.  Not here: decisions.
#include "plugin/onnxruntime/graph_reader.h"

#include <algorithm>
#include <filesystem>
#include <unordered_map>

namespace octile::ort {
namespace {

using plugin::ElemType;
using plugin::HostAttribute;
using plugin::HostNode;
using plugin::HostValue;

ElemType element_type(int type) {
  switch (type) {
    case kFloat: return ElemType::f32;
    case kUint8: return ElemType::u8;
    case kInt8: return ElemType::s8;
    case kInt32: return ElemType::s32;
    case kInt64: return ElemType::s64;
    default: return ElemType::other;
  }
}

class GraphReader {
 public:
  GraphReader(const Host& host, ReadGraph& out) : host_(host), out_(out) {}

  Status read(const OrtGraph* graph) {
    OCTILE_RETURN_IF_ERROR(read_identity(graph));
    size_t count = 0;
    OCTILE_RETURN_IF_ERROR(host_(Graph_GetNumNodes, graph, &count));
    out_.nodes.resize(count);
    if (count > 0) OCTILE_RETURN_IF_ERROR(host_(Graph_GetNodes, graph, out_.nodes.data(), count));
    out_.graph.nodes.resize(count);
    const size_t values = 3 * count;  // about: a result, a scale and a zero point
    out_.graph.values.reserve(values);
    out_.graph.index.reserve(values);
    met_.reserve(values);
    for (size_t i = 0; i < count; ++i) OCTILE_RETURN_IF_ERROR(read_node(out_.nodes[i], out_.graph.nodes[i]));
    OCTILE_RETURN_IF_ERROR(host_(Graph_GetNumOutputs, graph, &count));
    std::vector<const OrtValueInfo*> outputs(count);
    if (count > 0) OCTILE_RETURN_IF_ERROR(host_(Graph_GetOutputs, graph, outputs.data(), count));
    for (const OrtValueInfo* info : outputs) {
      int v = -1;
      OCTILE_RETURN_IF_ERROR(read_value(info, v));
      if (v >= 0) out_.graph.values[v].graph_output = true;
    }
    out_.graph.link();
    return {};
  }

 private:
  // The name users know the net by: the model file's, else the graph's own.
  Status read_identity(const OrtGraph* graph) {
    const char* text = nullptr;
    OCTILE_RETURN_IF_ERROR(host_(Graph_GetModelPath, graph, &text));
    if (text != nullptr && *text != '\0') {
      out_.model_path = text;
      out_.graph.name = std::filesystem::path(text).stem().string();
    } else {
      OCTILE_RETURN_IF_ERROR(host_(Graph_GetName, graph, &text));
      out_.graph.name = text == nullptr ? "" : text;
    }
    const OrtNode* parent = nullptr;
    OCTILE_RETURN_IF_ERROR(host_(Graph_GetParentNode, graph, &parent));
    out_.in_subgraph = parent != nullptr;  // 1.23 says nothing here; a value from outside says it too
    return {};
  }

  Status read_node(const OrtNode* from, HostNode& to) {
    const char *name = nullptr, *op = nullptr, *domain = nullptr, *provider = nullptr;
    OCTILE_RETURN_IF_ERROR(host_(Node_GetName, from, &name));
    OCTILE_RETURN_IF_ERROR(host_(Node_GetOperatorType, from, &op));
    OCTILE_RETURN_IF_ERROR(host_(Node_GetDomain, from, &domain));
    OCTILE_RETURN_IF_ERROR(host_(Node_GetEpName, from, &provider));
    OCTILE_RETURN_IF_ERROR(host_(Node_GetSinceVersion, from, &to.since));
    to.name = name == nullptr ? "" : name;
    to.op = op == nullptr ? "" : op;
    to.domain = domain == nullptr ? "" : domain;
    if (to.domain == "ai.onnx") to.domain.clear();
    to.taken_elsewhere = provider != nullptr && *provider != '\0';
    OCTILE_RETURN_IF_ERROR(read_list(from, Node_GetNumInputs, Node_GetInputs, to.inputs));
    OCTILE_RETURN_IF_ERROR(read_list(from, Node_GetNumOutputs, Node_GetOutputs, to.outputs));
    OCTILE_RETURN_IF_ERROR(read_list(from, Node_GetNumImplicitInputs, Node_GetImplicitInputs, to.implicit_inputs));
    return read_attributes(from, to);
  }

  template <class CountSlot, class ListSlot>
  Status read_list(const OrtNode* node, CountSlot count_slot, ListSlot list_slot, std::vector<int>& values) {
    size_t count = 0;
    OCTILE_RETURN_IF_ERROR(host_(count_slot, node, &count));
    if (count == 0) return {};
    infos_.assign(count, nullptr);
    OCTILE_RETURN_IF_ERROR(host_(list_slot, node, infos_.data(), count));
    values.resize(count, -1);
    for (size_t i = 0; i < count; ++i) OCTILE_RETURN_IF_ERROR(read_value(infos_[i], values[i]));
    return {};
  }

  // Index of the value, read at its first meeting; -1 for one that is left out.
  Status read_value(const OrtValueInfo* info, int& index) {
    index = -1;
    if (info == nullptr) return {};
    if (const auto met = met_.find(info); met != met_.end()) {
      index = met->second;
      return {};
    }
    const char* name = nullptr;
    OCTILE_RETURN_IF_ERROR(host_(GetValueInfoName, info, &name));
    if (name == nullptr || *name == '\0') return {};
    const size_t known = out_.graph.values.size();
    index = out_.graph.value(name);
    met_.emplace(info, index);
    if (out_.graph.values.size() == known) return {};
    HostValue& v = out_.graph.values[index];
    OCTILE_RETURN_IF_ERROR(read_type(info, v));
    bool outer = false;
    OCTILE_RETURN_IF_ERROR(host_(ValueInfo_IsFromOuterScope, info, &outer));
    out_.in_subgraph = out_.in_subgraph || outer;
    OCTILE_RETURN_IF_ERROR(host_(ValueInfo_IsConstantInitializer, info, &v.constant));
    return v.constant ? read_constant(info, v) : Status();
  }

  Status read_type(const OrtValueInfo* info, HostValue& v) {
    const OrtTypeInfo* type = nullptr;
    OCTILE_RETURN_IF_ERROR(host_(GetValueInfoTypeInfo, info, &type));
    if (type == nullptr) return {};
    int kind = 0;
    OCTILE_RETURN_IF_ERROR(host_(GetOnnxTypeFromTypeInfo, type, &kind));
    const OrtTensorInfo* tensor = nullptr;
    if (kind == kTensorKind) OCTILE_RETURN_IF_ERROR(host_(CastTypeInfoToTensorInfo, type, &tensor));
    if (tensor == nullptr) return {};
    int element = 0;
    size_t rank = 0;
    OCTILE_RETURN_IF_ERROR(host_(GetTensorElementType, tensor, &element));
    OCTILE_RETURN_IF_ERROR(host_(GetDimensionsCount, tensor, &rank));
    v.type = element_type(element);
    v.ranked = rank > 0;  // a value without a shape also reports rank 0, and nothing we take needs to know scalars
    if (rank == 0) return {};
    v.dims.resize(rank);
    OCTILE_RETURN_IF_ERROR(host_(GetDimensions, tensor, v.dims.data(), rank));
    if (std::find(v.dims.begin(), v.dims.end(), -1) == v.dims.end()) return {};
    std::vector<const char*> names(rank, nullptr);
    OCTILE_RETURN_IF_ERROR(host_(GetSymbolicDimensions, tensor, names.data(), rank));
    for (const char* name : names) v.dim_names.push_back(plugin::read_dim_name(name == nullptr ? "" : name));
    return {};
  }

  Status read_constant(const OrtValueInfo* info, HostValue& v) {
    const OrtValue* value = nullptr;
    OCTILE_RETURN_IF_ERROR(host_(ValueInfo_GetInitializerValue, info, &value));
    if (value == nullptr || v.type == ElemType::other) {
      v.constant = value != nullptr;
      return {};
    }
    OCTILE_RETURN_IF_ERROR(host_(GetTensorSizeInBytes, value, &v.bytes));
    if (v.bytes > 0) OCTILE_RETURN_IF_ERROR(host_(GetTensorData, value, &v.data));
    return {};
  }

  Status read_attributes(const OrtNode* from, HostNode& to) {
    size_t count = 0;
    OCTILE_RETURN_IF_ERROR(host_(Node_GetNumAttributes, from, &count));
    if (count == 0) return {};
    std::vector<const OrtOpAttr*> attributes(count, nullptr);
    OCTILE_RETURN_IF_ERROR(host_(Node_GetAttributes, from, attributes.data(), count));
    for (const OrtOpAttr* attribute : attributes) {
      if (attribute == nullptr) continue;
      const char* name = nullptr;
      int type = 0;
      OCTILE_RETURN_IF_ERROR(host_(OpAttr_GetName, attribute, &name));
      if (name == nullptr || !host_(OpAttr_GetType, attribute, &type).ok()) continue;  // a subgraph has no type here
      // The payload of a compiled region is as large as its weights: whoever wants it reads it (ep_context.cpp).
      if (std::string_view(name) == "ep_cache_context") continue;
      OCTILE_RETURN_IF_ERROR(read_attribute(attribute, type, to.attributes[name]));
    }
    return {};
  }

  Status read_attribute(const OrtOpAttr* from, int type, HostAttribute& to) {
    size_t bytes = 0;
    if (type == kAttrInt) return host_(ReadOpAttr, from, type, static_cast<void*>(&to.i), sizeof(to.i), &bytes);
    if (type == kAttrFloat) return host_(ReadOpAttr, from, type, static_cast<void*>(&to.f), sizeof(to.f), &bytes);
    if (type != kAttrInts && type != kAttrFloats && type != kAttrString) return {};
    // With no room the call fails but says how much it needs; 0 bytes is a success with nothing to read.
    if (host_(ReadOpAttr, from, type, static_cast<void*>(nullptr), size_t{0}, &bytes).ok() || bytes == 0) return {};
    if (type == kAttrInts) {
      to.ints.resize(bytes / sizeof(int64_t));
      return host_(ReadOpAttr, from, type, static_cast<void*>(to.ints.data()), bytes, &bytes);
    }
    if (type == kAttrFloats) {
      to.floats.resize(bytes / sizeof(float));
      return host_(ReadOpAttr, from, type, static_cast<void*>(to.floats.data()), bytes, &bytes);
    }
    to.s.resize(bytes);
    OCTILE_RETURN_IF_ERROR(host_(ReadOpAttr, from, type, static_cast<void*>(to.s.data()), bytes, &bytes));
    while (!to.s.empty() && to.s.back() == '\0') to.s.pop_back();
    return {};
  }

  const Host& host_;
  ReadGraph& out_;
  std::unordered_map<const OrtValueInfo*, int> met_;
  std::vector<const OrtValueInfo*> infos_;  // of the list being read
};

template <class Owner, class CountSlot, class ListSlot>
Result<std::vector<std::string>> names(const Host& host, const Owner* owner, CountSlot count_slot, ListSlot list_slot) {
  size_t count = 0;
  OCTILE_RETURN_IF_ERROR(host(count_slot, owner, &count));
  std::vector<const OrtValueInfo*> infos(count, nullptr);
  if (count > 0) OCTILE_RETURN_IF_ERROR(host(list_slot, owner, infos.data(), count));
  std::vector<std::string> out;
  for (const OrtValueInfo* info : infos) {
    const char* name = "";
    if (info != nullptr) OCTILE_RETURN_IF_ERROR(host(GetValueInfoName, info, &name));
    out.emplace_back(name);
  }
  return out;
}

}  // namespace

Result<ReadGraph> read_graph(const Host& host, const OrtGraph* graph) {
  ReadGraph out;
  OCTILE_RETURN_IF_ERROR(GraphReader(host, out).read(graph));
  return out;
}

Result<std::vector<std::string>> input_names(const Host& host, const OrtNode* node) {
  return names(host, node, Node_GetNumInputs, Node_GetInputs);
}

Result<std::vector<std::string>> output_names(const Host& host, const OrtNode* node) {
  return names(host, node, Node_GetNumOutputs, Node_GetOutputs);
}

Result<std::vector<std::string>> border_names(const Host& host, const OrtGraph* graph) {
  OCTILE_ASSIGN_OR_RETURN(std::vector<std::string> out, names(host, graph, Graph_GetNumInputs, Graph_GetInputs));
  OCTILE_ASSIGN_OR_RETURN(const std::vector<std::string> outputs,
                          names(host, graph, Graph_GetNumOutputs, Graph_GetOutputs));
  out.insert(out.end(), outputs.begin(), outputs.end());
  return out;
}

}  // namespace octile::ort
