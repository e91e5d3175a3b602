// Graph: a quantized network, or a connected part of one, as data: what a region runs and what the interpreter defines.
// In:  nothing.  Out: values and nodes in topological order.
// Not here: host types, layouts chosen for speed, plans.
//
// Two kinds of nodes. A *spec* node has an int32 accumulator or is a lone conversion; its OpSpec and OpQuant say all.
// Every other node is a *float* node: one ONNX operator read literally, float32 in and out, each operation rounded once
// (docs/decisions/0001). In a quantized network float nodes stand between dequantize and quantize nodes; the forms in
// which hosts fuse the three (QLinearAdd, ...) are written out as the three. Nothing says how a runtime fuses them
// again. Shapes, axes and layouts are the host's: NCHW, row-major.
//
// What holds for all float nodes:
// - Operators that are formulas of +, -, *, / and comparisons round each operation to float32, in the order written
//   below. Operators with a transcendental are one float64 expression of ours, rounded once
//   (workload/numerics/unary.h).
// - Sums (softmax, layer_norm, means, average pools) are float64, by sum_in_order of workload/numerics/sums.h: element
// i,
//   in row-major order, goes to partial sum i % 16, and the 16 are added in a fixed tree. Sums of values that come from
//   one dequantize are exact, so there any order gives the same.
// - Arithmetic has gradual underflow and rounds to nearest even, whatever mode the host left the thread in
//   (workload/numerics/float_mode.h). NaN in gives NaN out, from min, max, clip and relu too; which NaN is not defined.
// - Negative axes count from the end. A list that is empty or ends early means ONNX's defaults, given here as [..].
#pragma once

#include <cstdint>
#include <span>
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
  // Constants other than the weights of spec nodes (float operands, indices): shape and bytes, row-major. No node makes
  // a constant, and it is no input of the graph.
  bool constant = false;
  std::vector<int64_t> dims{};
  std::vector<uint8_t> data{};
};

enum class NodeKind : uint8_t {
  // conv2d, dense, requantize, quantize, dequantize: see OpSpec. Conversions keep the shape, whatever it is; ints of a
  // requantize with mult_per_c: axis of the channels [1].
  spec,
  // ConvTranspose. spec (kind conv2d) holds this node's own ic and oc and the attributes as ONNX has them; wei is
  // [ic, oc/g, kh, kw]; accumulates and requantizes like conv2d. ints: output_padding h, w [0, 0]; of a 1-D node w.
  conv_transpose,
  // A product whose sums become floats, not codes. acc is the spec's (conv2d or dense, dst s32), with zero points and
  // bias; y = float(acc) * (src_scale * wei_scale[c]), each operation rounded. Float32 out.
  scaled,
  // A product of what was quantized on the spot: DynamicQuantizeLinear, MatMulInteger or ConvInteger, Cast, Mul, Add.
  // Float32 in and out. lo = min(0, least x), hi = max(0, greatest x), scale = (hi - lo) / 255 (1 where both are 0),
  // zp = rne(clamp(0 - lo / scale, 0, 255)), codes as a quantize to u8 makes them. acc is the spec's (src u8:zp, dst
  // s32, no bias); y = float(acc) * (scale * wei_scale[c]), each operation rounded; where floats is not empty (one per
  // output channel, or one) y + floats[c].  ints: counted [0]; 1: floor(floats[c] / (scale * wei_scale[c])) is added
  // to acc instead, modulo 2^32, -2^31 where that is no int32 (Div, Floor, Cast, Add, as onnx.quantize 0.1.0 wrote it).
  dynamic,

  // One operand, element by element. floats: parameters in ONNX's order of attributes.
  relu,          // max(x, 0); -0 gives +0
  leaky_relu,    // x < 0 ? alpha * x : x.  floats: alpha [0.01]
  clip,          // min(max(x, lo), hi), so lo > hi gives hi.  floats: lo, hi [-FLT_MAX, FLT_MAX]
  sigmoid,       // float64
  hard_sigmoid,  // max(0, min(1, (alpha * x) + beta)).  floats: alpha, beta [0.2, 0.5]
  hard_swish,    // x * hard_sigmoid(x) with alpha = float(1/6), beta = 0.5
  tanh,          // float64, as are exp, log, erf, gelu, softplus, elu, pow
  exp,
  log,
  sqrt,  // IEEE; of a negative number NaN
  erf,
  gelu,  // x/2 * (1 + erf(x / sqrt 2)), or by tanh.  ints: approximate (0 none, 1 tanh) [0]
  neg,
  abs,
  reciprocal,  // 1 / x
  softplus,    // log(1 + exp(x))
  elu,         // x < 0 ? alpha * (exp(x) - 1) : x.  floats: alpha [1]
  round,       // half to even
  floor,
  ceil,
  // Two operands, broadcast as in ONNX. Sum, Min and Max of more operands are chains from the left.
  add,
  sub,
  mul,
  div,
  pow,  // exponents 2, 3, 0.5, -1 are what they should be, bit for bit: x*x, x*x*x and sqrt in float64, 1/x
  min,
  max,
  prelu,  // x < 0 ? x * slope : x
  // Windows over the spatial axes; r = spatial_rank of them, the last r axes.
  // ints: kernel r, strides r, pads 2r (begins, then ends), ceil_mode, count_include_pad, dilations r [1...].
  // auto_pad as for convolutions. With ceil_mode a window that would start beyond the input and its leading pad does
  // not exist. A window that meets no element of the input is an error.
  max_pool,             // padding never wins; also on quantized values. ONNX's second output (indices) is not offered
  average_pool,         // sum / count rounded once; count is the window's elements inside the input, or, with
                        // count_include_pad, inside the input and its pads: never what ceil_mode adds beyond the pads
  global_average_pool,  // over all axes but the first two, which become 1
  global_max_pool,      // also on quantized values
  reduce_mean,          // sum / count rounded once.  ints: keepdims, axes... (none: all)
  reduce_max,           // also on quantized values.  ints as of reduce_mean
  // Rows along one axis. m = max x; e = float(exp(float(x - m))); y = e / float(sum e), a float32 division.
  softmax,  // ints: axis [-1]; that one axis alone: Softmax of opset < 13 over several axes is reshaped around it
  // Over axes axis... to the last, in float64: mean = sum x / n; d = x - mean; r = 1 / sqrt(sum d*d / n + epsilon);
  // then float32: (float(d * r) * scale) + bias, each rounded.
  layer_norm,  // inputs x, scale, bias?: of the axes normalized.  ints: axis [-1]; floats: epsilon [1e-5]
  // What exporters write as a chain of nodes, each rounded to float32. v = reduce_mean of d * d, where d is x less its
  // mean (by deviation, 0) or x (by root mean square, 2); r = sqrt(v + epsilon); y = d / r or, of `times`, d * (1 / r).
  // v, v + epsilon, r and 1 / r may each be quantized and dequantized. By length (1): y =
  // x / clip(l, epsilon, FLT_MAX), l = float(sqrt(sum x * x)) with squares, sum and root in float64.
  // ints: axis [-1], by [0], of each of the four: type (0: a float, 1: u8, 2: s8) [0], zero point [0]; times [0].
  // floats: epsilon [0], the scales of the four [1]
  normalize,
  // The index, s64, of the first or last of the greatest along an axis; NaN is greater than any number. Of f32, u8, s8.
  // Nothing reads indices.
  arg_max,  // ints: axis [0], keepdims [1], last [0]

