// Scales, zero points and bias of quantized tensors, read from a host graph's constants.
// In:  value indices.  Out: checked numbers, or a refusal.  Not here: which op they belong to.
#pragma once

#include <vector>

#include "plugin/partition/host_graph.h"
#include "plugin/partition/reasons.h"
#include "workload/numerics/requantize.h"
#include "workload/spec/op_spec.h"

namespace octile::plugin {

// Scale and zero point of one tensor: one element, or one per channel (then both have as many).
struct QParams {
  DType type = DType::u8;
  std::vector<float> scale{1.0F};
  std::vector<int32_t> zp{0};

  [[nodiscard]] bool per_channel() const { return scale.size() > 1; }
  [[nodiscard]] bool has_zp() const;
  [[nodiscard]] bool one_zp() const;  // for all channels
};

// A DequantizeLinear in front of a node.
struct Dequantize {
  int node = -1;
  bool shared = false;  // others read it too: the node looks through it but does not own it
  int source = -1;      // the quantized value
  QParams params;
  int64_t axis = 1;  // as written; means something only per channel
};

[[nodiscard]] bool is_quantize(const HostNode& node);
[[nodiscard]] bool is_dequantize(const HostNode& node);

// A QuantizeLinear that rounds as the region does.
[[nodiscard]] Verdict check_quantize(const HostNode& q);

// The type of a region's value, if it can have one.
[[nodiscard]] bool read_dtype(ElemType from, DType& to);
// The element type of a quantized 8-bit value.
[[nodiscard]] Verdict read_type(const HostGraph& graph, int value, DType& type);
// Copies a constant of any alignment; refuses other types and non-constants.
[[nodiscard]] Verdict read_floats(const HostGraph& graph, int value, std::vector<float>& out);
[[nodiscard]] Verdict read_ints(const HostGraph& graph, int value, std::vector<int32_t>& out);
// Scale and zero point (zp -1: none given, so 0) of a value of `type`; scale -1: integer ops, scale 1.
[[nodiscard]] Verdict read_params(const HostGraph& graph, int scale, int zp, DType type, QParams& out);
// The same, for an activation: one scale, positive and finite.
[[nodiscard]] Verdict read_source_params(const HostGraph& graph, int scale, int zp, DType type, QParams& out);

// The dequantize in front of `value`, which node `user` reads.
[[nodiscard]] Verdict find_dequantize(const HostGraph& graph, int value, int user, Dequantize& out);

// The floats of a constant, or of a dequantized one (`dq`, whose node is -1 where there is none).
[[nodiscard]] Verdict read_reals(const HostGraph& graph, int value, int user, std::vector<float>& out, Dequantize& dq);

// Bias codes of scale src * wei[c]: from int32 codes, from a dequantize of such, or rounded from floats, be they
// constants or dequantized constants of another scale.  `dq.node` is -1 where there is no dequantize.
[[nodiscard]] Verdict read_bias(const HostGraph& graph, int value, int user, const QParams& src, const QParams& wei,
                                int64_t channels, std::vector<int32_t>& bias, Dequantize& dq);

}  // namespace octile::plugin
