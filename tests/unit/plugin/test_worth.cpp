// Worth: what is left although it could be taken, and for which reason.
// In:  hand-made graphs; "Sort" stands for what only the host runs.  Out: verdicts.
// Not here: groups (test_partition.cpp).
#include <gtest/gtest.h>

#include <utility>

#include "graph_kit.h"
#include "plugin/partition/partition.h"

namespace octile::plugin::test {
namespace {

struct WorthKit : GraphKit {
  int image = input(ElemType::u8, {1, 4, 8, 8});

  int real(const std::string& op, int x) { return node(op, {x}, ElemType::f32, {1, 4, 8, 8}); }
  int real_input() { return input(ElemType::f32, {1, 4, 8, 8}); }
  int reals_of_conv() { return dequantize(conv(image), 0.25F, 3); }
  // Why the node that makes the value is left; `taken` if it is not.
  Reason of(int value) {
    const Partition p = partition(linked());
    const NodeVerdict& v = p.nodes[graph.values[value].producer];
    return v.group >= 0 ? Reason::taken : v.reason;
  }
};

TEST(Worth, FloatsEnterThroughAQuantizeOnly) {
  WorthKit kit;
  const int before = kit.real("Exp", kit.real("Sort", kit.real_input()));
  const int q = kit.quantize(before);
  const int mixed = kit.node("Add", {kit.dequantize(kit.conv(q), 0.25F, 3), before}, ElemType::f32);
  kit.output(kit.quantize(mixed));
  EXPECT_EQ(kit.of(before), Reason::float_from_host);
  EXPECT_EQ(kit.of(mixed), Reason::float_from_host);
  EXPECT_EQ(kit.of(q), Reason::taken);
}

TEST(Worth, FloatsEnterConcatenatedWhereOnlyAQuantizeReadsThem) {
  for (const bool read : {false, true}) {
    WorthKit kit;
    const int of_host = kit.real("Sort", kit.real_input());
    const int both = kit.node("Concat", {of_host, kit.real_input()}, ElemType::f32, {1, 8, 8, 8});
    kit.integer("axis", 1);
    if (read) kit.output(kit.real("Sort", both));
    kit.output(kit.dequantize(kit.conv(kit.quantize(both), 8), 0.25F, 3));
    EXPECT_EQ(kit.of(both), read ? Reason::float_from_host : Reason::taken);
  }
}

TEST(Worth, FloatsLeaveAsFunctionsOfCodesOrForTheModel) {
  WorthKit kit;
  const int x = kit.reals_of_conv();
  const int function = kit.real("Exp", kit.node("Mul", {x, kit.scale(2)}, ElemType::f32));
  const int rows = kit.real("Softmax", x), final = kit.real("Softmax", x);
  kit.output(kit.real("Sort", function));
  kit.output(kit.real("Sort", rows));
  kit.output(final);
  EXPECT_EQ(kit.of(function), Reason::taken);
  EXPECT_EQ(kit.of(rows), Reason::float_to_host);
  EXPECT_EQ(kit.of(final), Reason::taken);
}

TEST(Worth, WhatTheHostMakesOneIntegerOpOfStaysWhole) {
  WorthKit kit;
  const int x = kit.reals_of_conv();
  const int tiled = kit.quantize(kit.real("Tile", x));
  kit.output(kit.conv(tiled));
  EXPECT_EQ(kit.of(x), Reason::host_fuses_it);
  EXPECT_EQ(kit.of(tiled), Reason::host_fuses_it);
}

TEST(Worth, ConversionsAndMovementsNeedNeighbours) {
  WorthKit kit;
  const int turned = kit.node("Transpose", {kit.image}, ElemType::u8, {8, 8, 4, 1});
  kit.output(kit.node("Sort", {turned}, ElemType::u8));
  const int q = kit.quantize(kit.real_input());
  kit.output(kit.node("Sort", {q}, ElemType::u8));
  const int constant = kit.dequantize(kit.weights({4}));
  kit.output(kit.real("Sort", constant));
  EXPECT_EQ(kit.of(turned), Reason::no_taken_neighbour);
  EXPECT_EQ(kit.of(q), Reason::no_taken_neighbour);
  EXPECT_EQ(kit.of(constant), Reason::no_taken_neighbour);
}

TEST(Worth, AGroupWithoutProductsNeedsAnOpTheHostRunsInFloats) {
  {
    WorthKit kit;
    const int q = kit.quantize(kit.real("Sigmoid", kit.dequantize(kit.image)));
    kit.output(q);
    EXPECT_EQ(kit.of(q), Reason::nothing_to_gain);
  }
  {
    WorthKit kit;
    const int q = kit.quantize(kit.real("HardSwish", kit.dequantize(kit.image)));
    kit.output(q);
    EXPECT_EQ(kit.of(q), Reason::taken);
  }
  {
    WorthKit kit;
    const int x = kit.dequantize(kit.quantize(kit.real_input()));
    kit.output(kit.real("Sort", x));
    EXPECT_EQ(kit.of(x), Reason::nothing_to_gain);
  }
}

TEST(Worth, FloatsOfThreeTensorsAreStoredAndLeftUnlessSmall) {
  for (const int64_t extent : {8, 80}) {
    SCOPED_TRACE(extent);
    WorthKit kit;
    const std::vector<int64_t> dims{-1, 4, extent, extent};
    const auto real = [&](int a, int b) { return kit.node("Add", {a, b}, ElemType::f32, dims); };
    const auto x = [&] { return kit.dequantize(kit.conv(kit.image), 0.25F, 3); };
    const int pair = real(x(), x()), three = real(pair, x());
    const int per_row = real(x(), kit.constant(ElemType::f32, std::vector<float>(extent, 2), {extent, 1}));
    const int per_channel = real(x(), kit.constant<float>(ElemType::f32, {1, 2, 3, 4}, {4, 1, 1}));
    for (const int v : {three, per_row, per_channel}) kit.output(kit.quantize(v));
    EXPECT_EQ(kit.of(three), extent == 8 ? Reason::taken : Reason::stored_floats);
    EXPECT_EQ(kit.of(per_row), extent == 8 ? Reason::taken : Reason::stored_floats);
    EXPECT_EQ(kit.of(per_channel), Reason::taken);
    kit.graph.nodes[kit.graph.values[three].producer].op = "Relu";  // of the pair alone
    kit.graph.nodes[kit.graph.values[three].producer].inputs.resize(1);
    EXPECT_EQ(kit.of(three), Reason::taken);
  }
}

// Products quantized, biases and functions between them not: GELU reads the biased result twice.
TEST(Worth, FunctionsOfBiasedCodesAreTaken) {
  for (const bool column : {true, false}) {
    SCOPED_TRACE(column);
    WorthKit kit;
    const std::vector<int64_t> dims{64, 640};
    const int codes = kit.dense(kit.input(ElemType::u8, {64, 4}), 4, 640);
    const int bias = kit.constant(ElemType::f32, std::vector<float>(column ? 640 : 64, 2),
                                  column ? std::vector<int64_t>{640} : std::vector<int64_t>{64, 1});
    const int biased = kit.node("Add", {kit.dequantize(codes, 0.25F, 3), bias}, ElemType::f32, dims);
    const int erf = kit.node("Erf", {biased}, ElemType::f32, dims);
    const int gelu = kit.node("Mul", {biased, erf}, ElemType::f32, dims);
    kit.output(kit.dense(kit.quantize(gelu), 640, 4));
    EXPECT_EQ(kit.of(biased), column ? Reason::taken : Reason::stored_floats);
    EXPECT_EQ(kit.of(erf), column ? Reason::taken : Reason::float_from_host);
    EXPECT_EQ(kit.of(gelu), column ? Reason::taken : Reason::float_from_host);
  }
}

// What the host adds to a dynamic product's result before it normalizes it.
TEST(Worth, ASumIsStoredWhereItIsNormalizedBehindADynamicProduct) {
  struct Case {
    const char* reader;
    std::vector<int64_t> other;
    Reason reason;
  };
  for (const Case& c :
       {Case{"LayerNormalization", {64, 640}, Reason::taken}, Case{"Softmax", {64, 640}, Reason::float_from_host},
        Case{"LayerNormalization", {1, 640}, Reason::float_from_host},
        Case{"SkipLayerNormalization", {64, 640}, Reason::taken},
        Case{"SkipLayerNormalization", {1, 640}, Reason::float_from_host}}) {
    SCOPED_TRACE(c.reader + std::to_string(c.other[0]));
    WorthKit kit;
    const std::vector<int64_t> dims{64, 640};
    (void)kit.quantize_here(kit.input(ElemType::f32, {64, 4}));
    const int y = kit.dynamic_product(HostNode(kit.last()), kit.weights({4, 640}), kit.scale(0.5F), dims);
    const int other = kit.node("Sort", {kit.input(ElemType::f32, c.other)}, ElemType::f32, c.other);
    const bool skip = std::string_view(c.reader) == "SkipLayerNormalization";  // adds by itself
    const int sum = skip ? y : kit.node("Add", {other, y}, ElemType::f32, dims);
    const int gain = kit.constant(ElemType::f32, std::vector<float>(640, 2), {640});
    std::vector<int> operands{sum};
    if (skip) operands.push_back(other);
    if (std::string_view(c.reader) != "Softmax") operands.push_back(gain);
    const int norm = kit.node(c.reader, operands, ElemType::f32, dims);
    if (skip) kit.last().domain = "com.microsoft";
    kit.output(kit.node("Sort", {norm}, ElemType::f32, dims));
    EXPECT_EQ(kit.of(y), Reason::taken);
    EXPECT_EQ(kit.of(skip ? norm : sum), c.reason);
    EXPECT_EQ(kit.of(norm) == Reason::taken, c.reason == Reason::taken);
  }
}

// What stands between two products that quantize on the spot; y: what the first one makes.
struct BetweenKit : WorthKit {
  explicit BetweenKit(std::vector<int64_t> d) : dims(std::move(d)) {
    std::vector<int64_t> narrow = dims;
    narrow.back() = 4;
    (void)quantize_here(input(ElemType::f32, narrow));
    quantize = last();
    y = product(0.5F);
  }
  // Of what the first one reads.
  int product(float s) { return dynamic_product(quantize, weights({4, dims.back()}), scale(s), dims); }
  int of_host() { return node("Sort", {input(ElemType::f32, dims)}, ElemType::f32, dims); }
  void read_by_product(int value) {
    (void)quantize_here(value);
    std::vector<int64_t> made = graph.values[value].dims;
    const int64_t k = std::exchange(made.back(), 4);
    output(dynamic_product(HostNode(last()), weights({k, 4}), scale(0.5F), made));
  }

