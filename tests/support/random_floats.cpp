// Float operators between dequantize and quantize: pointwise chains, residuals, gates, pools, means, rows, resizes.
// In/out: see random_blocks.h.  Not here: convolutions, movements of codes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/random_blocks.h"

namespace octile::testing {
namespace {

using Values = const std::vector<int>&;

int constant(GraphBuilder& b, float v) {
  const auto rank = b.rng.below(3);
  return b.constant(Shape(rank == 2 ? 1 : 0, 1), {v});
}

// Between two float nodes of a chain: a quantize and a dequantize, as quantizers write, or nothing.
int between(GraphBuilder& b, int f, bool converted) { return converted ? b.dequantize(b.quantize(f)) : f; }

int unary(GraphBuilder& b, int f) {
  const auto kind = static_cast<NodeKind>(b.rng.range(int(NodeKind::relu), int(NodeKind::ceil)));
  std::vector<int64_t> ints;
  std::vector<float> floats;
  const auto some = [&](double lo, double hi) { return static_cast<float>(b.rng.uniform(lo, hi)); };
  if (kind == NodeKind::leaky_relu && b.rng.chance(0.8)) floats = {some(-0.2, 0.9)};
  if (kind == NodeKind::clip && b.rng.chance(0.9)) floats = {some(-3, 0.5), some(0, 6)};
  if (kind == NodeKind::clip && b.rng.chance(0.2)) floats = {0, 6};
  if (kind == NodeKind::hard_sigmoid && b.rng.chance(0.7)) floats = {some(0.05, 0.5), some(0.2, 0.7)};
  if (kind == NodeKind::elu && b.rng.chance(0.5)) floats = {some(0.3, 2)};
  if (kind == NodeKind::gelu) ints = {b.rng.below(2)};
  return b.add(kind, {f}, ints, floats);
}

// x * clip(x + 3, 0, 6) / 6, its division in one of the two places.
int hard_swish(GraphBuilder& b, int f, bool converted) {
  int gate = between(b, b.add(NodeKind::add, {f, constant(b, 3)}), converted);
  gate = between(b, b.add(NodeKind::clip, {gate}, {}, {0, 6}), converted);
  if (b.rng.chance(0.5)) {
    gate = between(b, b.add(NodeKind::div, {gate, constant(b, 6)}), converted);
    return b.add(NodeKind::mul, {f, gate});
  }
  const int y = between(b, b.add(NodeKind::mul, {f, gate}), converted);
  return b.rng.chance(0.5) ? b.add(NodeKind::div, {y, constant(b, 6)})
                           : b.add(NodeKind::mul, {y, constant(b, 1.0F / 6.0F)});
}

// The argument of GELU's tanh, sqrt(2 / pi) (x + 0.044715 x^3).
int cubed(GraphBuilder& b, int f, bool converted) {
  const auto times = [&](int x, int y) { return between(b, b.add(NodeKind::mul, {x, y}), converted); };
  const int share = constant(b, 0.044715F), root = constant(b, 0.7978846F);
  if (b.rng.chance(0.3)) {
    const int sum = between(b, b.add(NodeKind::add, {constant(b, 1), times(times(share, f), f)}), converted);
    return times(times(f, root), sum);
  }
  const int cube =
      b.rng.chance(0.5) ? between(b, b.add(NodeKind::pow, {f, constant(b, 3)}), converted) : times(f, times(f, f));
  return times(between(b, b.add(NodeKind::add, {f, times(cube, share)}), converted), root);
}

int gelu(GraphBuilder& b, int f, bool converted) {
  if (b.rng.chance(0.25)) return b.add(NodeKind::gelu, {f}, {b.rng.below(2)});
  const float root = std::sqrt(2.0F);
  const bool tanh = b.rng.chance(0.5);
  int g = tanh                ? cubed(b, f, converted)
          : b.rng.chance(0.5) ? b.add(NodeKind::div, {f, constant(b, root)})
                              : b.add(NodeKind::mul, {constant(b, 1 / root), f});
  g = between(b, b.add(tanh ? NodeKind::tanh : NodeKind::erf, {between(b, g, converted)}), converted);
  g = between(b, b.add(NodeKind::add, {g, constant(b, 1)}), converted);
  if (b.rng.chance(0.3)) {
    const int half = between(b, b.add(NodeKind::mul, {f, constant(b, 0.5F)}), converted);
    return b.add(NodeKind::mul, {half, g});
  }
  g = between(b, b.add(NodeKind::mul, {f, g}), converted);
  return b.add(NodeKind::mul, {g, constant(b, 0.5F)});
}

// Several operators of one value, which a runtime may fold into one table.
int draw_chain(GraphBuilder& b, int x, Values) {
  if (b.type(x) == DType::s32) return kNone;
  int f = b.floats(x);
  const bool converted = b.rng.chance(0.4);
  switch (b.rng.below(7)) {
    case 0: return settle(b, hard_swish(b, f, converted));
    case 1: return settle(b, gelu(b, f, converted));
    case 2: return settle(b, b.add(NodeKind::mul, {f, between(b, b.add(NodeKind::sigmoid, {f}), converted)}));
    case 3: {  // mish
      const int g = between(b, b.add(NodeKind::softplus, {f}), converted);
      return settle(b, b.add(NodeKind::mul, {f, between(b, b.add(NodeKind::tanh, {g}), converted)}));
    }
    default: break;
  }
  for (int64_t i = b.rng.range(1, 4); i > 0 && f != kNone; --i) {
    int y = kNone;
    if (b.rng.chance(0.3)) {
      const int c = constant(b, b.rng.pick({0.5F, 2.0F, 3.0F, -1.0F, 1.7F, 0.1F}));
      y = b.add(b.rng.pick({NodeKind::add, NodeKind::mul, NodeKind::div, NodeKind::sub, NodeKind::pow}), {f, c});
    } else {
      y = unary(b, f);
    }
    f = i > 1 ? between(b, y, converted) : y;
  }
  return settle(b, f);
}

// What a network that is quantized on the spot does between its products: floats all the way.
int activation(GraphBuilder& b, int f) {
  const Shape& shape = b.shape(f);
  switch (b.rng.below(8)) {
    case 0: return b.add(NodeKind::relu, {f});
    case 1: return hard_swish(b, f, false);
    case 2: return b.add(NodeKind::mul, {f, b.add(NodeKind::sigmoid, {f})});
    case 3: return b.add(NodeKind::mul, {b.add(NodeKind::hard_sigmoid, {f}), f});
    case 4: return gelu(b, f, false);
    case 5: {  // a number per channel
      Shape dims(shape.size(), 1);
      const size_t axis = shape.size() > 2 && b.rng.chance(0.7) ? 1 : shape.size() - 1;
      dims[axis] = shape[axis];
      std::vector<float> values;
      for (int64_t i = 0; i < shape[axis]; ++i) values.push_back(static_cast<float>(b.rng.normal()));
      const int c = b.constant(dims, values);
      const NodeKind kind = b.rng.pick({NodeKind::add, NodeKind::mul, NodeKind::max, NodeKind::div, NodeKind::prelu});
      return kind == NodeKind::prelu || b.rng.chance(0.5) ? b.add(kind, {f, c}) : b.add(kind, {c, f});
    }
    case 6: return unary(b, f);
    default: return f;
  }
}

// A max or average pool over the last `rank` axes.
NodeDesc draw_pool_node(GraphBuilder& b, int64_t rank) {
  NodeDesc node;
  node.kind = b.rng.chance(0.5) ? NodeKind::max_pool : NodeKind::average_pool;
  node.spatial_rank = static_cast<int>(rank);
  const int64_t kernel = b.rng.pick<int64_t>({2, 3, 3, 5, 1, 7}), stride = b.rng.range(1, 3);
  const bool dilated = b.rng.chance(0.15);
  std::vector<int64_t> kernels, strides, begins, ends, dilations;
  for (int64_t i = 0; i < rank; ++i) {
    kernels.push_back(b.rng.chance(0.1) ? b.rng.range(1, 4) : kernel);
    strides.push_back(b.rng.chance(0.1) ? b.rng.range(1, 3) : stride);
    begins.push_back(b.rng.chance(0.5) ? kernels.back() / 2 : b.rng.range(0, kernels.back() - 1));
    ends.push_back(b.rng.chance(0.7) ? begins.back() : b.rng.range(0, kernels.back() - 1));
    dilations.push_back(dilated ? b.rng.range(1, 2) : 1);
  }
  for (const auto* list : {&kernels, &strides, &begins, &ends}) {
    node.ints.insert(node.ints.end(), list->begin(), list->end());
  }
  node.ints.push_back(b.rng.below(2));
  node.ints.push_back(b.rng.below(2));
  if (dilated) node.ints.insert(node.ints.end(), dilations.begin(), dilations.end());
  if (b.rng.chance(0.15)) node.auto_pad = b.rng.pick({"SAME_UPPER", "SAME_LOWER", "VALID"});
  return node;
}

// What such a network does with pixels and ranges of channels, or of a matrix' columns: joins them with earlier ones,
// works on a part beside the whole, makes more or fewer pixels.
int moved_pixels(GraphBuilder& b, int f, int earlier) {
  const Shape shape = b.shape(f);
  const int64_t rank = std::ssize(shape), axis = b.rng.chance(0.7) ? 1 : rank - 1;
  const auto along = static_cast<size_t>(axis);
  const int64_t c = shape[along], half = c / 2;
  const auto part = [&](int64_t first, int64_t last) { return add_slice(b, f, along, first, last); };
  const auto joins = [&](int v) {
    if (v == kNone || std::ssize(b.shape(v)) != rank) return false;
    Shape other = b.shape(v);
    const bool small = other[along] + c <= 80;
    other[along] = c;
    return small && other == shape;
  };
  switch (b.rng.below(5)) {
    case 0: {
      const int other = joins(earlier) ? earlier : b.add(NodeKind::relu, {f});
      return b.rng.chance(0.5) ? b.add(NodeKind::concat, {f, other}, {axis})
                               : b.add(NodeKind::concat, {other, f}, {axis});
    }
    case 1: {  // split, a layer of one part, all of it together
      if (half < 1) return f;
      const int a = part(0, half), rest = part(half, c), made = add_float_product(b, rest, true, axis == 1);
      if (!joins(made)) return rest;
      return b.add(NodeKind::concat, {a, rest, b.add(NodeKind::relu, {made})}, {axis});
    }
    case 2: return half < 1 ? f : b.rng.chance(0.5) ? part(half, c) : part(0, half);
    case 3: {
      if (element_count(shape) > 1500) return f;
      std::vector<float> scales(static_cast<size_t>(rank), 1.0F);
      for (size_t i = 2; i < scales.size(); ++i) scales[i] = b.rng.pick({2.0F, 2.0F, 1.5F, 0.5F});
      return b.add(NodeKind::resize, {f}, {b.rng.below(2), b.rng.below(6), b.rng.below(4)}, scales);
    }
    default: return b.add(draw_pool_node(b, rank - 2), {f}, {DType::f32, 1.0F, 0});
  }
}

// Layers of such a network, with sums of what earlier ones made.
int draw_dynamic_layers(GraphBuilder& b, int x, Values) {
  if (b.type(x) == DType::s32 || b.shape(x).empty() || element_count(b.shape(x)) > 4000) return kNone;
  const bool window = b.rng.chance(0.8);
  int f = b.floats(x), earlier = kNone;
  for (int64_t i = b.rng.range(2, 4); i > 0; --i) {
    int y = add_float_product(b, f, b.rng.chance(0.6), window);
    if (y == kNone) break;
    for (int64_t k = b.rng.below(3); k > 0 && y != kNone; --k) y = activation(b, y);
    if (y != kNone && earlier != kNone && b.shape(earlier) == b.shape(y) && b.rng.chance(0.7)) {
      const NodeKind kind = b.rng.pick({NodeKind::add, NodeKind::add, NodeKind::sub, NodeKind::mul, NodeKind::min});
      y = b.rng.chance(0.5) ? b.add(kind, {y, earlier}) : b.add(kind, {earlier, y});
      if (y != kNone && b.rng.chance(0.5)) y = b.add(NodeKind::relu, {y});
    }
    if (y == kNone) return kNone;
    if (const size_t rank = b.shape(y).size(); (rank == 3 || rank == 4) && b.rng.chance(0.5))
      y = moved_pixels(b, y, earlier);
    if (y == kNone) return kNone;
    if (b.rng.chance(0.6)) earlier = y;
    f = y;
  }
  return settle(b, f);
}

NodeKind two_operands(GraphBuilder& b) {
  return b.rng.pick({NodeKind::add, NodeKind::add, NodeKind::mul, NodeKind::mul, NodeKind::sub, NodeKind::div,
                     NodeKind::min, NodeKind::max, NodeKind::pow});
}

// A constant that broadcasts: per channel, per last axis, one number, or one per element.
int draw_constant_operand(GraphBuilder& b, int x, Values) {
  if (b.type(x) == DType::s32 || b.shape(x).empty()) return kNone;
  const Shape& shape = b.shape(x);
  Shape dims;
  switch (b.rng.below(4)) {
    case 0: break;
    case 1: dims = {shape.back()}; break;
    case 2:
      dims = Shape(shape.size(), 1);
      dims[shape.size() > 1 ? 1 : 0] = shape[shape.size() > 1 ? 1 : 0];
      if (dims.size() > 2 && b.rng.chance(0.5)) dims.erase(dims.begin());
      break;
    default: dims = shape;
  }
  std::vector<float> values;
  const NodeKind kind = b.rng.chance(0.15) ? NodeKind::prelu : two_operands(b);
  for (int64_t i = element_count(dims); i > 0; --i) {
    values.push_back(static_cast<float>(kind == NodeKind::pow ? b.rng.pick({2.0, 0.5, 3.0}) : 1.5 * b.rng.normal()));
  }
  int c = b.constant(dims, values);
  if (b.rng.chance(0.3)) c = b.dequantize(b.quantize(c));  // a constant that was quantized too
  const int f = b.floats(x);
  const bool first = kind == NodeKind::prelu || b.rng.chance(0.75);  // a slope does not widen what it is for
  return settle(b, first ? b.add(kind, {f, c}) : b.add(kind, {c, f}));
}

bool broadcasts(const Shape& a, const Shape& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const int64_t x = a[a.size() - 1 - i], y = b[b.size() - 1 - i];
    if (x != y && x != 1 && y != 1) return false;
  }
  return true;
}

// With another value, or with a layer of itself; perhaps activated before it is quantized.
int draw_residual(GraphBuilder& b, int x, Values others) {
  if (b.type(x) == DType::s32) return kNone;
  int other = kNone;
  for (int tries = 0; tries < 6 && other == kNone && !others.empty(); ++tries) {
    const int o = others[static_cast<size_t>(b.rng.below(std::ssize(others)))];
    if (o != x && b.type(o) != DType::s32 && broadcasts(b.shape(o), b.shape(x))) other = o;
  }
  if (other == kNone && b.quantized(x) && b.shape(x).size() > 2) other = add_pointwise(b, x, b.shape(x)[1]);
  if (other == kNone) other = x;
  const int a = b.floats(x), c = b.floats(other);
  int f = b.rng.chance(0.5) ? b.add(two_operands(b), {a, c}) : b.add(NodeKind::add, {c, a});
  if (b.rng.chance(0.4)) f = b.add(NodeKind::relu, {f});
  return settle(b, f);
}

// Squeeze and excite: a gate (n, c, 1, 1) made of the value's own means.
int draw_gate(GraphBuilder& b, int x, Values) {
  const Shape shape = b.shape(x);
  if (!b.quantized(x) || shape.size() != 4 || shape[1] > 40) return kNone;
  int mean = b.rng.chance(0.7) ? b.add(NodeKind::global_average_pool, {b.dequantize(x)})
                               : b.add(NodeKind::reduce_mean, {b.dequantize(x)}, {1, 2, 3});
  if (b.rng.chance(0.2)) {  // quantized where its channels are last
    mean = b.add(NodeKind::transpose, {mean}, {0, 2, 3, 1});
    mean = b.dequantize(b.add(NodeKind::transpose, {b.quantize(mean)}, {0, 3, 1, 2}));
  }
  int y = add_pointwise(b, b.quantize(mean), b.rng.range(1, 8));
  y = add_pointwise(b, y, shape[1]);
  if (y == kNone) return kNone;
  int gate = b.dequantize(y);
  gate = b.rng.chance(0.5) ? b.add(NodeKind::sigmoid, {gate})
                           : b.add(NodeKind::hard_sigmoid, {gate}, {}, {1.0F / 6, 0.5F});
  if (b.rng.chance(0.8)) gate = b.dequantize(b.quantize(gate));
  const int f = b.dequantize(x);
  int product = b.rng.chance(0.7) ? b.add(NodeKind::mul, {f, gate}) : b.add(NodeKind::mul, {gate, f});
  if (b.rng.chance(0.2)) product = b.add(NodeKind::add, {product, f});
  return settle(b, product);
}

int draw_pool(GraphBuilder& b, int x, Values) {
  const auto rank = static_cast<int64_t>(b.shape(x).size()) - 2;
  if (b.type(x) == DType::s32 || rank < 1 || rank > 2) return kNone;
  NodeDesc node = draw_pool_node(b, rank);
  if (node.kind == NodeKind::max_pool && b.quantized(x) && b.rng.chance(0.5)) {
    return b.add(std::move(node), {x}, {b.type(x), b.desc(x).scale, b.desc(x).zp});
  }
  return settle(b, b.add(std::move(node), {b.floats(x)}, {DType::f32, 1.0F, 0}));
}

int draw_mean(GraphBuilder& b, int x, Values) {
  const auto rank = static_cast<int64_t>(b.shape(x).size());
  if (b.type(x) == DType::s32 || rank < 1) return kNone;
  if (rank > 2 && b.rng.chance(0.25) && b.quantized(x)) return b.add(NodeKind::global_max_pool, {x});
  if (rank > 2 && b.rng.chance(0.4)) {
    const NodeKind kind = b.rng.chance(0.8) ? NodeKind::global_average_pool : NodeKind::global_max_pool;
    return settle(b, b.add(kind, {b.floats(x)}));
  }
  std::vector<int64_t> ints{b.rng.below(2)};
  if (b.rng.chance(0.2) && b.quantized(x)) {
    return b.add(NodeKind::reduce_max, {x}, {ints[0], b.rng.range(-rank, rank - 1)});
  }
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (b.rng.chance(0.4)) ints.push_back(b.rng.chance(0.5) ? axis : axis - rank);
  }
  if (ints.size() == 1) ints.push_back(-1);
  const NodeKind kind = b.rng.chance(0.7) ? NodeKind::reduce_mean : NodeKind::reduce_max;
  int f = b.floats(x);
  if (b.rng.chance(0.2)) f = b.add(NodeKind::neg, {f});
  return settle(b, b.add(kind, {f}, ints));
}

