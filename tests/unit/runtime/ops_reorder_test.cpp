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
      const int64_t rows = rng.range(0, 9), moves = rng.range(1, 9), width = 16 + rng.range(0, 60);
      const int64_t step = 32 * (moves + 1) + 3;
      const RowBytes from(rng, width, std::max<int64_t>(rows, 1), width);
      std::vector<uint8_t> want(static_cast<size_t>(rows * step + 1), 7), got = want;
      std::vector<Reorder> list(static_cast<size_t>(moves));
      int32_t to = 0;
      for (Reorder& m : list) {
        m.from = static_cast<int32_t>(rng.range(0, width - 16));
        m.second = static_cast<int32_t>(rng.range(0, width - 16));
        m.join = rng.range(0, 2) == 0;
        if (!m.join) to += static_cast<int32_t>(rng.range(0, 32));  // the next one overwrites what is too much
        m.to = to;
        for (uint8_t& b : m.order) b = static_cast<uint8_t>(rng.range(0, 1) == 0 ? kNoByte : rng.range(0, 15));
        for (uint8_t& b : m.second_order) b = static_cast<uint8_t>(rng.range(0, 1) == 0 ? kNoByte : rng.range(0, 15));
        for (int64_t r = 0; r < rows; ++r) {
          const uint8_t* const row = from.data() + r * width;
          for (int j = 0; j < 32; ++j) {
            uint8_t& byte = want[static_cast<size_t>(r * step + m.to + j)];
            if (!m.join) byte = 0;
            if (m.order[j] != kNoByte) byte |= row[m.from + m.order[j]];
            if (m.second_order[j] != kNoByte) byte |= row[m.second + m.second_order[j]];
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
