// Values are calibrated as a quantizer would: parameters come from the numbers that occur.
// In/out: see graph_builder.h.  Not here: blocks of nodes.
#include "tests/support/graph_builder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace octile::testing {
namespace {

constexpr int64_t kMaxElements = 6000;  // of one value
constexpr int64_t kMaxMacs = 400'000;   // of one node

int64_t macs(const NodeDesc& node, const Shape& src, const Shape& out) {
  const OpSpec& s = node.spec;
  if (node.kind > NodeKind::dynamic) return 0;
  if (s.kind == OpKind::dense) return element_count(out) * src.back();
  if (s.kind != OpKind::conv2d) return 0;
  const bool transposed = node.kind == NodeKind::conv_transpose;
  const int64_t pixels = element_count(transposed ? src : out);
  return pixels * s.kh * s.kw * (transposed ? s.oc : s.ic) / s.g;
}

float special_float(Rng& rng) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  return rng.pick({kInf, -kInf, std::numeric_limits<float>::quiet_NaN(), -0.0F, 1e-40F, -3e-39F, 1e30F, -1e30F,
                   std::numeric_limits<float>::max(), std::numeric_limits<float>::min()});
}

void fill_floats(HostArray& a, Rng& rng) {
  const bool specials = rng.chance(0.125);
  const double size = rng.pick({2.0, 2.0, 2.0, 0.25, 20.0});
  for (int64_t i = 0; i < a.count(); ++i) {
    double v = size * rng.normal();
    if (rng.chance(0.1)) v = std::round(v * 16) / 32;  // ties where scales are powers of two
    a.as<float>()[i] = specials && rng.chance(0.05) ? special_float(rng) : static_cast<float>(v);
  }
}

void fill_codes(HostArray& a, int32_t zp, Rng& rng) {
  const int lo = qmin_of(a.type), hi = qmax_of(a.type);
  const auto how = rng.below(12);
  for (uint8_t& byte : a.bytes) {
    int32_t code = rng.code(lo, hi);
    if (how == 0) code = rng.pick({lo, hi});
    if (how == 1) code = rng.pick({zp, zp, std::clamp(zp + 1, lo, hi), lo, hi});
    if (how == 2) code = hi;
    if (how == 3) code = lo;
    if (how > 8) code = std::clamp(zp + static_cast<int32_t>(std::lround(20 * rng.normal())), lo, hi);
    byte = static_cast<uint8_t>(code);
  }
}

}  // namespace

HostArray draw_array(const ValueDesc& value, const Shape& shape, Rng& rng) {
  HostArray a(value.type, shape);
  if (value.type == DType::f32) {
    fill_floats(a, rng);
  } else if (value.type == DType::s32) {
    const bool extreme = rng.chance(0.2);
    for (int64_t i = 0; i < a.count(); ++i) {
      a.as<int32_t>()[i] =
          extreme && rng.chance(0.1) ? rng.pick({INT32_MIN, INT32_MAX, (1 << 24) + 1}) : rng.code(-30000, 30000);
    }
  } else {
    fill_codes(a, value.zp, rng);
  }
  return a;
}

GraphBuilder::GraphBuilder(uint64_t seed, int64_t size)
    : rng(seed), size_(size), prefers_signed_(rng.chance(0.4)), powers_of_two_(rng.chance(0.2)) {}

int GraphBuilder::value(DType type, float scale, int32_t zp, HostArray array) {
  ValueDesc v;
  v.name = "v" + std::to_string(graph_.values.size());
  v.type = type;
  v.scale = scale;
  v.zp = zp;
  graph_.values.push_back(std::move(v));
  arrays_.push_back(std::move(array));
  readers_.push_back(0);
  return static_cast<int>(graph_.values.size()) - 1;
}

int GraphBuilder::input(DType type, const Shape& shape) {
  QuantParams p;
  if (size_of(type) == 1) {
    p = params_for({-3.0F, 3.0F});
    p.zp = type == p.type ? p.zp : p.zp + (type == DType::s8 ? -128 : 128);
  }
  const int v = value(type, p.scale, p.zp, {});
  Rng data(mix(rng.next()));
  arrays_.back() = draw_array(desc(v), shape, data);
  graph_.inputs.push_back(v);
  return v;
}

int GraphBuilder::constant(const Shape& shape, const std::vector<float>& values) {
  HostArray a(DType::f32, shape);
  std::memcpy(a.bytes.data(), values.data(), a.bytes.size());
  const int v = value(DType::f32, 1.0F, 0, a);
  graph_.values.back().constant = true;
  graph_.values.back().dims = shape;
  graph_.values.back().data = std::move(a.bytes);
  return v;
}

int GraphBuilder::indices(const Shape& shape, const std::vector<int32_t>& values) {
  HostArray a(DType::s32, shape);
  std::memcpy(a.bytes.data(), values.data(), a.bytes.size());
  const int v = value(DType::s32, 1.0F, 0, a);
  graph_.values.back().constant = true;
  graph_.values.back().dims = shape;
  graph_.values.back().data = std::move(a.bytes);
  return v;
}

