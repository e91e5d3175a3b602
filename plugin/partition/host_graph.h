// HostGraph: a host's graph as plain data, filled by the host's reader or by hand in tests.
// In:  nodes in topological order, values by name, constants borrowed from the host.
// Out: producers and consumers.  Not here: host types, decisions.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace octile::plugin {

enum class ElemType : uint8_t { other, f32, u8, s8, s32, s64 };

struct HostAttribute {
  int64_t i = 0;
  float f = 0;
  std::string s;
  std::vector<int64_t> ints;
  std::vector<float> floats;
};

// An extent the host does not know: so many times what the symbol stands for. Equal names are equal extents.
struct DimName {
  int64_t factor = 1;
  std::string symbol{};  // empty: no name
  [[nodiscard]] bool operator==(const DimName&) const = default;
};
// "N", or "4*N" as symbolic shape inference has it.
[[nodiscard]] DimName read_dim_name(std::string_view name);

struct HostValue {
  std::string name;
  ElemType type = ElemType::other;
  bool ranked = false;               // dims are known to be the shape (single extents may still be unknown)
  std::vector<int64_t> dims;         // -1: unknown
  std::vector<DimName> dim_names{};  // of as many; empty: none has one
  bool constant = false;
  const void* data = nullptr;  // constant bytes, at any alignment; alive only while the host's graph is
  size_t bytes = 0;
  bool graph_output = false;
  // Filled by link().
  int producer = -1;
  std::vector<int> consumers;  // one entry per use
};

struct HostNode {
  std::string name, op, domain;  // domain "" is ONNX itself
  std::map<std::string, HostAttribute, std::less<>> attributes;
  std::vector<int> inputs, outputs;  // value indices, -1: left out
  std::vector<int> implicit_inputs;  // what its subgraphs read from outside
  bool taken_elsewhere = false;      // another provider has it
  int since = 0;                     // the opset version that defined this op's meaning; 0: the newest

  [[nodiscard]] bool older_than(int version) const { return since != 0 && since < version; }

  [[nodiscard]] int input(size_t i) const { return i < inputs.size() ? inputs[i] : -1; }
  [[nodiscard]] int output(size_t i) const { return i < outputs.size() ? outputs[i] : -1; }
  // Is it this op of ONNX's own?
  [[nodiscard]] bool is(std::string_view name_of_op) const { return op == name_of_op && domain.empty(); }
  [[nodiscard]] bool is_one_of(std::span<const std::string_view> names) const;
  // The input that is not `value`, of exactly two; -1: there is none.
  [[nodiscard]] int other_input(int value) const;
  [[nodiscard]] const HostAttribute* attribute(std::string_view key) const;
  [[nodiscard]] int64_t int_attribute(std::string_view key, int64_t otherwise) const;
  [[nodiscard]] float float_attribute(std::string_view key, float otherwise) const;
};

struct HostGraph {
  std::string name;
  std::vector<HostValue> values;
  std::vector<HostNode> nodes;  // topological order
  std::unordered_map<std::string, int> index;

  // The value of this name, made if new.
  int value(const std::string& value_name);
  // Computes producers and consumers; call once after the last change.
  void link();
  // The only node that reads the value, or -1 if none, several, or if the value leaves the graph.
  [[nodiscard]] int sole_consumer(int value_id) const;
  // The same where that is this op of ONNX's with an output, and no other provider's.
  [[nodiscard]] int sole_reader(int value_id, std::string_view op) const;
};

}  // namespace octile::plugin
