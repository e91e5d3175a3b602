// Graph: a quantized network, or a connected part of one, as data: what a region runs and what the interpreter defines.
// In:  nothing.  Out: values and nodes in topological order.
// Not here: host types, layouts chosen for speed, plans.
//
// Two kinds of nodes. A *spec* node has an int32 accumulator or is a lone conversion; its OpSpec and OpQuant say all.
// Every other node is a *float* node: one ONNX operator read literally, float32 in and out, each operation rounded once
// (docs/decisions/0001). In a quantized network float nodes stand between dequantize and quantize nodes; the forms in
// which hosts fuse the three (QLinearAdd, ...) are written out as the three. Nothing says how a runtime fuses them
// again. Shapes, axes and layouts are the host's: NCHW, row-major.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "workload/numerics/requantize.h"
#include "workload/spec/op_spec.h"

namespace octile {

struct ValueDesc {
  std::string name;
  DType type = DType::u8;
  float scale = 1.0F;  // quantized types: what conversions of this value use
  int32_t zp = 0;
  // Constants other than the weights of spec nodes (float operands, pads, indices): shape and bytes, row-major.
  bool constant = false;
  std::vector<int64_t> dims{};
  std::vector<uint8_t> data{};
};

enum class NodeKind : uint8_t {
  spec,            // conv2d, dense, requantize, quantize, dequantize: see OpSpec
  conv_transpose,  // spec describes the convolution whose gradient it is; wei [ic, oc/g, kh, kw]; ints: output_padding
                   // h, w
  // One operand, element by element. floats: parameters in ONNX's order of attributes.
  relu,
  leaky_relu,
  clip,
  sigmoid,
  hard_sigmoid,
  hard_swish,
  tanh,
  exp,
  log,
  sqrt,
  erf,
  gelu,
  neg,
  abs,
  reciprocal,
  softplus,
  elu,
  round,
  floor,
  ceil,
  // Two operands, broadcast as in ONNX.
  add,
  sub,
  mul,
  div,
  pow,
  min,
  max,
  // Windows over the spatial axes. ints: kernel, strides, pads (begin..., end...), ceil_mode, count_include_pad.
  max_pool,
  average_pool,
  global_average_pool,
  global_max_pool,
  reduce_mean,  // ints: keepdims, axes...
  // Rows. ints: axis. floats: epsilon. layer_norm: inputs x, scale, bias?
  softmax,
  layer_norm,
  // Movements of elements; types of any kind, quantized ones keep scale and zero point.
  concat,   // ints: axis
  slice,    // ints: per axis of the input start, end, step
  gather,   // ints: axis; input 1: constant indices
  pad,      // ints: begins..., ends...; the value is the float 0 or floats[0]
  reshape,  // ints: target shape, 0 and -1 as in ONNX (flatten, squeeze, unsqueeze are written as this)
  flatten,  // ints: axis
  squeeze,
  unsqueeze,  // ints: axes
  transpose,  // ints: perm
  resize,     // ints: mode (0 nearest, 1 linear), coordinate mode, nearest mode; floats: scales or sizes per axis
  space_to_depth,
  depth_to_space,  // ints: block, mode (0 DCR, 1 CRD)
};

[[nodiscard]] std::string_view to_string(NodeKind kind);

struct NodeDesc {
  std::string name;  // the host's node name, for explain
  NodeKind kind = NodeKind::spec;
  // Spec nodes. conv2d takes NCHW (or NCW) values, dense [..., m, k]; conversions keep the shape.
  OpSpec spec;  // kernel, strides, dilations, pads, g, ic, oc / k, n, types; spatial extents unset
  OpQuant quant;
  int spatial_rank = 2;             // conv: 1 for NCW hosts, 2 for NCHW
  std::string auto_pad = "NOTSET";  // conv and pools: NOTSET, VALID, SAME_UPPER, SAME_LOWER: pads computed per shape
  std::vector<uint8_t> wei;         // constant weights, OIHW or [k, n]; empty when variable
  // Float nodes.
  std::vector<int64_t> ints;
  std::vector<float> floats;

  std::vector<int> inputs;  // value indices; spec: activation first, then the variable weights of a dense
  int output = -1;          // value index
};

struct GraphDesc {
  std::string name;
  std::vector<ValueDesc> values;
  std::vector<NodeDesc> nodes;       // topological order
  std::vector<int> inputs, outputs;  // value indices, in the host's order
};

}  // namespace octile
