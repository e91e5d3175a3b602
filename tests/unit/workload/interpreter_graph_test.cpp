// Spec nodes and whole graphs in the interpreter, and what it refuses.
// In:  literals.  Out: assertions.
// Not here: single float nodes.
#include "tests/unit/workload/graph_kit.h"

namespace octile::test {
namespace {

NodeDesc spec_node(OpKind kind, DType src, DType dst) {
  NodeDesc n = node(NodeKind::spec);
  n.spec.kind = kind;
  n.spec.src = src;
  n.spec.dst = dst;
  return n;
}

template <class T>
std::vector<uint8_t> bytes(const std::vector<T>& v) {
  std::vector<uint8_t> out(v.size() * sizeof(T));
  std::memcpy(out.data(), v.data(), out.size());
  return out;
}

HostArray answer(const NodeDesc& n, const std::vector<HostArray>& in) {
  std::vector<const HostArray*> operands;
  for (const HostArray& a : in) operands.push_back(&a);
  Result<HostArray> out = interpret_node(n, operands, n.spec.dst);
  EXPECT_TRUE(out.ok()) << out.status().to_string();
  return out.ok() ? std::move(*out) : HostArray();
}

// ONNX's basic_conv_with_padding and conv_with_strides_and_asymmetric_padding, as integers.
TEST(InterpreterSpec, ConvAsOnnxHasIt) {
  HostArray x(DType::u8, {1, 1, 5, 5});
  for (size_t i = 0; i < 25; ++i) x.bytes[i] = static_cast<uint8_t>(i);
  NodeDesc n = spec_node(OpKind::conv2d, DType::u8, DType::s32);
  n.spec.kh = n.spec.kw = 3;
  n.spec.pt = n.spec.pl = n.spec.pb = n.spec.pr = 1;
  n.wei.assign(9, 1);
  EXPECT_EQ(values<int32_t>(answer(n, {x})),
            (std::vector<int32_t>{12,  21, 27, 33,  24,  33,  54,  63, 72,  51,  63,  99, 108,
                                  117, 81, 93, 144, 153, 162, 111, 72, 111, 117, 123, 84}));
  n.auto_pad = "SAME_LOWER";
  n.spec.pt = n.spec.pl = n.spec.pb = n.spec.pr = 0;
  n.spec.sh = n.spec.sw = 2;
  EXPECT_EQ(values<int32_t>(answer(n, {x})), (std::vector<int32_t>{12, 27, 24, 63, 108, 81, 72, 117, 84}));
}

// Two channels in, two out: the interpreter turns layouts on the way.
TEST(InterpreterSpec, ConvOfChannels) {
  NodeDesc n = spec_node(OpKind::conv2d, DType::s8, DType::s8);
  n.spec.ic = n.spec.oc = 2;
  n.spatial_rank = 1;
  n.quant.clamp_lo = -128;
  n.quant.clamp_hi = 127;
  n.wei = bytes<int8_t>({1, 2, -3, 4});
  const HostArray y = answer(n, {array<int8_t>({1, 2, 3}, {1, 2, 3, 10, 20, 30})});
  EXPECT_EQ(values<int8_t>(y), (std::vector<int8_t>{21, 42, 63, 37, 74, 111}));
  n.wei.pop_back();
  EXPECT_FALSE(refusal(n, {array<int8_t>({1, 2, 3}, {1, 2, 3, 10, 20, 30})}).ok());
}

// Answers of ONNX's reference evaluator.
TEST(InterpreterSpec, ConvTranspose) {
  NodeDesc n = spec_node(OpKind::conv2d, DType::u8, DType::s32);
  n.kind = NodeKind::conv_transpose;
  n.spec.ic = 1;
  n.spec.oc = 2;
  n.spec.kh = n.spec.kw = 3;
  n.wei.assign(18, 1);
  const HostArray x = array<uint8_t>({1, 1, 3, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8});
  const std::vector<int32_t> y = values<int32_t>(answer(n, {x}));
  const std::vector<int32_t> half{0,  1,  3, 3,  2,  3,  8,  15, 12, 7,  9,  21, 36,
                                  27, 15, 9, 20, 33, 24, 13, 6,  13, 21, 15, 8};
  EXPECT_EQ((std::vector<int32_t>(y.begin(), y.begin() + 25)), half);
  EXPECT_EQ((std::vector<int32_t>(y.begin() + 25, y.end())), half);

  n.spec.ic = 2;
  n.spec.oc = 3;
  n.spec.kh = 1;
  n.spec.kw = 2;
  n.spec.sw = n.spec.dw = 2;
  n.spatial_rank = 1;
  n.wei = bytes<int8_t>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  EXPECT_EQ(values<int32_t>(answer(n, {array<uint8_t>({1, 2, 3}, {1, 2, 3, 4, 5, 6})})),
            (std::vector<int32_t>{29, 0, 71, 0, 89, 0, 54, 39, 0, 95, 0, 121, 0, 72, 49, 0, 119, 0, 153, 0, 90}));
}

TEST(InterpreterSpec, ConvTransposeStridesPadsAndOutputPadding) {
  NodeDesc n = spec_node(OpKind::conv2d, DType::u8, DType::s32);
  n.kind = NodeKind::conv_transpose;
  n.ints = {1, 0};
  n.spec.ic = 1;
  n.spec.oc = 2;
  n.spec.kh = 2;
  n.spec.kw = 3;
  n.spec.sh = 2;
  n.spec.sw = 3;
  n.spec.pl = n.spec.pb = 1;
  n.spec.bias = true;
  n.quant.bias = {0, 100};
  n.wei = bytes<int8_t>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  const HostArray y = answer(n, {array<uint8_t>({1, 1, 2, 3}, {1, 2, 3, 4, 5, 6})});
  EXPECT_EQ(y.dims, (Shape{1, 2, 4, 8}));
  const std::vector<int32_t> v = values<int32_t>(y);
  EXPECT_EQ((std::vector<int32_t>(v.begin(), v.begin() + 8)), (std::vector<int32_t>{2, 3, 2, 4, 6, 3, 6, 9}));
  EXPECT_EQ((std::vector<int32_t>(v.end() - 8, v.end())),
            (std::vector<int32_t>{144, 148, 150, 155, 160, 160, 166, 172}));
}

// ORT's extent where the stride leaps over the kernel: nothing can be padded away.
TEST(InterpreterSpec, ConvTransposeSameWithAShortKernel) {
  NodeDesc n = spec_node(OpKind::conv2d, DType::u8, DType::s32);
  n.kind = NodeKind::conv_transpose;
  n.auto_pad = "SAME_UPPER";
  n.spatial_rank = 1;
  n.spec.sw = 2;
  n.wei = bytes<int8_t>({3});
  const HostArray y = answer(n, {array<uint8_t>({1, 1, 3}, {1, 2, 4})});
  EXPECT_EQ(y.dims, (Shape{1, 1, 5}));
  EXPECT_EQ(values<int32_t>(y), (std::vector<int32_t>{3, 0, 6, 0, 12}));
}

TEST(InterpreterSpec, DenseBroadcastsLeadingAxes) {
  NodeDesc n = spec_node(OpKind::dense, DType::u8, DType::s32);
  n.spec.wei_var = true;
  n.spec.k = n.spec.n = 0;
  n.spec.wei = DType::u8;
  const HostArray a = array<uint8_t>({2, 1, 1, 2}, {1, 2, 3, 4});
  const HostArray b = array<uint8_t>({2, 2, 1}, {1, 10, 100, 1});
  const HostArray y = answer(n, {a, b});
  EXPECT_EQ(y.dims, (Shape{2, 2, 1, 1}));
  EXPECT_EQ(values<int32_t>(y), (std::vector<int32_t>{21, 102, 43, 304}));

  NodeDesc c = spec_node(OpKind::dense, DType::u8, DType::s32);
  c.spec.k = 2;
  c.spec.n = 1;
  c.wei = {1, 10};
  EXPECT_EQ(answer(c, {a}).dims, (Shape{2, 1, 1, 1}));
  EXPECT_EQ(values<int32_t>(answer(c, {array<uint8_t>({2}, {1, 2})})), (std::vector<int32_t>{21}));
}

TEST(InterpreterSpec, RequantizeOfChannels) {
  NodeDesc n = spec_node(OpKind::requantize, DType::s32, DType::u8);
  n.spec.mult_per_c = true;
  n.spec.c = 2;
  n.quant.wei_scale = {1, 2};
  const HostArray x = array<int32_t>({1, 2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(values<uint8_t>(answer(n, {x})), (std::vector<uint8_t>{1, 2, 6, 8}));
  n.ints = {-1};
  EXPECT_EQ(values<uint8_t>(answer(n, {x})), (std::vector<uint8_t>{1, 4, 3, 8}));
  EXPECT_TRUE(refusal(n, {array<int32_t>({0, 2}, {})}).ok());
  EXPECT_FALSE(refusal(n, {array<int32_t>({0, 3}, {})}).ok());  // also of nothing
}

// dequantize, x + 3, clip 0..6, x * that, / 6, quantize: a hard swish as tools write it.
GraphDesc hard_swish() {
  GraphDesc g;
  g.name = "hs";
  g.values = {{"x", DType::u8, 0.05F, 128},
              {"f", DType::f32},
              {"t", DType::f32},
              {"c", DType::f32},
              {"m", DType::f32},
              {"d", DType::f32},
              {"y", DType::u8, 0.04F, 10}};
  g.values.push_back({"three", DType::f32, 1, 0, true, {}, bytes<float>({3})});
  g.values.push_back({"six", DType::f32, 1, 0, true, {1}, bytes<float>({6})});
  const auto add = [&](NodeDesc n, std::vector<int> in, int out) {
    n.inputs = std::move(in);
    n.output = out;
    g.nodes.push_back(std::move(n));
  };
  NodeDesc dq = spec_node(OpKind::dequantize, DType::u8, DType::f32),
           q = spec_node(OpKind::quantize, DType::f32, DType::u8);
  dq.spec.src_zp = q.spec.dst_zp = true;
  dq.quant.src_scale = 0.05F;
  dq.quant.src_zp = 128;
  q.quant.dst_scale = 0.04F;
  q.quant.dst_zp = 10;
  add(dq, {0}, 1);
  add(node(NodeKind::add), {1, 7}, 2);
  add(node(NodeKind::clip, {}, {0, 6}), {2}, 3);
  add(node(NodeKind::mul), {1, 3}, 4);
  add(node(NodeKind::div), {4, 8}, 5);
  add(q, {5}, 6);
  g.inputs = {0};
  g.outputs = {6};
  return g;
}

TEST(InterpreterGraph, HardSwishBetweenCodes) {
  const GraphDesc g = hard_swish();
  const Result<std::vector<HostArray>> y = interpret(g, {array<uint8_t>({4}, {0, 128, 148, 255})});
  ASSERT_TRUE(y.ok()) << y.status().to_string();
  // -6.4 gives 0; 1 gives 4/6, 16.67 quanta; 6.35 gives 6.35, 158.75 quanta.
  EXPECT_EQ(values<uint8_t>((*y)[0]), (std::vector<uint8_t>{10, 10, 27, 169}));
  const Result<std::vector<HostArray>> all = interpret_all(g, {array<uint8_t>({1}, {148})});
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->size(), g.values.size());
  EXPECT_EQ(values((*all)[3]), (Floats{static_cast<float>(20) * 0.05F + 3.0F}));
}

TEST(InterpreterGraph, RefusesWhatDoesNotFit) {
  const HostArray x = array<uint8_t>({1}, {0});
  EXPECT_TRUE(validate(hard_swish()).ok());
  EXPECT_FALSE(interpret(hard_swish(), {}).ok());
  EXPECT_FALSE(interpret(hard_swish(), {array<int8_t>({1}, {0})}).ok());
  GraphDesc g = hard_swish();
  g.nodes[1].inputs = {1};
  EXPECT_FALSE(validate(g).ok()) << "operands missing";
  g = hard_swish();
  std::swap(g.nodes[1], g.nodes[2]);
  EXPECT_FALSE(validate(g).ok()) << "order";
  g = hard_swish();
  g.nodes[2].inputs = {0};
  EXPECT_FALSE(validate(g).ok()) << "a code into a float node";
  g = hard_swish();
  g.nodes[3].output = 1;
  EXPECT_FALSE(validate(g).ok()) << "made twice";
  g = hard_swish();
  g.outputs = {42};
  EXPECT_FALSE(validate(g).ok()) << "no such value";
  g = hard_swish();
  g.values[7].data.pop_back();
  EXPECT_FALSE(validate(g).ok()) << "constant too short";
}

TEST(InterpreterGraph, EveryKindHasAName) {
  for (int k = 0; k < kNodeKinds; ++k) EXPECT_FALSE(to_string(static_cast<NodeKind>(k)).empty());
  EXPECT_EQ(to_string(NodeKind::cast), "cast");
  EXPECT_EQ(to_string(NodeKind::add), "add");
  EXPECT_EQ(to_string(NodeKind::concat), "concat");
  EXPECT_EQ(to_string(NodeKind::max_pool), "max_pool");
}

}  // namespace
}  // namespace octile::test
