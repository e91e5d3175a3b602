// Dispatch: pure choices over fake kernel tables.
// In:  entries without code.  Out: spans and reasons.  Not here: buffers.
#include "runtime/dispatch/dispatch.h"

#include <gtest/gtest.h>

namespace octile::runtime {
namespace {

int dummy = 0;  // an address that is not null

Kernel fake(Isa isa, const std::string& layout, int x, int y, int n, bool tail = false, int group = 0) {
  packs::KernelEntry e;
  e.name = layout + "_x" + std::to_string(x) + "y" + std::to_string(y) + "n" + std::to_string(n) +
           (tail ? "_tail" : "") + (group > 0 ? "_g" + std::to_string(group) : "");
  e.family = "dot";
  e.op = "*";
  e.target = std::string(target(isa).name);
  e.layout = layout;
  e.dst = "u8";
  e.tile_x = x;
  e.tile_y = y;
  e.tile_n = n;
  e.tail_n = tail;
  e.acc16_group = group;
  return {std::move(e), isa, &dummy};
}

Kernel portable(const std::string& layout) { return fake(Isa::portable, layout, 1, 1, 1, true); }

Ask ask_of(Isa best, int64_t x, int64_t y, int64_t channels) {
  Ask a;
  a.family = "dot";
  a.dst = "u8";
  a.op_key = "the op";
  a.best = best;
  a.x = x;
  a.y = y;
  a.channels = channels;
  a.reduction = 256;
  return a;
}

std::vector<PanelModes> wide(int64_t channels) {
  return std::vector<PanelModes>(static_cast<size_t>((channels + 15) / 16), PanelModes{1, 0, 0});
}

std::string names(const std::vector<Kernel>& table, const std::vector<Span>& spans) {
  std::string out;
  for (const Span& s : spans) {
    out += table[static_cast<size_t>(s.kernel)].entry.name + "*" + std::to_string(s.channels) + " ";
  }
  return out;
}

void expect_covers(const std::vector<Span>& spans, int64_t channels, int lanes) {
  int64_t next = 0, covered = 0;
  for (const Span& s : spans) {
    EXPECT_EQ(s.first, next);
    next += s.panels;
    covered += s.channels;
  }
  EXPECT_EQ(covered, channels);
  EXPECT_EQ(next, (channels + lanes - 1) / lanes);
}

TEST(Dispatch, ExactWorkloadWinsOverBetterTiles) {
  std::vector<Kernel> table{portable("k4n16"), fake(Isa::avx512vnni, "k4n16", 7, 1, 64),
                            fake(Isa::avx512vnni, "k4n16", 1, 1, 16)};
  table[2].entry.op = "the op";
  const auto spans = cover_panels(table, ask_of(Isa::avx512vnni, 56, 56, 64), 16, wide(64));
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].kernel, 2);
  EXPECT_EQ(spans[0].reason, Reason::exact);
}

// Tiles and vectors are of one level: the estimate decides, also against what was tuned among vectors.
TEST(Dispatch, TilesWhereTheyAreQuicker) {
  Kernel tiles = fake(Isa::avx512amx, "k4n16", 2, 1, 16);
  tiles.entry.name = "tiles";
  std::vector<Kernel> table{portable("k4n16"), tiles, fake(Isa::avx512vnni, "k4n16", 4, 1, 64),
                            fake(Isa::avx512vnni, "k4n16", 1, 1, 16), fake(Isa::avx512vnni, "k4n16", 1, 1, 16, true)};
  const auto picked = [&](int64_t x, int64_t reduction, int64_t channels, Isa best = Isa::avx512amx) {
    Ask ask = ask_of(best, x, 1, channels);
    ask.reduction = reduction;
    ask.whole_vectors = true;
    const std::vector<Span> spans = cover_panels(table, ask, 16, wide(channels));
    for (const Span& s : spans) EXPECT_TRUE(s.reason == Reason::any_shape || s.reason == Reason::exact);
    return names(table, spans);
  };
  EXPECT_EQ(picked(784, 256, 64), "tiles*64 ");
  EXPECT_EQ(picked(784, 256, 20), "tiles*20 ");
  EXPECT_EQ(picked(784, 8, 64), "k4n16_x4y1n64*64 ");
  EXPECT_EQ(picked(1, 256, 32), "k4n16_x1y1n16*32 ");
  EXPECT_EQ(picked(784, 256, 64, Isa::avx512vnni), "k4n16_x4y1n64*64 ");
  table[2].entry.op = "the op";
  EXPECT_EQ(picked(784, 256, 64), "tiles*64 ");
  EXPECT_EQ(picked(784, 8, 64), "k4n16_x4y1n64*64 ");
}

