// The words of the vocabulary.  In: Reason.  Out: text.  Not here: when they apply.
#include "plugin/partition/reasons.h"

namespace octile::plugin {

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::taken: return "taken";
    case Reason::op_not_supported: return "op not supported";
    case Reason::assigned_elsewhere: return "assigned to another provider";
    case Reason::subgraph_on_old_host: return "inside a subgraph, which needs ONNX Runtime 1.24";
    case Reason::no_kernels: return "no usable kernel pack";
    case Reason::malformed: return "malformed node";
    case Reason::type_not_supported: return "element type not supported";
    case Reason::input_not_quantized: return "input is not quantized";
    case Reason::output_not_quantized: return "output is not quantized";
    case Reason::output_used_elsewhere: return "float output is used elsewhere";
    case Reason::shared_dequantize: return "a dequantized input is shared with what is left";
    case Reason::weights_not_constant: return "weights are not constant";
    case Reason::weights_batched: return "constant weights are batched";
    case Reason::parameters_not_constant: return "scale or zero point is not constant";
    case Reason::operand_not_constant: return "an operand that must be constant is not";
    case Reason::constant_operands: return "all operands are constant";
    case Reason::bad_scale: return "scale is not positive and finite";
    case Reason::per_channel_source: return "activation is quantized per channel";
    case Reason::per_channel_axis: return "weights are not quantized per output channel";
    case Reason::blocked_quantization: return "blocked quantization";
    case Reason::bias_not_constant: return "bias is not constant";
    case Reason::bias_range: return "bias does not fit int32";
    case Reason::spatial_rank: return "only 1-D and 2-D convolutions";
    case Reason::attribute: return "attribute value not supported";
    case Reason::clip_bounds: return "clip bounds are not constant and ordered";
    case Reason::rank_unknown: return "rank is unknown";
    case Reason::shape_unknown: return "shape is unknown";
    case Reason::columns_unknown: return "number of columns is unknown";
    case Reason::reduction_too_deep: return "reduction too deep for int32";
    case Reason::not_in_regions: return "regions do not run it";
    case Reason::no_taken_neighbour: return "no taken node beside it";
    case Reason::host_fuses_it: return "the host fuses it with its neighbour";
    case Reason::stored_floats: return "it works on floats that are no function of codes";
    case Reason::float_from_host: return "it reads floats that the host makes";
    case Reason::float_to_host: return "it makes floats that only the host reads";
    case Reason::host_is_faster: return "the host runs its region faster";
    case Reason::nothing_to_gain: return "its group holds nothing the host runs slower";
  }
  return "?";
}

}  // namespace octile::plugin
