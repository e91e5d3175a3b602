// Unit: the host nodes that stand and fall together (an op with its dequantizes, bias, clamp and quantize; or one node
// alone), and what they are as nodes of a region's graph.
// In:  a host graph and the node that names the unit.  Out: the unit, or why it is none.
// Not here: which units are worth taking (worth.h), which go together (groups.h), weights' bytes (build.cpp).
#pragma once

#include <string>
#include <vector>

#include "plugin/partition/host_graph.h"
#include "plugin/partition/quant_params.h"
#include "plugin/partition/reasons.h"
#include "runtime/region/region.h"

namespace octile::plugin {

// One node of the region's graph. Operands are host values, or ~i for the i-th inner value of the unit; `desc.wei` is
// empty until the region is built.
struct Step {
  NodeDesc desc;
  int wei = -1;                 // host value of constant weights, or -1
  size_t wei_begin = 0;         // first byte of them
  bool wei_transposed = false;  // dense weights stored [n, k]
};

// What a unit is to those who decide whether it is worth taking.
enum class Role : uint8_t {
  product,     // a convolution or a matrix product
  quantize,    // floats to codes, nothing else
  dequantize,  // codes to floats, nothing else
  integer,     // codes to codes
  function,    // floats to floats, element by element, of one operand
  floating,    // floats to floats, any other
  movement,    // the same elements elsewhere, floats or codes
  extents,     // numbers about shapes, which units that read them know: no steps
};

struct Unit {
  int anchor = -1;         // the node users know it by
  std::vector<int> nodes;  // all its host nodes, the anchor among them
  // Dequantizes it looks through, and nodes that make extents it knows. They are units themselves and must be in the
  // unit's own group, for a host hands over what is in front of a group as floats.
  std::vector<int> through;
  Role role = Role::product;
  std::vector<Step> steps;       // topological order
  std::vector<ValueDesc> inner;  // values that the host does not have, constants among them
};

// Writes the steps of a unit.
class UnitWriter {
 public:
  UnitWriter(const HostGraph& graph, int node, Unit& unit);

  // A dequantize whose constant the unit has read: it must be in the unit's own group.
  void look_through(int node) { unit_.through.push_back(node); }
  // A value between two steps.
  int inner(DType type);
  int constant(const std::vector<float>& data, std::vector<int64_t> dims);
  int constant(const std::vector<int32_t>& data, std::vector<int64_t> dims);
  // The step that bears the unit's name, and those around it.
  NodeDesc& main(NodeKind kind, std::vector<int> inputs, int output);
  NodeDesc& step(NodeKind kind, std::vector<int> inputs, int output);
  // Conversions as steps; `floats` < 0: into or out of an inner value, which is returned.
  int dequantize(int codes, const QParams& q);
  void dequantize(int codes, const QParams& q, int floats, bool is_main);
  void quantize(int floats, const QParams& q, int codes, bool is_main);

 private:
  NodeDesc& add(NodeKind kind, std::vector<int> inputs, int output);
  const HostGraph& graph_;
  Unit& unit_;
  std::string label_;
};

// Is this an op a unit can be built on (a convolution or a matrix product)?
[[nodiscard]] bool is_anchor(const HostNode& node);
[[nodiscard]] Verdict recognise(const HostGraph& graph, int node, Unit& unit);
// The node's name, or that of what it makes.
[[nodiscard]] std::string node_label(const HostGraph& graph, const HostNode& node);
// What the runtime and the region's own checks say of the unit by itself.
[[nodiscard]] Verdict check_unit(const HostGraph& graph, const Unit& unit);

}  // namespace octile::plugin