  // Movements of elements; types of any kind, quantized ones keep scale and zero point; inputs and output are of one.
  concat,     // ints: axis
  slice,      // ints: start, end, step of axis 0, of axis 1, ...; axes not reached are whole. Split: a slice per output
  gather,     // ints: axis [0]; input 1: constant s32 indices of any shape, negative ones from the end
  pad,        // ints: begins of all axes, ends of all axes (negative: crop), mode (0 constant, 1 reflect, 2 edge) [0]
              // floats: the value [0]; of a quantized value its code
  reshape,    // ints: target shape; 0 copies, -1 infers. With a second input (of any type) and no ints: to its shape
  flatten,    // ints: axis [1]
  squeeze,    // ints: axes; none: every axis of extent 1
  unsqueeze,  // ints: axes, of the output
  expand,  // ints: extents, those of 1 leave an axis as it is, as those it lacks in front; the source's 1s are repeated
  transpose,  // ints: perm; none: reversed
  // ints: mode (0 nearest, 1 linear), coordinates, rounding, then the output's extents where the model gives sizes (0:
  // that axis keeps its extent); floats: a scale per axis where it gives scales. Exactly one of the two.
  // coordinates: 0 half_pixel, 1 asymmetric, 2 align_corners, 3 pytorch_half_pixel, 4 half_pixel_symmetric,
  // 5 tf_half_pixel_for_nn; rounding (nearest): 0 round_prefer_floor, 1 round_prefer_ceil, 2 floor, 3 ceil.
  // Extent: floor(in * scale), scale: out / in where sizes are given; coordinates: all float32, in the order of ONNX's
  // formulas (workload/graph/resize.h); an axis of scale 1 keeps its elements. Linear: float values alone; a coordinate
  // outside is moved to the edge; for each axis that changes, last axis first: (lo * (1 - f)) + (hi * f),
  // f = x - floor(x), four roundings.
  resize,
  space_to_depth,  // ints: block
  depth_to_space,  // ints: block, mode (0 DCR, 1 CRD) [0]
  identity,        // also of Cast to the own type, Dropout
  cast,            // to float32, of an s32, u8 or s8: the number itself, rounded half to even; scales play no part
};
inline constexpr int kNodeKinds = static_cast<int>(NodeKind::cast) + 1;

[[nodiscard]] std::string_view to_string(NodeKind kind);

struct NodeDesc {
  std::string name;  // the host's node name, for explain
  NodeKind kind = NodeKind::spec;
  // Spec nodes. conv2d takes NCHW (or NCW) values, dense [..., m, k]; conversions keep the shape.
  OpSpec spec;  // kernel, strides, dilations, pads, g, ic, oc / k, n, types; spatial extents unset
  OpQuant quant;
  int spatial_rank = 2;             // conv and pools: 1 for NCW hosts, 2 for NCHW
  std::string auto_pad = "NOTSET";  // conv and pools: NOTSET, VALID, SAME_UPPER, SAME_LOWER: pads computed per shape
  std::vector<uint8_t> wei;         // constant weights, OIHW or [k, n]; empty when variable
  std::span<const uint8_t> lent;    // the same where `wei` is empty: in memory of whoever made the graph
  // Float nodes.
  std::vector<int64_t> ints;
  std::vector<float> floats;

  std::vector<int> inputs;  // value indices; spec: activation first, then the variable weights of a dense
  int output = -1;          // value index

  [[nodiscard]] std::span<const uint8_t> weights() const { return wei.empty() ? lent : wei; }
};

struct GraphDesc {
  std::string name;
  std::vector<ValueDesc> values;
  std::vector<NodeDesc> nodes;       // topological order
  std::vector<int> inputs, outputs;  // value indices, in the host's order
};

// What needs no shape: values exist, nodes come in order, counts and types of operands fit their kinds.
[[nodiscard]] Status validate(const GraphDesc& graph);

}  // namespace octile