// However little there is to do, and though a masked tile is a call by itself.
TEST(Dispatch, ExactWorkloadWinsOverHalfAPanel) {
  std::vector<Kernel> table{fake(Isa::avx512vnni, "k4n16", 1, 1, 16), fake(Isa::avx512vnni, "k4n16", 1, 1, 8),
                            fake(Isa::avx512vnni, "k4n16", 1, 1, 32, true)};
  table[2].entry.op = "the op";
  Ask ask = ask_of(Isa::avx512vnni, 1, 1, 24);
  ask.reduction = 6;
  EXPECT_EQ(names(table, cover_panels(table, ask, 16, wide(24))), "k4n16_x1y1n32_tail*24 ");
}

TEST(Dispatch, KernelsOfOtherWorkloadsAreNeverTaken) {
  std::vector<Kernel> table{portable("k4n16"), fake(Isa::avx512vnni, "k4n16", 7, 1, 64)};
  table[1].entry.op = "another op";
  const auto spans = cover_panels(table, ask_of(Isa::avx512vnni, 56, 56, 64), 16, wide(64));
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].reason, Reason::portable);
}

TEST(Dispatch, ChannelsAreCoveredByWideNarrowAndTail) {
  const std::vector<Kernel> table{portable("k4n16"), fake(Isa::avx512vnni, "k4n16", 6, 1, 64),
                                  fake(Isa::avx512vnni, "k4n16", 12, 1, 32),
                                  fake(Isa::avx512vnni, "k4n16", 14, 1, 16, true)};
  const Ask ask = ask_of(Isa::avx512vnni, 84, 1, 100);
  const auto spans = cover_panels(table, ask, 16, wide(100));
  expect_covers(spans, 100, 16);
  EXPECT_TRUE(table[static_cast<size_t>(spans.back().kernel)].entry.tail_n) << names(table, spans);
  EXPECT_EQ(spans.back().channels, 4);
  for (const Span& s : spans) EXPECT_NE(s.reason, Reason::portable) << names(table, spans);
}

// 24 channels are a panel and half a one: registers of half the width for the half, where the channels end in its
// middle and nowhere else.
TEST(Dispatch, HalfAPanelTakesHalfTheWidth) {
  const std::vector<Kernel> table{fake(Isa::avx512vnni, "k4n16", 8, 1, 16), fake(Isa::avx512vnni, "k4n16", 8, 1, 8),
                                  fake(Isa::avx512vnni, "k4n16", 8, 1, 16, true)};
  const auto cover = [&](int64_t channels) {
    const std::vector<Span> spans = cover_panels(table, ask_of(Isa::avx512vnni, 640, 1, channels), 16, wide(channels));
    expect_covers(spans, channels, 16);
    return names(table, spans);
  };
  EXPECT_EQ(cover(24), "k4n16_x8y1n16*16 k4n16_x8y1n8*8 ");
  EXPECT_EQ(cover(8), "k4n16_x8y1n8*8 ");
  EXPECT_EQ(cover(20), "k4n16_x8y1n16*16 k4n16_x8y1n16_tail*4 ");
  EXPECT_EQ(cover(28), "k4n16_x8y1n16*16 k4n16_x8y1n16_tail*12 ");
}

