// The log: round trip, garbage, torn lines, locking, full disk, best.  In: files.  Out: assertions.
#include "tuner/log/log.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/tuner/temp_file.h"

namespace octile::tuner {
namespace {

using testing::TempFile;

Record example(const std::string& cand = "layout=k4n16 tile=x6y1n64 uk=2", double est = 40) {
  Record r;
  r.op = "dense mb1m128k768n768 src=u8:zp wei=s8 dst=s32";
  r.target = "x86-64/avx512vnni";
  r.cand = cand;
  r.default_cand = "layout=k4n16 tile=x1y1n16";
  r.us = {est, est + 1.5};
  r.est_us = est;
  r.base_us = 50;
  r.noise = 0.01;
  r.halide = "halide 21.0.0 clang 22.1.8";
  r.commit = "0123";
  r.host = "here";
  r.cpu = "cpu \"quoted\" \\ \xff";
  r.date = "2026-11-24T00:12:31Z";
  r.seed = std::numeric_limits<uint64_t>::max();
  return r;
}

TEST(Record, RoundTripsEveryField) {
  Record r = example();
  r.verdict = Verdict::wrong;
  r.phase = Phase::final;
  r.reason = "wrong at byte 7\nsecond line";
  r.cpu = "cpu \"quoted\"";
  const std::string line = to_json_line(r);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const Result<Record> back = parse_record(line);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_EQ(to_json_line(*back), line);
  EXPECT_EQ(back->reason, r.reason);
  EXPECT_EQ(back->seed, r.seed);
  EXPECT_EQ(back->verdict, Verdict::wrong);
}

TEST(Record, TextThatIsNotUtf8IsReplacedNotRefused) {
  const Result<Record> back = parse_record(to_json_line(example()));
  ASSERT_TRUE(back.ok()) << back.status().to_string();
}

TEST(Record, NamesWhatIsWrongWithALine) {
  EXPECT_EQ(parse_record("garbage").status().message(), "not a JSON object");
  EXPECT_EQ(parse_record("[1]").status().message(), "not a JSON object");
  EXPECT_EQ(parse_record("{\"v\":9}").status().code(), Code::unsupported);
  EXPECT_NE(parse_record("{\"v\":1,\"op\":3}").status().message().find("bad field"), std::string::npos);
  std::string line = to_json_line(example());
  line.replace(line.find("\"ok\""), 4, "\"great\"");
  EXPECT_EQ(parse_record(line).status().message(), "unknown verdict \"great\"");
}

TEST(Log, AppendsAndReadsBack) {
  const TempFile file;
  {
    Result<LogWriter> log = LogWriter::open(file.path());
    ASSERT_TRUE(log.ok()) << log.status().to_string();
    ASSERT_TRUE(log->append(example()).ok());
    ASSERT_TRUE(log->append(example("layout=k4n16 tile=x2y1n64", 30)).ok());
  }
  const Result<LogContents> read = read_log(file.path());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->records.size(), 2U);
  EXPECT_TRUE(read->issues.empty());
}

TEST(Log, GarbageIsReportedWithItsLineAndSkipped) {
  const TempFile file;
  const std::string good = to_json_line(example());
  file.write(good + "\nnot json\n\n{\"v\":1}\n" + good + "\n");
  const Result<LogContents> read = read_log(file.path());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->records.size(), 2U);
  ASSERT_EQ(read->issues.size(), 2U);
  EXPECT_EQ(read->issues[0], file.path() + ":2: not a JSON object, line skipped");
  EXPECT_EQ(read->issues[1].find(file.path() + ":4: "), 0U);
}

TEST(Log, ATornLineIsSkippedAndTheNextRecordStartsAFreshLine) {
  const std::string good = to_json_line(example());
  for (size_t cut : {size_t{1}, good.size() / 2, good.size() - 1}) {
    const TempFile file;
    file.write(good + "\n" + good.substr(0, cut));
    Result<LogWriter> log = LogWriter::open(file.path());
    ASSERT_TRUE(log.ok());
    EXPECT_EQ(log->contents().records.size(), 1U);
    EXPECT_EQ(log->contents().issues.size(), 1U);
    ASSERT_TRUE(log->append(example()).ok());
    ASSERT_TRUE(log->append(example()).ok());
    const Result<LogContents> read = read_log(file.path());
    EXPECT_EQ(read->records.size(), 3U) << "cut at " << cut;
    EXPECT_EQ(read->issues.size(), 1U);
  }
}

TEST(Log, ACompleteLineWithoutItsNewlineCounts) {
  const TempFile file;
  file.write(to_json_line(example()));
  Result<LogWriter> log = LogWriter::open(file.path());
  ASSERT_TRUE(log.ok());
  EXPECT_EQ(log->contents().records.size(), 1U);
  ASSERT_TRUE(log->append(example()).ok());
  EXPECT_EQ(read_log(file.path())->records.size(), 2U);
}