int GraphBuilder::add(NodeDesc node, std::vector<int> inputs, const QuantParams& out) {
  std::vector<Shape> shapes;
  std::vector<const HostArray*> operands;
  for (int v : inputs) {
    if (v == kNone) return kNone;
    operands.push_back(&array(v));
    shapes.push_back(shape(v));
  }
  const Result<Shape> made = infer_shape(node, shapes);
  if (!made.ok() || too_large(node, shapes[0], *made)) return kNone;
  Result<HostArray> result = interpret_node(node, operands, out.type);
  if (!result.ok()) return kNone;
  const size_t before = graph_.values.size();
  node.name = "n" + std::to_string(graph_.nodes.size());
  node.inputs = std::move(inputs);
  node.output = value(out.type, out.scale, out.zp, std::move(*result));
  graph_.nodes.push_back(std::move(node));
  if (!validate(graph_).ok()) {  // a kind that does not take these types
    graph_.nodes.pop_back();
    graph_.values.resize(before);
    arrays_.resize(before);
    readers_.resize(before);
    return kNone;
  }
  for (int v : graph_.nodes.back().inputs) ++readers_[static_cast<size_t>(v)];
  return graph_.nodes.back().output;
}

int GraphBuilder::add(NodeKind kind, std::vector<int> inputs, std::vector<int64_t> ints, std::vector<float> floats) {
  if (inputs[0] == kNone) return kNone;
  NodeDesc node;
  node.kind = kind;
  node.ints = std::move(ints);
  node.floats = std::move(floats);
  const ValueDesc& like = desc(inputs[0]);
  return add(std::move(node), std::move(inputs), {like.type, like.scale, like.zp});
}

int GraphBuilder::quantize(int v, const QuantParams& to) {
  if (v == kNone) return kNone;
  NodeDesc node;
  node.spec.kind = OpKind::quantize;
  node.spec.src = DType::f32;
  node.spec.dst = to.type;
  node.spec.dst_zp = to.zp != 0 || rng.chance(0.5);
  node.quant.dst_scale = to.scale;
  node.quant.dst_zp = to.zp;
  set_clamp(node.quant, to.type, Post::none, 0, 0);
  return add(std::move(node), {v}, to);
}

int GraphBuilder::dequantize(int v) {
  if (v == kNone) return kNone;
  NodeDesc node;
  node.spec.kind = OpKind::dequantize;
  node.spec.src = type(v);
  node.spec.dst = DType::f32;
  node.spec.src_zp = desc(v).zp != 0 || rng.chance(0.5);
  node.quant.src_scale = desc(v).scale;
  node.quant.src_zp = desc(v).zp;
  return add(std::move(node), {v}, {DType::f32, 1.0F, 0});
}

QuantParams GraphBuilder::params_for(Range range) {
  QuantParams p;
  p.type = rng.chance(0.1) != prefers_signed_ ? DType::s8 : DType::u8;
  double lo = std::min(range.lo, 0.0F), hi = std::max(range.hi, 0.0F);
  const bool symmetric = p.type == DType::s8 && rng.chance(0.4);
  if (symmetric) hi = std::max(hi, -lo), lo = -hi;
  double scale = (hi - lo) / 255.0 * rng.pick({1.0, 1.0, 1.0, 1.0, 1.0, 0.4, 2.5});
  if (powers_of_two_) scale = std::exp2(std::round(std::log2(scale)));
  if (!(scale > 1e-30 && scale < 1e30)) scale = 0.02;
  if (rng.chance(0.01)) scale = rng.pick({1e-39, 1e-20, 1e20});
  p.scale = static_cast<float>(scale);
  const double zp = qmin_of(p.type) - lo / scale;
  p.zp = static_cast<int32_t>(std::clamp(std::round(zp), double(qmin_of(p.type)), double(qmax_of(p.type))));
  if (symmetric) p.zp = 0;
  if (rng.chance(0.1)) p.zp = rng.code(qmin_of(p.type), qmax_of(p.type));
  return p;
}

GraphBuilder::Range GraphBuilder::range_of(int v) const {
  Range r;
  if (v == kNone) return r;
  const HostArray& a = array(v);
  for (int64_t i = 0; i < a.count(); ++i) {
    const float x = a.as<float>()[i];
    if (std::isfinite(x)) r.lo = std::min(r.lo, x), r.hi = std::max(r.hi, x);
  }
  return r;
}

Result<HostArray> GraphBuilder::accumulators(NodeDesc node, const std::vector<int>& inputs) const {
  node.spec.dst = DType::s32;
  node.spec.dst_zp = false;
  node.spec.post = Post::none;
  node.quant.dst_zp = 0;
  std::vector<const HostArray*> operands;
  std::vector<Shape> shapes;
  for (int v : inputs) {
    operands.push_back(&array(v));
    shapes.push_back(shape(v));
  }
  OCTILE_ASSIGN_OR_RETURN(const Shape made, infer_shape(node, shapes));
  if (too_large(node, shapes[0], made)) return Status(Code::invalid_argument, "too much work");
  return interpret_node(node, operands, DType::s32);
}

bool GraphBuilder::too_large(const NodeDesc& node, const Shape& src, const Shape& out) const {
  return element_count(out) > kMaxElements * size_ || macs(node, src, out) > kMaxMacs * size_;
}

GraphDesc GraphBuilder::finish(const std::string& name) {
  graph_.name = name;
  std::vector<bool> made(graph_.values.size(), false);
  for (const NodeDesc& node : graph_.nodes) made[static_cast<size_t>(node.output)] = true;
  for (size_t v = 0; v < graph_.values.size(); ++v) {
    if (made[v] && (readers_[v] == 0 || rng.chance(0.08))) graph_.outputs.push_back(static_cast<int>(v));
  }
  std::erase_if(graph_.inputs, [&](int v) { return readers_[static_cast<size_t>(v)] == 0; });
  return std::move(graph_);
}

}  // namespace octile::testing
