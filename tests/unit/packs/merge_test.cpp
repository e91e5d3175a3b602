// Joining packs: members kept once, ids kept apart, the later kernel wins its workload.
// In:  contents made by hand.  Out: pass or fail.
// Not here: real members; nothing here looks into their bytes.
#include <gtest/gtest.h>

#include "packs/builder/contents.h"
#include "packs/format/pack_file.h"
#include "packs/format/sha256.h"
#include "tests/unit/packs/temp_dir.h"

namespace octile::packs {
namespace {

// One member of target x86-64/avx2 whose bytes are `text`, with a kernel for each op, named after text and op's index.
Contents contents(const std::string& text, const std::vector<std::string>& ops) {
  Contents c;
  c.members = {std::vector<uint8_t>(text.begin(), text.end())};
  c.manifest.members = {{"x86-64/avx2", "x86-64/avx2", sha256_hex(text), 0, text.size()}};
  for (const std::string& op : ops) {
    KernelEntry k;
    k.name = text + std::to_string(c.manifest.kernels.size());
    k.family = "dot";
    k.op = op;
    k.target = k.member = "x86-64/avx2";
    c.manifest.kernels.push_back(k);
  }
  c.manifest.generator = "g";
  return c;
}

void expect_writable(const Contents& c) {
  const TempDir dir;
  const Status status = write_pack(dir / "a", c.manifest, c.members);
  EXPECT_TRUE(status.ok()) << status.to_string();
}

TEST(Merge, KeepsBothAndTellsThemApart) {
  Contents a = contents("a", {"*", "dense mb1m1k1n1"});
  merge_contents(a, contents("b", {"*", "dense mb1m1k1n2"}));
  ASSERT_EQ(a.manifest.members.size(), 2u);
  EXPECT_EQ(a.manifest.members[0].id, "x86-64/avx2");
  EXPECT_EQ(a.manifest.members[1].id, "x86-64/avx2@" + sha256_hex("b").substr(0, 12));
  ASSERT_EQ(a.manifest.kernels.size(), 4u);
  EXPECT_EQ(a.manifest.kernels[3].member, a.manifest.members[1].id);
  EXPECT_EQ(a.manifest.generator, "g");
  expect_writable(a);
}

TEST(Merge, EqualPacksAreOne) {
  Contents a = contents("a", {"*", "dense mb1m1k1n1"});
  merge_contents(a, contents("a", {"*", "dense mb1m1k1n1"}));
  EXPECT_EQ(a.members.size(), 1u);
  EXPECT_EQ(a.manifest.kernels.size(), 2u);
  merge_contents(a, contents("b", {"*"}));
  merge_contents(a, contents("b", {"*"}));
  EXPECT_EQ(a.members.size(), 2u);
  EXPECT_EQ(a.manifest.kernels.size(), 3u);
  expect_writable(a);
}

TEST(Merge, LaterWinsAWorkloadAndUnusedMembersLeave) {
  Contents a = contents("a", {"dense mb1m1k1n1"});
  merge_contents(a, contents("b", {"dense mb1m1k1n1"}));
  ASSERT_EQ(a.manifest.kernels.size(), 1u);
  EXPECT_EQ(a.manifest.kernels[0].name, "b0");
  ASSERT_EQ(a.members.size(), 1u);
  EXPECT_EQ(a.members[0], std::vector<uint8_t>{'b'});
  expect_writable(a);
}

TEST(Merge, AWorkloadIsReplacedAsAWhole) {
  Contents a = contents("a", {"dense mb1m1k1n1", "dense mb1m1k1n1"}), b = contents("b", {"dense mb1m1k1n1"});
  a.manifest.kernels[1].tail_n = b.manifest.kernels[0].tail_n = true;
  merge_contents(a, b);
  ASSERT_EQ(a.manifest.kernels.size(), 1u) << "as when the runtime loads one pack after the other";
  EXPECT_EQ(a.manifest.kernels[0].name, "b0");
  merge_contents(b, contents("c", {"dense mb1m1k1n1", "dense mb1m1k1n1"}));
  EXPECT_EQ(b.manifest.kernels.size(), 2u) << "kernels of one pack do not compete";
}

TEST(Merge, ManyPacksStayWritable) {
  Contents all = contents("a", {"*"});
  for (const char* text : {"b", "c", "a", "d", "b"}) {
    Contents more = contents(text, {"*"});
    merge_contents(all, more);
    merge_contents(more, all);
    expect_writable(more);
  }
  EXPECT_EQ(all.members.size(), 4u);
  expect_writable(all);
}

}  // namespace
}  // namespace octile::packs
