// Why a node is left to the host: the fixed vocabulary of `explain` and of the log.
// In:  nothing.  Out: Reason, its text, and Refusal (a reason with the detail a reader needs).
// Not here: kernel choices (runtime's Decision has its own words).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace octile::plugin {

enum class Reason : uint8_t {
  taken,
  op_not_supported,
  assigned_elsewhere,
  subgraph_on_old_host,
  no_kernels,
  malformed,
  type_not_supported,
  input_not_quantized,
  output_not_quantized,
  output_used_elsewhere,
  shared_dequantize,
  weights_not_constant,
  weights_batched,
  parameters_not_constant,
  operand_not_constant,
  constant_operands,
  bad_scale,
  per_channel_source,
  per_channel_axis,
  blocked_quantization,
  bias_not_constant,
  bias_range,
  spatial_rank,
  attribute,
  clip_bounds,
  rank_unknown,
  shape_unknown,
  columns_unknown,
  reduction_too_deep,
  not_in_regions,
  no_taken_neighbour,
  host_fuses_it,
  stored_floats,
  float_from_host,
  float_to_host,
  nothing_to_gain,
  host_is_faster,
};

[[nodiscard]] std::string_view to_string(Reason reason);

struct Refusal {
  Reason reason = Reason::malformed;
  std::string detail;  // may be empty
};

// Nothing: accepted.
using Verdict = std::optional<Refusal>;

[[nodiscard]] inline Verdict refuse(Reason reason, std::string detail = {}) {
  return Refusal{reason, std::move(detail)};
}

}  // namespace octile::plugin

// Returns the refusal of `expr` from the enclosing function.
#define OCTILE_RETURN_IF_REFUSED(expr)                                                               \
  do {                                                                                               \
    if (::octile::plugin::Verdict octile_verdict_ = (expr); octile_verdict_) return octile_verdict_; \
  } while (0)
