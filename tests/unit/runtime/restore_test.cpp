// Ops saved and restored: the same choices, the oracle's bytes; files made to mislead hurt nobody.
// In:  seeded ops, portable kernels under another name.  Out: GoogleTest's verdict.
// Not here: files (tests/unit/region/test_weights_cache.cpp).
#include <gtest/gtest.h>

#include <set>

#include "packs/format/sha256.h"
#include "runtime/exec/portable.h"
#include "tests/unit/runtime/exact_op.h"

namespace octile::runtime {
namespace {

constexpr uint64_t kSeed = 20261129;
constexpr packs::FileFormat kFormat{"OCTTEST1", 1, packs::sha256, "hash", "test", "try again", "try again"};

struct Fake {
  KernelLibrary library;
  Fake() {
    for (const char* dst : {"u8", "s32"}) {
      for (const int n : {8, 16}) {
        for (const int x : {1, 4}) {
          add(test::dot_entry("k4n8", dst, "*", x, n), portable_dot_k4n8);
          add(test::dot_entry("k2n8w", dst, "*", x, n), portable_dot_k2n8w);
        }
      }
    }
  }
  void add(const packs::KernelEntry& e, octile_dot_fn fn) {
    EXPECT_TRUE(library.add_kernel(e, reinterpret_cast<void*>(fn)).ok());
  }
};

std::unique_ptr<PreparedOp> prepare(const Fake& fake, Isa best, const test::OpCase& c) {
  auto op = PreparedOp::prepare(fake.library, best, c.spec, c.quant, c.wei.data());
  EXPECT_TRUE(op.ok()) << op.status().to_string();
  return std::move(*op);
}

// The file of an op, empty where it has none.
std::vector<uint8_t> saved(const PreparedOp& op) {
  packs::FieldWriter writer;
  return op.save(writer) ? writer.finish(kFormat) : std::vector<uint8_t>();
}

// At a cache line, as mapped files are.
std::shared_ptr<const AlignedBytes> aligned(const std::vector<uint8_t>& bytes) {
  auto out = std::make_shared<AlignedBytes>(AlignedBytes::uninitialized(bytes.size()));
  std::copy(bytes.begin(), bytes.end(), out->data());
  return out;
}

Result<std::unique_ptr<PreparedOp>> restore(const Fake& fake, Isa best, const test::OpCase& c,
                                            const std::vector<uint8_t>& bytes) {
  const auto owner = aligned(bytes);
  OCTILE_ASSIGN_OR_RETURN(packs::FieldReader reader,
                          packs::FieldReader::open({owner->data(), bytes.size()}, kFormat, "file"));
  return PreparedOp::restore(fake.library, best, c.spec, c.quant, reader, owner);
}

test::OpCase draw(test::RandomOps& ops, int i) {
  OpSpec s;
  do {
    s = i % 3 == 0 ? ops.dense() : ops.conv();
  } while (s.wei_var);
  if (i % 3 == 1) {  // for Winograd
    s.kh = s.kw = 3;
    s.sh = s.sw = s.dh = s.dw = s.g = 1;
    s.pt = s.pb = s.pl = s.pr = 1;
    s.ic = ops.pick(20, 40);
    s.oc = ops.pick(20, 40);
  }
  return ops.fill(s, static_cast<int>(ops.pick(40, 90)));
}

TEST(Restore, IsWhatWasSaved) {
  const Fake fake;
  test::RandomOps ops(kSeed);
  std::set<std::string> ways;
  for (int i = 0; i < 300; ++i) {
    const test::OpCase c = draw(ops, i);
    const Isa best = i % 4 == 0 ? Isa::portable : Isa::avx2;
    const auto first = prepare(fake, best, c);
    const std::vector<uint8_t> bytes = saved(*first);
    ASSERT_EQ(bytes.empty(), c.spec.depthwise()) << to_key(c.spec);
    if (bytes.empty()) continue;
    const auto again = restore(fake, best, c, bytes);
    ASSERT_TRUE(again.ok()) << again.status().to_string();
    EXPECT_EQ(saved(**again), bytes);
    const auto a = first->choose(c.spec, 4), b = (*again)->choose(c.spec, 4);
    ASSERT_TRUE(a.ok() && b.ok());
    EXPECT_EQ(first->scratch_bytes(**a), (*again)->scratch_bytes(**b));
    const auto before = first->explain(**a), after = (*again)->explain(**b);
    ASSERT_EQ(before.size(), after.size());
    for (size_t d = 0; d < before.size(); ++d) {
      EXPECT_EQ(before[d].kernel, after[d].kernel);
      EXPECT_EQ(before[d].panels, after[d].panels);
      ways.insert(after[d].reason.substr(0, after[d].reason.find_first_of(" :,")));
    }
    test::expect_exact(**again, c, 0);
  }
  EXPECT_TRUE(ways.contains("paired") && ways.contains("winograd") && ways.size() > 2) << testing::PrintToString(ways);
}

TEST(Restore, OtherOpsAreRefused) {
  const Fake fake;
  test::RandomOps ops(kSeed + 1);
  const auto c = ops.fill(*parse_op("dense mb1m4k64n24 src=u8 wei=s8 dst=u8"), 66);
  const auto bytes = saved(*prepare(fake, Isa::avx2, c));
  for (const char* line :
       {"dense mb1m4k64n40 src=u8 wei=s8 dst=u8", "dense mb1m4k128n24 src=u8 wei=s8 dst=u8",
        "conv2d mb1g24ic24ih4iw4oc24kh3kw3 src=u8 wei=s8 dst=u8", "dense mb1m4k4n4 src=u8 wei=s8 dst=u8"}) {
    const auto other = restore(fake, Isa::avx2, ops.fill(*parse_op(line)), bytes);
    ASSERT_FALSE(other.ok()) << line;
    EXPECT_EQ(other.status().code(), Code::corrupt);
    EXPECT_EQ(other.status().message().find("file: "), 0U) << other.status().message();
  }
}

// Bytes with a right hash may be anything: an op that runs inside its memory, or a refusal.
TEST(Restore, ForgedFilesHurtNobody) {
  const Fake fake;
  test::RandomOps ops(kSeed + 2);
  int refused = 0, taken = 0;
  for (int i = 0; i < 400; ++i) {
    const test::OpCase c = draw(ops, i);
    std::vector<uint8_t> bytes = saved(*prepare(fake, Isa::avx2, c));
    if (bytes.empty()) continue;
    uint64_t description = 0;
    std::memcpy(&description, bytes.data() + 24, sizeof description);
    for (int64_t n = ops.pick(1, 3); n > 0; --n) {
      const auto most = static_cast<int64_t>(std::min<uint64_t>(description, i % 2 == 0 ? 60 : description));
      bytes[packs::kFieldsHeader + static_cast<size_t>(ops.pick(0, most - 1))] = static_cast<uint8_t>(ops.pick(0, 255));
    }
    const auto digest = packs::sha256(std::span(bytes).first(bytes.size() - packs::kFieldsDigest));
    std::copy(digest.begin(), digest.end(), bytes.end() - packs::kFieldsDigest);
    const auto op = restore(fake, Isa::avx2, c, bytes);
    ++(op.ok() ? taken : refused);
    if (op.ok()) (void)test::run(**op, c, 0, 1);
  }
  EXPECT_GT(refused, 50);
  EXPECT_GT(taken, 20);
}

}  // namespace
}  // namespace octile::runtime
