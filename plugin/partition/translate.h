// Translate: every op that is no product, as nodes of a region's graph.
// In:  a host graph and a node.  Out: a unit of that node alone, or why there is none.
// Not here: products (product.h), which units are worth taking (worth.h).
//
// The quantized forms of an op (com.microsoft's QLinear...) are written out as dequantize, op, quantize, so each op is
// written once: an OpWriter puts it between values of the caller's choice.
#pragma once

#include <limits>
#include <string_view>
#include <vector>

#include "plugin/partition/unit.h"

namespace octile::plugin {

// Where an op is written from.
struct Site {
  const HostGraph& graph;
  const HostNode& node;
  UnitWriter& writer;
  const std::vector<int>& in;  // its operands; parameters are read from the node's own inputs
  int out;
  DType type;  // of the operands and of the result
};
using OpWriter = Verdict (*)(const Site& site);

inline constexpr size_t kAllInputs = std::numeric_limits<size_t>::max();
struct OpRow {
  std::string_view op;
  bool microsoft;   // domain com.microsoft
  Role role;        // movements take codes as well as floats
  size_t operands;  // how many inputs are tensors; those behind are parameters
  OpWriter write;
};
[[nodiscard]] const OpRow* find_op(const HostNode& node);

// Is there a translation of this op, in some form?
[[nodiscard]] bool translates(const HostNode& node);
[[nodiscard]] Verdict translate(const HostGraph& graph, int node, Unit& unit);

// normalize.cpp: does the node begin a normalization that is written as many? Its unit has them all.
[[nodiscard]] bool may_normalize(const HostNode& node);
[[nodiscard]] Verdict recognise_normalize(const HostGraph& graph, int node, Unit& unit);

// A movement of one operand that no clamp and no quantize minds having in front of it or behind it.
[[nodiscard]] bool is_single_movement(const HostNode& node);
[[nodiscard]] Verdict write_movement(const HostGraph& graph, const HostNode& node, int from, int to, DType type,
                                     UnitWriter& writer);

// Families, by file. elementwise.cpp:
[[nodiscard]] Verdict write_unary(const Site& site);
[[nodiscard]] Verdict write_clip(const Site& site);
[[nodiscard]] Verdict write_gelu(const Site& site);
[[nodiscard]] Verdict write_quick_gelu(const Site& site);
[[nodiscard]] Verdict write_binary(const Site& site);
[[nodiscard]] Verdict write_pow(const Site& site);
[[nodiscard]] Verdict write_batch_norm(const Site& site);
// rows.cpp: windows, means and rows
[[nodiscard]] Verdict write_pool(const Site& site);
[[nodiscard]] Verdict write_global_pool(const Site& site);
[[nodiscard]] Verdict write_reduced(const Site& site);
[[nodiscard]] Verdict write_softmax(const Site& site);
[[nodiscard]] Verdict write_arg_max(const Site& site);
[[nodiscard]] Verdict write_layer_norm(const Site& site);
[[nodiscard]] Verdict write_rms_norm(const Site& site);
inline constexpr size_t kSumOfSkip = 3;  // which result of a SkipLayerNormalization its sum is
[[nodiscard]] Verdict write_skip_layer_norm(const Site& site);
// movements.cpp
[[nodiscard]] Verdict write_concat(const Site& site);
[[nodiscard]] Verdict write_split(const Site& site);
[[nodiscard]] Verdict write_slice(const Site& site);
[[nodiscard]] Verdict write_gather(const Site& site);
[[nodiscard]] Verdict write_pad(const Site& site);
[[nodiscard]] Verdict write_reshape(const Site& site);
[[nodiscard]] Verdict write_expand(const Site& site);
[[nodiscard]] Verdict write_axes(const Site& site);  // Flatten, Squeeze, Unsqueeze, Transpose
[[nodiscard]] Verdict write_blocks(const Site& site);
[[nodiscard]] Verdict write_identity(const Site& site);
[[nodiscard]] Verdict write_resize(const Site& site);  // resizes.cpp
// qlinear.cpp
[[nodiscard]] bool is_qlinear(const HostNode& node);
[[nodiscard]] Verdict translate_qlinear(const HostGraph& graph, int node, Unit& unit);

}  // namespace octile::plugin
