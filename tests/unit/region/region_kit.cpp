// The kit's builders and its oracle walk.
// In/out: see region_kit.h.  Not here: any code of runtime/region but the interface under test.
#include "region_kit.h"

#include <cmath>
#include <cstdlib>
#include <thread>

#include "workload/graph/interpreter.h"

namespace octile::runtime::test {
namespace {

int64_t count(const Shape& shape) {
  int64_t n = 1;
  for (int64_t e : shape) n *= e;
  return n;
}

// NCHW to NHWC (or back) for elements of any size.
std::vector<uint8_t> turn(const std::vector<uint8_t>& from, int64_t n, int64_t c, int64_t p, size_t size,
                          bool to_nhwc) {
  std::vector<uint8_t> out(from.size());
  for (int64_t b = 0; b < n; ++b)
    for (int64_t i = 0; i < c; ++i)
      for (int64_t j = 0; j < p; ++j) {
        const auto planar = static_cast<size_t>((b * c + i) * p + j) * size;
        const auto pixels = static_cast<size_t>((b * p + j) * c + i) * size;
        std::memcpy(&out[to_nhwc ? pixels : planar], &from[to_nhwc ? planar : pixels], size);
      }
  return out;
}

void same_pads(const std::string& mode, int64_t in, int64_t reach, int64_t stride, int64_t& before, int64_t& after) {
  int64_t total = 0;
  const auto out = static_cast<int64_t>(std::ceil(static_cast<double>(in) / static_cast<double>(stride)));
  while ((in + total - reach) / stride + 1 < out || in + total < reach) ++total;
  before = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
  after = total - before;
}

HostValue expect_conv(const NodeDesc& node, const HostValue& src) {
  OpSpec s = node.spec;
  const bool two = node.spatial_rank == 2;
  s.mb = src.shape[0];
  s.ih = two ? src.shape[2] : 1;
  s.iw = src.shape.back();
  if (node.auto_pad == "VALID") s.pt = s.pl = s.pb = s.pr = 0;
  if (node.auto_pad.starts_with("SAME")) {
    if (two) same_pads(node.auto_pad, s.ih, s.dh * (s.kh - 1) + 1, s.sh, s.pt, s.pb);
    same_pads(node.auto_pad, s.iw, s.dw * (s.kw - 1) + 1, s.sw, s.pl, s.pr);
  }
  HostValue out{s.dst, {s.mb, s.oc}, {}};
  if (two) out.shape.push_back(s.oh());
  out.shape.push_back(s.ow());
  const std::vector<uint8_t> pixels = turn(src.bytes, s.mb, s.ic, s.ih * s.iw, 1, true);
  const auto size = static_cast<size_t>(size_of(s.dst));
  std::vector<uint8_t> result(static_cast<size_t>(s.dst_elements()) * size);
  if (s.mb == 0) return out;
  const Status st = reference::run(s, node.quant, pixels.data(), node.wei.data(), result.data());
  EXPECT_TRUE(st.ok()) << st.to_string();
  out.bytes = turn(result, s.mb, s.oc, s.oh() * s.ow(), size, false);
  return out;
}

// One matrix product per element of the broadcast leading axes.
HostValue expect_dense(const NodeDesc& node, const HostValue& a, const HostValue* b) {
  OpSpec s = node.spec;
  const Shape wei_shape = b == nullptr ? Shape{s.k, s.n} : b->shape;
  s.k = wei_shape[wei_shape.size() - 2];
  s.n = wei_shape.back();
  s.m = a.shape[a.shape.size() - 2];
  const size_t rank = std::max(a.shape.size(), wei_shape.size());
  HostValue out{s.dst, Shape(rank, 1), {}};
  const auto axis = [&](const Shape& t, size_t i) { return i + t.size() < rank ? 1 : t[i + t.size() - rank]; };
  for (size_t i = 0; i + 2 < rank; ++i) out.shape[i] = std::max(axis(a.shape, i), axis(wei_shape, i));
  out.shape[rank - 2] = s.m;
  out.shape[rank - 1] = s.n;
  const auto size = static_cast<size_t>(size_of(s.dst));
  out.bytes.resize(static_cast<size_t>(count(out.shape)) * size);
  const uint8_t* wei = b == nullptr ? node.wei.data() : b->bytes.data();
  for (int64_t p = 0; p < count(out.shape) / (s.m * s.n); ++p) {
    int64_t ai = 0, bi = 0, rest = p, inner = count(out.shape) / (s.m * s.n);
    for (size_t i = 0; i + 2 < rank; ++i) {
      inner /= out.shape[i];
      const int64_t index = rest / inner;
      rest %= inner;
      ai = ai * axis(a.shape, i) + (axis(a.shape, i) == 1 ? 0 : index);
      bi = bi * axis(wei_shape, i) + (axis(wei_shape, i) == 1 ? 0 : index);
    }
    const Status st = reference::run(s, node.quant, a.bytes.data() + ai * s.m * s.k, wei + bi * s.k * s.n,
                                     out.bytes.data() + static_cast<size_t>(p * s.m * s.n) * size);
    EXPECT_TRUE(st.ok()) << st.to_string();
  }
  return out;
}

HostValue expect_elementwise(const NodeDesc& node, const HostValue& src) {
  OpSpec s = node.spec;
  HostValue out{s.dst, src.shape, {}};
  const int64_t n = count(src.shape);
  out.bytes.resize(static_cast<size_t>(n * size_of(s.dst)));
  if (!s.mult_per_c) s.c = 1;
  s.m = n / s.c;
  if (n == 0) return out;
  if (!s.mult_per_c) {
    EXPECT_TRUE(reference::run(s, node.quant, src.bytes.data(), nullptr, out.bytes.data()).ok());
    return out;
  }
  const auto in_size = static_cast<size_t>(size_of(s.src)), out_size = static_cast<size_t>(size_of(s.dst));
  const int64_t images = src.shape[0], pixels = n / images / s.c;
  const std::vector<uint8_t> turned = turn(src.bytes, images, s.c, pixels, in_size, true);
  EXPECT_TRUE(reference::run(s, node.quant, turned.data(), nullptr, out.bytes.data()).ok());
  out.bytes = turn(out.bytes, images, s.c, pixels, out_size, false);
  return out;
}

}  // namespace

OpSpec filter(int64_t ic, int64_t oc, int64_t k, int64_t pad, int64_t stride) {
  OpSpec s;
  s.ic = ic;
  s.oc = oc;
  s.kh = s.kw = k;
  s.sh = s.sw = stride;
  s.pt = s.pl = s.pb = s.pr = pad;
  return s;
}

int Kit::value(DType type, float scale, int32_t zp) {
  desc.values.push_back({"v" + std::to_string(desc.values.size()), type, scale, zp});
  return static_cast<int>(desc.values.size()) - 1;
}

int Kit::input(DType type, float scale, int32_t zp) {
  desc.inputs.push_back(value(type, scale, zp));
  return desc.inputs.back();
}

int Kit::add(NodeDesc node, DType dst, float scale, int32_t zp) {
  const ValueDesc& src = desc.values[static_cast<size_t>(node.inputs[0])];
  node.name = "n" + std::to_string(desc.nodes.size());
  OpSpec& s = node.spec;
  OpQuant& q = node.quant;
  s.src = src.type;
  s.dst = dst;
  if (size_of(src.type) == 1) {
    q.src_scale = src.scale;
    q.src_zp = src.zp;
  }
  s.src_zp = q.src_zp != 0;
  s.dst_zp = zp != 0;
  q.dst_scale = scale;
  q.dst_zp = zp;
  q.clamp_lo = qmin_of(dst);
  q.clamp_hi = qmax_of(dst);
  node.output = value(dst, scale, zp);
  desc.nodes.push_back(std::move(node));
  return desc.nodes.back().output;
}

int Kit::conv(int src, const OpSpec& spec, DType dst, int32_t dst_zp, int spatial_rank, const std::string& auto_pad) {
  NodeDesc node;
  node.spec = spec;
  node.spec.kind = OpKind::conv2d;
  node.spatial_rank = spatial_rank;
  node.auto_pad = auto_pad;
  node.inputs = {src};
  const float src_scale = desc.values[static_cast<size_t>(src)].scale;
  const int64_t depth = spec.ic / spec.g * spec.kh * spec.kw;
  node.wei.resize(static_cast<size_t>(spec.oc * depth));
  for (uint8_t& w : node.wei) w = static_cast<uint8_t>(random_());
  node.spec.wei_per_oc = spec.oc > 1;
  node.quant.wei_scale.clear();
  for (int64_t o = 0; o < spec.oc; ++o) {
    node.quant.wei_scale.push_back(0.01F + 0.001F * static_cast<float>(random_() % 8));
    if (dst != DType::s32) node.quant.bias.push_back(static_cast<int32_t>(random_() % 4001) - 2000);
  }
  node.spec.bias = !node.quant.bias.empty();
  const float spread = 5500.0F * std::sqrt(static_cast<float>(depth));
  return add(std::move(node), dst, src_scale * 0.013F * spread / 45.0F, dst_zp);
}

int Kit::dense(int src, int64_t k, int64_t n, DType dst, int32_t dst_zp) {
  NodeDesc node;
  node.spec.kind = OpKind::dense;
  node.spec.k = k;
  node.spec.n = n;
  node.inputs = {src};
  node.wei.resize(static_cast<size_t>(k * n));
  for (uint8_t& w : node.wei) w = static_cast<uint8_t>(random_());
  const float scale = desc.values[static_cast<size_t>(src)].scale * 5500.0F * std::sqrt(static_cast<float>(k)) / 45.0F;
  return add(std::move(node), dst, scale, dst_zp);
}

int Kit::matmul(int a, int b, int64_t k, int64_t n, DType dst, int32_t dst_zp) {
  const ValueDesc& wei = desc.values[static_cast<size_t>(b)];
  NodeDesc node;
  node.spec.kind = OpKind::dense;
  node.spec.k = k;
  node.spec.n = n;
  node.spec.wei_var = true;
  node.spec.wei = wei.type;
  node.spec.wei_zp = wei.zp != 0;
  node.quant.wei_zp = {wei.zp};
  node.quant.wei_scale = {wei.scale};
  node.inputs = {a, b};
  const float scale =
      desc.values[static_cast<size_t>(a)].scale * wei.scale * 5500.0F * std::sqrt(static_cast<float>(k)) / 45.0F;
  return add(std::move(node), dst, scale, dst_zp);
}

int Kit::quantize(int src, DType dst, float scale, int32_t zp) {
  NodeDesc node;
  node.spec.kind = OpKind::quantize;
  node.inputs = {src};
  return add(std::move(node), dst, scale, zp);
}

int Kit::node(NodeKind kind, const std::vector<int>& inputs, std::vector<int64_t> ints, std::vector<float> floats) {
  NodeDesc made;
  made.name = "n" + std::to_string(desc.nodes.size());
  made.kind = kind;
  made.inputs = inputs;
  made.ints = std::move(ints);
  made.floats = std::move(floats);
  const ValueDesc like = desc.values[static_cast<size_t>(inputs[0])];
  made.output = value(like.type, like.scale, like.zp);
  desc.nodes.push_back(std::move(made));
  return desc.nodes.back().output;
}

int Kit::dequantize(int src) {
  NodeDesc node;
  node.spec.kind = OpKind::dequantize;
  node.inputs = {src};
  return add(std::move(node), DType::f32, 1.0F, 0);
}

int Kit::requantize(int src, DType dst, float scale, int32_t zp, int64_t channels) {
  NodeDesc node;
  node.spec.kind = OpKind::requantize;
  node.inputs = {src};
  if (channels > 0) {
    node.spec.mult_per_c = true;
    node.spec.c = channels;
    node.quant.wei_scale.clear();
    for (int64_t c = 0; c < channels; ++c) {
      node.quant.wei_scale.push_back(0.5F + 0.01F * static_cast<float>(random_() % 100));
    }
  }
  return add(std::move(node), dst, scale, zp);
}

HostValue Kit::draw(int v, const Shape& shape) {
  const DType type = desc.values[static_cast<size_t>(v)].type;
  HostValue out{type, shape, std::vector<uint8_t>(static_cast<size_t>(count(shape) * size_of(type)))};
  if (type == DType::f32) {
    std::normal_distribution<float> normal(0.0F, 2.0F);
    for (size_t i = 0; i < out.bytes.size(); i += sizeof(float)) {
      const float f = random_() % 50 == 0 ? 0.5F * 0.02F * static_cast<float>(random_() % 256) : normal(random_);
      std::memcpy(&out.bytes[i], &f, sizeof f);
    }
  } else if (type == DType::s32) {
    for (size_t i = 0; i < out.bytes.size(); i += sizeof(int32_t)) {
      const auto q = static_cast<int32_t>(random_() % 20001) - 10000;
      std::memcpy(&out.bytes[i], &q, sizeof q);
    }
  } else {
    for (uint8_t& b : out.bytes) b = static_cast<uint8_t>(random_());
  }
  return out;
}

std::vector<HostValue> Kit::expect(const std::vector<HostValue>& inputs) const {
  std::vector<HostValue> values(desc.values.size());
  for (size_t i = 0; i < inputs.size(); ++i) values[static_cast<size_t>(desc.inputs[i])] = inputs[i];
  for (const NodeDesc& node : desc.nodes) {
    const HostValue& src = values[static_cast<size_t>(node.inputs[0])];
    HostValue& dst = values[static_cast<size_t>(node.output)];
    if (node.spec.kind == OpKind::conv2d) {
      dst = expect_conv(node, src);
    } else if (node.spec.kind == OpKind::dense) {
      dst = expect_dense(node, src, node.inputs.size() > 1 ? &values[static_cast<size_t>(node.inputs[1])] : nullptr);
    } else {
      dst = expect_elementwise(node, src);
    }
  }
  return values;
}

RunResult run_region(const Region& region, const RegionDesc& desc, std::vector<HostValue> inputs,
                     const Parallel& parallel) {
  constexpr size_t kCanaries = 64;
  struct Storage {
    const RegionDesc* desc;
    std::vector<HostValue> outputs;
  } storage{&desc, std::vector<HostValue>(desc.outputs.size())};
  OutputAllocator allocator{&storage, [](void* context, size_t index, const Shape& shape) -> void* {
                              auto& s = *static_cast<Storage*>(context);
                              HostValue& out = s.outputs[index];
                              out.type = s.desc->values[static_cast<size_t>(s.desc->outputs[index])].type;
                              out.shape = shape;
                              const auto bytes = static_cast<size_t>(count(shape) * size_of(out.type));
                              out.bytes.assign(bytes + kCanaries, 0xA5);
                              return out.bytes.data();
                            }};
  std::vector<HostTensor> tensors;
  for (HostValue& v : inputs) tensors.push_back({v.bytes.data(), v.shape});
  RunResult result{region.run(tensors, allocator, parallel), std::move(storage.outputs)};
  if (!result.status.ok()) return result;
  for (HostValue& out : result.outputs) {
    for (size_t i = out.bytes.size() - kCanaries; i < out.bytes.size(); ++i) EXPECT_EQ(out.bytes[i], 0xA5);
    out.bytes.resize(out.bytes.size() - kCanaries);
  }
  return result;
}

Parallel test_threads(int threads) {
  Parallel p;
  p.threads = threads;
  p.least = 0;  // also small nets
  p.run = [](void*, Parallel::Task task, void* arg, size_t n) {
    std::thread other([&] {
      for (size_t i = 1; i < n; i += 2) task(arg, i);
    });
    for (size_t i = 0; i < n; i += 2) task(arg, i);
    other.join();
  };
  return p;
}

std::shared_ptr<const KernelLibrary> library_of(Isa best) {
  auto library = std::make_shared<KernelLibrary>();
  if (const char* pack = std::getenv("OCTILE_TEST_PACK"); pack != nullptr) {
    const Status st = library->add_pack(pack, best);
    EXPECT_TRUE(st.ok()) << st.to_string();
  }
  return library;
}

std::unique_ptr<Region> make(const RegionDesc& desc, Isa best, int threads) {
  auto region = Region::create(library_of(best), best, desc, threads);
  EXPECT_TRUE(region.ok()) << region.status().to_string();
  return region.ok() ? std::move(*region) : nullptr;
}

void check(Kit& kit, const Region& region, const std::vector<Shape>& shapes, const Parallel& parallel) {
  std::vector<HostValue> inputs;
  for (size_t i = 0; i < shapes.size(); ++i) inputs.push_back(kit.draw(kit.desc.inputs[i], shapes[i]));
  const RunResult result = run_region(region, kit.desc, inputs, parallel);
  ASSERT_TRUE(result.status.ok()) << result.status.to_string();
  const std::vector<HostValue> expected = kit.expect(inputs);
  for (size_t i = 0; i < result.outputs.size(); ++i) {
    const HostValue& want = expected[static_cast<size_t>(kit.desc.outputs[i])];
    ASSERT_EQ(result.outputs[i].shape, want.shape) << "output " << i;
    ASSERT_EQ(result.outputs[i].bytes.size(), want.bytes.size());
    for (size_t b = 0; b < want.bytes.size(); ++b) {
      ASSERT_EQ(int{result.outputs[i].bytes[b]}, int{want.bytes[b]}) << "output " << i << ", byte " << b;
    }
  }
}

void check(Kit& kit, const std::vector<Shape>& shapes) {
  const std::unique_ptr<Region> region = make(kit.desc);
  ASSERT_NE(region, nullptr);
  check(kit, *region, shapes);
}

void equals_interpreter(Kit& kit, const std::vector<Shape>& shapes, const Parallel& parallel) {
  const std::unique_ptr<Region> region = make(kit.desc, Isa::avx512vnni, parallel.threads);
  ASSERT_NE(region, nullptr);
  std::vector<HostValue> inputs;
  std::vector<HostArray> arrays;
  for (size_t i = 0; i < shapes.size(); ++i) {
    inputs.push_back(kit.draw(kit.desc.inputs[i], shapes[i]));
    arrays.emplace_back(inputs.back().type, shapes[i]).bytes = inputs.back().bytes;
  }
  const RunResult got = run_region(*region, kit.desc, inputs, parallel);
  ASSERT_TRUE(got.status.ok()) << got.status.to_string();
  const auto want = interpret(kit.desc, arrays);
  ASSERT_TRUE(want.ok()) << want.status().to_string();
  for (size_t i = 0; i < want->size(); ++i) {
    EXPECT_EQ(got.outputs[i].shape, (*want)[i].dims);
    EXPECT_EQ(got.outputs[i].bytes, (*want)[i].bytes) << "output " << i;
  }
}

}  // namespace octile::runtime::test
