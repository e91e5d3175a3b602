// The op line: canonical text, round trip, refusals that name the token.
// In:  literal lines.  Out: assertions.
// Not here: shape files (shapes_test.cpp).
#include "workload/spec/op_spec.h"

#include <gtest/gtest.h>

namespace octile {
namespace {

std::string canonical(std::string_view line) {
  const Result<OpSpec> spec = parse_op(line);
  return spec.ok() ? to_line(*spec) : spec.status().to_string();
}

TEST(OpSpec, CanonicalLinesRoundTrip) {
  for (const char* line : {
           "conv2d mb1g1ic64ih56iw56oc64kh3kw3pt1pl1pb1pr1 src=u8:zp wei=s8:per_oc bia=s32 dst=u8:zp post=relu",
           "conv2d mb2g32ic32ih9iw8oc32kh5kw5sh2sw2dh2dw2pl1pr2 src=s8 wei=u8:zp:per_oc dst=s32",
           "dense mb1m128k768n768 src=s8:zp wei=s8 dst=s32",
           "dense mb12m128k64n128 src=u8:zp wei=s8:zp:per_oc:var dst=s8:zp post=clip",
           "requantize mb1m3136c64 src=s32 mult=per_c dst=u8:zp",
           "requantize mb1m3136c64 src=s8:zp dst=u8:zp post=relu6",
           "quantize mb1m3136c64 src=f32 dst=u8:zp",
           "dequantize mb1m3136c64 src=u8:zp dst=f32",
           "dense mb1m1k1n1 src=u8 wei=s8 dst=u8 n\"resnet_50:fc*3\"",
       }) {
    EXPECT_EQ(canonical(line), line);
  }
}

TEST(OpSpec, MissingTokensTakeDefaultsAndOrderIsFree) {
  EXPECT_EQ(canonical("conv2d ic3oc8"), "conv2d mb1g1ic3ih1iw1oc8kh1kw1 src=u8 wei=s8 dst=u8");
  EXPECT_EQ(canonical("dense  dst=s8 n8k4m2 post=none"), "dense mb1m2k4n8 src=u8 wei=s8 dst=s8");
  EXPECT_EQ(canonical("requantize c4"), "requantize mb1m1c4 src=s32 dst=u8");
  EXPECT_EQ(canonical("quantize"), "quantize mb1m1c1 src=f32 dst=u8");
  EXPECT_EQ(canonical("dequantize m7"), "dequantize mb1m7c1 src=u8 dst=f32");
  EXPECT_EQ(canonical("dense wei=s8:var:per_oc n\"x\"\r\n"),
            "dense mb1m1k1n1 src=u8 wei=s8:per_oc:var dst=u8 n\"x*1\"");
}

TEST(OpSpec, NamesMayHoldAnything) {
  const std::string line = "dense mb1m1k1n1 src=u8 wei=s8 dst=u8 n\"a b\"c*2:/layer=1*7\"";
  const Result<OpSpec> spec = parse_op(line);
  ASSERT_TRUE(spec.ok()) << spec.status().to_string();
  EXPECT_EQ(spec->name, "a b\"c*2:/layer=1");
  EXPECT_EQ(spec->count, 7);
  EXPECT_EQ(to_line(*spec), line);
  EXPECT_EQ(to_key(*spec), "dense mb1m1k1n1 src=u8 wei=s8 dst=u8");
  OpSpec odd = *spec;
  odd.name = "two\nlines";
  EXPECT_EQ(to_line(odd).find('\n'), std::string::npos);
}

TEST(OpSpec, RefusesNamingTheToken) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "unknown op ''"},
      {"conv3d mb1", "unknown op 'conv3d'"},
      {"conv2d mb1xx3", "unknown size 'xx'"},
      {"conv2d ic", "no number after 'ic'"},
      {"conv2d 3", "unknown size ''"},
      {"conv2d ic3ic4", "'ic' given twice"},
      {"conv2d ic3 oc4", "'shape' given twice"},
      {"conv2d src=u8 src=u8", "'src' given twice"},
      {"conv2d ic99999999999999999999", "no number after 'ic'"},
      {"conv2d ic0", "'ic' is 0"},
      {"conv2d ic-4", "'ic' is -4"},
      {"conv2d pt-1", "'pt' is -1"},
      {"conv2d kh3", "output is empty"},
      {"conv2d ic8oc9g3", "groups"},
      {"conv2d src=s16", "unknown type 's16'"},
      {"conv2d src=u8:zq", "unknown attribute 'zq'"},
      {"conv2d foo=1", "unknown token 'foo'"},
      {"conv2d post=gelu", "unknown post 'gelu'"},
      {"conv2d bia=f32", "bias must be s32"},
      {"conv2d wei=s8:var", "only a dense"},
      {"conv2d wei=s32", "u8 or s8 weights"},
      {"conv2d src=f32", "takes no src"},
      {"conv2d dst=f32", "makes no dst"},
      {"conv2d dst=s32 post=relu", "dst of 8 bits"},
      {"conv2d mult=per_c", "requantize alone"},
      {"dense k65794", "K is 65794"},
      {"dense m2147483647k2n2147483647", "too large"},
      {"requantize wei=s8", "'wei' does not belong"},
      {"requantize bia=s32", "neither bias nor weights"},
      {"quantize src=f32:zp", "float src"},
      {"dequantize dst=u8", "makes no dst"},
      {"dense n\"open", "closing quote"},
      {"dense n\"a*b\"", "no count"},
      {"dense n\"a*0\"", "no count"},
  };
  for (const auto& [line, expected] : cases) {
    const Result<OpSpec> spec = parse_op(line);
    ASSERT_FALSE(spec.ok()) << line;
    EXPECT_NE(spec.status().message().find(expected), std::string::npos) << line << ": " << spec.status().message();
  }
  EXPECT_TRUE(parse_op("dense k65793").ok());
}

