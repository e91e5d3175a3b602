// Products by tiles against the oracle, with registers in memory, so on every CPU with AVX-512.
// In:  drawn ops.  Out: GoogleTest's verdict.
// Not here: the registers of AMX, which conformance and integration meet where there are any.
#include <gtest/gtest.h>

#include "runtime/exec/tiles.h"
#include "targets/probe/probe.h"
#include "tests/conformance/check.h"
#include "tests/support/rng.h"
#include "tests/unit/runtime/emulated_tiles.h"
#include "tests/unit/runtime/exact_op.h"

namespace octile {
namespace {

using namespace runtime;  // NOLINT: what is tested

constexpr uint64_t kSeed = 20261201;

class TileDotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!can_run(Isa::avx512vnni)) GTEST_SKIP() << "the ends of sums are written for AVX-512";
    for (const Kernel& k : tile_kernels()) {
      packs::KernelEntry entry = k.entry;
      entry.name = "emulated:" + entry.family;
      void* const fn = entry.family == "dotz" ? reinterpret_cast<void*>(test::emulated_dotz)
                                              : reinterpret_cast<void*>(test::emulated_dot);
      ASSERT_TRUE(library_.add_kernel(entry, fn).ok());
    }
  }

  void check(const std::string& line) {
    SCOPED_TRACE(line);
    const Result<OpSpec> spec = parse_op(line);
    ASSERT_TRUE(spec.ok()) << spec.status().to_string();
    const test::OpCase c = ops_.fill(*spec);
    const auto op = PreparedOp::prepare(library_, Isa::avx512amx, c.spec, c.quant, c.wei.data());
    ASSERT_TRUE(op.ok()) << op.status().to_string();
    const auto choice = (*op)->choose(c.spec, 1, true, false);
    ASSERT_TRUE(choice.ok());
    for (const Decision& d : (*op)->explain(**choice)) EXPECT_TRUE(d.kernel.starts_with("emulated:")) << d.kernel;
    for (const int64_t pitch : {0, 3}) test::expect_exact(**op, c, pitch);
    if (size_of(c.spec.dst) == 1) test::expect_tails(**op, c, ops_, 2);
  }

  KernelLibrary library_;
  test::RandomOps ops_{kSeed};
};

TEST_F(TileDotTest, Dense) {
  for (const char* types : {" src=u8:zp wei=s8:per_oc dst=u8:zp", " src=s8:zp wei=s8 bia=s32 dst=s8:zp",
                            " src=u8 wei=s8:zp dst=s32", " src=u8:zp wei=u8:zp:per_oc dst=u8:zp"}) {
    for (const char* shape : {"m2k1n1", "m3k3n33", "m2k64n16", "m7k68n40", "m15k60n32", "m16k128n48", "m17k65n31",
                              "m31k130n8", "m33k256n64", "m50k20n20", "m63k72n100"}) {
      check("dense mb1" + std::string(shape) + types);
    }
  }
}

TEST_F(TileDotTest, Convolutions) {
  for (const char* types : {" src=u8:zp wei=s8:per_oc dst=u8:zp", " src=s8:zp wei=s8:zp dst=s32"}) {
    for (const char* shape :
         {"mb1g1ic3ih11iw13oc20kh3kw3sh2sw2pt1pl1pb1pr1", "mb2g1ic24ih9iw18oc40kh3kw3pt1pl1pb1pr1",
          "mb1g1ic64ih7iw7oc32kh1kw1", "mb2g1ic65ih4iw35oc17kh1kw1sh2sw2", "mb1g4ic80ih6iw20oc72kh3kw3pt1pl1pb1pr1",
          "mb1g1ic20ih9iw40oc33kh3kw3dh2dw2pt2pl2pb2pr2", "mb1g1ic72ih1iw50oc16kh1kw5pl2pr2"}) {
      check("conv2d " + std::string(shape) + types);
    }
  }
}

// Ops of every kind that the tests' grammar draws, weights that come with the run among them.
TEST_F(TileDotTest, Drawn) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const OpSpec spec = testing::draw_spec(testing::mix(kSeed + seed));
    if (spec.kind != OpKind::conv2d && spec.kind != OpKind::dense) continue;
    const testing::Operands operands = testing::draw_operands(spec, seed);
    const std::vector<uint8_t> want = testing::expected(spec, operands);
    const std::string wrong = testing::difference(
        spec, operands, want, [&](const OpSpec& s, const OpQuant& q, const void* src, const void* wei, void* dst) {
          return run_op(library_, Isa::avx512amx, s, q, src, wei, dst);
        });
    EXPECT_EQ(wrong, "") << to_key(spec) << " seed " << seed;
  }
}

}  // namespace
}  // namespace octile
