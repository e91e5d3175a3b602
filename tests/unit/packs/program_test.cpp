// octile-pack as its users see it: exit status, messages, and an old pack that survives every failure.
// In:  the built program, a fake kernelc.  Out: pass or fail.
// Not here: what the library tests already say.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "packs/format/pack_file.h"
#include "tests/unit/packs/fake_kernelc.h"

namespace octile::packs {
namespace {

constexpr const char* kGood = "avx2 | any:dot dst=u8 | name=dot_a\nx86-64-v2 | any:dot dst=u8 | name=dot_b\n";

class ProgramTest : public ::testing::Test {
 protected:
  ToolResult pack(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), OCTILE_PACK_PROGRAM);
    return run_tool(arguments, 60);
  }
  ToolResult build(const std::string& list, const std::string& out) {
    write_text(dir_ / "some.list", list);
    return pack({"build", "--list", dir_ / "some.list", "--kernelc", kernelc_, "--timeout", "5", "-o", out});
  }
  TempDir dir_;
  const std::string kernelc_ = make_fake_kernelc(dir_), out_ = dir_ / "a.octpack";
};

TEST_F(ProgramTest, BuildsInspectsVerifies) {
  const ToolResult built = build(kGood, out_);
  ASSERT_TRUE(built.ok) << built.err;
  const ToolResult text = pack({"inspect", out_});
  ASSERT_TRUE(text.ok) << text.err;
  EXPECT_NE(text.out.find("2 members, 2 kernels"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("x86-64/avx2"), std::string::npos) << text.out;
  const ToolResult json = pack({"inspect", out_, "--json"});
  ASSERT_TRUE(json.ok) << json.err;
  const auto parsed = nlohmann::json::parse(json.out);
  EXPECT_EQ(parsed["bytes"], std::filesystem::file_size(out_));
  EXPECT_EQ(parsed["members"].size(), 2u);
  EXPECT_EQ(parsed["members"][0]["verified"], true);
  EXPECT_EQ(parsed["members"][0]["kernels"], 1);
  EXPECT_EQ(parsed["kernels"][0]["name"], "dot_b");
  EXPECT_TRUE(pack({"verify", out_}).ok);
}

TEST_F(ProgramTest, MergesPacks) {
  ASSERT_TRUE(build(kGood, out_).ok);
  ASSERT_TRUE(build("avx2 | dense mb1m1k1n1 | name=dot_c\n", dir_ / "b.octpack").ok);
  const ToolResult merged = pack({"merge", out_, dir_ / "b.octpack", "-o", dir_ / "c.octpack"});
  ASSERT_TRUE(merged.ok) << merged.err;
  EXPECT_TRUE(pack({"verify", dir_ / "c.octpack"}).ok);
  const Result<PackFile> all = open_pack(dir_ / "c.octpack");
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->manifest().members.size(), 3u);
  EXPECT_EQ(all->manifest().kernels.size(), 3u);
}

TEST_F(ProgramTest, FailuresLeaveTheOldPack) {
  ASSERT_TRUE(build(kGood, out_).ok);
  const std::vector<uint8_t> old = read_bytes(out_);
  for (const char* bad :
       {"avx2 | any:dot | name=a fail\n", "avx2 | any:dot | name=a crash\n", "avx2 | any:dot | name=a liar\n",
        "avx2 | any:dot | name=a hang\n", "avx2 | any:dot | name=a body=vpermb_%zmm0,%zmm1,%zmm2\n", "garbage\n"}) {
    const ToolResult run = build(bad, out_);
    EXPECT_FALSE(run.ok) << bad;
    EXPECT_NE(run.err.find("octile-pack: "), std::string::npos) << run.err;
    EXPECT_EQ(read_bytes(out_), old) << bad;
  }
}

TEST_F(ProgramTest, DamagedPacksAreNamed) {
  ASSERT_TRUE(build(kGood, out_).ok);
  std::vector<uint8_t> bytes = read_bytes(out_);
  bytes.back() ^= 1;
  write_bytes(out_, bytes);
  for (const std::string& path : {out_, dir_ / "none.octpack", dir_.path()}) {
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
             {"inspect", path}, {"inspect", path, "--json"}, {"verify", path}, {"merge", path, "-o", dir_ / "b"}}) {
      const ToolResult run = pack(command);
      EXPECT_FALSE(run.ok);
      EXPECT_NE(run.how_it_ended.find("exit code 1"), std::string::npos) << run.how_it_ended;
      EXPECT_NE(run.err.find(path), std::string::npos) << run.err;
    }
  }
}

TEST_F(ProgramTest, BadUsageExitsWithTwo) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"fly"},
                                             {"build"},
                                             {"build", "-o", "x"},
                                             {"build", "--list"},
                                             {"build", "--list", "x"},
                                             {"inspect"},
                                             {"inspect", "a", "b"},
                                             {"merge", "a"},
                                             {"inspect", "a", "--fast"},
                                             {"build", "--list", "x", "-o", "y", "--jobs", "many"},
                                             {"build", "--list", "x", "-o", "y", "--timeout", "-1"}}) {
    EXPECT_NE(pack(arguments).how_it_ended.find("exit code 2"), std::string::npos);
  }
  EXPECT_TRUE(pack({"--help"}).ok);
  EXPECT_TRUE(pack({"build", "--help"}).ok);
}

}  // namespace
}  // namespace octile::packs
