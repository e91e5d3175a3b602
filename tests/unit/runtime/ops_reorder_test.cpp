// Bytes in another order and who may be whose neighbour, in every variant this machine runs, against the definitions.
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

TEST(OpsReorder, NeighboursBySizeAndWhetherTheyFit) {
  Rng rng(20261129);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 200; ++i) {
      const int64_t count = i == 0 ? kPairRows : rng.range(1, kPairRows), bound = i == 0 ? 128 : rng.range(1, 128);
      const RowBytes bytes(rng, kPairChannels, count, kPairChannels);
      auto* const rows = reinterpret_cast<int8_t*>(bytes.data());
      std::vector<int64_t> size(static_cast<size_t>(count));
      for (int64_t j = 0; j < count * kPairChannels; ++j) {
        rows[j] = static_cast<int8_t>(i == 0 ? -128 : std::min<int64_t>(rng.range(-bound, bound), 127));
        const int64_t square = rows[j] * rows[j] / 128;
        size[static_cast<size_t>(j / kPairChannels)] += square * square;
      }
      std::vector<uint8_t> want(static_cast<size_t>(count)), order(static_cast<size_t>(count));
      for (size_t j = 0; j < want.size(); ++j) want[j] = static_cast<uint8_t>(j);
      std::stable_sort(want.begin(), want.end(), [&](uint8_t a, uint8_t b) { return size[a] > size[b]; });
      std::vector<uint32_t> may(static_cast<size_t>(count), ~0U);
      v.ops->neighbours(rows, static_cast<int>(count), order.data(), may.data());
      ASSERT_EQ(order, want) << v.name << " " << i;
      for (size_t a = 0; a < want.size(); ++a) {
        uint32_t fits = 0;
        for (size_t b = 0; b < want.size(); ++b) {
          bool safe = a != b;
          for (int64_t c = 0; c < kPairChannels; ++c) {
            const int x = rows[order[a] * kPairChannels + c], y = rows[order[b] * kPairChannels + c];
            safe = safe && std::max(x, 0) + std::max(y, 0) <= 128 && std::min(x, 0) + std::min(y, 0) >= -128;
          }
          fits |= safe ? 1U << b : 0;
        }
        EXPECT_EQ(may[a], fits) << v.name << " " << i << " " << a;
      }
    }
  }
}

}  // namespace
}  // namespace octile::runtime
