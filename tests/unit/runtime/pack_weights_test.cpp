// Packing: layouts, padding, folding and the group-safe rule, against slow restatements.
// In:  small weights.  Out: exact bytes.  Not here: kernels.
#include "runtime/exec/pack_weights.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>

#include "runtime/exec/choice.h"

namespace octile::runtime {
namespace {

OpSpec dense_spec(int64_t k, int64_t n) {
  OpSpec s;
  s.kind = OpKind::dense;
  s.k = k;
  s.n = n;
  return s;
}

TEST(PackWeights, PanelHoldsWordsOfAChannelTogetherAndPadsWithZeros) {
  const OpSpec s = dense_spec(5, 3);
  std::vector<int8_t> wei;
  for (int8_t i = 1; i <= 15; ++i) wei.push_back(i);  // [k, n]
  const WeightView view{wei.data(), DType::s8, true, 3};
  WeightRule rule;
  rule.zp = {0};
  const DotGeometry d = dot_geometry(s);
  std::vector<uint8_t> panel(static_cast<size_t>(panel_bytes(Layout::k4n16, d)), 0xFF);
  std::vector<uint32_t> columns(16);
  pack_dense_panel(Layout::k4n16, d, view, rule, 0, panel.data(), columns.data());
  ASSERT_EQ(panel.size(), 2U * 16 * 4);
  for (int64_t k = 0; k < 8; ++k) {
    for (int64_t n = 0; n < 16; ++n) {
      const int want = k < 5 && n < 3 ? static_cast<int>(k * 3 + n + 1) : 0;
      EXPECT_EQ(panel[static_cast<size_t>(k / 4 * 64 + n * 4 + k % 4)], want) << k << " " << n;
    }
  }
  EXPECT_EQ(columns[0], 1U + 4 + 7 + 10 + 13);
  EXPECT_EQ(columns[5], 0U);
}

// A panel by the definition: element k of channel n of the words of its segment, zero where either is padding.
struct Slow {
  std::vector<uint8_t> panel;
  std::vector<uint32_t> columns;
};

template <class Raw>  // raw(segment, k, channel) is a weight minus its zero point
Slow pack_slowly(Layout layout, const DotGeometry& d, int64_t first, const Raw& raw) {
  const LayoutDesc& f = layout_desc(layout);
  Slow out{std::vector<uint8_t>(static_cast<size_t>(panel_bytes(layout, d))),
           std::vector<uint32_t>(static_cast<size_t>(f.lanes))};
  for (int64_t s = 0; s < d.sx * d.sy; ++s) {
    for (int64_t k = 0; k < d.run; ++k) {
      for (int64_t n = 0; n < std::min<int64_t>(f.lanes, d.channels - first); ++n) {
        const auto v = static_cast<int16_t>(raw(s, k, first + n));
        const int64_t word = s * d.words(f.quantum) + k / f.quantum;
        const int64_t at = ((word * f.lanes + n) * f.quantum + k % f.quantum) * f.bytes;
        std::memcpy(&out.panel[static_cast<size_t>(at)], &v, static_cast<size_t>(f.bytes));
        out.columns[static_cast<size_t>(n)] += static_cast<uint32_t>(v);
      }
    }
  }
  return out;
}

TEST(PackWeights, FilterPanelsFollowTheDefinitionInEveryLayout) {
  std::mt19937 rng(9);
  for (const auto& [kh, kw, ic, dilation, zp] : {std::array<int64_t, 5>{1, 1, 9, 1, 0},
                                                 {1, 1, 16, 1, 3},
                                                 {1, 1, 301, 1, 0},
                                                 {3, 3, 5, 1, 0},
                                                 {2, 3, 8, 1, -7},
                                                 {3, 3, 6, 2, 0},
                                                 {3, 3, 70, 1, 128}}) {
    OpSpec s;
    s.ic = ic;
    s.oc = 21;
    s.kh = kh;
    s.kw = kw;
    s.dh = s.dw = dilation;
    std::vector<uint8_t> wei(static_cast<size_t>(s.oc * ic * kh * kw));
    // Of panels of bytes raw - zp is one.
    for (uint8_t& w : wei) w = static_cast<uint8_t>(zp == 128 ? rng() : rng() % 240 - 120);
    const WeightView view{wei.data(), zp == 128 ? DType::u8 : DType::s8, false, 0};
    WeightRule rule;
    rule.zp = {static_cast<int32_t>(zp)};
    rule.subtract = zp != 0;
    const DotGeometry d = dot_geometry(s);
    const auto raw = [&](int64_t segment, int64_t k, int64_t o) {
      const int64_t ky = segment / d.sx, kx = d.sx == 1 ? k / d.depth : segment % d.sx, c = k % d.depth;
      return view.at(((o * d.depth + c) * d.kh + ky) * d.kw + kx) - rule.taken(o);
    };
    std::vector<uint8_t> scratch;
    for (const Layout layout : {Layout::k4n16, Layout::k4n8, Layout::k2n8w}) {
      for (int64_t first = 0; first < s.oc; first += layout_desc(layout).lanes) {
        const Slow want = pack_slowly(layout, d, first, raw);
        std::vector<uint8_t> panel(want.panel.size(), 0xAA);
        std::vector<uint32_t> columns(want.columns.size(), 1);
        pack_filter_panel(layout, d, view, rule, 0, first, scratch, panel.data(), columns.data());
        EXPECT_EQ(panel, want.panel) << kh << "x" << kw << "x" << ic << " from " << first;
        EXPECT_EQ(columns, want.columns);
      }
    }
  }
}

TEST(PackWeights, DensePanelsFollowTheDefinitionInEveryLayout) {
  std::mt19937 rng(7);
  for (const int64_t depth : {23, 400}) {
    std::vector<uint8_t> wei(static_cast<size_t>(depth * 21));
    for (uint8_t& w : wei) w = static_cast<uint8_t>(depth == 23 ? rng() : 255);  // the largest sums, too
    const WeightView view{wei.data(), DType::u8, true, 21};
    WeightRule rule;
    rule.type = DType::u8;
    rule.shift = 128;
    rule.zp = {0};
    const DotGeometry d = dot_geometry(dense_spec(depth, 21));
    for (const Layout layout : {Layout::k4n16, Layout::k4n8, Layout::k2n8w}) {
      rule.subtract = layout == Layout::k2n8w;
      for (const int64_t first : {0, 16}) {
        const Slow want = pack_slowly(
            layout, d, first, [&](int64_t, int64_t k, int64_t n) { return view.at(k * 21 + n) - rule.taken(n); });
        std::vector<uint8_t> panel(want.panel.size(), 0xAA);
        std::vector<uint32_t> columns(want.columns.size(), 1);
        pack_dense_panel(layout, d, view, rule, first, panel.data(), columns.data());
        EXPECT_EQ(panel, want.panel) << layout_desc(layout).name;
        EXPECT_EQ(columns, want.columns) << layout_desc(layout).name;
      }
    }
  }
}

TEST(PackWeights, FoldedBiasWrapsModulo32Bits) {
  EXPECT_EQ(folded_bias(10, 3, 5, 7, 0), 10 - 15);
  EXPECT_EQ(folded_bias(10, 3, 5, 7, -2), 10 - 15 - 42);
  EXPECT_EQ(folded_bias(INT32_MIN, 1, 1, 0, 0), INT32_MAX);
}

// The rule of docs/runtime.md, written from the hardware's side: no int16 sum may leave its range for sources 0..255.
bool safe_by_sums(const DotGeometry& d, const std::vector<int16_t>& w, int group) {
  const int64_t words = d.words(4);
  for (int64_t s = 0; s < d.sx * d.sy; ++s) {
    for (int64_t first = 0; first < words;) {
      const int64_t span = words - first >= group ? group : 1;
      for (int64_t n = 0; n < 8; ++n) {
        for (int64_t half = 0; half < 2; ++half) {
          int highest = 0, lowest = 0;
          for (int64_t i = first; i < first + span; ++i) {
            for (int64_t k = 0; k < 2; ++k) {
              const int v = w[static_cast<size_t>(((s * words + i) * 4 + half * 2 + k) * 8 + n)];
              (v > 0 ? highest : lowest) += 255 * v;
            }
          }
          if (highest > 32767 || lowest < -32768) return false;
        }
      }
      first += span;
    }
  }
  return true;
}

TEST(PackWeights, SafeGroupsAgreeWithTheRangeOfInt16) {
  std::mt19937 rng(11);
  const std::vector<int> bounds{8, 16, 21, 32, 40, 64, 70, 127};
  int seen[5][2] = {};
  for (int trial = 0; trial < 400; ++trial) {
    OpSpec spec;  // run: all taps of a row
    spec.oc = 8;
    spec.ic = 1 + static_cast<int64_t>(rng() % (trial % 4 == 0 ? 300 : 30));
    spec.kh = 1 + static_cast<int64_t>(rng() % 3);
    spec.kw = 1 + static_cast<int64_t>(rng() % 2);
    if (trial % 5 == 0) spec.dw = 2;
    const DotGeometry d = dot_geometry(spec);
    const int bound = bounds[static_cast<size_t>(trial) % bounds.size()];
    std::vector<int8_t> raw(static_cast<size_t>(8 * spec.ic * spec.kh * spec.kw));
    for (int8_t& v : raw)
      v = static_cast<int8_t>(static_cast<int>(rng() % static_cast<unsigned>(2 * bound + 1)) - bound);
    const WeightView view{raw.data(), DType::s8, false, 0};
    WeightRule rule;
    rule.zp = {0};
    std::vector<int16_t> w(static_cast<size_t>(d.total_words(4) * 4 * 8));
    for (int64_t s = 0; s < d.sx * d.sy; ++s) {
      for (int64_t k = 0; k < d.run; ++k) {
        const int64_t kx = d.sx == 1 ? k / d.depth : s % d.sx, c = k % d.depth;
        for (int64_t n = 0; n < 8; ++n) {
          w[static_cast<size_t>((s * d.words(4) * 4 + k) * 8 + n)] =
              static_cast<int16_t>(view.at(((n * d.depth + c) * d.kh + s / d.sx) * d.kw + kx));
        }
      }
    }
    for (const bool fits : {false, true}) {
      const Acc16 found = acc16_of(d, view, rule, 0, 0, fits);
      EXPECT_TRUE(found.s8);
      for (int g = 1; g <= 4; ++g) {
        EXPECT_EQ((found.groups >> g & 1) != 0, safe_by_sums(d, w, g)) << "group " << g << " trial " << trial;
        ++seen[g][found.groups >> g & 1];
      }
    }
  }
  for (int g = 1; g <= 4; ++g) EXPECT_TRUE(seen[g][0] > 0 && seen[g][1] > 0) << "group " << g << " saw one side only";
}

TEST(PackWeights, PanelsThatLeaveS8HaveNoGroups) {
  const OpSpec s = dense_spec(500, 9);
  std::vector<uint8_t> wei(500 * 9, 100);
  wei[499 * 9 + 8] = 255;  // in the second panel
  const WeightView view{wei.data(), DType::u8, true, 9};
  WeightRule rule;
  rule.type = DType::u8;
  rule.zp = {100};
  rule.subtract = true;
  const DotGeometry d = dot_geometry(s);
  EXPECT_TRUE(acc16_of(d, view, rule, 0, 0, false).s8);
  EXPECT_EQ(acc16_of(d, view, rule, 0, 0, false).groups, 0x1EU);
  EXPECT_FALSE(acc16_of(d, view, rule, 0, 8, false).s8);
}

TEST(CutWork, BlocksCoverTheExtentInWholeUnits) {
  for (const int64_t extent : {1, 2, 7, 13, 56, 3136}) {
    for (const int64_t unit : {1, 2, 7, 14}) {
      for (const int threads : {1, 2, 16}) {
        CutFacts f;
        f.l2_bytes = 64 * 1024;
        f.src_bytes = 3000;
        f.cost = 100000;
        f.weight_bytes = 300000;
        f.extent = extent;
        f.unit = std::min(unit, extent);
        f.channel_tiles = 6;
        f.threads = threads;
        for (const bool light : {false, true}) {
          if (light) f.weight_bytes = f.src_bytes = 100;
          const Cut cut = cut_work(f);
          std::vector<int64_t> starts;
          for (int64_t i = 0; i <= cut.blocks; ++i) starts.push_back(block_start(f.extent, f.unit, cut.blocks, i));
          EXPECT_GE(cut.channel_groups, 1);
          EXPECT_LE(cut.channel_groups, 6);
          EXPECT_EQ(starts.front(), 0);
          EXPECT_EQ(starts.back(), extent);
          for (size_t i = 0; i + 1 < starts.size(); ++i) {
            EXPECT_GE(starts[i + 1] - starts[i], f.unit);
            EXPECT_EQ(starts[i] % f.unit, 0);
          }
        }
      }
    }
  }
}

TEST(CutWork, TwoTasksForAThreadFourWhereTheyAreLarge) {
  CutFacts f;
  f.l2_bytes = 1 << 20;
  f.src_bytes = 100;
  f.extent = 64;
  f.threads = 2;
  f.cost = 50'000;
  EXPECT_EQ(cut_work(f).blocks, 4);
  f.cost = 500'000;
  EXPECT_EQ(cut_work(f).blocks, 8);
}

TEST(CutWork, AShorterLastUnitCountsAsOne) {
  const auto starts = [](int64_t extent, int64_t unit, int64_t blocks) {
    std::vector<int64_t> out;
    for (int64_t i = 0; i <= blocks; ++i) out.push_back(block_start(extent, unit, blocks, i));
    return out;
  };
  EXPECT_EQ(starts(14, 4, 2), (std::vector<int64_t>{0, 8, 14}));  // not 4 and 10: one tile and three
  EXPECT_EQ(starts(9, 4, 2), (std::vector<int64_t>{0, 4, 9}));    // 1 would be less than a tile
  EXPECT_EQ(starts(16, 4, 2), (std::vector<int64_t>{0, 8, 16}));
}

TEST(CutWork, SmallWorkStaysWholeAndLargeWorkFeedsEveryThread) {
  CutFacts f;
  f.l2_bytes = 1 << 20;
  f.src_bytes = 100;
  f.extent = 16;
  f.cost = 1000;
  f.channel_tiles = 8;
  f.threads = 8;
  EXPECT_EQ(cut_work(f).blocks, 1);
  f.cost = 10'000'000;
  EXPECT_GE(cut_work(f).blocks * cut_work(f).channel_groups, 16);
  f.extent = 1;
  EXPECT_EQ(cut_work(f).channel_groups, 8);
}

TEST(CutWork, ThreadsHaveAsManyTasksAndChannelsAreCutLast) {
  CutFacts f;
  f.l2_bytes = 1 << 20;
  f.src_bytes = 100;
  f.cost = 10'000'000;
  f.channel_tiles = 8;
  f.threads = 2;
  for (const int64_t extent : {2, 3, 4, 7, 16, 100}) {
    f.extent = extent;
    const Cut cut = cut_work(f);
    EXPECT_EQ(cut.blocks * cut.channel_groups % 2, 0) << extent;
    EXPECT_EQ(cut.channel_groups, extent < 8 && extent % 2 == 1 ? 2 : 1) << extent;
  }
  f.extent = 16;
  f.cost = 100'000;  // 1.6 million in all: two or three tasks are enough
  EXPECT_EQ(cut_work(f).blocks, 4);
  f.cost = 10'000;
  EXPECT_EQ(cut_work(f).blocks, 2);
  f.extent = 7;
  f.cost = 3 * 1024 * 1024 / 7;  // six tasks would do, of one row and of two
  EXPECT_EQ(cut_work(f).blocks, 7);
}

TEST(CutWork, RowsOfADepthwiseLayerStayWithTheThreadThatWroteTheirSources) {
  CutFacts f;
  f.l2_bytes = 1 << 20;
  f.src_bytes = 100;
  f.cost = 10'000'000;
  f.channel_tiles = 8;
  f.threads = 2;
  f.apart = f.rows = true;
  for (const int64_t extent : {2, 3, 6, 7, 8, 9, 28}) {
    f.extent = extent;
    EXPECT_EQ(cut_work(f).blocks_first, extent >= 8 || extent % 2 == 0) << extent;
  }
  f.outputs = 7;  // short rows: a call takes some of them, or all where they cannot be shared
  for (const auto& [extent, blocks] : {std::pair{7, 1}, {8, 2}, {14, 2}, {28, 4}, {56, 8}}) {
    f.extent = extent;
    EXPECT_EQ(cut_work(f).blocks, blocks) << extent;
    EXPECT_EQ(cut_work(f).channel_groups, 8 / blocks) << extent;
  }
  f.outputs = 28;
  f.extent = 14;
  EXPECT_EQ(cut_work(f).blocks, 8);
  f.rows = false;  // too few of them: channels are cut instead
  f.extent = 3;
  EXPECT_EQ(cut_work(f).blocks, 1);
  EXPECT_EQ(cut_work(f).channel_groups, 8);
  f.extent = 96;  // columns, and many: each thread has its own
  EXPECT_TRUE(cut_work(f).blocks_first);
  EXPECT_EQ(cut_work(f).blocks, 8);
  EXPECT_EQ(cut_work(f).channel_groups, 1);
  f.outputs = 2;  // short columns: fewer calls
  EXPECT_EQ(cut_work(f).blocks, 2);
}

}  // namespace
}  // namespace octile::runtime
