// Faults int8 kernels really have, planted one at a time in a scalar kernel built the way fast ones are: unsigned
// activations, signed weights, zero points folded into the bias, channels in panels.
// In:  a fault, an op.  Out: the wrong (or, for `none`, the right) answer.
// Not here: the draws that must find them (planted_faults_test.cpp).
#pragma once

#include <cstdint>
#include <string_view>

#include "workload/numerics/requantize.h"
#include "workload/spec/op_spec.h"

namespace octile::testing {

enum class Fault : uint8_t {
  none,
  // rounding and scaling
  half_away_from_zero,
  half_up,
  truncation,
  zp_before_rounding,
  fma_contraction,
  double_precision,
  double_rounding,
  multiplier_by_reciprocal,
  multiplier_order,
  first_scale_only,
  quantize_by_reciprocal,
  dequantize_expanded,
  bias_scaled_apart,
  // clamping
  no_clamp,
  relu_at_zero,
  clamp_after_zp_lost,
  truncating_narrow,
  nan_to_high,
  // zero points
  zero_padding,
  sign_flip_without_zp,
  src_zp_ignored,
  dst_zp_ignored,
  wei_zp_ignored,
  wei_zp_first_only,
  wei_flip_without_zp,
  colsum_without_last_tap,
  rowsum_without_padding,
  constant_term_missing,
  // accumulation
  pair_saturation,
  group_of_two_wraps,
  group_of_four_wraps,
  k_tail_dropped,
  wei_min_negated,
  acc_saturates,
  // addressing
  bias_dropped_on_last_panel,
  last_channel_from_previous,
  last_pixel_from_previous,
  stride_swapped,
  dilation_ignored,
  pads_swapped,
  group_offset_ignored,
  kernel_transposed,
  batch_weights_shared,
  second_image_first,
};
inline constexpr int kFaults = 45;

[[nodiscard]] std::string_view to_string(Fault fault);
[[nodiscard]] Status run_faulty(Fault fault, const OpSpec& spec, const OpQuant& quant, const void* src, const void* wei,
                                void* dst);

}  // namespace octile::testing
