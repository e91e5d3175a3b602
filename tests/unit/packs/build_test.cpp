// Building: lists to packs with a fake kernelc: order, cache, determinism, and every way a kernel can fail.
// In:  lists.  Out: pass or fail.
// Not here: Halide, the command line (program_test.cpp).
#include "packs/builder/build.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "packs/format/pack_file.h"
#include "tests/unit/packs/fake_kernelc.h"
#include "tuner/log/record.h"

namespace octile::packs {
namespace {

constexpr const char* kList = R"(# kernels
avx512vnni | any:dot dst=u8 | name=dot_z body=vpdpbusd_%zmm0,%zmm1,%zmm2

avx2 | any:dot dst=u8 | name=dot_y body=vpmaddwd_%ymm0,%ymm1,%ymm2
avx512vnni | dense mb1m1k1n1 | name=dot_w
  x86-64-v2 | any:dot dst=u8 | name=dot_x
)";

class BuildTest : public ::testing::Test {
 protected:
  Result<Built> build(const std::string& list, int jobs = 2, const std::string& cache = "") {
    write_text(list_, list);
    BuildOptions options;
    options.lists = {list_};
    options.compile.kernelc = kernelc_;
    options.compile.jobs = jobs;
    options.compile.cache_dir = cache;
    options.compile.seconds = seconds_;
    options.targets = targets_;
    return build_pack(options);
  }
  void expect_error(const std::string& list, const std::vector<std::string>& words) {
    const Result<Built> built = build(list);
    ASSERT_FALSE(built.ok()) << list;
    for (const std::string& word : words) {
      EXPECT_NE(built.status().message().find(word), std::string::npos) << built.status().message() << "\n" << word;
    }
  }
  [[nodiscard]] int runs() const {
    const std::string text = read_text(dir_ / "runs");
    return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }
  TempDir dir_;
  const std::string kernelc_ = make_fake_kernelc(dir_), list_ = dir_ / "some.list";
  std::vector<std::string> targets_;
  double seconds_ = 60;
};

TEST_F(BuildTest, OneMemberPerTargetWorstFirst) {
  const Result<Built> built = build(kList);
  ASSERT_TRUE(built.ok()) << built.status().to_string();
  const Manifest& m = built->contents.manifest;
  ASSERT_EQ(m.members.size(), 3u);
  EXPECT_EQ(m.members[0].id, "x86-64/v2");
  EXPECT_EQ(m.members[2].id, "x86-64/avx512vnni");
  ASSERT_EQ(m.kernels.size(), 4u);
  EXPECT_EQ(m.kernels[2].name, "dot_z");
  EXPECT_EQ(m.kernels[3].name, "dot_w");
  EXPECT_EQ(m.kernels[3].op, "dense mb1m1k1n1");
  EXPECT_EQ(m.generator, "fake 1");
  EXPECT_TRUE(check_contents(built->contents, "x").ok());
}

TEST_F(BuildTest, SameInputsGiveSameBytesWhateverTheJobs) {
  const Result<Built> one = build(kList, 1), many = build(kList, 4), cached = build(kList, 2, dir_ / "cache");
  ASSERT_TRUE(one.ok() && many.ok() && cached.ok());
  int number = 0;
  for (const Contents* c : {&one->contents, &many->contents, &cached->contents}) {
    ASSERT_TRUE(write_pack(dir_ / std::to_string(number++), c->manifest, c->members).ok());
  }
  EXPECT_EQ(read_bytes(dir_ / "0"), read_bytes(dir_ / "1"));
  EXPECT_EQ(read_bytes(dir_ / "0"), read_bytes(dir_ / "2"));
}

TEST_F(BuildTest, CacheIsKeyedByLineAndKernelc) {
  const std::string cache = dir_ / "cache";
  ASSERT_TRUE(build(kList, 2, cache).ok());
  EXPECT_EQ(runs(), 4);
  ASSERT_TRUE(build(kList, 2, cache).ok());
  EXPECT_EQ(runs(), 4) << "all from the cache";
  ASSERT_TRUE(build(std::string(kList) + "avx2 | any:dot dst=u8 | name=dot_new\n", 2, cache).ok());
  EXPECT_EQ(runs(), 5) << "one new line";
  write_text(kernelc_, read_text(kernelc_) + "# changed\n");
  ASSERT_TRUE(build(kList, 2, cache).ok());
  EXPECT_EQ(runs(), 9) << "another kernelc";
  for (const auto& entry : std::filesystem::directory_iterator(cache)) {
    if (entry.path().extension() == ".json") write_text(entry.path().string(), "{");
  }
  ASSERT_TRUE(build(kList, 2, cache).ok());
  EXPECT_EQ(runs(), 13) << "damaged entries are made again";
}

TEST_F(BuildTest, TargetsFilter) {
  targets_ = {"avx2", "x86-64/v2"};
  const Result<Built> built = build(kList);
  ASSERT_TRUE(built.ok()) << built.status().to_string();
  EXPECT_EQ(built->contents.manifest.kernels.size(), 2u);
  targets_ = {"avx9"};
  expect_error(kList, {"avx9"});
}

TEST_F(BuildTest, ListErrorsNameTheLine) {
  expect_error("# only\n\n", {list_, "no kernel"});
  expect_error("avx2 | any:dot\n", {list_ + ":1", "target | op | candidate"});
  expect_error("# x\n\navx2 | a | b | c\n", {list_ + ":3"});
  expect_error("avx9 | any:dot | name=a\n", {list_ + ":1", "avx9"});
  expect_error("portable | any:dot | name=a\n", {list_ + ":1", "portable"});
  expect_error("avx512amx | any:dot | name=a\n", {list_ + ":1", "avx512amx"});
  expect_error("avx2 | any:dot | name=a\n avx2 | any:dot | name=a\n", {list_ + ":2", "line 1"});
  expect_error(std::string("\0\xff|||\n", 6), {list_ + ":1"});
  expect_error("avx2 | any:dot | name=a\navx2 | any:dot  | name=a\n", {"two requests", "a"});
  EXPECT_FALSE(read_list(dir_ / "none").ok());
  EXPECT_FALSE(read_list(dir_.path()).ok());
}

TEST_F(BuildTest, KernelcFailuresNameLineAndReason) {
  const std::string good = "avx2 | any:dot dst=u8 | name=a\n";
  expect_error(good + "avx2 | any:dot | name=b fail\n", {list_ + ":2", "banana is no tile", "name=b fail"});
  expect_error(good + "avx2 | any:dot | name=b crash\n", {list_ + ":2", "signal 11"});
  expect_error(good + "avx2 | any:dot | name=b liar\n", {list_ + ":2", "printed 'hello'"});
  expect_error(good + "avx2 | any:dot | name=b empty\n", {list_ + ":2", "nothing.o"});
  expect_error(good + "avx2 | any:dot | name=b body=banana\n", {list_ + ":2", "exit code 3"});
  seconds_ = 0.3;
  expect_error(good + "avx2 | any:dot | name=b hang\n", {list_ + ":2", "no end after 0.3 s"});
}

TEST_F(BuildTest, GateStopsTheBuildAndNamesTheKernel) {
  expect_error("avx512vnni | any:dot | name=bad_one body=vpermb_%zmm0,%zmm1,%zmm2\n",
               {"avx512vnni", "bad_one", "vpermb"});
  expect_error("avx2 | any:dot | name=bad_one body=vpaddd_%zmm0,%zmm1,%zmm2\n", {"avx2", "bad_one", "vpaddd"});
}

TEST_F(BuildTest, MissingKernelc) {
  write_text(list_, kList);
  BuildOptions options;
  options.lists = {list_};
  for (const std::string& path : {dir_ / "none", dir_.path(), list_}) {
    options.compile.kernelc = path;
    const Status status = build_pack(options).status();
    EXPECT_EQ(status.code(), Code::not_found);
    EXPECT_NE(status.message().find(path), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("--kernelc"), std::string::npos) << status.message();
  }
}

tuner::Record record(const std::string& op, const std::string& cand, double us, tuner::Verdict verdict) {
  tuner::Record r;
  r.op = op;
  r.target = "x86-64/avx2";
  r.cand = cand;
  r.default_cand = "layout=k4n16 any-shape";
  r.verdict = verdict;
  if (verdict == tuner::Verdict::ok) r.us = {us};
  r.est_us = us;
  r.base_us = 100;
  r.noise = 0.01;
  return r;
}

class LogTest : public BuildTest {
 protected:
  Result<Built> build_log(const std::vector<tuner::Record>& records, const std::string& more_text = "",
                          const std::string& default_pack = "") {
    std::string text;
    for (const tuner::Record& r : records) text += to_json_line(r) + "\n";
    write_text(dir_ / "tuning.jsonl", text + more_text);
    BuildOptions options;
    options.logs = {dir_ / "tuning.jsonl"};
    options.default_pack = default_pack;
    options.compile.kernelc = kernelc_;
    return build_pack(options);
  }
  static constexpr auto kOk = tuner::Verdict::ok;
  const std::string op1_ = "dense mb1m1k4n16", op2_ = "dense mb1m1k8n16";
};

TEST_F(LogTest, PacksTheBestRightRecordOfEachWorkload) {
  const Result<Built> built = build_log(
      {record(op1_, "layout=k4n16 tile=1 name=slow", 80, kOk), record(op1_, "layout=k4n16 tile=2 name=fast", 50, kOk),
       record(op1_, "layout=k4n16 tile=3 name=wrong", 0, tuner::Verdict::wrong),
       record(op2_, "layout=k4n16 tile=1 name=only", 70, kOk)},
      "garbage\n{\"v\":1,");
  ASSERT_TRUE(built.ok()) << built.status().to_string();
  const Manifest& m = built->contents.manifest;
  ASSERT_EQ(m.kernels.size(), 2u);
  EXPECT_EQ(m.kernels[0].name, "fast");
  EXPECT_EQ(m.kernels[0].op, op1_);
  EXPECT_EQ(m.kernels[0].us, 50);
  EXPECT_EQ(m.kernels[1].name, "only");
  ASSERT_EQ(built->warnings.size(), 2u);
  EXPECT_NE(built->warnings[0].find("tuning.jsonl:5"), std::string::npos) << built->warnings[0];
}

TEST_F(LogTest, LeavesOutWhatNoLongerBuilds) {
  const Result<Built> built = build_log(
      {record(op1_, "layout=k4n16 tile=1 name=a fail", 50, kOk), record(op2_, "layout=k4n16 tile=1 name=b", 50, kOk)});
  ASSERT_TRUE(built.ok()) << built.status().to_string();
  EXPECT_EQ(built->contents.manifest.kernels.size(), 1u);
  ASSERT_EQ(built->warnings.size(), 1u);
  EXPECT_NE(built->warnings[0].find("banana"), std::string::npos) << built->warnings[0];
}

TEST_F(LogTest, JoinsTheDefaultPack) {
  const Result<Built> base = build(kList);
  ASSERT_TRUE(base.ok()) << base.status().to_string();
  const std::string path = dir_ / "default.octpack";
  ASSERT_TRUE(write_pack(path, base->contents.manifest, base->contents.members).ok());
  const Result<Built> built = build_log({record(op1_, "layout=k4n16 tile=1 name=tuned", 50, kOk)}, "", path);
  ASSERT_TRUE(built.ok()) << built.status().to_string();
  EXPECT_EQ(built->contents.manifest.kernels.size(), 5u);
  EXPECT_EQ(built->contents.manifest.members.size(), 4u);
  EXPECT_EQ(built->compiled, 1u);
  ASSERT_TRUE(write_pack(dir_ / "all.octpack", built->contents.manifest, built->contents.members).ok());
  const Result<Built> nothing = build_log({record(op1_, "layout=k4n16 any-shape", 100, kOk)}, "", path);
  ASSERT_TRUE(nothing.ok()) << "nothing beat the default pack: " << nothing.status().to_string();
  EXPECT_EQ(nothing->contents.manifest.kernels.size(), 4u);
}

TEST_F(LogTest, NamesAnEmptyOrMissingLog) {
  EXPECT_EQ(build_log({}).status().code(), Code::invalid_argument);
  BuildOptions options;
  options.logs = {dir_ / "none.jsonl"};
  options.compile.kernelc = kernelc_;
  EXPECT_NE(build_pack(options).status().message().find("none.jsonl"), std::string::npos);
}

}  // namespace
}  // namespace octile::packs
