// Movements and resize: ONNX's documented examples, answers of ONNX's reference evaluator.
// In:  literals.  Out: assertions.
// Not here: arithmetic.
#include "tests/unit/workload/graph_kit.h"

namespace octile::test {
namespace {

constexpr int64_t kEnd = INT64_MAX, kStart = INT64_MIN;

TEST(InterpreterMovement, ConcatOfBytes) {
  const HostArray a = array<uint8_t>({2, 1, 2}, {1, 2, 3, 4}),
                  b = array<uint8_t>({2, 2, 2}, {5, 6, 7, 8, 9, 10, 11, 12});
  const HostArray y = run(node(NodeKind::concat, {-2}), {a, b});
  EXPECT_EQ(y.dims, (Shape{2, 3, 2}));
  EXPECT_EQ(values<uint8_t>(y), (std::vector<uint8_t>{1, 2, 5, 6, 7, 8, 3, 4, 9, 10, 11, 12}));
  EXPECT_FALSE(refusal(node(NodeKind::concat, {2}), {a, b}).ok());
}

TEST(InterpreterMovement, Slice) {
  const HostArray x = counting({4, 5});
  EXPECT_EQ(values(run(node(NodeKind::slice, {-1, -100, -2, -100, 100, 3}), {x})), (Floats{15, 18, 5, 8}));
  EXPECT_EQ(values(run(node(NodeKind::slice, {1, 2, 1}), {x})), (Floats{5, 6, 7, 8, 9}));  // the second axis is whole
  EXPECT_EQ(values(run(node(NodeKind::slice, {0, 1, 1, kEnd, kStart, -2}), {x})), (Floats{4, 2, 0}));
  EXPECT_EQ(run(node(NodeKind::slice, {3, 3, 1}), {x}).dims, (Shape{0, 5}));
  EXPECT_EQ(run(node(NodeKind::slice, {0, kEnd, kEnd}), {x}).dims, (Shape{1, 5}));
  EXPECT_EQ(run(node(NodeKind::slice, {kEnd, 0, kStart}), {x}).dims, (Shape{1, 5}));
  EXPECT_FALSE(refusal(node(NodeKind::slice, {0, 1, 0}), {x}).ok());
}

TEST(InterpreterMovement, Gather) {
  const HostArray x = counting({3, 2});
  EXPECT_EQ(values(run(node(NodeKind::gather, {0}), {x, array<int32_t>({2}, {-1, 0})})), (Floats{4, 5, 0, 1}));
  const HostArray y = run(node(NodeKind::gather, {1}), {x, array<int32_t>({1, 2}, {1, 1})});
  EXPECT_EQ(y.dims, (Shape{3, 1, 2}));
  EXPECT_EQ(values(y), (Floats{1, 1, 3, 3, 5, 5}));
  EXPECT_EQ(run(node(NodeKind::gather), {x, array<int32_t>({}, {1})}).dims, (Shape{2}));
  EXPECT_FALSE(refusal(node(NodeKind::gather), {x, array<int32_t>({1}, {3})}).ok());
}

TEST(InterpreterMovement, Pad) {
  const HostArray x = counting({2, 3}, 1);
  EXPECT_EQ(values(run(node(NodeKind::pad, {1, 2, 0, 1, 1}), {x})),
            (Floats{6, 5, 4, 5, 6, 5, 3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5}));
  EXPECT_EQ(values(run(node(NodeKind::pad, {1, 2, 0, 1, 2}), {x})),
            (Floats{1, 1, 1, 2, 3, 3, 1, 1, 1, 2, 3, 3, 4, 4, 4, 5, 6, 6}));
  EXPECT_EQ(values(run(node(NodeKind::pad, {0, -1, 1, 0}, {9}), {x})), (Floats{2, 3, 5, 6, 9, 9}));
  EXPECT_EQ(values<int8_t>(run(node(NodeKind::pad, {1, 0}, {-3}), {array<int8_t>({2}, {1, 2})})),
            (std::vector<int8_t>{-3, 1, 2}));
  EXPECT_FALSE(refusal(node(NodeKind::pad, {2, 0, 0, 0, 1}), {x}).ok());
}

TEST(InterpreterMovement, Shapes) {
  const HostArray x = counting({2, 3, 4});
  EXPECT_EQ(run(node(NodeKind::reshape, {0, -1}), {x}).dims, (Shape{2, 12}));
  EXPECT_EQ(run(node(NodeKind::reshape, {4, 0, 2}), {x}).dims, (Shape{4, 3, 2}));
  EXPECT_EQ(values(run(node(NodeKind::reshape, {24}), {x})), values(x));
  EXPECT_EQ(run(node(NodeKind::reshape), {x, array<uint8_t>({6, 4}, std::vector<uint8_t>(24))}).dims, (Shape{6, 4}));
  EXPECT_FALSE(refusal(node(NodeKind::reshape), {x, counting({5, 5})}).ok());
  EXPECT_EQ(run(node(NodeKind::flatten), {x}).dims, (Shape{2, 12}));
  EXPECT_EQ(run(node(NodeKind::flatten, {0}), {x}).dims, (Shape{1, 24}));
  EXPECT_EQ(run(node(NodeKind::flatten, {-1}), {x}).dims, (Shape{6, 4}));
  EXPECT_EQ(run(node(NodeKind::squeeze), {counting({1, 3, 1})}).dims, (Shape{3}));
  EXPECT_EQ(run(node(NodeKind::squeeze, {-1}), {counting({1, 3, 1})}).dims, (Shape{1, 3}));
  EXPECT_EQ(values(run(node(NodeKind::expand, {2, 1, 3}), {counting({2, 1})})),
            (Floats{0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1}));
  EXPECT_FALSE(refusal(node(NodeKind::expand, {3, 4}), {counting({2, 4})}).ok());
  EXPECT_EQ(run(node(NodeKind::unsqueeze, {0, -1}), {counting({3})}).dims, (Shape{1, 3, 1}));
  for (const Ints& target : {Ints{5, -1}, Ints{-1, -1}, Ints{2, 3}, Ints{2, 3, 4, 0}, Ints{-2, 12}}) {
    EXPECT_FALSE(refusal(node(NodeKind::reshape, target), {x}).ok()) << print(target);
  }
  EXPECT_FALSE(refusal(node(NodeKind::squeeze, {0}), {x}).ok());
}

TEST(InterpreterMovement, Transpose) {
  const HostArray x = counting({2, 1, 3});
  EXPECT_EQ(values(run(node(NodeKind::transpose, {1, 2, 0}), {x})), (Floats{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(run(node(NodeKind::transpose), {x}).dims, (Shape{3, 1, 2}));
  EXPECT_FALSE(refusal(node(NodeKind::transpose, {0, 0, 1}), {x}).ok());
}

TEST(InterpreterMovement, Blocks) {
  EXPECT_EQ(values(run(node(NodeKind::space_to_depth, {2}), {counting({1, 1, 4, 6})})),
            (Floats{0, 2, 4, 12, 14, 16, 1, 3, 5, 13, 15, 17, 6, 8, 10, 18, 20, 22, 7, 9, 11, 19, 21, 23}));
  const HostArray deep = counting({1, 8, 1, 2});
  EXPECT_EQ(values(run(node(NodeKind::depth_to_space, {2}), {deep})),
            (Floats{0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15}));
  EXPECT_EQ(values(run(node(NodeKind::depth_to_space, {2, 1}), {deep})),
            (Floats{0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15}));
  EXPECT_FALSE(refusal(node(NodeKind::depth_to_space, {3}), {deep}).ok());
}

struct Case {
  int64_t coordinates, rounding;
  Floats want;
};

// Row 1 of half_pixel lies at 1.5 / 0.6 - 0.5 = 2, which float32 finds; float64 with a float32 scale ends just below.
TEST(InterpreterResize, NearestInEveryMode) {
  const Case cases[] = {
      {0, 0, {1, 2, 2, 3, 4, 9, 10, 10, 11, 12}}, {0, 2, {1, 1, 2, 3, 3, 9, 9, 10, 11, 11}},
      {0, 3, {5, 6, 7, 8, 8, 9, 10, 11, 12, 12}}, {1, 0, {1, 2, 3, 3, 4, 9, 10, 11, 11, 12}},
      {1, 2, {1, 1, 2, 3, 4, 5, 5, 6, 7, 8}},     {1, 3, {1, 2, 3, 4, 4, 9, 10, 11, 12, 12}},
      {3, 1, {1, 2, 2, 3, 4, 9, 10, 10, 11, 12}}, {4, 2, {1, 1, 2, 3, 4, 9, 9, 10, 11, 12}},
      {4, 1, {5, 6, 7, 7, 8, 9, 10, 11, 11, 12}},
  };
  for (const Case& c : cases) {
    const HostArray y =
        run(node(NodeKind::resize, {0, c.coordinates, c.rounding}, {1, 1, 0.6F, 1.3F}), {counting({1, 1, 4, 4}, 1)});
    EXPECT_EQ(y.dims, (Shape{1, 1, 2, 5}));
    EXPECT_EQ(values(y), c.want) << c.coordinates << ' ' << c.rounding;
  }
}

TEST(InterpreterResize, NearestTwiceOfBytesAndBySize) {
  const HostArray x = array<uint8_t>({1, 1, 2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(values<uint8_t>(run(node(NodeKind::resize, {0, 1, 2}, {1, 1, 2, 2}), {x})),
            (std::vector<uint8_t>{1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4}));
  const HostArray wide = run(node(NodeKind::resize, {0, 0, 0, 0, 0, 7, 8}), {x});
  EXPECT_EQ(wide.dims, (Shape{1, 1, 7, 8}));
  EXPECT_EQ(values<uint8_t>(wide)[3 * 8], 1);
  EXPECT_EQ(values<uint8_t>(wide)[4 * 8 + 4], 4);
}

// A scale of float(1/3) must not turn 3 / scale's reciprocal into 2.9999999 and floor it to 2.
TEST(InterpreterResize, ScalesOfAThird) {
  const HostArray y = run(node(NodeKind::resize, {0, 1, 2, 3}), {counting({9})});
  EXPECT_EQ(values(y), (Floats{0, 3, 6}));
}

TEST(InterpreterResize, Linear) {
  const HostArray x = counting({1, 1, 2, 2}, 1);
  EXPECT_EQ(values(run(node(NodeKind::resize, {1, 0, 0}, {1, 1, 2, 2}), {x})),
            (Floats{1, 1.25F, 1.75F, 2, 1.5F, 1.75F, 2.25F, 2.5F, 2.5F, 2.75F, 3.25F, 3.5F, 3, 3.25F, 3.75F, 4}));
  EXPECT_EQ(values(run(node(NodeKind::resize, {1, 1, 0}, {1, 1, 2, 2}), {x})),
            (Floats{1, 1.5F, 2, 2, 2, 2.5F, 3, 3, 3, 3.5F, 4, 4, 3, 3.5F, 4, 4}));
  const HostArray aligned = run(node(NodeKind::resize, {1, 2, 0}, {1, 1, 2, 2}), {x});
  EXPECT_NEAR(values(aligned)[1], 4.0F / 3, 1e-6F);
  EXPECT_EQ(values(aligned)[15], 4);
  const HostArray torch = run(node(NodeKind::resize, {1, 3, 0, 1, 1, 3, 1}), {counting({1, 1, 4, 4}, 1)});
  EXPECT_NEAR(values(torch)[0], 1.6666666F, 1e-6F);
  EXPECT_NEAR(values(torch)[2], 12.333333F, 2e-6F);
}

// github.com/microsoft/onnxruntime/issues/28448: rounding comes after interpolation, not instead of it.
// ORT's answers: coordinates half a pixel off move no axis that is not scaled.
TEST(InterpreterResize, AxesOfScaleOneStay) {
  const HostArray x = counting({2, 3, 3, 4});
  const HostArray linear = run(node(NodeKind::resize, {1, 5, 0}, {1, 1, 2, 1}), {x});
  const HostArray up = run(node(NodeKind::resize, {0, 5, 3}, {1, 1, 2, 1}), {x});
  for (int64_t plane = 0; plane < 6; ++plane) {
    for (int64_t column = 0; column < 4; ++column) {
      const auto first = static_cast<float>(12 * plane + column);
      EXPECT_EQ(linear.as<float>()[24 * plane + column], first + 1);
      EXPECT_EQ(up.as<float>()[24 * plane + column], first + 4);
    }
  }
}

TEST(InterpreterResize, LinearBetweenDequantizeAndQuantize) {
  const HostArray y = run(node(NodeKind::resize, {1, 0, 0, 0, 0, 0, 6}), {floats({1, 1, 1, 3}, {2, 7, 4})});
  std::vector<int> codes;
  for (float v : values(y)) codes.push_back(quantize_onnx_rne(v, 1.0F, 0, -128, 127));
  EXPECT_EQ(codes, (std::vector<int>{2, 3, 6, 6, 5, 4}));
}

TEST(InterpreterResize, Refusals) {
  const HostArray x = counting({1, 1, 2, 2});
  EXPECT_FALSE(refusal(node(NodeKind::resize, {0, 0, 0}), {x}).ok());
  EXPECT_FALSE(refusal(node(NodeKind::resize, {0, 0, 0, 1, 1, 2, 2}, {1, 1, 1, 1}), {x}).ok());
  EXPECT_FALSE(refusal(node(NodeKind::resize, {0, 0, 0}, {1, 1, 2}), {x}).ok());
  EXPECT_FALSE(refusal(node(NodeKind::resize, {2, 0, 0}, {1, 1, 2, 2}), {x}).ok());
  for (float scale : {0.0F, -1.0F, 1e30F}) {
    EXPECT_FALSE(refusal(node(NodeKind::resize, {0, 0, 0}, {1, 1, scale, 1}), {x}).ok() && scale != 0);
  }
}

}  // namespace
}  // namespace octile::test
