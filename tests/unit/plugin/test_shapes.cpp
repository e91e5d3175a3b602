// Shapes that a host does not infer: op by op, with a batch that has a name.
// In:  one node of known operands.  Out: the extents of what it makes.
// Not here: what Reshapes do with them (test_translate.cpp).
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "graph_kit.h"
#include "plugin/partition/shapes.h"

namespace octile::plugin::test {
namespace {

// The made shape in words: "N 3 4", or "?" where none is known.
std::string shape_of(const std::function<void(GraphKit&)>& write, size_t output = 0) {
  GraphKit kit;
  write(kit);
  HostGraph graph = kit.linked();
  (void)fill_shapes(graph);
  const HostValue& v = graph.values[graph.nodes.back().output(output)];
  std::string out;
  for (size_t i = 0; i < v.dims.size(); ++i) {
    const DimName name = i < v.dim_names.size() ? v.dim_names[i] : DimName();
    const std::string symbol = (name.factor == 1 ? "" : std::to_string(name.factor)) + name.symbol;
    out += (i == 0 ? "" : " ") + (v.dims[i] >= 0 ? std::to_string(v.dims[i]) : name.symbol.empty() ? "?" : symbol);
  }
  return v.ranked ? out : "?";
}

// Extents; -1 is N.
int tensor(GraphKit& kit, const std::vector<int64_t>& dims) {
  const int x = kit.input(ElemType::f32, dims);
  for (const int64_t d : dims) kit.graph.values[x].dim_names.push_back(d < 0 ? DimName{1, "N"} : DimName());
  return x;
}
int list(GraphKit& kit, const std::vector<int64_t>& values) {
  return kit.constant<int64_t>(ElemType::s64, values, {std::ssize(values)});
}

// One op on such a tensor, its other inputs lists.
std::string made(
    const std::string& op, const std::vector<int64_t>& dims, const std::vector<std::vector<int64_t>>& lists = {},
    const std::function<void(GraphKit&)>& attributes = [](GraphKit&) {}) {
  return shape_of([&](GraphKit& kit) {
    std::vector<int> inputs{tensor(kit, dims)};
    for (const auto& values : lists) inputs.push_back(list(kit, values));
    kit.node(op, inputs, ElemType::f32);
    attributes(kit);
  });
}

TEST(Shapes, Movements) {
  const auto perm = [](const std::vector<int64_t>& p) { return [p](GraphKit& kit) { kit.ints("perm", p); }; };
  EXPECT_EQ(made("Relu", {-1, 3}), "N 3");
  EXPECT_EQ(made("Transpose", {-1, 3, 4}, {}, perm({2, 0, 1})), "4 N 3");
  EXPECT_EQ(made("Transpose", {-1, 3, 4}), "4 3 N");
  EXPECT_EQ(made("Reshape", {-1, 6, 4}, {{0, 3, -1}}), "N 3 8");
  EXPECT_EQ(made("Reshape", {-1, 6, 4}, {{-1, 4}}), "6N 4");
  EXPECT_EQ(made("Reshape", {-1, 6, 4}, {{-1, 5}}), "?");
  EXPECT_EQ(made("Reshape", {-1, -1, 4}, {{-1, 4}}), "?");
  EXPECT_EQ(made("Flatten", {-1, 6, 4}), "N 24");
  EXPECT_EQ(made("Flatten", {-1, 6, 4}, {}, [](GraphKit& kit) { kit.integer("axis", 2); }), "6N 4");
  EXPECT_EQ(made("Unsqueeze", {-1, 3}, {{1, -1}}), "N 1 3 1");
  EXPECT_EQ(made("Squeeze", {1, -1, 3, 1}, {{0, -1}}), "N 3");
  EXPECT_EQ(made("Slice", {-1, 9}, {{1}, {-2}, {1}, {2}}), "N 3");
  EXPECT_EQ(made("Slice", {-1, 9}, {{0}, {INT64_MAX}, {0}}), "N 9");
  EXPECT_EQ(made("Slice", {-1, 9}, {{0}, {4}, {0}}), "?");  // of an unknown batch
  EXPECT_EQ(made("Slice", {-1, 9}, {{8}, {0}, {1}, {-1}}), "?");
  EXPECT_EQ(made("Pad", {-1, 5}, {{0, 1, 0, 2}}), "N 8");
  EXPECT_EQ(made("Pad", {-1, 5}, {{1, 1, 0, 2}}), "?");
  EXPECT_EQ(made("Expand", {-1, 1}, {{1, 7}}), "N 7");
  const auto axis = [](int64_t a) { return [=](GraphKit& kit) { kit.integer("axis", a); }; };
  EXPECT_EQ(made("Gather", {-1, 5, 4}, {{1, 2}}, axis(1)), "N 2 4");
  EXPECT_EQ(made("Split", {-1, 6}, {}, axis(1)), "N 6");
  EXPECT_EQ(made("Split", {-1, 6}, {{4}}, axis(1)), "N 4");
  EXPECT_EQ(made("Split", {-1, 6}, {}, axis(0)), "?");
}

TEST(Shapes, Arithmetic) {
  const auto of_two = [](
                          const std::string& op, const std::vector<int64_t>& a, const std::vector<int64_t>& b,
                          const std::function<void(GraphKit&)>& attributes = [](GraphKit&) {}) {
    return shape_of([&](GraphKit& kit) {
      const int x = tensor(kit, a), y = tensor(kit, b);
      kit.node(op, {x, y}, ElemType::f32);
      attributes(kit);
    });
  };
  EXPECT_EQ(of_two("Add", {-1, 3, 1}, {4}), "N 3 4");
  EXPECT_EQ(of_two("Mul", {-1, 1}, {-1, 5}), "N 5");
  EXPECT_EQ(of_two("Add", {2, 3}, {2, 4}), "?");
  EXPECT_EQ(of_two("MatMul", {-1, 8, 5, 4}, {-1, 8, 4, 7}), "N 8 5 7");
  EXPECT_EQ(of_two("MatMul", {-1, 5, 4}, {4, 7}), "N 5 7");
  EXPECT_EQ(of_two("Gemm", {-1, 4}, {7, 4}, [](GraphKit& kit) { kit.integer("transB", 1); }), "N 7");
  EXPECT_EQ(of_two("Concat", {-1, 3, 4}, {-1, 5, 4}, [](GraphKit& kit) { kit.integer("axis", 1); }), "N 8 4");
  EXPECT_EQ(of_two("Concat", {-1, 4}, {-1, 4}, [](GraphKit& kit) { kit.integer("axis", 0); }), "?");
  const auto strided = [](GraphKit& kit) {
    kit.ints("strides", {2, 2});
    kit.ints("pads", {1, 1, 1, 1});
  };
  EXPECT_EQ(of_two("Conv", {-1, 4, 9, 8}, {6, 4, 3, 3}, strided), "N 6 5 4");
  EXPECT_EQ(of_two("Conv", {-1, 4, 2, 2}, {6, 4, 3, 3}), "?");
  // A number that was dequantized, whose rank no host tells.
  EXPECT_EQ(shape_of([](GraphKit& kit) {
              const int x = tensor(kit, {-1, 3});
              kit.node("Mul", {x, kit.dequantize(kit.constant<uint8_t>(ElemType::u8, {7}, {}))}, ElemType::f32);
            }),
            "N 3");
}

TEST(Shapes, WindowsAndMeans) {
  const auto kernel = [](GraphKit& kit) {
    kit.ints("kernel_shape", {2, 2});
    kit.ints("strides", {2, 2});
  };
  EXPECT_EQ(made("MaxPool", {-1, 4, 9, 8}, {}, kernel), "N 4 4 4");
  EXPECT_EQ(made("AveragePool", {-1, 4, -1, 8}, {}, kernel), "?");
  EXPECT_EQ(made("GlobalAveragePool", {-1, 4, 9, 8}), "N 4 1 1");
  EXPECT_EQ(made("ReduceMean", {-1, 4, 9}, {{-1}}), "N 4 1");
  EXPECT_EQ(made("ReduceMean", {-1, 4, 9}, {{-1}}, [](GraphKit& kit) { kit.integer("keepdims", 0); }), "N 4");
  EXPECT_EQ(made("NonZero", {-1, 4}), "?");
}

}  // namespace
}  // namespace octile::plugin::test
