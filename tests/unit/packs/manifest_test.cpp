// The manifest's JSON: round trip, and every field's absence, wrong type and bad value refused by name.
// In:  built manifests and damaged text.  Out: pass or fail.
// Not here: the file around it (pack_file_test.cpp).
#include "packs/format/manifest.h"

#include <gtest/gtest.h>

#include <string>

namespace octile::packs {
namespace {

Manifest example() {
  Manifest m;
  m.octile_version = "0.1.0";
  m.generator = "halide 21";
  m.members = {{"x86-64/avx2", "x86-64/avx2", std::string(64, 'a'), 4096, 100}};
  KernelEntry k;
  k.name = "dot_u8s8u8__avx2__k2n8w__x4y1n16";
  k.family = "dot";
  k.op = "*";
  k.target = k.member = "x86-64/avx2";
  k.layout = "k2n8w";
  k.cand = "layout=k2n8w tile=x4n16";
  k.dst = "u8";
  k.src = "s16";
  k.tile_x = 4;
  k.tile_n = 16;
  k.tail_n = true;
  k.us = 12.5;
  m.kernels = {k};
  return m;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return text.replace(at, from.size(), to);
}

Status parse_changed(const std::string& from, const std::string& to) {
  return parse_manifest(replaced(to_json(example()), from, to), "some.octpack").status();
}

void expect_refused(const std::string& from, const std::string& to, const std::string& word) {
  const Status status = parse_changed(from, to);
  EXPECT_EQ(status.code(), Code::corrupt) << from << " -> " << to;
  EXPECT_NE(status.message().find("some.octpack"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find(word), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("again"), std::string::npos) << status.message();
}

TEST(Manifest, RoundTrips) {
  const std::string json = to_json(example());
  const Result<Manifest> parsed = parse_manifest(json, "x");
  ASSERT_TRUE(parsed.ok()) << parsed.status().to_string();
  EXPECT_EQ(to_json(*parsed), json);
  EXPECT_EQ(parsed->kernels[0].tile_x, 4);
  EXPECT_TRUE(parsed->kernels[0].tail_n);
  EXPECT_EQ(parsed->kernels[0].us, 12.5);
  EXPECT_EQ(parsed->members[0].offset, 4096u);
}

TEST(Manifest, ReadsAKernelAloneAsKernelcWritesIt) {
  KernelEntry kernel = example().kernels[0];
  kernel.us = 0;
  kernel.member.clear();
  const std::string json = to_json(kernel);
  EXPECT_EQ(json.find('\n'), json.npos);
  for (const std::string& text : {json, replaced(json, ",\"us\":0.0,\"member\":\"\"", "")}) {
    const Result<KernelEntry> parsed = parse_kernel(text, "x");
    ASSERT_TRUE(parsed.ok()) << parsed.status().to_string();
    EXPECT_EQ(to_json(*parsed), json);
  }
  EXPECT_FALSE(parse_kernel("[]", "x").ok());
  EXPECT_FALSE(parse_kernel(replaced(json, "tile_x", "tilex"), "x").ok());
}

TEST(Manifest, RefusesAnotherVersionByName) {
  const Status status = parse_changed("\"version\":2", "\"version\":1");
  EXPECT_EQ(status.code(), Code::unsupported);
  EXPECT_NE(status.message().find("some.octpack: manifest version 1"), std::string::npos) << status.message();
}

TEST(Manifest, RefusesEveryMissingField) {
  int fields = 0;
  const std::string json = to_json(example());
  for (size_t at = json.find("\":"); at != json.npos; at = json.find("\":", at + 1), ++fields) {
    std::string broken = json;
    broken[at - 1] = '_';  // the field's last letter
    EXPECT_FALSE(parse_manifest(broken, "x").ok()) << broken.substr(at - 10, 20);
  }
  EXPECT_GE(fields, 7 + 5 + 19);
}

TEST(Manifest, RefusesWrongTypesAndValues) {
  expect_refused("\"version\":2", "\"version\":\"2\"", "version");
  expect_refused("\"rounding\":\"f32-rne\"", "\"rounding\":3", "rounding");
  expect_refused("\"tail_n\":true", "\"tail_n\":1", "tail_n");
  expect_refused("\"tile_x\":4", "\"tile_x\":0", "tile_x");
  expect_refused("\"tile_x\":4", "\"tile_x\":-4", "tile_x");
  expect_refused("\"tile_x\":4", "\"tile_x\":4.5", "tile_x");
  expect_refused("\"tile_x\":4", "\"tile_x\":99999999999999999999999", "tile_x");
  expect_refused("\"tile_x\":4", "\"tile_x\":1e999", "range");
  expect_refused("\"acc16_group\":0", "\"acc16_group\":5", "acc16_group");
  expect_refused("\"us\":12.5", "\"us\":null", "us");
  expect_refused("\"offset\":4096", "\"offset\":-1", "offset");
  expect_refused("\"size\":100", "\"size\":0", "size");
  expect_refused("\"sha256\":\"aaaa", "\"sha256\":\"AAAA", "sha256");
  expect_refused("\"sha256\":\"aaaa", "\"sha256\":\"aaa", "sha256");
  expect_refused("\"name\":\"dot_", "\"name\":\"dot-", "symbol");
  expect_refused("\"member\":\"x86-64/avx2\"", "\"member\":\"x86-64/avx3\"", "avx3");
  expect_refused("\"id\":\"x86-64/avx2\"", "\"id\":\"\"", "empty");
}

TEST(Manifest, IgnoresFieldsItDoesNotKnow) {
  for (const char* later : {"3", "\"text\"", "null", "[]", "{}", "{\"name\":[1,{\"kernels\":[2]}]}"}) {
    const std::string field = std::string("\"later\":") + later;
    for (const char* before : {"\"rounding\":", "\"offset\":", "\"tile_x\":"}) {
      EXPECT_TRUE(parse_changed(before, field + "," + before).ok()) << later << " before " << before;
    }
  }
}

TEST(Manifest, RefusesValuesOfOtherShapes) {
  expect_refused("\"members\":[", "\"members\":3,\"old\":[", "field 'members' is not a list");
  expect_refused("\"kernels\":[", "\"kernels\":{},\"old\":[", "field 'kernels' is not a list");
  expect_refused("\"members\":[", "\"members\":[3,", "member 0 is not an object");
  expect_refused("\"kernels\":[", "\"kernels\":[[],", "kernel 0 is not an object");
  expect_refused("\"tile_x\":4", "\"tile_x\":[4]", "kernel 0 field 'tile_x' is not a whole number");
  expect_refused("\"op\":\"*\"", "\"op\":{}", "kernel 0 field 'op' is not a string");
  std::string padded = to_json(example());
  padded += std::string("\0x", 2);
  EXPECT_EQ(parse_manifest(padded, "some.octpack").status().code(), Code::corrupt);
}

TEST(Manifest, RefusesDuplicatesAndMismatchedTargets) {
  Manifest m = example();
  m.members.push_back(m.members[0]);
  EXPECT_FALSE(parse_manifest(to_json(m), "x").ok());
  m = example();
  m.kernels.push_back(m.kernels[0]);
  EXPECT_FALSE(parse_manifest(to_json(m), "x").ok());
  m.kernels[1].op = "dense mb1m1k1n1";
  EXPECT_TRUE(parse_manifest(to_json(m), "x").ok());
  m.kernels[1].target = "x86-64/avx512vnni";
  EXPECT_FALSE(parse_manifest(to_json(m), "x").ok());
}

TEST(Manifest, SurvivesGarbage) {
  for (const char* text : {"", "{", "null", "[]", "{}", "3", "\"\"", "\xff\xfe", "{\"version\":2}", "{\"version\":{}}",
                           "{\"x\":\"\xff\"}"}) {
    const Status status = parse_manifest(text, "some.octpack").status();
    EXPECT_EQ(status.code(), Code::corrupt) << text;
    EXPECT_NE(status.message().find("some.octpack"), std::string::npos);
  }
  const std::string deep = "{\"version\":2,\"members\":" + std::string(200000, '[');
  EXPECT_FALSE(parse_manifest(deep, "x").ok());
  const std::string closed = "{\"version\":2,\"x\":" + std::string(200000, '[') + std::string(200000, ']') + "}";
  EXPECT_FALSE(parse_manifest(closed, "x").ok());
}

}  // namespace
}  // namespace octile::packs