TEST(OpSpec, SizesAndWork) {
  const OpSpec s = *parse_op("conv2d mb2g2ic8ih7iw9oc6kh3kw2sh2sw3dh2pt1pl2pb0pr1");
  EXPECT_EQ(s.oh(), (7 + 1 - 5) / 2 + 1);
  EXPECT_EQ(s.ow(), (9 + 3 - 2) / 3 + 1);
  EXPECT_EQ(s.src_elements(), 2 * 7 * 9 * 8);
  EXPECT_EQ(s.wei_elements(), 6 * 4 * 3 * 2);
  EXPECT_EQ(s.dst_elements(), 2 * s.oh() * s.ow() * 6);
  EXPECT_EQ(s.macs(), s.dst_elements() * 4 * 3 * 2);
  EXPECT_FALSE(s.depthwise());
  EXPECT_TRUE(parse_op("conv2d g8ic8oc8")->depthwise());
  EXPECT_EQ(parse_op("dense mb3m2k5n7 wei=s8:var")->wei_elements(), 3 * 35);
  EXPECT_EQ(parse_op("dense mb3m2k5n7")->wei_elements(), 35);
}

// Whatever is thrown at the parser, it answers; and what it accepts it prints back.
TEST(OpSpec, GarbageNeverCrashes) {
  const auto try_line = [](const std::string& line) {
    const Result<OpSpec> spec = parse_op(line);
    if (!spec.ok()) return;
    EXPECT_EQ(canonical(to_line(*spec)), to_line(*spec));
  };
  const std::string good = "conv2d mb1g1ic64ih56iw56oc64kh3kw3pt1 src=u8:zp wei=s8:per_oc bia=s32 dst=u8:zp n\"a*3\"";
  for (size_t i = 0; i < good.size(); ++i) {
    for (char ch : {'\0', ' ', '=', ':', '"', '*', '9', 'z', '-'}) {
      std::string line = good;
      line[i] = ch;
      try_line(line);
      try_line(good.substr(0, i) + ch + good.substr(i));
    }
  }
}

}  // namespace
}  // namespace octile
