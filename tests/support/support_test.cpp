// The draws themselves: valid, repeatable, small, spread over the grammar, mostly unsaturated; guards that bite.
// In:  a fixed seed.  Out: assertions.
// Not here: implementations under test.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>

#include "tests/support/draw.h"
#include "tests/support/guarded.h"
#include "tests/support/rng.h"
#include "workload/reference/reference.h"

namespace octile::testing {
namespace {

constexpr uint64_t kSeed = 20;
constexpr int kDraws = 10000;

TEST(Draw, ValidRepeatableAndSmall) {
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t seed = mix(kSeed + i);
    const OpSpec spec = draw_spec(seed);
    ASSERT_TRUE(validate(spec).ok()) << to_key(spec) << ": " << validate(spec).to_string();
    const Result<OpSpec> parsed = parse_op(to_key(spec));
    ASSERT_TRUE(parsed.ok()) << to_key(spec);
    EXPECT_EQ(to_key(*parsed), to_key(spec));
    EXPECT_EQ(to_key(draw_spec(seed)), to_key(spec));
    EXPECT_LE(spec.macs(), 2'000'000) << to_key(spec);
    const Operands o = draw_operands(spec, seed);
    ASSERT_TRUE(validate(spec, o.quant).ok()) << to_key(spec) << ": " << validate(spec, o.quant).to_string();
    if (i % 16 != 0) continue;
    const Operands again = draw_operands(*parsed, seed);
    EXPECT_EQ(again.src, o.src);
    EXPECT_EQ(again.wei, o.wei);
    EXPECT_EQ(again.quant.bias, o.quant.bias);
    EXPECT_EQ(again.quant.wei_scale, o.quant.wei_scale);
  }
}

TEST(Draw, CoversTheGrammar) {
  std::map<std::string, int> seen;
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t seed = mix(kSeed + i);
    const OpSpec s = draw_spec(seed);
    ++seen["trap " + std::string(to_string(trap_of(seed)))];
    ++seen["kind " + std::string(to_string(s.kind))];
    ++seen["src " + std::string(to_string(s.src))];
    ++seen["dst " + std::string(to_string(s.dst))];
    ++seen["post " + std::string(to_string(s.post))];
    const std::pair<const char*, bool> facts[] = {
        {"depthwise", s.depthwise()},
        {"depthwise 5x5 stride 2", s.depthwise() && s.kh == 5 && s.kw == 5 && s.sh == 2},
        {"groups", s.g > 1 && !s.depthwise()},
        {"1-D", s.kind == OpKind::conv2d && s.ih == 1 && s.kh == 1 && s.kw > 1},
        {"dilation", s.dh > 1 || s.dw > 1},
        {"asymmetric", s.pt != s.pb || s.pl != s.pr},
        {"batch", s.mb > 1},
        {"variable", s.wei_var},
        {"u8 weights with zp", s.wei == DType::u8 && s.wei_zp},
        {"u8 weights without zp", s.wei == DType::u8 && !s.wei_zp},
        {"s8 weights with zp", s.wei == DType::s8 && s.wei_zp && s.kind == OpKind::conv2d},
        {"K < 10", s.kind == OpKind::dense && s.k < 10},
        {"K > 1000", s.kind == OpKind::dense && s.k > 1000},
        {"mult per channel", s.mult_per_c},
        {"no bias", s.kind == OpKind::conv2d && !s.bias},
        {"conv of 200 channels and more", s.kind == OpKind::conv2d && s.g == 1 && s.oc >= 200},
        {"dense of 200 columns and more", s.kind == OpKind::dense && s.n >= 200},
    };
    for (const auto& [name, is] : facts) seen[name] += is ? 1 : 0;
  }
  EXPECT_NEAR(seen["trap none"], kDraws / 2, kDraws / 20);
  for (const auto& [name, count] : seen) EXPECT_GE(count, 10) << name;
  for (int t = 0; t < kTraps; ++t) EXPECT_GE(seen["trap " + std::string(to_string(static_cast<Trap>(t)))], 50) << t;
}

TEST(Draw, WidensToATile) {
  constexpr int64_t kMacs = 200'000, kChannels = 256;
  int over = 0;
  for (int i = 0; i < kDraws; ++i) {
    const OpSpec drawn = draw_spec(mix(kSeed + i), kMacs);
    const OpSpec s = widened(drawn, kChannels, kMacs);
    ASSERT_TRUE(validate(s).ok()) << to_key(drawn) << " became " << to_key(s) << ": " << validate(s).to_string();
    EXPECT_EQ(s.kind, drawn.kind);
    EXPECT_GE(s.depthwise() || s.g == 1 ? s.channels() : 0, kChannels) << to_key(s);
    over += !s.depthwise() && s.macs() > kMacs ? 1 : 0;
  }
  EXPECT_LT(over * 50, kDraws);  // only filters that lie all in the padding
}

TEST(Draw, FewerThanHalfOfTheOutputsSaturate) {
  int64_t saturated = 0, total = 0;
  for (int i = 0; i < kDraws / 2; ++i) {
    const uint64_t seed = mix(kSeed + i);
    const OpSpec s = draw_spec(seed);
    if (size_of(s.dst) != 1) continue;
    const Operands o = draw_operands(s, seed);
    std::vector<uint8_t> dst(o.dst_bytes);
    ASSERT_TRUE(reference::run(s, o.quant, o.src.data(), o.wei.data(), dst.data()).ok());
    for (uint8_t v : dst) {
      const int32_t code = s.dst == DType::s8 ? static_cast<int8_t>(v) : v;
      saturated += code == o.quant.clamp_lo || code == o.quant.clamp_hi;
      ++total;
    }
  }
  EXPECT_LT(saturated * 2, total) << saturated << " of " << total;
  RecordProperty("saturated_percent", static_cast<int>(100 * saturated / total));
}

TEST(Guarded, CatchesBothEnds) {
  const Guarded g(std::vector<uint8_t>{1, 2, 3});
  EXPECT_EQ(g.data()[2], 3);
  EXPECT_TRUE(g.canary_intact());
  g.data()[-1] = 0;
  EXPECT_FALSE(g.canary_intact());
  volatile uint8_t* p = g.data();
  EXPECT_DEATH(p[3] = 1, "");
  Guarded frozen(8);
  frozen.freeze();
  EXPECT_DEATH(frozen.data()[0] = 1, "");
}

}  // namespace
}  // namespace octile::testing
