// Convolutions and dense ops of every kind, what follows an accumulator, attention.
// In/out: see random_blocks.h.  Not here: float operators alone.
#include <algorithm>
#include <cmath>

#include "tests/support/random_blocks.h"

namespace octile::testing {
namespace {

using Values = const std::vector<int>&;

void draw_weights(GraphBuilder& b, NodeDesc& node, int64_t elements) {
  OpSpec& s = node.spec;
  if (b.rng.chance(0.25)) s.wei = DType::u8;
  const auto how = b.rng.below(8);
  for (int64_t i = 0; i < elements; ++i) {
    const auto bell = static_cast<int32_t>(std::lround(std::clamp(40 * b.rng.normal(), -127.0, 127.0)));
    int32_t w = how < 3 ? b.rng.code(-128, 127) : how == 3 ? b.rng.pick({-128, 127, 0}) : bell;
    if (s.wei == DType::u8) w += 128;
    node.wei.push_back(static_cast<uint8_t>(w));
  }
  s.wei_zp = s.wei == DType::u8 || b.rng.chance(0.1);
}

// Zero points and scales of constant weights, biases.
void draw_channels(GraphBuilder& b, NodeDesc& node, int64_t channels) {
  OpSpec& s = node.spec;
  OpQuant& q = node.quant;
  s.wei_per_oc = b.rng.chance(0.6);
  q.wei_scale.clear();
  q.wei_zp.clear();
  const int32_t middle = s.wei == DType::u8 ? 128 : 0;
  const bool odd = s.wei_zp && b.rng.chance(0.5);
  for (int64_t c = 0; c < (s.wei_per_oc ? channels : 1); ++c) {
    q.wei_scale.push_back(static_cast<float>(b.rng.log_uniform(0.002, 0.02)));
    q.wei_zp.push_back(odd ? std::clamp(middle + b.rng.code(-20, 20), qmin_of(s.wei), qmax_of(s.wei)) : middle);
  }
  s.bias = b.rng.chance(0.6);
  for (int64_t c = 0; s.bias && c < channels; ++c) q.bias.push_back(b.rng.code(-4000, 4000));
}

void draw_post(GraphBuilder& b, NodeDesc& node, QuantParams& to) {
  OpSpec& s = node.spec;
  s.post = b.rng.pick({Post::none, Post::none, Post::none, Post::relu, Post::relu, Post::relu6, Post::clip});
  const double size = 255.0 * to.scale;
  const auto lo = static_cast<float>(b.rng.uniform(-0.6, 0.2) * size);
  const auto hi = static_cast<float>(b.rng.uniform(0.1, 0.7) * size);
  set_clamp(node.quant, s.dst, s.post, lo, hi);
}

// The real numbers the accumulators stand for.
GraphBuilder::Range range_of(const NodeDesc& node, const HostArray& acc) {
  const OpQuant& q = node.quant;
  const bool conv = node.spec.kind == OpKind::conv2d;
  const int64_t channels = node.spec.channels();
  int64_t inner = 1;
  for (size_t i = 2; conv && i < acc.dims.size(); ++i) inner *= acc.dims[i];
  GraphBuilder::Range r;
  for (int64_t i = 0; i < acc.count(); ++i) {
    const auto c = static_cast<size_t>(i / inner % channels);
    const float x =
        static_cast<float>(acc.as<int32_t>()[i]) * q.src_scale * q.wei_scale[q.wei_scale.size() > 1 ? c : 0];
    r.lo = std::min(r.lo, x);
    r.hi = std::max(r.hi, x);
  }
  return r;
}

int64_t window_weights(const OpSpec& s) { return s.ic / s.g * s.oc * s.kh * s.kw; }

// At stride 1 the image keeps its extents.
void pad_same(OpSpec& s) {
  const int64_t ry = s.dh * (s.kh - 1), rx = s.dw * (s.kw - 1);
  s.pt = ry / 2, s.pb = ry - ry / 2, s.pl = rx / 2, s.pr = rx - rx / 2;
}

void draw_pads(GraphBuilder& b, NodeDesc& node) {
  OpSpec& s = node.spec;
  const int64_t ry = s.dh * (s.kh - 1), rx = s.dw * (s.kw - 1);
  switch (b.rng.below(7)) {
    case 0: break;
    case 1: node.auto_pad = b.rng.pick({"SAME_UPPER", "SAME_LOWER", "VALID"}); break;
    case 2:
      s.pt = b.rng.range(0, ry + 1), s.pb = b.rng.range(0, ry + 1);
      s.pl = b.rng.range(0, rx + 1), s.pr = b.rng.range(0, rx + 1);
      break;
    default: pad_same(s);
  }
  if (node.spatial_rank == 1) s.pt = s.pb = 0;
}

// Kernel, strides, dilations, pads and groups for a source of ic channels.
NodeDesc draw_window(GraphBuilder& b, int64_t ic, int spatial_rank) {
  NodeDesc node;
  OpSpec& s = node.spec;
  node.spatial_rank = spatial_rank;
  s.kind = OpKind::conv2d;
  s.ic = ic;
  s.kh = s.kw = b.rng.pick<int64_t>({1, 1, 3, 3, 3, 3, 5, 2, 7});
  if (b.rng.chance(0.15)) s.kw = b.rng.range(1, 5);
  s.sh = s.sw = b.rng.pick<int64_t>({1, 1, 1, 2, 2, 3});
  if (b.rng.chance(0.1)) s.sw = b.rng.range(1, 3);
  if (b.rng.chance(0.15)) s.dh = b.rng.range(1, 3), s.dw = b.rng.range(1, 3);
  if (spatial_rank == 1) s.kh = s.sh = s.dh = 1;
  draw_pads(b, node);
  const auto how = b.rng.below(10);
  if (how < 3) s.g = ic;  // depthwise
  if (how == 3 && ic % 2 == 0) s.g = 2;
  if (how == 4 && ic % 3 == 0) s.g = 3;
  s.oc = s.g * b.rng.range(1, std::max<int64_t>(1, 24 / s.g));
  if (s.g == ic && ic > 1) s.oc = b.rng.chance(0.8) ? ic : 2 * ic;
  if (s.g == 1 && b.rng.chance(0.15)) s.oc = b.rng.range(25, 70);
  return node;
}

bool image(const GraphBuilder& b, int x) {
  const size_t rank = b.shape(x).size();
  return b.quantized(x) && (rank == 3 || rank == 4) && b.shape(x)[1] <= 80;
}

int draw_conv(GraphBuilder& b, int x, Values) {
  if (!image(b, x)) return kNone;
  NodeDesc node = draw_window(b, b.shape(x)[1], static_cast<int>(b.shape(x).size()) - 2);
  draw_weights(b, node, window_weights(node.spec));
  draw_channels(b, node, node.spec.oc);
  return add_dot(b, std::move(node), {x}, b.rng.chance(0.12));
}

int draw_conv_transpose(GraphBuilder& b, int x, Values) {
  if (!image(b, x)) return kNone;
  NodeDesc node = draw_window(b, b.shape(x)[1], static_cast<int>(b.shape(x).size()) - 2);
  node.kind = NodeKind::conv_transpose;
  OpSpec& s = node.spec;
  if (b.rng.chance(0.3)) {  // upsampling as networks have it
    s.kh = s.kw = s.sh = s.sw = 2, s.dh = s.dw = 1, s.pt = s.pl = s.pb = s.pr = 0, node.auto_pad = "NOTSET";
    if (node.spatial_rank == 1) s.kh = s.sh = 1;
  }
  if (b.rng.chance(0.3)) {
    for (int i = 0; i < node.spatial_rank; ++i) {
      const int64_t stride = node.spatial_rank == 2 && i == 0 ? s.sh : s.sw;
      node.ints.push_back(b.rng.range(0, stride - 1));
    }
  }
  draw_weights(b, node, window_weights(s));
  draw_channels(b, node, s.oc);
  return add_dot(b, std::move(node), {x}, b.rng.chance(0.06));
}

int draw_dense(GraphBuilder& b, int x, Values) {
  if (!b.quantized(x) || b.shape(x).empty()) return kNone;
  return add_dense(b, x, b.rng.chance(0.15) ? b.rng.range(25, 80) : b.rng.range(1, 24), b.rng.chance(0.06));
}

// The last two axes exchanged.
int turned(GraphBuilder& b, int x) {
  const auto rank = std::ssize(b.shape(x));
  std::vector<int64_t> perm;
  for (int64_t i = 0; i < rank; ++i) perm.push_back(i < rank - 2 ? i : 2 * rank - 3 - i);
  return b.add(NodeKind::transpose, {x}, perm);
}

int add_matmul(GraphBuilder& b, int a, int w, bool accumulate = false) {
  if (a == kNone || w == kNone) return kNone;
  NodeDesc node;
  OpSpec& s = node.spec;
  s.kind = OpKind::dense;
  s.wei_var = true;
  s.k = b.shape(w)[b.shape(w).size() - 2];
  s.n = b.shape(w).back();
  s.wei = b.type(w);
  s.wei_zp = b.desc(w).zp != 0;
  node.quant.wei_scale = {b.desc(w).scale};
  node.quant.wei_zp = {b.desc(w).zp};
  return add_dot(b, std::move(node), {a, w}, accumulate);
}

// A product of two activations: with another value where one fits, else with itself, turned.
int draw_matmul(GraphBuilder& b, int x, Values others) {
  if (!b.quantized(x) || b.shape(x).size() < 2) return kNone;
  for (int tries = 0; tries < 4 && !others.empty(); ++tries) {
    const int w = others[static_cast<size_t>(b.rng.below(std::ssize(others)))];
    if (!b.quantized(w) || b.shape(w).size() < 2 || w == x) continue;
    if (b.shape(w)[b.shape(w).size() - 2] != b.shape(x).back()) continue;
    const int y = add_matmul(b, x, w, b.rng.chance(0.12));
    if (y != kNone) return y;
  }
  return b.rng.chance(0.5) ? add_matmul(b, x, turned(b, x)) : add_matmul(b, turned(b, x), x);
}

int draw_requantize(GraphBuilder& b, int x, Values) {
  if (b.type(x) == DType::f32) return kNone;
  const ValueDesc from = b.desc(x);
  NodeDesc node;
  OpSpec& s = node.spec;
  s.kind = OpKind::requantize;
  s.src = from.type;
  s.src_zp = from.zp != 0;
  node.quant.src_scale = from.scale;
  node.quant.src_zp = from.zp;
  const Shape& shape = b.shape(x);
  s.mult_per_c = !shape.empty() && from.type == DType::s32 && b.rng.chance(0.5);
  if (s.mult_per_c) {
    const int64_t axis = shape.size() == 1 ? 0 : b.rng.pick<int64_t>({1, -1});
    s.c = shape[static_cast<size_t>(axis < 0 ? axis + std::ssize(shape) : axis)];
    if (s.c < 1) return kNone;
    node.ints = {axis};
    node.quant.wei_scale.clear();
    for (int64_t c = 0; c < s.c; ++c) node.quant.wei_scale.push_back(static_cast<float>(b.rng.log_uniform(0.3, 2)));
  }
  const float reach = from.type == DType::s32 ? 20000.0F * from.scale : 128.0F * from.scale;
  QuantParams to = b.params_for({-reach, reach});
  s.dst = to.type;
  s.dst_zp = to.zp != 0;
  node.quant.dst_scale = to.scale;
  node.quant.dst_zp = to.zp;
  draw_post(b, node, to);
  return b.add(std::move(node), {x}, to);
}

// What a dynamically quantized network makes of an accumulator: a float, scaled by numbers known at run time or not.
int draw_cast(GraphBuilder& b, int x, Values others) {
  if (b.type(x) == DType::f32) return kNone;
  NodeDesc node;
  node.kind = NodeKind::cast;
  int f = b.add(std::move(node), {x}, {DType::f32, 1.0F, 0});
  const Shape one = b.rng.chance(0.5) ? Shape{} : Shape{1};
  int scale = kNone;
  for (int other : others) {
    if (b.type(other) == DType::f32 && b.shape(other) == one) scale = other;
  }
  if (scale == kNone) scale = b.constant(one, {static_cast<float>(b.rng.log_uniform(0.0005, 0.05))});
  f = b.add(NodeKind::mul, {f, scale});
  if (f != kNone && b.shape(f).size() > 1 && b.rng.chance(0.6)) {
    std::vector<float> bias;
    for (int64_t i = 0; i < b.shape(f).back(); ++i) bias.push_back(static_cast<float>(b.rng.normal()));
    f = b.add(NodeKind::add, {f, b.constant({b.shape(f).back()}, bias)});
  }
  return settle(b, f);
}

int ones(GraphBuilder& b, int64_t count) {
  return b.constant({count}, std::vector<float>(static_cast<size_t>(count), 1.0F));
}

// A product of floats that are quantized on the spot; sometimes added to those floats.
int draw_dynamic(GraphBuilder& b, int x, Values) {
  if (b.type(x) == DType::s32 || b.shape(x).empty()) return kNone;
  const int f = b.floats(x);
  const bool residual = b.shape(f).back() <= 80 && b.rng.chance(0.3);
  const int y = add_float_product(b, f, residual, !residual && b.rng.chance(0.4));
  if (!residual || y == kNone) return settle(b, y);
  const int sum = b.add(NodeKind::add, {y, f});
  return settle(b, b.rng.chance(0.5) ? b.add(NodeKind::layer_norm, {sum, ones(b, b.shape(f).back())}) : sum);
}

// [n, t, d] to heads [n, h, t, d/h], or with the last two axes turned for keys.
int split_heads(GraphBuilder& b, int x, int64_t heads, bool keys) {
  if (x == kNone) return kNone;
  const int64_t d = b.shape(x).back();
  const int y = b.add(NodeKind::reshape, {x}, {0, 0, heads, d / heads});
  return b.add(NodeKind::transpose, {y}, keys ? std::vector<int64_t>{0, 2, 3, 1} : std::vector<int64_t>{0, 2, 1, 3});
}

// A row or a matrix for all scores or for those of each image, some of it forbidding.
int mask_of(GraphBuilder& b, const Shape& scores) {
  Shape mask{b.rng.chance(0.5) ? 1 : scores[0], 1, b.rng.chance(0.5) ? 1 : scores[2], scores[3]};
  if (mask[0] == 1 && b.rng.chance(0.5)) mask.erase(mask.begin(), mask.begin() + 2);
  std::vector<float> values;
  for (int64_t i = 0; i < element_count(mask); ++i) {
    values.push_back(b.rng.chance(0.2) ? -1e4F : static_cast<float>(b.rng.normal()));
  }
  return b.constant(mask, values);
}

int draw_attention(GraphBuilder& b, int x, Values) {
  const Shape shape = b.shape(x);
  if (!b.quantized(x) || shape.size() != 3 || element_count(shape) > 800) return kNone;
  const int64_t heads = b.rng.range(1, 3), depth = heads * b.rng.range(2, 6);
  const int q = split_heads(b, add_dense(b, x, depth), heads, false);
  const int k = split_heads(b, add_dense(b, x, depth), heads, true);
  const int v = split_heads(b, add_dense(b, x, depth), heads, false);
  int scores = add_matmul(b, q, k);
  if (scores == kNone) return kNone;
  int f = b.dequantize(scores);
  const auto size = std::sqrt(static_cast<float>(depth / heads));
  f = b.rng.chance(0.5) ? b.add(NodeKind::div, {f, b.constant({}, {size})})
                        : b.add(NodeKind::mul, {f, b.constant({1}, {1.0F / size})});
  if (b.rng.chance(0.3)) f = b.add(NodeKind::add, {f, mask_of(b, b.shape(f))});
  if (b.rng.chance(0.5)) f = b.dequantize(b.quantize(f));
  f = b.add(NodeKind::softmax, {f}, {b.rng.pick<int64_t>({-1, 3})});
  int y = add_matmul(b, b.quantize(f), v);
  y = y == kNone ? kNone : b.add(NodeKind::transpose, {y}, {0, 2, 1, 3});
  y = y == kNone ? kNone : b.add(NodeKind::reshape, {y}, {0, 0, depth});
  if (y == kNone) return kNone;
  y = add_dense(b, y, shape.back());
  if (y == kNone) return kNone;
  y = b.quantize(b.add(NodeKind::add, {b.dequantize(y), b.dequantize(x)}));
  return y;
}

}  // namespace

int settle(GraphBuilder& b, int f, double quantized) {
  if (f == kNone) return kNone;
  return b.rng.chance(quantized) ? b.quantize(f) : f;
}

int add_dot(GraphBuilder& b, NodeDesc node, std::vector<int> inputs, bool accumulate) {
  OpSpec& s = node.spec;
  OpQuant& q = node.quant;
  const ValueDesc& src = b.desc(inputs[0]);
  s.src = src.type;
  s.src_zp = src.zp != 0;
  q.src_scale = src.scale;
  q.src_zp = src.zp;
  const Result<HostArray> acc = b.accumulators(node, inputs);
  if (!acc.ok()) return kNone;
  if (accumulate) {
    s.dst = DType::s32;
    q.clamp_lo = q.clamp_hi = 0;
    if (node.kind == NodeKind::spec && b.rng.chance(0.6)) {
      node.kind = NodeKind::scaled;
      return b.add(std::move(node), std::move(inputs), {DType::f32, 1.0F, 0});
    }
    return b.add(std::move(node), std::move(inputs), {DType::s32, src.scale * q.wei_scale[0], 0});
  }
  QuantParams to = b.params_for(range_of(node, *acc));
  s.dst = to.type;
  s.dst_zp = to.zp != 0 || b.rng.chance(0.3);
  q.dst_scale = to.scale;
  q.dst_zp = to.zp;
  draw_post(b, node, to);
  return b.add(std::move(node), std::move(inputs), to);
}

int add_dense(GraphBuilder& b, int x, int64_t n, bool accumulate) {
  if (x == kNone) return kNone;
  NodeDesc node;
  node.spec.kind = OpKind::dense;
  node.spec.k = b.shape(x).back();
  node.spec.n = n;
  if (node.spec.k < 1) return kNone;
  draw_weights(b, node, node.spec.k * n);
  draw_channels(b, node, n);
  return add_dot(b, std::move(node), {x}, accumulate);
}

int add_float_product(GraphBuilder& b, int f, bool keeps_shape, bool window) {
  if (f == kNone || b.shape(f).empty()) return kNone;
  const size_t rank = b.shape(f).size();
  NodeDesc node;
  node.spec.kind = OpKind::dense;
  node.spec.k = b.shape(f).back();
  node.spec.n = keeps_shape ? node.spec.k : b.rng.range(1, 24);
  if (window && (rank == 3 || rank == 4) && b.shape(f)[1] <= 80) {
    node = draw_window(b, b.shape(f)[1], static_cast<int>(rank) - 2);
    OpSpec& s = node.spec;
    if (keeps_shape) {
      s.sh = s.sw = 1;
      s.oc = s.ic;
      node.auto_pad = "NOTSET";
      pad_same(s);
    }
  }
  OpSpec& s = node.spec;
  const bool conv = s.kind == OpKind::conv2d;
  if (!conv && (s.k == 0 || s.k > 200)) return kNone;
  draw_weights(b, node, conv ? window_weights(s) : s.k * s.n);
  draw_channels(b, node, s.channels());
  if (b.rng.chance(0.4)) {
    const int codes = b.quantize(f);
    const ValueDesc src = b.desc(codes);
    node.kind = NodeKind::scaled;
    s.src = src.type;
    s.src_zp = src.zp != 0;
    node.quant.src_scale = src.scale;
    node.quant.src_zp = src.zp;
    s.dst = DType::s32;
    return b.add(std::move(node), {codes}, {DType::f32, 1.0F, 0});
  }
  node.kind = NodeKind::dynamic;
  s.bias = false;
  node.quant.bias.clear();
  s.src = DType::u8;
  s.src_zp = true;
  s.dst = DType::s32;
  if (b.rng.chance(0.6)) {
    for (int64_t c = b.rng.chance(0.2) ? 1 : s.channels(); c > 0; --c) {
      node.floats.push_back(static_cast<float>(b.rng.normal()));
    }
    if (b.rng.chance(0.2)) node.ints = {1};
  }
  return b.add(std::move(node), {f}, {DType::f32, 1.0F, 0});
}

int add_pointwise(GraphBuilder& b, int x, int64_t oc) {
  if (x == kNone || !image(b, x)) return kNone;
  NodeDesc node;
  node.spatial_rank = static_cast<int>(b.shape(x).size()) - 2;
  node.spec.kind = OpKind::conv2d;
  node.spec.ic = b.shape(x)[1];
  node.spec.oc = oc;
  draw_weights(b, node, node.spec.ic * oc);
  draw_channels(b, node, oc);
  return add_dot(b, std::move(node), {x});
}

const std::vector<NamedBlock>& dot_blocks() {
  static const std::vector<NamedBlock> kBlocks{{draw_conv, 8},      {draw_conv_transpose, 1.5}, {draw_dense, 4},
                                               {draw_matmul, 2},    {draw_requantize, 1},       {draw_cast, 1},
                                               {draw_dynamic, 1.5}, {draw_attention, 3}};
  return kBlocks;
}

}  // namespace octile::testing