// A masked tile reads weights of all its panels: one that is not there may end the process.
TEST(Dispatch, MaskedTilesHaveAllTheirPanels) {
  const std::vector<Kernel> table{fake(Isa::avx512vnni, "k4n16", 1, 1, 128, true),
                                  fake(Isa::avx512vnni, "k4n16", 1, 1, 16, true)};
  for (const int64_t channels : {104, 120, 250}) {
    const std::vector<Span> spans = cover_panels(table, ask_of(Isa::avx512vnni, 1, 1, channels), 16, wide(channels));
    expect_covers(spans, channels, 16);
    for (const Span& s : spans) {
      EXPECT_EQ(s.panels % (table[static_cast<size_t>(s.kernel)].entry.tile_n / 16), 0) << names(table, spans);
    }
  }
}

TEST(Dispatch, TilesLargerThanTheCropAreNotTaken) {
  const std::vector<Kernel> table{portable("k4n16"), fake(Isa::avx512vnni, "k4n16", 8, 1, 16),
                                  fake(Isa::avx512vnni, "k4n16", 2, 2, 16), fake(Isa::avx512vnni, "k4n16", 1, 1, 16)};
  const auto spans = cover_panels(table, ask_of(Isa::avx512vnni, 7, 1, 16), 16, wide(16));
  EXPECT_EQ(names(table, spans), "k4n16_x1y1n16*16 ");
}

// Sums of one tile are narrowed beside the next one's products; of many at once that is no longer so.
TEST(Dispatch, ShortReductionsTakeSmallTilesOnAvx512) {
  const std::vector<Kernel> table{fake(Isa::avx512vnni, "k4n16", 6, 1, 64), fake(Isa::avx512vnni, "k4n16", 2, 1, 64),
                                  fake(Isa::avx512vnni, "k4n16", 1, 1, 64)};
  Ask ask = ask_of(Isa::avx512vnni, 3136, 1, 64);
  ask.reduction = 64;
  EXPECT_EQ(names(table, cover_panels(table, ask, 16, wide(64))), "k4n16_x2y1n64*64 ");
}

// Two products a cycle leave less to hide behind, and pixels in a row run out of registers for their addresses.
TEST(Dispatch, WholeVectorsTakeLargerTiles) {
  const std::vector<Kernel> table{fake(Isa::avx512vnni, "k4n16", 14, 1, 32), fake(Isa::avx512vnni, "k4n16", 5, 1, 64),
                                  fake(Isa::avx512vnni, "k4n16", 2, 1, 64)};
  Ask ask = ask_of(Isa::avx512vnni, 3136, 1, 64);
  ask.reduction = 64;
  EXPECT_EQ(names(table, cover_panels(table, ask, 16, wide(64))), "k4n16_x2y1n64*64 ");
  ask.whole_vectors = true;
  EXPECT_EQ(names(table, cover_panels(table, ask, 16, wide(64))), "k4n16_x5y1n64*64 ");
  ask.reduction = 1024;
  EXPECT_EQ(names(table, cover_panels(table, ask, 16, wide(64))), "k4n16_x5y1n64*64 ");
}

TEST(Dispatch, TileThatDividesTheRowBeatsOneThatOverlaps) {
  const std::vector<Kernel> table{portable("k4n16"), fake(Isa::avx512vnni, "k4n16", 8, 1, 32),
                                  fake(Isa::avx512vnni, "k4n16", 7, 1, 32)};
  EXPECT_EQ(names(table, cover_panels(table, ask_of(Isa::avx512vnni, 14, 14, 32), 16, wide(32))), "k4n16_x7y1n32*32 ");
  EXPECT_EQ(names(table, cover_panels(table, ask_of(Isa::avx512vnni, 16, 16, 32), 16, wide(32))), "k4n16_x8y1n32*32 ");
}

TEST(Dispatch, ShortVectorsOfVnniShareThePanelsOfLongOnes) {
  const std::vector<Kernel> table{fake(Isa::avxvnni, "k4n16", 6, 1, 16), fake(Isa::avxvnni, "k4n16", 2, 1, 32),
                                  fake(Isa::avxvnni, "k4n16", 8, 1, 8), fake(Isa::avx2, "k2n8w", 4, 1, 16)};
  const std::vector<Span> spans = cover_panels(table, ask_of(Isa::avxvnni, 56, 56, 72), 16, wide(72));
  EXPECT_EQ(names(table, spans), "k4n16_x6y1n16*64 k4n16_x8y1n8*8 ");
  const std::vector<Kernel> both{table[0], fake(Isa::avx512vnni, "k4n16", 1, 1, 16)};
  const std::vector<Span> better = cover_panels(both, ask_of(Isa::avx512vnni, 56, 56, 64), 16, wide(64));
  EXPECT_EQ(names(both, better), "k4n16_x1y1n16*64 ");
}

