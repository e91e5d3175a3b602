// Translations: what single host nodes answer once they are nodes of a region's graph.
// In:  hand-made nodes, worked answers.  Out: equality through the interpreter; reasons where there is no translation.
// Not here: movements of elements (test_movements.cpp), products (test_recognise.cpp), which of them are taken
// (test_worth.cpp).
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "node_kit.h"

namespace octile::plugin::test {
namespace {

TEST(Translate, FunctionsOfOneOperand) {
  const Floats x{-3, -0.5F, 0, 0.5F, 2};
  const auto expect = [&](const char* op, const Floats& wanted, const auto& change) {
    SCOPED_TRACE(op);
    NodeKit kit;
    kit.node(op, {kit.floats({5}, x)}, ElemType::f32);
    change(kit);
    kit.expect({5}, wanted);
  };
  const auto plain = [](NodeKit&) {};
  expect("Relu", {0, 0, 0, 0.5F, 2}, plain);
  expect("LeakyRelu", {-0.03F, -0.005F, 0, 0.5F, 2}, plain);
  expect("LeakyRelu", {-1.5F, -0.25F, 0, 0.5F, 2}, [](NodeKit& kit) { kit.real("alpha", 0.5F); });
  expect("HardSigmoid", {0, 0.25F, 0.5F, 0.75F, 1}, [](NodeKit& kit) { kit.real("alpha", 0.5F); });
  expect("Neg", {3, 0.5F, -0.0F, -0.5F, -2}, plain);
  expect("Abs", {3, 0.5F, 0, 0.5F, 2}, plain);
  expect("Round", {-3, -0.0F, 0, 0, 2}, plain);
  expect("Floor", {-3, -1, 0, 0, 2}, plain);
  expect("Ceil", {-3, -0.0F, 0, 1, 2}, plain);
  expect("Reciprocal", {1 / -3.0F, -2, INFINITY, 2, 0.5F}, plain);
  expect("Identity", x, plain);
  expect("Dropout", x, plain);
  expect("Clip", {-1, -0.5F, 0, 0.5F, 1}, [](NodeKit& kit) {
    kit.real("min", -1);
    kit.real("max", 1);
  });
  expect("Clip", {-3, -0.5F, 0, 0, 0}, [](NodeKit& kit) { kit.last().inputs = {0, -1, kit.scale(0)}; });
  expect("Cast", x, [](NodeKit& kit) { kit.integer("to", 1); });
}

TEST(Translate, TranscendentalsAreRoundedOnce) {
  const auto at_one = [](const char* op, const char* domain, double wanted) {
    SCOPED_TRACE(op);
    NodeKit kit;
    kit.node(op, {kit.floats({1}, {1})}, ElemType::f32);
    kit.last().domain = domain;
    const std::vector<HostArray> out = kit.answers();
    ASSERT_EQ(out.size(), 1U);
    EXPECT_NEAR(out[0].as<float>()[0], wanted, 1e-7);
  };
  at_one("Sigmoid", "", 1 / (1 + std::exp(-1.0)));
  at_one("Tanh", "", std::tanh(1.0));
  at_one("Exp", "", std::exp(1.0));
  at_one("Log", "", 0);
  at_one("Sqrt", "", 1);
  at_one("Erf", "", std::erf(1.0));
  at_one("Softplus", "", std::log1p(std::exp(1.0)));
  at_one("Elu", "", 1);
  at_one("HardSwish", "", 2.0 / 3);
  const double gelu = 0.5 * (1 + std::erf(std::sqrt(0.5)));
  at_one("Gelu", "", gelu);
  at_one("Gelu", "com.microsoft", gelu);
  at_one("FastGelu", "com.microsoft", 0.5 * (1 + std::tanh(std::sqrt(2 / M_PI) * 1.044715)));
  at_one("QuickGelu", "com.microsoft", 1 / (1 + std::exp(-1.702)));
}

TEST(Translate, FunctionsOfTwoBroadcast) {
  const auto expect = [](const char* op, const Floats& wanted) {
    SCOPED_TRACE(op);
    NodeKit kit;
    const int a = kit.floats({2, 2}, {1, 2, 3, 4});
    kit.node(op, {a, kit.numbers({2, -1})}, ElemType::f32);
    kit.expect({2, 2}, wanted);
  };
  expect("Add", {3, 1, 5, 3});
  expect("Sub", {-1, 3, 1, 5});
  expect("Mul", {2, -2, 6, -4});
  expect("Div", {0.5F, -2, 1.5F, -4});
  expect("Pow", {1, 0.5F, 9, 0.25F});
  expect("Min", {1, -1, 2, -1});
  expect("Max", {2, 2, 3, 4});
  expect("PRelu", {1, 2, 3, 4});
  NodeKit kit;
  kit.node("PRelu", {kit.floats({2, 2}, {1, -2, -3, 4}), kit.numbers({2, 0.5F})}, ElemType::f32);
  kit.expect({2, 2}, Floats{1, -1, -6, 4});
}

TEST(Translate, ManyOperandsAndOtherExponents) {
  {
    NodeKit kit;
    const int a = kit.floats({2}, {1, 2}), b = kit.floats({2}, {10, 20}), c = kit.floats({1}, {100});
    kit.node("Sum", {a, b, c}, ElemType::f32);
    kit.expect({2}, Floats{111, 122});
  }
  {
    NodeKit kit;
    kit.node("Max", {kit.floats({2}, {1, 2})}, ElemType::f32);
    kit.expect({2}, Floats{1, 2});
  }
  {
    NodeKit kit;
    kit.node("Pow", {kit.floats({2}, {3, -3}), kit.constant<int64_t>(ElemType::s64, {2}, {})}, ElemType::f32);
    kit.expect({2}, Floats{9, 9});
  }
  {
    NodeKit kit;
    kit.node("BiasGelu", {kit.floats({2}, {0, 5}), kit.numbers({0, -5})}, ElemType::f32);
    kit.last().domain = "com.microsoft";
    kit.expect({2}, Floats{0, 0});
  }
}

TEST(Translate, BatchNormalizationReadsDequantizedParameters) {
  NodeKit kit;
  const int scale = kit.constant<int8_t>(ElemType::s8, {4, 8}, {2});
  const int scales = kit.node("DequantizeLinear", {scale, kit.scale(0.5F)}, ElemType::f32, {2});
  const int x = kit.floats({1, 2, 1, 2}, {1, 2, 3, 4});
  kit.node("BatchNormalization", {x, scales, kit.numbers({10, 20}), kit.numbers({1, 3}), kit.numbers({4, 1})},
           ElemType::f32);
  kit.real("epsilon", 0);
  kit.expect({1, 2, 1, 2}, Floats{10, 11, 20, 24});
}

TEST(Translate, ComputedTargetsOfReshapes) {
  for (const bool dequantized : {false, true}) {  // a host gives Shape a dequantize of its own
    NodeKit kit;
    const int x = kit.codes({2, 1, 3}, {1, 2, 3, 4, 5, 6});
    kit.graph.values[x].dims = {-1, 1, -1};
    const int shape = kit.node("Shape", {dequantized ? kit.dequantize(x) : x}, ElemType::s64, {3});
    const int first = kit.node("Slice", {shape, kit.list({0}), kit.list({1}), kit.list({0})}, ElemType::s64, {1});
    const int target = kit.node("Concat", {first, kit.list({-1})}, ElemType::s64, {2});
    kit.node("Reshape", {x, target}, ElemType::u8);
    kit.expect({2, 3}, Codes{1, 2, 3, 4, 5, 6});
    Unit unit;
    EXPECT_FALSE(translate(kit.graph, static_cast<int>(kit.graph.nodes.size()) - 1, unit));
    EXPECT_EQ(unit.nodes.size(), 1U);
    EXPECT_EQ(unit.through, std::vector<int>{kit.graph.values[target].producer});  // which comes along
  }
  NodeKit kit;  // to the shape of another value
  const int x = kit.codes({2, 1, 3}, {1, 2, 3, 4, 5, 6}), y = kit.codes({3, 2}, {1, 2, 3, 4, 5, 6});
  kit.graph.values[y].dims = {-1, -1};
  kit.node("Reshape", {x, kit.node("Shape", {y}, ElemType::s64, {2})}, ElemType::u8);
  kit.expect({3, 2}, Codes{1, 2, 3, 4, 5, 6});
  kit.graph.values[y].dims = {-1, 2};  // one extent open: the other number says it
  kit.data.pop_back();
  kit.expect({3, 2}, Codes{1, 2, 3, 4, 5, 6});
}

// [2N, 3, 4] to [N, 2, -1]: of 24 N elements 12 are left for each of 2 N. `named`: the host tells how it knows the
// first extent.
TEST(Translate, ComputedTargetsOfReshapesByName) {
  for (const bool named : {true, false}) {
    NodeKit kit;
    Codes numbers(24);
    std::iota(numbers.begin(), numbers.end(), uint8_t{0});
    const int x = kit.codes({2, 3, 4}, numbers);
    const int other = kit.input(ElemType::f32, {-1, 7});
    kit.graph.values[x].dims = {-1, 3, 4};
    if (named) kit.graph.values[x].dim_names = {{2, "N"}, {}, {}};
    if (named) kit.graph.values[other].dim_names = {{1, "N"}, {}};
    const int shape = kit.node("Shape", {other}, ElemType::s64, {2});
    const int batch = kit.node("Gather", {shape, kit.list({0})}, ElemType::s64, {1});
    kit.node("Reshape", {x, kit.node("Concat", {batch, kit.list({2, -1})}, ElemType::s64, {3})}, ElemType::u8);
    if (named) {
      kit.expect({1, 2, 12}, numbers);
    } else {
      EXPECT_EQ(kit.reason(), Reason::operand_not_constant);  // two open extents
    }
  }
}

TEST(Translate, ArithmeticOnExtents) {
  const auto expect = [](const char* op, int64_t number, bool known, const Codes& wanted) {
    SCOPED_TRACE(op);
    NodeKit kit;
    const int x = kit.codes({6}, {1, 2, 3, 4, 5, 6}), y = kit.input(ElemType::f32, {known ? 4 : -1});
    const int shape = kit.node("Shape", {y}, ElemType::s64, {1});
    const int end = kit.node(op, {shape, kit.list({number})}, ElemType::s64, {1});
    kit.node("Slice", {x, kit.list({0}), end, kit.list({0})}, ElemType::u8);
    if (known) {
      kit.expect({std::ssize(wanted)}, wanted);
    } else {
      EXPECT_EQ(kit.reason(), Reason::operand_not_constant);
    }
  };
  for (const bool known : {true, false}) {
    expect("Add", -2, known, {1, 2});
    expect("Sub", 1, known, {1, 2, 3});
    expect("Mul", -1, known, {1, 2});  // all but the last four
    expect("Div", 3, known, {1});
  }
  NodeKit kit;
  const int x = kit.codes({2}, {1, 2}), y = kit.input(ElemType::f32, {4});
  const int none = kit.node("Div", {kit.node("Shape", {y}, ElemType::s64, {1}), kit.list({0})}, ElemType::s64, {1});
  kit.node("Slice", {x, kit.list({0}), none, kit.list({0})}, ElemType::u8);
  EXPECT_EQ(kit.reason(), Reason::operand_not_constant);
}

TEST(Translate, ExtentsThatDoubleThemselvesEnd) {
  NodeKit kit;
  const int x = kit.codes({2}, {1, 2});
  int end = kit.node("Shape", {kit.input(ElemType::f32, {1})}, ElemType::s64, {1});
  for (int i = 0; i < 60; ++i) end = kit.node("Mul", {end, end}, ElemType::s64, {1});
  kit.node("Slice", {x, kit.list({0}), end, kit.list({0})}, ElemType::u8);
  EXPECT_EQ(kit.reason(), Reason::operand_not_constant);
}

TEST(Translate, Pools) {
  const Floats picture{1, 2, 3, 4, 5, 6, 7, 8, 9};
  {
    NodeKit kit;
    kit.node("MaxPool", {kit.floats({1, 1, 3, 3}, picture)}, ElemType::f32);
    kit.ints("kernel_shape", {2, 2});
    kit.expect({1, 1, 2, 2}, Floats{5, 6, 8, 9});
  }
  {
    NodeKit kit;
    kit.node("MaxPool", {kit.codes({1, 1, 3}, {7, 200, 9})}, ElemType::u8);
    kit.ints("kernel_shape", {2});
    kit.ints("strides", {2});
    kit.integer("ceil_mode", 1);
    kit.expect({1, 1, 2}, Codes{200, 9});
  }
  {
    NodeKit kit;
    kit.node("AveragePool", {kit.floats({1, 1, 3, 3}, picture)}, ElemType::f32);
    kit.ints("kernel_shape", {2, 2});
    kit.ints("strides", {2, 2});
    kit.ints("pads", {1, 1, 0, 0});
    kit.integer("count_include_pad", 1);
    kit.expect({1, 1, 2, 2}, Floats{0.25F, 1.25F, 2.75F, 7});
  }
  {
    NodeKit kit;
    kit.node("GlobalAveragePool", {kit.floats({1, 1, 3, 3}, picture)}, ElemType::f32);
    kit.expect({1, 1, 1, 1}, Floats{5});
  }
  {
    NodeKit kit;
    kit.node("GlobalMaxPool", {kit.floats({1, 1, 3, 3}, picture)}, ElemType::f32);
    kit.expect({1, 1, 1, 1}, Floats{9});
  }
  {
    NodeKit kit;
    kit.node("MaxPool", {kit.floats({1, 1, 3, 3}, picture)}, ElemType::f32);
    kit.ints("kernel_shape", {1, 2, 2});
    EXPECT_EQ(kit.reason(), Reason::spatial_rank);
  }
}

TEST(Translate, MeansTakeAxesFromAttributeOrInput) {
  const Floats x{1, 2, 3, 4, 5, 6};
  {
    NodeKit kit;
    kit.node("ReduceMean", {kit.floats({2, 3}, x)}, ElemType::f32);
    kit.ints("axes", {-1});
    kit.integer("keepdims", 0);
    kit.expect({2}, Floats{2, 5});
  }
  {
    NodeKit kit;
    kit.node("ReduceMean", {kit.floats({2, 3}, x), kit.list({0})}, ElemType::f32);
    kit.expect({1, 3}, Floats{2.5F, 3.5F, 4.5F});
  }
  {
    NodeKit kit;
    kit.node("ReduceMean", {kit.floats({2, 3}, x)}, ElemType::f32);
    kit.expect({1, 1}, Floats{3.5F});
    kit.integer("noop_with_empty_axes", 1);
    kit.expect({2, 3}, x);
  }
}

TEST(Translate, SoftmaxOfOldOpsetsCoversAllAxesFromItsOwn) {
  for (const int since : {11, 13}) {
    NodeKit kit;
    kit.node("Softmax", {kit.floats({1, 2, 2}, {0, 0, 0, 0})}, ElemType::f32);
    kit.last().since = since;
    const float share = since == 11 ? 0.25F : 0.5F;
    kit.expect({1, 2, 2}, Floats{share, share, share, share});
  }
  NodeKit open;
  open.node("Softmax", {open.input(ElemType::f32, {-1, 2, -1})}, ElemType::f32);
  open.last().since = 11;
  EXPECT_EQ(open.reason(), Reason::shape_unknown);
}

TEST(Translate, LayerNormalization) {
  NodeKit kit;
  kit.node("LayerNormalization", {kit.floats({1, 2}, {1, 3}), kit.numbers({2, 4}), kit.numbers({10, 20})},
           ElemType::f32);
  kit.real("epsilon", 0);
  kit.expect({1, 2}, Floats{8, 24});
}

TEST(Translate, RootMeanSquareNormalization) {
  for (const char* op : {"RMSNormalization", "SimplifiedLayerNormalization"}) {
    NodeKit kit;
    kit.node(op, {kit.floats({1, 2}, {1, 7}), kit.numbers({2, 4})}, ElemType::f32);
    kit.real("epsilon", 0);
    kit.expect({1, 2}, Floats{0.4F, 5.6F});  // the root is 5
    kit.integer("axis", 0);
    EXPECT_EQ(kit.reason(), Reason::attribute);
  }
  for (const bool biased : {false, true}) {
    SCOPED_TRACE(biased);
    NodeKit kit;
    std::vector<int> inputs{kit.floats({1, 2}, {0, 4}), kit.floats({1, 2}, {1, 3}), kit.numbers({2, 4})};
    if (biased) inputs.push_back(kit.numbers({6, -6}));
    kit.node("SkipSimplifiedLayerNormalization", inputs, ElemType::f32);
    kit.last().domain = "com.microsoft";
    kit.real("epsilon", 0);
    kit.expect({1, 2}, biased ? Floats{2.8F, 0.8F} : Floats{0.4F, 5.6F});
    kit.last().outputs.insert(kit.last().outputs.end(), {-1, -1, kit.input(ElemType::f32, {1, 2})});
    ASSERT_EQ(kit.answers().size(), 2U);
  }
}

TEST(Translate, SkipLayerNormalization) {
  for (const bool biased : {false, true}) {
    SCOPED_TRACE(biased);
    NodeKit kit;
    const int x = kit.floats({1, 2}, {0, 2}), skip = kit.floats({1, 2}, {1, 1});
    const std::vector<int> parameters{kit.numbers({2, 4}), biased ? kit.numbers({10, 20}) : -1};
    std::vector<int> inputs{x, skip, parameters[0], parameters[1]};
    if (biased) inputs.push_back(kit.numbers({0, 4}));
    kit.node("SkipLayerNormalization", inputs, ElemType::f32);
    kit.last().domain = "com.microsoft";
    kit.real("epsilon", 0);
    kit.expect({1, 2}, biased ? Floats{8, 24} : Floats{-2, 4});
    kit.last().outputs.insert(kit.last().outputs.end(), {-1, -1, kit.input(ElemType::f32, {1, 2})});
    const std::vector<HostArray> out = kit.answers();
    ASSERT_EQ(out.size(), 2U);  // the sum is a result too
    EXPECT_EQ(out[1].as<float>()[1], biased ? 7.0F : 3.0F);
    kit.last().outputs[1] = kit.input(ElemType::f32, {1, 1});
    kit.output(kit.last().outputs[1]);
    EXPECT_EQ(kit.reason(), Reason::attribute);
  }
}

TEST(Translate, QuantizedFormsAreWrittenOut) {
  const auto params = [](NodeKit& kit, float scale, int zp) { return std::pair(kit.scale(scale), kit.u8(zp)); };
  {
    NodeKit kit;
    const int a = kit.codes({2}, {10, 20}), b = kit.codes({2}, {3, 5});
    const auto [sa, za] = params(kit, 0.5F, 4);
    const auto [sb, zb] = params(kit, 1, 1);
    const auto [sy, zy] = params(kit, 0.25F, 2);
    kit.node("QLinearAdd", {a, sa, za, b, sb, zb, sy, zy}, ElemType::u8);
    kit.last().domain = "com.microsoft";
    kit.expect({2}, Codes{22, 50});  // 3 + 2, 8 + 4
    kit.last().op = "QLinearMul";
    kit.expect({2}, Codes{26, 130});
  }
  {
    NodeKit kit;
    const auto [sx, zx] = params(kit, 0.5F, 4);
    kit.node("QLinearLeakyRelu", {kit.codes({2}, {0, 8}), sx, zx, sx, zx}, ElemType::u8);
    kit.last().domain = "com.microsoft";
    kit.real("alpha", 0.5F);
    kit.expect({2}, Codes{2, 8});
  }
  {
    NodeKit kit;
    const int a = kit.codes({1}, {10}), b = kit.codes({1}, {10});
    const auto [sy, zy] = params(kit, 0.5F, 0);
    const auto [sa, za] = params(kit, 1, 0);
    kit.node("QLinearConcat", {sy, zy, a, sy, zy, b, sa, za}, ElemType::u8);
    kit.last().domain = "com.microsoft";
    kit.integer("axis", 0);
    kit.expect({2}, Codes{10, 20});
  }
  {
    NodeKit kit;
    const auto [s, z] = params(kit, 1, 0);
    kit.node("QLinearGlobalAveragePool", {kit.codes({1, 1, 2, 2}, {1, 2, 3, 6}), s, z, s, z}, ElemType::u8);
    kit.last().domain = "com.microsoft";
    kit.expect({1, 1, 1, 1}, Codes{3});
    kit.integer("channels_last", 1);
    kit.expect({1, 1, 1, 2}, Codes{2, 4});
  }
  {
    NodeKit kit;
    kit.node("NhwcMaxPool", {kit.codes({1, 2, 2, 2}, {1, 8, 2, 7, 3, 6, 4, 5})}, ElemType::u8);
    kit.last().domain = "com.microsoft";
    kit.ints("kernel_shape", {2, 2});
    kit.expect({1, 1, 1, 2}, Codes{4, 8});
  }
}

TEST(Translate, ConversionsAndDequantizedConstants) {
  {
    NodeKit kit;
    kit.quantize(kit.floats({2}, {1, -1}));
    kit.expect({2}, Codes{7, 0});
  }
  {
    NodeKit kit;
    kit.dequantize(kit.codes({2}, {7, 0}), 0.25F, 3);
    kit.expect({2}, Floats{1, -0.75F});
  }
  NodeKit kit;
  const int codes = kit.constant<int8_t>(ElemType::s8, {1, 2, 3, 4}, {2, 2});
  kit.node("DequantizeLinear", {codes, kit.numbers({1, 10})}, ElemType::f32, {2, 2});
  kit.integer("axis", 0);
  kit.expect({2, 2}, Floats{1, 2, 30, 40});
}

TEST(Translate, SaysWhyNot) {
  const auto reason = [](const char* op, const auto& change) {
    NodeKit kit;
    kit.node(op, {kit.input(ElemType::f32, {1, 1, 4, 4})}, ElemType::f32);
    change(kit);
    return kit.reason();
  };
  const auto plain = [](NodeKit&) {};
  EXPECT_EQ(reason("Sort", plain), Reason::op_not_supported);
  EXPECT_EQ(reason("Relu", [](NodeKit& kit) { kit.last().domain = "other"; }), Reason::op_not_supported);
  EXPECT_EQ(reason("Relu", [](NodeKit& kit) { kit.last().inputs.clear(); }), Reason::malformed);
  EXPECT_EQ(reason("Relu", [](NodeKit& kit) { kit.last().inputs = {kit.scale(1)}; }), Reason::constant_operands);
  EXPECT_EQ(reason("Add", [](NodeKit& kit) { kit.last().inputs.push_back(kit.u8(1)); }), Reason::type_not_supported);
  EXPECT_EQ(reason("Reshape", [](NodeKit& kit) { kit.last().inputs.push_back(kit.input(ElemType::s64, {2})); }),
            Reason::operand_not_constant);
  EXPECT_EQ(reason("Pad", [](NodeKit& kit) { kit.text("mode", "wrap"); }), Reason::malformed);
  EXPECT_EQ(reason("Cast", [](NodeKit& kit) { kit.integer("to", 10); }), Reason::type_not_supported);
  EXPECT_EQ(reason("Relu",
                   [](NodeKit& kit) {
                     kit.graph.values[kit.last().outputs[0]].type = kit.graph.values[kit.last().inputs[0]].type =
                         ElemType::other;
                   }),
            Reason::type_not_supported);
  EXPECT_EQ(reason("MaxPool",
                   [](NodeKit& kit) {
                     kit.ints("kernel_shape", {2, 2});
                     kit.last().outputs.push_back(kit.input(ElemType::s64, {}));
                     kit.output(kit.last().outputs[1]);
                   }),
            Reason::attribute);
}

}  // namespace
}  // namespace octile::plugin::test
