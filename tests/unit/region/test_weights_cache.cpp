// Packed weights as files: found again, healed where damaged, and in nobody's way where they cannot be.
// In:  an op on portable kernels, a folder of its own.  Out: verdicts.  Not here: what an op saves (restore_test.cpp).
#include <gtest/gtest.h>

#include <cstring>

#include "packs/format/fields.h"
#include "packs/format/quick_hash.h"
#include "runtime/exec/padded.h"
#include "runtime/exec/portable.h"
#include "runtime/region/op_cache.h"
#include "runtime/region/weights_cache.h"
#include "tests/unit/packs/temp_dir.h"
#include "workload/reference/reference.h"

namespace octile::runtime {
namespace {

namespace fs = std::filesystem;

struct Content {
  OpSpec spec = *parse_op("dense mb1m3k20n9 src=u8 wei=s8 dst=s32");
  OpQuant quant;
  std::vector<uint8_t> src, wei;
  Content() {
    for (int i = 0; i < 60; ++i) src.push_back(static_cast<uint8_t>(37 * i + 5));
    for (int i = 0; i < 180; ++i) wei.push_back(static_cast<uint8_t>(91 * i + 3));
  }
};

class WeightsCacheTest : public ::testing::Test {
 protected:
  // The op as a process that starts now has it: none is shared.
  std::vector<uint8_t> answers(const Content& c) {
    const auto op = shared_op(library_, Isa::portable, c.spec, c.quant, c.wei.data(), c.wei.size(), &cache_);
    EXPECT_TRUE(op.ok()) << op.status().to_string();
    Tensor source;
    const AlignedBytes memory = padded_source(c.spec, c.quant, c.src.data(), &source);
    std::vector<uint8_t> out(3 * 9 * 4);
    const auto choice = (*op)->choose(c.spec, 1);
    const AlignedBytes scratch((*op)->scratch_bytes(**choice));
    EXPECT_TRUE((*op)->run(**choice, source, dense_destination(c.spec, out.data()), scratch.data(), {}).ok());
    return out;
  }
  static std::vector<uint8_t> right(const Content& c) {
    std::vector<uint8_t> out(3 * 9 * 4);
    EXPECT_TRUE(reference::run(c.spec, c.quant, c.src.data(), c.wei.data(), out.data()).ok());
    return out;
  }
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> out;
    if (!fs::exists(folder_)) return out;
    for (const auto& entry : fs::directory_iterator(folder_)) out.push_back(entry.path().string());
    return out;
  }

  packs::TempDir dir_;
  std::string folder_ = dir_ / "cache/of this";
  KernelLibrary library_;
  WeightsCache cache_{folder_};
};

TEST_F(WeightsCacheTest, TakesWhatIsThere) {
  const Content c;
  EXPECT_EQ(answers(c), right(c));
  ASSERT_EQ(files().size(), 1U);
  EXPECT_EQ(answers(c), right(c));
  // With another weight in the file the answers are that weight's: nothing was packed.
  std::vector<uint8_t> bytes = packs::read_bytes(files()[0]);
  uint64_t description = 0;
  std::memcpy(&description, bytes.data() + 24, sizeof description);
  bytes[packs::align_blob(packs::kFieldsHeader + description)] ^= 1;
  const auto hash = packs::quick_hash(std::span(bytes).first(bytes.size() - packs::kFieldsDigest));
  std::memcpy(&bytes[bytes.size() - packs::kFieldsDigest], hash.data(), sizeof hash);
  packs::write_bytes(files()[0], bytes);
  EXPECT_NE(answers(c), right(c));
  EXPECT_EQ(cache_.complaint(), "");
}

TEST_F(WeightsCacheTest, OtherContentIsAnotherFile) {
  Content c;
  (void)answers(c);
  c.wei[7] ^= 1;
  EXPECT_EQ(answers(c), right(c));
  c.quant.src_zp = 3;
  c.spec.src_zp = true;
  EXPECT_EQ(answers(c), right(c));
  EXPECT_EQ(files().size(), 3U);
  EXPECT_EQ(cache_.complaint(), "");
}

TEST_F(WeightsCacheTest, WritesWhatAnotherSessionHolds) {
  const Content c;
  const auto held = shared_op(library_, Isa::portable, c.spec, c.quant, c.wei.data(), c.wei.size());
  ASSERT_TRUE(held.ok());
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(answers(c), right(c));
  EXPECT_EQ(files().size(), 1U);
}

TEST_F(WeightsCacheTest, HealsDamage) {
  const Content c;
  (void)answers(c);
  const std::string path = files()[0];
  const std::vector<uint8_t> good = packs::read_bytes(path);
  const auto heals = [&](const std::vector<uint8_t>& bytes, const char* says) {
    packs::write_bytes(path, bytes);
    EXPECT_EQ(answers(c), right(c));
    const std::string complaint = cache_.complaint();
    EXPECT_EQ(complaint.find(path + ": "), 0U) << complaint;
    EXPECT_NE(complaint.find(says), std::string::npos) << complaint;
    EXPECT_EQ(packs::read_bytes(path), good);
  };
  for (size_t i = 0; i < good.size(); i += 13) {
    std::vector<uint8_t> bytes = good;
    bytes[i] ^= 0x10;
    heals(bytes, "the weights are packed again");
  }
  heals({}, "only 0 bytes");
  heals({good.begin(), good.begin() + 100}, "truncated or damaged");
  Content other;
  other.wei[0] ^= 1;
  fs::remove(path);
  (void)answers(other);
  heals(packs::read_bytes(files()[0]), "holds the weights of another op");
}

TEST_F(WeightsCacheTest, FoldersThatCannotBe) {
  fs::create_directories(fs::path(folder_).parent_path());
  packs::write_text(folder_, "a file");
  const Content c;
  EXPECT_EQ(answers(c), right(c));
  const std::string complaint = cache_.complaint();
  EXPECT_EQ(complaint.find(folder_ + "/"), 0U) << complaint;
  EXPECT_EQ(cache_.complaint(), "");
  EXPECT_EQ(packs::read_text(folder_), "a file");
}

TEST_F(WeightsCacheTest, KernelsOfUnknownOriginKeepNothing) {
  packs::KernelEntry e;
  e.name = "mine";
  e.family = "transpose";
  e.target = std::string(target(Isa::portable).name);
  ASSERT_TRUE(library_.add_kernel(e, reinterpret_cast<void*>(portable_dot_k4n16)).ok());
  const Content c;
  EXPECT_EQ(answers(c), right(c));
  EXPECT_TRUE(files().empty());
}

}  // namespace
}  // namespace octile::runtime
