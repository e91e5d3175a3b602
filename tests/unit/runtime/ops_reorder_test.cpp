// Bytes in another order and who is whose neighbour, in every variant this machine runs, against the definitions.
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

// The definition, on a table of all pairs: who has the fewest to choose from first, with whoever has the fewest.
class Table {
 public:
  Table(const int8_t* rows, size_t stride, size_t count) : fits_(count), mates_(count, -1) {
    for (size_t a = 0; a < count; ++a) {
      for (size_t b = 0; b < count; ++b) {
        bool safe = a != b;
        for (size_t c = 0; c < stride; ++c) {
          const int x = rows[a * stride + c], y = rows[b * stride + c];
          safe = safe && std::max(x, 0) + std::max(y, 0) <= 128 && std::min(x, 0) + std::min(y, 0) >= -128;
        }
        if (safe) fits_[a].push_back(b);
      }
    }
  }
  std::vector<int8_t> match() {
    std::vector<size_t> order;
    for (size_t a = 0; a < fits_.size(); ++a) order.push_back(a);
    const auto fewer = [&](size_t a, size_t b) { return fits_[a].size() < fits_[b].size(); };
    std::stable_sort(order.begin(), order.end(), fewer);
    for (const size_t a : order) {
      const std::vector<size_t> free = free_beside(a, a);
      if (mates_[a] < 0 && !free.empty()) join(a, *std::min_element(free.begin(), free.end(), fewer));
    }
    std::sort(order.begin(), order.end());
    while (std::any_of(order.begin(), order.end(), [&](size_t a) { return mates_[a] < 0 && part(a); })) {
    }
    return mates_;
  }

 private:
  // Free rows but `but` that fit.
  std::vector<size_t> free_beside(size_t a, size_t but) const {
    std::vector<size_t> out;
    for (const size_t b : fits_[a]) {
      if (b != but && mates_[b] < 0) out.push_back(b);
    }
    return out;
  }
  bool part(size_t a) {
    for (const size_t c : fits_[a]) {
      if (mates_[c] < 0) continue;
      const auto d = static_cast<size_t>(mates_[c]);
      const std::vector<size_t> free = free_beside(d, a);
      if (free.empty()) continue;
      join(d, free[0]);
      join(a, c);
      return true;
    }
    return false;
  }
  void join(size_t a, size_t b) {
    mates_[a] = static_cast<int8_t>(b);
    mates_[b] = static_cast<int8_t>(a);
  }

  std::vector<std::vector<size_t>> fits_;
  std::vector<int8_t> mates_;
};

TEST(OpsReorder, RowsFindTheirMates) {
  Rng rng(20261129);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 300; ++i) {
      const int64_t count = i == 0 ? kPairRows : rng.range(1, kPairRows), bound = i == 0 ? 128 : rng.range(50, 128);
      // Few channels that matter, so that some fit, some do not, and some have to part others.
      const int64_t matter = i == 0 ? kPairChannels : rng.range(1, rng.range(1, kPairChannels));
      const int64_t stride = pair_stride(matter);
      const RowBytes bytes(rng, stride, count, stride);
      auto* const rows = reinterpret_cast<int8_t*>(bytes.data());
      for (int64_t j = 0; j < count * stride; ++j) {
        const int64_t weight = j % stride < matter ? rng.range(-bound, bound) : 0;
        rows[j] = static_cast<int8_t>(i == 0 ? -128 : std::min<int64_t>(weight, 127));
      }
      std::vector<int8_t> mates(static_cast<size_t>(count), 77);
      v.ops->match_rows(rows, static_cast<int>(count), static_cast<int>(matter), mates.data());
      EXPECT_EQ(mates, Table(rows, static_cast<size_t>(stride), static_cast<size_t>(count)).match())
          << v.name << " " << i;
    }
  }
}

}  // namespace
}  // namespace octile::runtime
