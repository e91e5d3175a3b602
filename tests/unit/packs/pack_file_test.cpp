// Pack files: what was written is read back, and every damage is a Status that names the file.
// In:  small packs, truncated, flipped, forged.  Out: pass or fail.
// Not here: real kernels.
#include "packs/format/pack_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <random>

#include "packs/format/sha256.h"
#include "tests/unit/packs/temp_dir.h"

namespace octile::packs {
namespace {

constexpr size_t kHeader = 48;

Manifest two_members() {
  Manifest m;
  m.octile_version = "0.1.0";
  m.members = {{"x86-64/avx2", "x86-64/avx2", "", 0, 0}, {"x86-64/avx512vnni", "x86-64/avx512vnni", "", 0, 0}};
  KernelEntry k;
  k.name = "dot_a";
  k.family = "dot";
  k.op = "*";
  k.target = k.member = "x86-64/avx2";
  m.kernels = {k};
  return m;
}

std::vector<std::vector<uint8_t>> two_contents() {
  std::mt19937 random(7);
  std::vector<std::vector<uint8_t>> contents{std::vector<uint8_t>(300), std::vector<uint8_t>(4096)};
  for (auto& bytes : contents) {
    for (uint8_t& b : bytes) b = static_cast<uint8_t>(random());
  }
  return contents;
}

// Opens the pack and reads all members: the first error, or ok.
Status read_everything(const std::string& path) {
  OCTILE_ASSIGN_OR_RETURN(PackFile pack, open_pack(path));
  for (const Member& m : pack.manifest().members) OCTILE_RETURN_IF_ERROR(pack.member(m.id).status());
  return {};
}

void expect_corrupt(const std::string& path, const std::string& what) {
  const Status status = read_everything(path);
  EXPECT_EQ(status.code(), Code::corrupt) << what << ": " << status.to_string();
  EXPECT_NE(status.message().find(path), std::string::npos) << what << ": " << status.message();
  EXPECT_NE(status.message().find("again"), std::string::npos) << what << ": " << status.message();
}

// A pack around any manifest text, right magic and hash.
std::vector<uint8_t> forge(const std::string& json, uint64_t claimed_size, size_t extra) {
  std::vector<uint8_t> bytes;
  for (char c : std::string("OCTPACK1")) bytes.push_back(static_cast<uint8_t>(c));
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<uint8_t>(claimed_size >> (8 * i)));
  const std::string hex = sha256_hex(json);
  for (size_t i = 0; i < 64; i += 2) bytes.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  bytes.insert(bytes.end(), json.begin(), json.end());
  bytes.resize(bytes.size() + extra);
  return bytes;
}

class PackFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    contents_ = two_contents();
    const Status status = write_pack(path_, two_members(), contents_);
    ASSERT_TRUE(status.ok()) << status.to_string();
    bytes_ = read_bytes(path_);
  }
  TempDir dir_;
  const std::string path_ = dir_ / "a.octpack", damaged_ = dir_ / "damaged.octpack";
  std::vector<std::vector<uint8_t>> contents_;
  std::vector<uint8_t> bytes_;
};

TEST_F(PackFileTest, RoundTrips) {
  Result<PackFile> pack = open_pack(path_);
  ASSERT_TRUE(pack.ok()) << pack.status().to_string();
  ASSERT_EQ(pack->manifest().members.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const Member& m = pack->manifest().members[i];
    EXPECT_EQ(m.offset % kMemberAlignment, 0u);
    const Result<std::span<const uint8_t>> span = pack->member(m.id);
    ASSERT_TRUE(span.ok()) << span.status().to_string();
    EXPECT_EQ(std::vector<uint8_t>(span->begin(), span->end()), contents_[i]);
    EXPECT_EQ(m.sha256, sha256_hex(contents_[i]));
    EXPECT_EQ(pack->member(m.id)->data(), span->data()) << "verified once, kept";
  }
  EXPECT_EQ(pack->member("x86-64/none").status().code(), Code::not_found);
  PackFile moved = std::move(*pack);
  EXPECT_TRUE(moved.member("x86-64/avx2").ok());
}

TEST_F(PackFileTest, SameInputsGiveSameBytes) {
  ASSERT_TRUE(write_pack(damaged_, two_members(), contents_).ok());
  EXPECT_EQ(read_bytes(damaged_), bytes_);
}

TEST_F(PackFileTest, PackWithoutMembersIsValid) {
  ASSERT_TRUE(write_pack(damaged_, Manifest{}, {}).ok());
  EXPECT_TRUE(read_everything(damaged_).ok());
}

TEST_F(PackFileTest, EveryTruncationIsFound) {
  std::vector<uint8_t> longer = bytes_;
  longer.push_back(0);
  write_bytes(damaged_, longer);
  expect_corrupt(damaged_, "one byte more");
  for (size_t size = bytes_.size(); size-- > 0;) {
    ASSERT_EQ(::truncate(damaged_.c_str(), static_cast<off_t>(size)), 0);
    if (size < 4200 || size % 4096 > 4080 || size % 97 == 0) expect_corrupt(damaged_, "size " + std::to_string(size));
  }
}

TEST_F(PackFileTest, EveryFlippedByteIsFound) {
  write_bytes(damaged_, bytes_);
  const int fd = ::open(damaged_.c_str(), O_WRONLY);
  ASSERT_GE(fd, 0);
  for (size_t at = 0; at < bytes_.size(); ++at) {
    const auto flipped = static_cast<uint8_t>(bytes_[at] ^ (1u << (at % 8)));
    ASSERT_EQ(::pwrite(fd, &flipped, 1, static_cast<off_t>(at)), 1);
    const Status status = read_everything(damaged_);
    ASSERT_EQ(status.code(), Code::corrupt) << "byte " << at << ": " << status.to_string();
    ASSERT_NE(status.message().find(damaged_), std::string::npos) << status.message();
    ASSERT_EQ(::pwrite(fd, &bytes_[at], 1, static_cast<off_t>(at)), 1);
  }
  ::close(fd);
  EXPECT_TRUE(read_everything(damaged_).ok()) << "all flips are undone";
}

