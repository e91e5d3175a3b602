// The runner's trials: requests parsed, verdicts right for good, wrong and unused kernels.
// In:  request lines, kernels of this process.  Out: verdicts.  Not here: the program itself, times.
#include <gtest/gtest.h>

#include <cstring>

#include "runtime/exec/portable.h"
#include "runtime/runner/trial.h"

namespace octile::runtime {
namespace {

constexpr const char* kOp = "dense mb1m5k20n40 src=u8:zp wei=s8:per_oc bia=s32 dst=u8:zp";

packs::KernelEntry entry(const std::string& name, const std::string& op) {
  packs::KernelEntry e;
  e.name = name;
  e.family = "dot";
  e.op = op;
  e.target = "x86-64/avx512vnni";
  e.layout = "k4n16";
  e.src = e.dst = "u8";
  e.tile_n = 48;
  e.tail_n = true;
  return e;
}

// Right everywhere but in its first byte.
int wrong_kernel(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo, float hi,
                 int32_t zp, octile_buffer* dst) {
  const int rc = portable_dot_k4n16(src, wei, bias, mult, lo, hi, zp, dst);
  dst->host[0] ^= 1;
  return rc;
}

TEST(Runner, ParsesRequests) {
  const Result<RunRequest> r = parse_run(std::string(" seed=7 rounds=3 sample_us=250 target=avx2 op=") + kOp);
  ASSERT_TRUE(r.ok()) << r.status().to_string();
  EXPECT_EQ(r->seed, 7U);
  EXPECT_EQ(r->rounds, 3);
  EXPECT_EQ(r->sample_us, 250);
  EXPECT_EQ(r->isa, Isa::avx2);
  EXPECT_EQ(to_key(r->op), kOp);
  EXPECT_FALSE(parse_run(" seed=7").ok());
  EXPECT_FALSE(parse_run(std::string(" speed=7 op=") + kOp).ok());
  EXPECT_FALSE(parse_run(std::string(" target=z80 op=") + kOp).ok());
  EXPECT_FALSE(parse_run(" op=dense nonsense").ok());
}

TEST(Runner, JudgesKernels) {
  const OpSpec op = *parse_op(kOp);
  const TrialData data = draw(op, 11, 0);
  ASSERT_TRUE(data.status.ok());
  const auto judge = [&](const packs::KernelEntry& e, octile_dot_fn fn) {
    KernelLibrary library;
    EXPECT_TRUE(library.add_kernel(e, reinterpret_cast<void*>(fn)).ok());
    return Trial(library, Isa::avx512vnni, op, data).judge({e});
  };
  EXPECT_EQ(judge(entry("good", kOp), portable_dot_k4n16), "ok");
  EXPECT_EQ(judge(entry("wrong", kOp), wrong_kernel), "wrong at byte 0");
  EXPECT_EQ(judge(entry("other", "dense mb1m5k20n41 src=u8 wei=s8 dst=u8"), portable_dot_k4n16),
            "unused dispatch took portable:dot instead");
}

TEST(Runner, DrawsTheSameDataFromASeedAndKeepsGroupsSafe) {
  const OpSpec op = *parse_op(kOp);
  EXPECT_EQ(draw(op, 3, 0).want, draw(op, 3, 0).want);
  EXPECT_NE(draw(op, 3, 0).src, draw(op, 4, 0).src);
  for (int group = 1; group <= 4; ++group) {
    for (const uint8_t w : draw(op, 3, group).wei) {
      EXPECT_LE(std::abs(static_cast<int8_t>(w)) * 2 * group, 128);
    }
  }
}

}  // namespace
}  // namespace octile::runtime
