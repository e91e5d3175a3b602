// Damaged plans: cut anywhere, any byte flipped, forged with a right hash, foreign files. Errors, never a crash.
// In:  the bytes of sample plans.  Out: assertions.
// Not here: good plans (test_plan_file.cpp).
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "packs/format/sha256.h"
#include "tests/unit/plan_file/samples.h"

namespace octile::runtime::test {
namespace {

std::vector<uint8_t> good_bytes() { return *write_plan(runnable_plan()); }

void expect_refused(std::span<const uint8_t> bytes, const std::string& what) {
  const Result<PlanFile> plan = read_plan(bytes, "dir/net.octplan");
  ASSERT_FALSE(plan.ok()) << what;
  EXPECT_EQ(plan.status().message().find("dir/net.octplan: "), 0U) << what;
  EXPECT_NE(plan.status().message().find("octile compile"), std::string::npos) << what;
}

// The hash of forged bytes made right.
void seal(std::vector<uint8_t>& bytes) {
  const auto digest = packs::sha256(std::span(bytes).first(bytes.size() - 32));
  std::copy(digest.begin(), digest.end(), bytes.end() - 32);
}

TEST(PlanDamage, CutAnywhere) {
  const std::vector<uint8_t> bytes = good_bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    // A copy of exactly this size, so that a sanitizer sees the first byte read behind it.
    const std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    expect_refused(cut, "cut to " + std::to_string(size));
  }
  std::vector<uint8_t> longer = bytes;
  longer.push_back(0);
  expect_refused(longer, "a byte more");
}

TEST(PlanDamage, AnyByteFlipped) {
  const std::vector<uint8_t> bytes = good_bytes();
  std::mt19937 random(7);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::vector<uint8_t> flipped = bytes;
    flipped[i] ^= static_cast<uint8_t>(1U << (random() % 8));
    expect_refused(flipped, "flipped byte " + std::to_string(i));
  }
}

// What the hash cannot find: each byte set to values that hurt, and sealed again. Either a refusal, or a plan that can
// be written again.
TEST(PlanDamage, Forged) {
  const std::vector<uint8_t> bytes = good_bytes();
  size_t refused = 0, read = 0;
  for (size_t i = 0; i + 32 < bytes.size(); ++i) {
    for (const int value : {0, 1, 0x7f, 0x80, 0xff, bytes[i] ^ 1, bytes[i] + 1}) {
      std::vector<uint8_t> forged = bytes;
      forged[i] = static_cast<uint8_t>(value);
      seal(forged);
      const Result<PlanFile> plan = read_plan(forged, "forged");
      ++(plan.ok() ? read : refused);
      if (!plan.ok()) continue;
      EXPECT_TRUE(write_plan(*plan).ok()) << "byte " << i << " = " << value;
    }
  }
  EXPECT_GT(refused, 500U);
  EXPECT_GT(read, 500U);  // names, weights, scales: another plan, but a plan
}

TEST(PlanDamage, ForgedAtRandom) {
  const Result<std::vector<uint8_t>> whole = write_plan(every_field_plan());
  ASSERT_TRUE(whole.ok()) << whole.status().to_string();
  const std::vector<uint8_t>& bytes = *whole;
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    std::vector<uint8_t> forged = bytes;
    for (int n = 0; n < 1 + round % 4; ++n)
      forged[32 + random() % (bytes.size() - 64)] = static_cast<uint8_t>(random());
    seal(forged);
    const Result<PlanFile> plan = read_plan(forged, "forged");
    if (plan.ok()) continue;
    EXPECT_EQ(plan.status().message().find("forged: "), 0U);
  }
}

TEST(PlanDamage, AnotherVersionIsNamed) {
  std::vector<uint8_t> bytes = good_bytes();
  bytes[8] = 2;
  expect_refused(bytes, "damaged version");
  EXPECT_EQ(read_plan(bytes, "x").status().code(), Code::corrupt);
  seal(bytes);
  const Status st = read_plan(bytes, "x").status();
  EXPECT_EQ(st.code(), Code::unsupported);
  EXPECT_NE(st.message().find("format 2, this is Octile for format 1"), std::string::npos) << st.message();
}

TEST(PlanDamage, Files) {
  const auto folder = std::filesystem::temp_directory_path() / ("octile_plan_" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const std::string path = (folder / "net.octplan").string();
  EXPECT_EQ(read_plan_file(path).status().code(), Code::not_found);
  EXPECT_FALSE(read_plan_file(folder.string()).ok());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_FALSE(read_plan_file(path).ok());  // and does not wait
  std::filesystem::remove(path);
  const std::vector<uint8_t> bytes = good_bytes();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
  const auto back = read_plan_file(path);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_TRUE(std::ranges::equal((*back)->bytes(), bytes));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace octile::runtime::test