TEST(Dispatch, LowerIsaBeforePortableWithItsReason) {
  const std::vector<Kernel> table{portable("k2n8w"), fake(Isa::x86_64_v2, "k2n8w", 1, 1, 8),
                                  fake(Isa::avx2, "k2n8w", 4, 1, 8)};
  const std::vector<PanelModes> modes(2, PanelModes{0, 0, 1});
  const auto small = cover_panels(table, ask_of(Isa::avx2, 3, 1, 16), 8, modes);
  ASSERT_EQ(small.size(), 1U);
  EXPECT_EQ(small[0].kernel, 1);
  EXPECT_EQ(reason_text(small[0].reason, Isa::avx2, Isa::x86_64_v2), "lower isa: no avx2 kernel fits, x86-64-v2 used");
  const auto forced = cover_panels(table, ask_of(Isa::portable, 3, 1, 16), 8, modes);
  ASSERT_EQ(forced.size(), 1U);
  EXPECT_EQ(forced[0].reason, Reason::portable);
}

TEST(Dispatch, Acc16OnlyWhereEveryPanelOfTheTileAllowsTheGroup) {
  const std::vector<Kernel> table{portable("k2n8w"), portable("k4n8"), fake(Isa::avx2, "k2n8w", 1, 1, 8),
                                  fake(Isa::avx2, "k4n8", 4, 1, 16, false, 4),
                                  fake(Isa::avx2, "k4n8", 4, 1, 16, false, 1)};
  const unsigned all = 0b11111, one = 0b00011;
  const PanelModes safe{0, all, 1}, pair{0, one, 1}, none{0, 1, 1};
  const auto spans = cover_panels(table, ask_of(Isa::avx2, 64, 64, 56), 8,
                                  std::vector<PanelModes>{safe, safe, safe, pair, none, pair, none});
  expect_covers(spans, 56, 8);
  EXPECT_EQ(names(table, spans), "k4n8_x4y1n16_g4*16 k4n8_x4y1n16_g1*16 k2n8w_x1y1n8*24 ");
}

TEST(Dispatch, LaterPacksWinTies) {
  const std::vector<Kernel> table{portable("k4n16"), fake(Isa::avx512vnni, "k4n16", 7, 1, 32),
                                  fake(Isa::avx512vnni, "k4n16", 7, 1, 32)};
  EXPECT_EQ(cover_panels(table, ask_of(Isa::avx512vnni, 14, 1, 32), 16, wide(32)).at(0).kernel, 2);
}

TEST(Dispatch, DepthwiseKernelsMustFitFilterAndStride) {
  Kernel any = fake(Isa::avx512vnni, "t4c", 1, 1, 16, true), fixed = fake(Isa::avx512vnni, "t4c", 4, 1, 64);
  any.entry.family = fixed.entry.family = "depthwise";
  fixed.entry.kh = fixed.entry.kw = 3;
  fixed.entry.sh = fixed.entry.sw = 1;
  const std::vector<Kernel> table{any, fixed};
  const std::vector<Layout> layouts{Layout::t1c, Layout::t4c};
  Ask ask = ask_of(Isa::avx512vnni, 20, 20, 144);
  ask.family = "depthwise";
  ask.reduction = 9;
  ask.kh = ask.kw = 3;
  ask.sh = ask.sw = 1;
  auto spans = cover_depthwise(table, ask, layouts);
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[0].kernel, 1);
  EXPECT_EQ(spans[0].channels, 128);
  EXPECT_EQ(spans[1].channels, 16);
  ask.sw = 2;
  spans = cover_depthwise(table, ask, layouts);
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].kernel, 0);
}

}  // namespace
}  // namespace octile::runtime
