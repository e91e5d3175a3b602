// The interpreter's float nodes: ONNX's documented examples, and cases small enough for a pencil.
// In:  literals.  Out: assertions.
// Not here: the functions of one number (unary_test.cpp), movements.
#include <cmath>
#include <limits>

#include "tests/unit/workload/graph_kit.h"

namespace octile::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

void expect_near(const HostArray& got, const Floats& want, float tolerance = 1e-6F) {
  ASSERT_EQ(got.count(), std::ssize(want));
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got.as<float>()[i], want[i], tolerance) << i;
}

TEST(InterpreterBinary, BroadcastsAsOnnx) {
  const HostArray a = counting({2, 3}), row = floats({3}, {10, 20, 30}), column = floats({2, 1}, {100, 200});
  EXPECT_EQ(values(run(node(NodeKind::add), {a, row})), (Floats{10, 21, 32, 13, 24, 35}));
  EXPECT_EQ(values(run(node(NodeKind::add), {column, a})), (Floats{100, 101, 102, 203, 204, 205}));
  const HostArray outer = run(node(NodeKind::mul), {floats({2, 1}, {1, 2}), row});
  EXPECT_EQ(outer.dims, (Shape{2, 3}));
  EXPECT_EQ(values(outer), (Floats{10, 20, 30, 20, 40, 60}));
  EXPECT_EQ(values(run(node(NodeKind::sub), {a, floats({}, {1})})), (Floats{-1, 0, 1, 2, 3, 4}));
  EXPECT_EQ(values(run(node(NodeKind::div), {a, floats({1}, {2})})), (Floats{0, 0.5F, 1, 1.5F, 2, 2.5F}));
  EXPECT_FALSE(refusal(node(NodeKind::add), {a, floats({2}, {1, 2})}).ok());
}

// A gate of squeeze-and-excite: one number per channel.
TEST(InterpreterBinary, GateOfChannels) {
  const HostArray y = run(node(NodeKind::mul), {counting({1, 2, 1, 2}, 1), floats({1, 2, 1, 1}, {10, 100})});
  EXPECT_EQ(values(y), (Floats{10, 20, 300, 400}));
}

TEST(InterpreterUnary, EveryElement) {
  EXPECT_EQ(values(run(node(NodeKind::relu), {floats({3}, {-1, 0, 2})})), (Floats{0, 0, 2}));
  EXPECT_EQ(values(run(node(NodeKind::clip, {}, {-1, 1}), {floats({3}, {-2, 0.5F, 3})})), (Floats{-1, 0.5F, 1}));
}

NodeDesc pool(NodeKind kind, Ints ints, int rank = 2, const std::string& auto_pad = "NOTSET") {
  NodeDesc n = node(kind, std::move(ints));
  n.spatial_rank = rank;
  n.auto_pad = auto_pad;
  return n;
}

// ONNX's maxpool_2d_ceil, _dilations, _same_upper, _pads.
TEST(InterpreterPools, Max) {
  const HostArray x = counting({1, 1, 4, 4}, 1);
  EXPECT_EQ(values(run(pool(NodeKind::max_pool, {3, 3, 2, 2, 0, 0, 0, 0, 1, 0}), {x})), (Floats{11, 12, 15, 16}));
  EXPECT_EQ(values(run(pool(NodeKind::max_pool, {2, 2, 1, 1, 0, 0, 0, 0, 0, 0, 2, 2}), {x})), (Floats{11, 12, 15, 16}));
  const HostArray five = counting({1, 1, 5, 5}, 1);
  EXPECT_EQ(values(run(pool(NodeKind::max_pool, {3, 3, 2, 2, 0, 0, 0, 0, 0, 0}, 2, "SAME_UPPER"), {five})),
            (Floats{7, 9, 10, 17, 19, 20, 22, 24, 25}));
  const HostArray wide = run(pool(NodeKind::max_pool, {5, 5, 1, 1, 2, 2, 2, 2, 0, 0}), {five});
  EXPECT_EQ(values(wide), (Floats{13, 14, 15, 15, 15, 18, 19, 20, 20, 20, 23, 24, 25,
                                  25, 25, 23, 24, 25, 25, 25, 23, 24, 25, 25, 25}));
}

TEST(InterpreterPools, MaxPaddingNeverWinsAndNanDoes) {
  EXPECT_EQ(values(run(pool(NodeKind::max_pool, {3, 2, 1, 1, 0, 0}, 1), {floats({1, 1, 3}, {-5, -4, -6})})),
            (Floats{-4, -4}));
  const HostArray y = run(pool(NodeKind::max_pool, {2, 1, 0, 0, 0, 0}, 1), {floats({1, 1, 4}, {1, kNan, 2, 3})});
  EXPECT_TRUE(std::isnan(values(y)[0]) && std::isnan(values(y)[1]));
  EXPECT_EQ(values(y)[2], 3);
}

