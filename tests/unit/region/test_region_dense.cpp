// Regions of dense ops: constant and variable weights, ranks, broadcasting.
// In:  drawn matrices.  Out: verdicts.  Not here: convolutions.
#include <gtest/gtest.h>

#include "region_kit.h"

namespace octile::runtime::test {
namespace {

TEST(RegionDense, ChainOfAnyRank) {
  for (DType type : {DType::u8, DType::s8}) {
    Kit kit(31);
    const int x = kit.input(type, 0.02F, 2);
    const int a = kit.dense(x, 20, 33, type, 7);
    const int b = kit.dense(a, 33, 16, type, -0);
    kit.output(b);
    kit.output(a);
    kit.output(kit.dense(a, 33, 5, DType::s32, 0));
    const auto region = make(kit.desc);
    check(kit, *region, {{6, 20}});
    check(kit, *region, {{2, 7, 20}});
    check(kit, *region, {{2, 3, 4, 20}});
  }
}

TEST(RegionDense, ReadsAndWritesTheHostsMemory) {
  Kit kit(32);  // u8, k a multiple of 4: no copies at all
  const int x = kit.input(DType::u8, 0.02F, 2);
  kit.output(kit.dense(x, 64, 48, DType::u8, 3));
  kit.output(kit.dense(x, 64, 17, DType::s32, 0));
  check(kit, {{9, 64}});
}

TEST(RegionDense, FloatEnds) {
  Kit kit(33);
  const int x = kit.input(DType::f32);
  const int q = kit.quantize(x, DType::s8, 0.02F, 3);
  kit.output(kit.dequantize(kit.dense(q, 19, 12, DType::s8, 3)));
  check(kit, {{4, 5, 19}});
}

TEST(RegionDense, VariableWeights) {
  for (DType type : {DType::u8, DType::s8}) {
    Kit kit(34);
    const int a = kit.input(DType::u8, 0.02F, 9);
    const int b = kit.input(type, 0.03F, type == DType::u8 ? 130 : 0);
    kit.output(kit.matmul(a, b, 12, 10, DType::s8, 3));
    const auto region = make(kit.desc);
    check(kit, *region, {{7, 12}, {12, 10}});
    check(kit, *region, {{2, 3, 7, 12}, {12, 10}});
    check(kit, *region, {{2, 3, 7, 12}, {2, 3, 12, 10}});
    check(kit, *region, {{2, 1, 7, 12}, {3, 12, 10}});
    check(kit, *region, {{7, 12}, {3, 12, 10}});
    check(kit, *region, {{3, 7, 12}, {1, 12, 10}});
  }
}

TEST(RegionDense, VariableWeightsOfAnySize) {
  Kit kit(35);
  const int a = kit.input(DType::s8, 0.02F, 9);
  const int b = kit.input(DType::s8, 0.03F, 0);
  kit.output(kit.matmul(a, b, 1, 1, DType::u8, 3));
  const auto region = make(kit.desc);
  check(kit, *region, {{7, 12}, {12, 10}});
  check(kit, *region, {{7, 5}, {5, 31}});
}

TEST(RegionDense, WeightsMadeInside) {
  for (DType type : {DType::u8, DType::s8}) {
    Kit kit(36);
    const int a = kit.input(DType::s8, 0.02F, 9);
    const int k = kit.dense(a, 16, 8, type, 0);
    const int q = kit.dense(a, 16, 9, DType::s8, 4);
    kit.output(kit.matmul(q, k, 9, 8, DType::u8, 3));  // q [.., 9, 9] times k [.., 9, 8]
    check(kit, {{3, 9, 16}});
  }
}

}  // namespace
}  // namespace octile::runtime::test
