// Faults that runtimes of whole graphs really have, planted one at a time in a walk over the oracle's nodes.
// In:  a fault, a graph.  Out: the wrong (or, for `none`, the right) answers.
// Not here: faults of single kernels (tests/conformance/planted_faults.h), the draws that must find them.
#pragma once

#include <cstdint>
#include <string_view>

#include "tests/conformance/graphs/check_graph.h"

namespace octile::testing {

enum class GraphFault : uint8_t {
  none,
  // tables and fused forms: the graph is read wrongly (graph_faults_rewrite.cpp)
  operands_swapped,
  other_operands_scale,
  quantize_between_skipped,
  chain_order_swapped,
  fused_clamp_lost,
  relu_lost,
  division_by_reciprocal,
  requantize_first_channel_only,
  dynamic_bias_lost,
  dynamic_scale_of_first_channel,
  transposed_kernel_not_turned,
  // movements and windows
  concat_order_turned,
  pool_counts_pads,
  pool_skips_pads,
  max_pool_pads_with_zero,
  halo_holds_zero,
  pad_holds_zero,
  gather_from_the_end_clamped,
  depth_to_space_mode_swapped,
  transpose_inverted,
  resize_asymmetric,
  softmax_of_last_axis,
  last_of_the_greatest,
  // arithmetic of a node (graph_faults.cpp)
  softmax_sum_in_float32,
  mean_sum_in_float32,
  norm_variance_in_one_pass,
  norm_epsilon_outside,
  sigmoid_in_float32,
  contraction,
  flush_to_zero,
  quantize_by_reciprocal,
  quantize_half_up,
  quantize_nan_high,
  // memory and shapes
  concat_offset_short,
  concat_sign_not_flipped,
  slice_from_the_start,
  flatten_of_channels_last,
  gate_of_first_channel,
  gate_of_first_image,
  last_element_from_previous,
  operand_overwritten_in_place,
  output_overwritten,
  count_of_first_shape,
};
inline constexpr int kGraphFaults = static_cast<int>(GraphFault::count_of_first_shape) + 1;

[[nodiscard]] std::string_view to_string(GraphFault fault);
// A runtime with this fault.
[[nodiscard]] GraphPrepare faulty(GraphFault fault);

// The graph as a runtime with this fault reads it; unchanged where the fault is not one of reading.
[[nodiscard]] GraphDesc misread(GraphFault fault, GraphDesc graph);

}  // namespace octile::testing