TEST(InterpreterPools, MaxOfCodes) {
  const HostArray x = array<int8_t>({1, 1, 4}, {-128, -1, 3, 2});
  EXPECT_EQ(values<int8_t>(run(pool(NodeKind::max_pool, {2, 2, 0, 0, 0, 0}, 1), {x})), (std::vector<int8_t>{-1, 3}));
  EXPECT_EQ(values<uint8_t>(run(node(NodeKind::global_max_pool), {array<uint8_t>({1, 2, 2}, {1, 255, 7, 6})})),
            (std::vector<uint8_t>{255, 7}));
}

TEST(InterpreterPools, Average) {
  const HostArray x = counting({1, 1, 4, 4}, 1);
  // averagepool_2d_ceil: what ceil_mode adds does not count.
  EXPECT_EQ(values(run(pool(NodeKind::average_pool, {3, 3, 2, 2, 0, 0, 0, 0, 1, 0}), {x})),
            (Floats{6, 7.5F, 12, 13.5F}));
  // With pads counted; the last window reaches one beyond them.
  expect_near(run(pool(NodeKind::average_pool, {3, 3, 2, 2, 1, 1, 1, 1, 1, 1}), {x}),
              {14.0F / 9, 30.0F / 9, 2, 57.0F / 9, 11, 6, 4.5F, 7.5F, 4});
  // A window that would start in the trailing pad does not exist.
  EXPECT_EQ(run(pool(NodeKind::average_pool, {2, 2, 3, 3, 1, 1, 1, 1, 1, 0}), {x}).dims, (Shape{1, 1, 2, 2}));
  EXPECT_EQ(values(run(pool(NodeKind::average_pool, {2, 2, 1, 1, 0, 0, 0, 0, 0, 0}, 2, "SAME_LOWER"), {x})),
            (Floats{1, 1.5F, 2.5F, 3.5F, 3, 3.5F, 4.5F, 5.5F, 7, 7.5F, 8.5F, 9.5F, 11, 11.5F, 12.5F, 13.5F}));
  // Pads not counted.
  EXPECT_EQ(values(run(pool(NodeKind::average_pool, {3, 1, 1, 1, 0, 0}, 1), {floats({1, 1, 3}, {1, 2, 6})})),
            (Floats{1.5F, 3, 4}));
  EXPECT_FALSE(refusal(pool(NodeKind::average_pool, {1, 1, 2, 2, 0, 0}, 1), {floats({1, 1, 1}, {1})}).ok());
}

TEST(InterpreterMeans, GlobalAndOverAxes) {
  EXPECT_EQ(values(run(node(NodeKind::global_average_pool), {counting({1, 1, 3, 3}, 1)})), (Floats{5}));
  const HostArray x = floats({3, 2, 2}, {5, 1, 20, 2, 30, 1, 40, 2, 55, 1, 60, 2});
  EXPECT_EQ(values(run(node(NodeKind::reduce_mean, {0, 1}), {x})), (Floats{12.5F, 1.5F, 35, 1.5F, 57.5F, 1.5F}));
  EXPECT_EQ(run(node(NodeKind::reduce_mean, {1, -2}), {x}).dims, (Shape{3, 1, 2}));
  EXPECT_EQ(run(node(NodeKind::reduce_mean, {0, 0, 2}), {x}).dims, (Shape{2}));
  const HostArray all = run(node(NodeKind::reduce_mean, {0}), {x});
  EXPECT_EQ(all.dims, Shape());
  EXPECT_EQ(values(all), (Floats{18.25F}));
}

// The sum is exact and rounded once: a float32 sum would lose every one.
TEST(InterpreterMeans, RoundOnce) {
  Floats x(1024, 1.0F);
  x[0] = 0x1p24F;
  EXPECT_EQ(values(run(node(NodeKind::reduce_mean, {0}), {floats({1024}, x)})),
            (Floats{(0x1p24F + 1023.0F) / 1024.0F}));
  EXPECT_EQ(values(run(node(NodeKind::reduce_mean, {0}), {floats({1024}, x)}))[0],
            static_cast<float>(16778239.0 / 1024));
}