// Half of them floats to the end: codes would hide the last bits.
int draw_softmax(GraphBuilder& b, int x, Values) {
  const auto rank = static_cast<int64_t>(b.shape(x).size());
  if (b.type(x) == DType::s32 || rank < 1) return kNone;
  return settle(b, b.add(NodeKind::softmax, {b.floats(x)}, {b.rng.chance(0.6) ? -1 : b.rng.range(-rank, rank - 1)}),
                0.5);
}

// Nothing reads indices: the graph goes on from what they are of.
int draw_arg_max(GraphBuilder& b, int x, Values) {
  const auto rank = static_cast<int64_t>(b.shape(x).size());
  if (b.type(x) == DType::s32 || rank < 1) return kNone;
  NodeDesc node;
  node.kind = NodeKind::arg_max;
  node.ints = {b.rng.chance(0.5) && rank > 1 ? 1 : b.rng.range(-rank, rank - 1), b.rng.below(2), b.rng.below(2)};
  int from = b.rng.chance(0.3) ? x : b.floats(x);
  if (from != x && b.rng.chance(0.3)) from = b.add(NodeKind::relu, {from});  // equal ones
  return b.add(std::move(node), {from}, {DType::s64, 1.0F, 0}) == kNone ? kNone : x;
}

int draw_layer_norm(GraphBuilder& b, int x, Values) {
  const auto rank = static_cast<int64_t>(b.shape(x).size());
  if (b.type(x) == DType::s32 || rank < 1) return kNone;
  const int64_t axis = b.rng.chance(0.7) ? -1 : b.rng.range(-rank, rank - 1);
  const Shape row(b.shape(x).begin() + (axis < 0 ? axis + rank : axis), b.shape(x).end());
  std::vector<int> inputs{b.floats(x)};
  const auto operands = b.rng.range(1, 2);
  for (int64_t i = 0; i < operands; ++i) {
    std::vector<float> values;
    for (int64_t j = element_count(row); j > 0; --j) {
      values.push_back(static_cast<float>((i == 0 ? 1 : 0) + 0.3 * b.rng.normal()));
    }
    inputs.push_back(b.constant(row, values));
  }
  const std::vector<float> epsilon = b.rng.chance(0.5) ? std::vector<float>{} : std::vector<float>{1e-6F};
  return settle(b, b.add(NodeKind::layer_norm, inputs, {axis}, epsilon), 0.7);
}

