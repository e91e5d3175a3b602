// Bytes in another order, in every variant this machine runs, against the definition.
// In:  seeds.  Out: GoogleTest's verdict.
// Not here: what orders are for (paired_test.cpp).
#include "tests/unit/runtime/ops_variants.h"

namespace octile::runtime {
namespace {

using namespace test;  // NOLINT: the helpers of this folder

TEST(OpsReorder, MovesInOrderRowByRow) {
  Rng rng(20261128);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 200; ++i) {
      const int64_t rows = rng.range(0, 9), moves = rng.range(1, 5), width = 16 * moves + rng.range(0, 20);
      std::vector<Reorder> list(static_cast<size_t>(moves));
      int32_t to = 0;
      for (Reorder& m : list) {
        m.from = static_cast<int32_t>(rng.range(0, width - 16));
        m.to = to;
        to += static_cast<int32_t>(rng.range(1, 16));  // the next one overwrites what is too much
        for (uint8_t& b : m.order) b = static_cast<uint8_t>(rng.range(0, 15));
      }
      const RowBytes from(rng, width, std::max<int64_t>(rows, 1), width);
      const int64_t step = 16 * moves + 3;
      std::vector<uint8_t> want(static_cast<size_t>(rows * step + 1), 7), got = want;
      for (int64_t r = 0; r < rows; ++r) {
        for (const Reorder& m : list) {
          for (int j = 0; j < 16; ++j) {
            want[static_cast<size_t>(r * step + m.to + j)] = from.data()[r * width + m.from + m.order[j]];
          }
        }
      }
      v.ops->reorder(list.data(), moves, {from.data(), width}, rows, {got.data(), step});
      EXPECT_EQ(got, want) << v.name << " " << i;
    }
  }
}

}  // namespace
}  // namespace octile::runtime