TEST(InterpreterRows, Softmax) {
  const HostArray x = floats({2, 4}, {0, 1, 2, 3, 10000, 10001, 10002, 10003});
  const Floats row{0.0320586F, 0.08714432F, 0.23688282F, 0.64391426F};
  expect_near(run(node(NodeKind::softmax), {x}), {row[0], row[1], row[2], row[3], row[0], row[1], row[2], row[3]});
  const HostArray columns = run(node(NodeKind::softmax, {0}), {floats({2, 2}, {0, 5, 0, 5})});
  EXPECT_EQ(values(columns), (Floats{0.5F, 0.5F, 0.5F, 0.5F}));
  EXPECT_TRUE(std::isnan(values(run(node(NodeKind::softmax), {floats({2}, {1, kNan})}))[0]));
}

TEST(InterpreterRows, LayerNorm) {
  const HostArray x = floats({2, 4}, {1, 2, 3, 6, 0, 0, 1, 1});
  const HostArray scale = floats({4}, {1, 2, 1, 2}), bias = floats({4}, {0, 1, 0, 1});
  const Floats want{-1.0690434F, -0.0690434F, 0, 4.2071304F, -0.99998F, -0.99996F, 0.99998F, 2.99996F};
  expect_near(run(node(NodeKind::layer_norm), {x, scale, bias}), want);
  EXPECT_FALSE(refusal(node(NodeKind::layer_norm), {x, floats({3}, {1, 1, 1})}).ok());
  // Over two axes, without bias: the mean of 0..3 is 1.5.
  const HostArray y = run(node(NodeKind::layer_norm, {1}, {0}), {counting({1, 2, 2}), floats({2, 2}, {1, 1, 1, 1})});
  expect_near(y, {-1.3416408F, -0.4472136F, 0.4472136F, 1.3416408F});
}

TEST(InterpreterRows, Normalize) {
  const HostArray x = floats({2, 4}, {1, 2, 3, 6, 3, 3, 3, 3});
  expect_near(run(node(NodeKind::normalize), {floats({1, 4}, {1, 2, 3, 6})}),
              {-1.0690450F, -0.5345225F, 0, 1.6035675F});
  // The mean of squares, 3.5, in steps of 2 is 4; with an epsilon of 1 it is 5, which in steps of 3 is 6.
  EXPECT_EQ(values(run(node(NodeKind::normalize, {-1, 0, 1, 0}, {0, 2}), {x}))[3], 1.5F);
  EXPECT_EQ(values(run(node(NodeKind::normalize, {-1, 0, 1, 0, 2, -1}, {1, 2, 3}), {x}))[3], 3 / std::sqrt(6.0F));
  const Floats sums = values(run(node(NodeKind::normalize, {1, 0, 0, 0, 1, 0}, {3, 1, 4}), {x}));  // 6.5 is 8, 3 is 4
  EXPECT_EQ(sums[3], 3 / std::sqrt(8.0F));
  EXPECT_EQ(sums[7], 0.0F);
  // By the root mean square: of 1, 2, 3, 6 the mean of squares is 12.5.
  EXPECT_EQ(values(run(node(NodeKind::normalize, {-1, 2}), {x}))[3], 6 / std::sqrt(12.5F));
  EXPECT_EQ(values(run(node(NodeKind::normalize, {-1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1}), {x}))[3],
            6 * (1 / std::sqrt(12.5F)));
  // Its root, 3.54, in steps of 2 is 4; the inverse in steps of 1/8 is 1/4.
  EXPECT_EQ(values(run(node(NodeKind::normalize, {-1, 2, 0, 0, 0, 0, 1, 0}, {0, 1, 1, 2}), {x}))[3], 1.5F);
  EXPECT_EQ(values(run(node(NodeKind::normalize, {-1, 2, 0, 0, 0, 0, 0, 0, 2, 7, 1}, {0, 1, 1, 1, 0.125F}), {x}))[3],
            1.5F);
  // By length, along the other axis.
  const HostArray y = floats({2, 3}, {3, 0, 1e-20F, 4, 0, 0});
  EXPECT_EQ(values(run(node(NodeKind::normalize, {0, 1}, {0.5F}), {y})), (Floats{0.6F, 0, 2e-20F, 0.8F, 0, 0}));
}

TEST(InterpreterCast, ToFloat) {
  NodeDesc n = node(NodeKind::cast);
  const HostArray x = array<int32_t>({3}, {-7, 16777217, 16777219});
  const Result<HostArray> y = interpret_node(n, {&x}, DType::f32);
  ASSERT_TRUE(y.ok());
  EXPECT_EQ(values(*y), (Floats{-7, 16777216, 16777220}));  // ties to even
}

}  // namespace
}  // namespace octile::test