TEST_F(PackFileTest, DamagedMemberLeavesTheOthersUsable) {
  std::vector<uint8_t> flipped = bytes_;
  flipped.back() ^= 1;
  write_bytes(damaged_, flipped);
  Result<PackFile> pack = open_pack(damaged_);
  ASSERT_TRUE(pack.ok()) << pack.status().to_string();
  EXPECT_TRUE(pack->member("x86-64/avx2").ok());
  EXPECT_EQ(pack->member("x86-64/avx512vnni").status().code(), Code::corrupt);
}

TEST_F(PackFileTest, FileTruncatedWhileOpenIsAnError) {
  write_bytes(damaged_, bytes_);
  Result<PackFile> pack = open_pack(damaged_);
  ASSERT_TRUE(pack.ok());
  ASSERT_EQ(::truncate(damaged_.c_str(), 100), 0);
  EXPECT_EQ(pack->member("x86-64/avx2").status().code(), Code::corrupt);
}

TEST_F(PackFileTest, ForgedManifestsAreRefused) {
  Manifest m = two_members();
  for (Member& member : m.members) member.sha256 = std::string(64, '0');
  const auto expect_refused = [&](const std::vector<uint8_t>& bytes, const std::string& what) {
    write_bytes(damaged_, bytes);
    expect_corrupt(damaged_, what);
  };
  for (uint64_t size : {uint64_t{1} << 20, uint64_t{1} << 32, uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 47}) {
    expect_refused(forge("{}", size, 100), "manifest size " + std::to_string(size));
  }
  expect_refused(forge("garbage", 7, 0), "garbage manifest");
  expect_refused(forge(std::string(1000, '\0'), 1000, 0), "zero manifest");
  const auto placed = [&](uint64_t o0, uint64_t s0, uint64_t o1, uint64_t s1) {
    m.members[0].offset = o0, m.members[0].size = s0, m.members[1].offset = o1, m.members[1].size = s1;
    const std::string json = to_json(m);
    return forge(json, json.size(), 20480 - kHeader - json.size());
  };
  expect_refused(placed(4096, 4096, 4096, 4096), "same place");
  expect_refused(placed(4096, 8192, 8192, 4096), "overlap");
  expect_refused(placed(0, 4096, 4096, 4096), "over the header");
  expect_refused(placed(4097, 4095, 8192, 4096), "misaligned");
  expect_refused(placed(4096, 4096, 12288, 8192), "a gap");
  expect_refused(placed(8192, 4096, 4096, 4096), "backwards");
  expect_refused(placed(4096, 4096, 8192, uint64_t{1} << 62), "oversized");
  expect_refused(placed(uint64_t{1} << 62, 4096, 8192, 4096), "far away");
  expect_refused(placed(4096, uint64_t{1} << 62, 8192, 4096), "sizes that wrap");
}

TEST_F(PackFileTest, NotAFile) {
  EXPECT_EQ(open_pack(dir_ / "none.octpack").status().code(), Code::not_found);
  EXPECT_EQ(open_pack(dir_.path()).status().code(), Code::invalid_argument);
  EXPECT_EQ(open_pack(path_ + "/x").status().code(), Code::io_error);
  EXPECT_EQ(open_pack("").status().code(), Code::not_found);
  ASSERT_EQ(::mkfifo(damaged_.c_str(), 0600), 0);
  EXPECT_EQ(open_pack(damaged_).status().code(), Code::invalid_argument);
}

TEST_F(PackFileTest, UnreadableFile) {
  ASSERT_EQ(::chmod(path_.c_str(), 0), 0);
  if (::access(path_.c_str(), R_OK) == 0) GTEST_SKIP() << "this user may read everything";
  EXPECT_EQ(open_pack(path_).status().code(), Code::io_error);
}

TEST_F(PackFileTest, FailedWriteLeavesTheOldPack) {
  // A file size limit stands in for a full disk: write() fails half way.
  struct rlimit old {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  struct rlimit small = old;
  small.rlim_cur = 8192;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = write_pack(path_, two_members(), contents_);
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), Code::io_error);
  EXPECT_NE(status.message().find(path_), std::string::npos) << status.message();
  EXPECT_EQ(read_bytes(path_), bytes_);
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(dir_.path())) ++files;
  EXPECT_EQ(files, 1) << "no temporary file is left";
}

TEST_F(PackFileTest, WriteNamesWhatItCannotReplace) {
  EXPECT_EQ(write_pack(dir_.path(), two_members(), contents_).code(), Code::invalid_argument);
  EXPECT_EQ(write_pack(dir_ / "none/a.octpack", two_members(), contents_).code(), Code::io_error);
}

TEST_F(PackFileTest, WriteRefusesWhatItCouldNotReadBack) {
  Manifest m = two_members();
  m.kernels[0].name = "not a symbol";
  EXPECT_FALSE(write_pack(path_, m, contents_).ok());
  m = two_members();
  m.kernels[0].us = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(write_pack(path_, m, contents_).ok());
  EXPECT_FALSE(write_pack(path_, two_members(), std::vector<std::vector<uint8_t>>(2)).ok()) << "an empty member";
  EXPECT_EQ(read_bytes(path_), bytes_);
}

TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace octile::packs