// By the deviation or the root mean square, with codes in between or none, or by the length.
int draw_normalize(GraphBuilder& b, int x, Values) {
  const auto rank = static_cast<int64_t>(b.shape(x).size());
  if (b.type(x) == DType::s32 || rank < 1) return kNone;
  std::vector<int64_t> ints{b.rng.chance(0.6) ? -1 : b.rng.range(-rank, rank - 1), b.rng.below(3)};
  std::vector<float> floats{b.rng.pick({1e-5F, 1e-12F, 0.5F})};
  for (int i = 0; i < 4; ++i) {
    const int64_t type = b.rng.chance(0.5) ? 0 : b.rng.below(3);
    ints.push_back(type);
    ints.push_back(type == 2 ? b.rng.range(-128, 127) : type == 1 ? b.rng.range(0, 40) : 0);
    floats.push_back(static_cast<float>(std::exp2(b.rng.uniform(-12, 2))));
  }
  ints.push_back(b.rng.below(2));
  return settle(b, b.add(NodeKind::normalize, {b.floats(x)}, ints, floats), 0.7);
}

// Nearest of codes or floats, linear of floats; by scales or by sizes.
int draw_resize(GraphBuilder& b, int x, Values) {
  if (b.type(x) == DType::s32 || b.shape(x).size() < 3 || b.shape(x).size() > 4) return kNone;
  const bool last = b.shape(x).size() == 4 && b.rng.chance(0.3);  // channels
  if (last) x = b.add(NodeKind::transpose, {x}, {0, 2, 3, 1});
  const Shape shape = b.shape(x);
  const bool linear = b.rng.chance(0.5);
  std::vector<int64_t> ints{linear ? 1 : 0, b.rng.below(6), b.rng.below(4)};
  std::vector<float> floats;
  const bool sizes = b.rng.chance(0.4);
  const float scale = b.rng.pick({2.0F, 2.0F, 0.5F, 1.5F, 3.0F, 0.7F});
  const bool all = b.rng.chance(0.06);  // of a network batch and channels stay
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool stays = !all && (i == 0 || i == (last ? size_t{3} : size_t{1}));
    if (sizes) {
      ints.push_back(stays ? 0 : b.rng.range(1, 2 * shape[i]));
    } else {
      floats.push_back(stays ? 1.0F : b.rng.chance(0.8) ? scale : static_cast<float>(b.rng.uniform(0.4, 2.5)));
    }
  }
  const bool codes = !linear && b.quantized(x) && b.rng.chance(0.5);
  int y = codes ? b.add(NodeKind::resize, {x}, ints, floats)
                : settle(b, b.add(NodeKind::resize, {b.floats(x)}, ints, floats));
  if (last && y != kNone && b.shape(y).size() == 4) y = b.add(NodeKind::transpose, {y}, {0, 3, 1, 2});
  return y;
}

}  // namespace

const std::vector<NamedBlock>& float_blocks() {
  static const std::vector<NamedBlock> kBlocks{
      {draw_chain, 8},   {draw_constant_operand, 3}, {draw_residual, 6},   {draw_gate, 3},     {draw_pool, 5},
      {draw_mean, 2},    {draw_softmax, 1.5},        {draw_layer_norm, 2}, {draw_resize, 2.5}, {draw_dynamic_layers, 4},
      {draw_arg_max, 1}, {draw_normalize, 2}};
  return kBlocks;
}

}  // namespace octile::testing