TEST(Log, BinaryGarbageIsNoCrash) {
  const TempFile file;
  std::string noise;
  for (int i = 0; i < 5000; ++i) noise += static_cast<char>(i * 37 % 256);
  file.write(noise);
  Result<LogWriter> log = LogWriter::open(file.path());
  ASSERT_TRUE(log.ok());
  ASSERT_TRUE(log->append(example()).ok());
  EXPECT_EQ(read_log(file.path())->records.size(), 1U);
}

TEST(Log, ASecondWriterIsRefused) {
  const TempFile file;
  Result<LogWriter> first = LogWriter::open(file.path());
  ASSERT_TRUE(first.ok());
  const Result<LogWriter> second = LogWriter::open(file.path());
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find("another tuner is writing this log"), std::string::npos);
}

TEST(Log, AFullDiskIsAnErrorThatNamesTheFile) {
  Result<LogWriter> log = LogWriter::open("/dev/full");
  if (!log.ok()) GTEST_SKIP() << log.status().to_string();
  const Status status = log->append(example());
  EXPECT_EQ(status.code(), Code::io_error);
  EXPECT_NE(status.message().find("/dev/full: cannot append"), std::string::npos) << status.message();
}

TEST(Log, MissingFoldersAndFilesAreErrors) {
  EXPECT_EQ(LogWriter::open("/no/such/folder/log.jsonl").status().code(), Code::io_error);
  EXPECT_EQ(read_log("/no/such/log.jsonl").status().code(), Code::not_found);
}

Record trial(const std::string& cand, double ratio, Phase phase = Phase::trial, Verdict verdict = Verdict::ok) {
  Record r = example(cand, 100 * ratio);
  r.base_us = 100;
  r.phase = phase;
  r.verdict = verdict;
  r.cpu = "cpu";
  return r;
}

const Record* best(const std::vector<Record>& all) {
  return best_record(all, all[0].op, all[0].target, "layout=k4n16");
}

constexpr const char* kDefault = "layout=k4n16 tile=x1y1n16";
constexpr const char* kA = "layout=k4n16 tile=x2y1n16";
constexpr const char* kB = "layout=k4n16 tile=x3y1n16";

TEST(Best, IsTheDefaultUntilSomethingBeatsItBeyondNoise) {
  EXPECT_EQ(best({trial(kDefault, 1), trial(kA, 0.995)})->cand, kDefault);
  EXPECT_EQ(best({trial(kDefault, 1), trial(kA, 0.9), trial(kB, 0.8)})->cand, kB);
}

TEST(Best, AFinalRecordDecidesUnlessALaterTrialBeatsIt) {
  EXPECT_EQ(best({trial(kDefault, 1), trial(kB, 0.8), trial(kA, 0.9, Phase::final)})->cand, kA);
  EXPECT_EQ(best({trial(kDefault, 1), trial(kB, 0.8), trial(kDefault, 1, Phase::final)})->cand, kDefault);
  EXPECT_EQ(best({trial(kDefault, 1), trial(kA, 0.9, Phase::final), trial(kB, 0.7)})->cand, kB);
}

TEST(Best, WhatEverFailedIsNeverPicked) {
  EXPECT_EQ(best({trial(kDefault, 1), trial(kB, 0.5), trial(kB, 0, Phase::final, Verdict::wrong)})->cand, kDefault);
}

TEST(Best, ANewDefaultStartsANewGeneration) {
  std::vector<Record> all{trial(kDefault, 1), trial(kB, 0.5, Phase::final), trial(kA, 1)};
  all[2].default_cand = kA;
  EXPECT_EQ(best(all)->cand, kA);
}

TEST(Best, LayoutsAndCpusAreApart) {
  std::vector<Record> all{trial(kA, 0.8), trial("layout=k4n8 group=2 tile=x4y1n16", 0.7), trial(kB, 0.6)};
  all[2].cpu = "another cpu";
  EXPECT_EQ(best_records(all).size(), 2U);
  EXPECT_EQ(best_record(all, all[0].op, all[0].target, "layout=k4n16", "cpu")->cand, kA);
  EXPECT_EQ(best_record(all, all[0].op, all[0].target, "layout=k4n8 group=2")->ratio(), 0.7);
  EXPECT_EQ(best_record(all, "another op", all[0].target, "layout=k4n16"), nullptr);
}

TEST(Best, TheAnyShapeDefaultIsARecordOfItsLayout) {
  Record stays = trial("layout=k4n16 pack=1f2e3d4c any-shape", 1, Phase::final);
  stays.default_cand = stays.cand;
  EXPECT_EQ(stays.layout(), "layout=k4n16");
  EXPECT_TRUE(best({stays})->is_default());
}

}  // namespace
}  // namespace octile::tuner