  std::vector<int64_t> dims;
  HostNode quantize;
  int y = -1;
};

// Between two products that quantize on the spot floats stay inside, if the functions of them are quick there.
TEST(Worth, QuickFunctionsBetweenDynamicProductsAreTaken) {
  struct Case {
    const char* op;
    const char* other;  // the second operand
    bool product;       // another one reads the result
    Reason reason;
  };
  for (const Case& c :
       {Case{"Relu", "", true, Reason::taken}, Case{"Sigmoid", "", true, Reason::taken},
        Case{"Erf", "", true, Reason::taken}, Case{"Tanh", "", true, Reason::taken},
        Case{"Softplus", "", true, Reason::stored_floats}, Case{"Pow", "cube", true, Reason::taken},
        Case{"Pow", "root", true, Reason::stored_floats}, Case{"Gelu", "", true, Reason::taken},
        Case{"Relu", "", false, Reason::float_to_host}, Case{"Mul", "per column", true, Reason::taken},
        Case{"Mul", "per row", true, Reason::stored_floats}, Case{"Add", "product", true, Reason::taken},
        Case{"Pow", "product", true, Reason::stored_floats}, Case{"Add", "host", true, Reason::float_from_host}}) {
    SCOPED_TRACE(std::string(c.op) + " " + c.other + (c.product ? "" : " for the host"));
    BetweenKit kit({64, 640});
    std::vector<int> operands{kit.y};
    const std::string_view other = c.other;
    if (other == "product") {
      operands.push_back(kit.product(0.25F));
    } else if (other == "cube" || other == "root") {
      operands.push_back(kit.constant(ElemType::f32, std::vector<float>{other == "cube" ? 3.0F : 0.5F}, {}));
    } else if (other == "host") {
      operands.push_back(kit.of_host());
    } else if (!other.empty()) {
      const bool column = other == "per column";
      operands.push_back(kit.constant(ElemType::f32, std::vector<float>(column ? 640 : 64, 2),
                                      column ? std::vector<int64_t>{640} : std::vector<int64_t>{64, 1}));
    }
    const int made = kit.node(c.op, operands, ElemType::f32, kit.dims);
    if (c.product) {
      kit.read_by_product(made);
    } else {
      kit.output(kit.node("Sort", {made}, ElemType::f32, kit.dims));
    }
    EXPECT_EQ(kit.of(kit.y), Reason::taken);
    EXPECT_EQ(kit.of(made), c.reason);
  }
}

// A mask of the host's is added to rows, rotations are multiplied with.
TEST(Worth, MasksAndRotationsEnterForUseInside) {
  for (const char* op : {"Add", "Mul", "Sub"}) {
    for (const std::vector<int64_t>& dims : {std::vector<int64_t>{1, 640}, {640}, {64, 1}, {64, 640}}) {
      BetweenKit kit({64, 640});
      const int mask = kit.node("Sort", {kit.input(ElemType::f32, dims)}, ElemType::f32, dims);
      const int sum = kit.node(op, {kit.y, mask}, ElemType::f32, kit.dims);
      kit.read_by_product(kit.node("Softmax", {sum}, ElemType::f32, kit.dims));
      const bool taken = std::string_view(op) != "Sub" && dims.back() == 640;
      EXPECT_EQ(kit.of(sum), taken ? Reason::taken : Reason::float_from_host) << op << " " << dims[0];
    }
  }
}

// Rows of a product that are seen as pixels keep their columns innermost, until they are turned.
TEST(Worth, ColumnsAreInnermostUnderAnotherShape) {
  struct Case {
    std::vector<int64_t> vector;
    bool turned;
    Reason reason;
  };
  for (const Case& c : {Case{{640}, false, Reason::taken}, Case{{8, 1}, false, Reason::stored_floats},
                        Case{{640, 1, 1}, true, Reason::taken}, Case{{8}, true, Reason::stored_floats}}) {
    BetweenKit kit({64, 640});
    std::vector<int64_t> dims{1, 8, 8, 640};
    const auto list = [&](const std::vector<int64_t>& v) { return kit.constant(ElemType::s64, v, {std::ssize(v)}); };
    int seen = kit.node("Reshape", {kit.y, list(dims)}, ElemType::f32, dims);
    if (c.turned) {
      dims = {1, 640, 8, 8};
      seen = kit.node("Transpose", {seen}, ElemType::f32, dims);
      kit.ints("perm", {0, 3, 1, 2});
    }
    int64_t count = 1;
    for (const int64_t d : c.vector) count *= d;
    const int gain = kit.constant(ElemType::f32, std::vector<float>(static_cast<size_t>(count), 2), c.vector);
    const int made = kit.node("Mul", {gain, seen}, ElemType::f32, dims);
    kit.read_by_product(made);
    EXPECT_EQ(kit.of(made), c.reason) << c.vector[0] << (c.turned ? " turned" : "");
  }
}

// Of an image between two such products its pixels may move as well.
TEST(Worth, PixelsOfDynamicProductsMoveInside) {
  struct Case {
    const char* op;
    const char* other;
    std::vector<int64_t> made;
    Reason reason;
  };
  for (const Case& c :
       {Case{"Concat", "product", {1, 8, 64, 640}, Reason::taken},
        Case{"Concat", "host", {1, 8, 64, 640}, Reason::float_from_host},
        Case{"Concat", "codes", {1, 8, 64, 640}, Reason::taken}, Case{"MaxPool", "", {1, 4, 32, 320}, Reason::taken},
        Case{"AveragePool", "", {1, 4, 32, 320}, Reason::taken},
        Case{"Resize", "nearest", {1, 4, 128, 1280}, Reason::taken},
        Case{"Resize", "linear", {1, 4, 128, 1280}, Reason::taken}, Case{"Slice", "", {1, 2, 64, 640}, Reason::taken},
        Case{"Transpose", "", {1, 64, 640, 4}, Reason::taken}}) {
    SCOPED_TRACE(std::string(c.op) + " " + c.other);
    BetweenKit kit({1, 4, 64, 640});
    const std::string_view op = c.op, other = c.other;
    const auto list = [&](const std::vector<int64_t>& v) { return kit.constant(ElemType::s64, v, {std::ssize(v)}); };
    std::vector<int> operands{kit.y};
    if (other == "product") {
      operands.push_back(kit.product(0.25F));
    } else if (other == "cube" || other == "root") {
      operands.push_back(kit.constant(ElemType::f32, std::vector<float>{other == "cube" ? 3.0F : 0.5F}, {}));
    } else if (other == "host") {
      operands.push_back(kit.of_host());
    } else if (other == "codes") {
      operands.push_back(kit.dequantize(kit.input(ElemType::u8, kit.dims)));
    } else if (op == "Resize") {
      operands.insert(operands.end(), {-1, kit.constant<float>(ElemType::f32, {1, 1, 2, 2}, {4})});
    } else if (op == "Slice") {
      operands.insert(operands.end(), {list({0}), list({2}), list({1})});
    }
    const int made = kit.node(c.op, operands, ElemType::f32, c.made);
    kit.integer("axis", 1);
    if (op.ends_with("Pool")) {
      kit.ints("kernel_shape", {2, 2});
      kit.ints("strides", {2, 2});
    }
    if (op == "Resize") kit.text("mode", c.other);
    if (op == "Transpose") kit.ints("perm", {0, 2, 3, 1});
    kit.read_by_product(made);
    EXPECT_EQ(kit.of(kit.y), Reason::taken);
    EXPECT_EQ(kit.of(made), c.reason);
  }
}

// Indices are small: they leave the region whoever reads them.
TEST(Worth, WhereTheGreatestIs) {
  for (const bool host : {false, true}) {
    BetweenKit kit({1, 4, 64, 640});
    const int made = kit.node("ArgMax", {host ? kit.of_host() : kit.y}, ElemType::s64, {1, 1, 64, 640});
    kit.integer("axis", 1);
    kit.output(kit.node("Sort", {made}, ElemType::s64, {1, 1, 64, 640}));
    EXPECT_EQ(kit.of(made), host ? Reason::float_from_host : Reason::taken);
  }
}

TEST(Worth, RowsOfCodesThatTheHostMakesAndOfConstants) {
  WorthKit kit;
  const int codes = kit.node("Sort", {kit.image}, ElemType::u8, {1, 4, 8, 8});
  const int numbers = kit.constant(ElemType::f32, std::vector<float>(64, 2), {8, 8});
  const int cast = kit.node("Cast", {codes}, ElemType::f32, {1, 4, 8, 8});
  kit.integer("to", 1);
  const int rows = kit.node("Softmax", {numbers}, ElemType::f32, {8, 8});
  kit.output(kit.real("Sort", cast));
  kit.output(kit.node("Sort", {rows}, ElemType::f32, {8, 8}));
  EXPECT_NE(kit.of(cast), Reason::taken);
  EXPECT_NE(kit.of(rows), Reason::taken);
}

TEST(Worth, AProductLooksThroughADequantizeOfItsOwnGroupOnly) {
  for (const bool outside : {false, true}) {
    SCOPED_TRACE(outside);
    WorthKit kit;
    const int x = kit.dequantize(kit.input(ElemType::u8, {4, 4}), 0.5F, 1);
    kit.graph.values[x].dims = {4, 4};
    const int other = kit.node(outside ? "Sort" : "Exp", {x}, ElemType::f32, {4, 4});
    const int f = kit.node("MatMul", {x, kit.dequantize(kit.quantize(other), 0.25F, 3)}, ElemType::f32, {4, 4});
    kit.output(kit.quantize(f));
    EXPECT_EQ(kit.of(f), outside ? Reason::shared_dequantize : Reason::taken);
  }
}

}  // namespace
}  // namespace octile::plugin::test
