// Ops on the emulated Ice Lake: every variant gives the bytes of the portable one, without an instruction too many.
// In:  the member (member.cpp), the guest.  Out: GoogleTest's verdict.
// Not here: what the bytes should be (tests/unit/runtime/ops_*_test.cpp).
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/support/bochs/bochs.h"
#include "tests/support/bochs/recorder.h"

namespace octile::testing {
namespace {

constexpr int kCases = 30;  // per function

// One call of a quantize, which the member makes after its comparisons; they take the zero point as their number.
Result<ReplayResult> compare(const char* variant) {
  Recorder recorder;
  packs::KernelEntry entry;
  entry.name = variant;
  entry.family = "quantize";
  void* fn = recorder.function_for(entry);
  float src[5] = {-1.0F, 0.0F, 0.5F, 1.5F, 99.0F};
  uint8_t dst[5] = {};
  octile_dim dims[] = {{0, 5, 1, 0}, {0, 1, 5, 0}};
  octile_buffer from{}, to{};
  from.host = reinterpret_cast<uint8_t*>(src);
  from.type = {2, 32, 1};
  to.host = dst;
  to.type = {1, 8, 1};
  from.dim = to.dim = dims;
  from.dimensions = to.dimensions = 2;
  EXPECT_EQ(reinterpret_cast<octile_quantize_fn>(fn)(&from, 1.0F, 0.0F - kCases, 255.0F - kCases, kCases, &to), 0);
  std::ifstream file(OCTILE_OPS_MEMBER, std::ios::binary);
  const std::vector<uint8_t> member(std::istreambuf_iterator<char>(file), {});
  return replay_on_bochs(OCTILE_BOCHS_GUEST, member, recorder.blob(), 240);
}

class OpsOnBochs : public ::testing::TestWithParam<const char*> {};

TEST_P(OpsOnBochs, EqualThePortableVariant) {
  const auto result = compare(GetParam());
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  EXPECT_EQ(result->calls, 1);
  EXPECT_EQ(result->bad, 0) << "rc: 1000 * (function + 1) + case, as in member.cpp\n" << result->text;
}

INSTANTIATE_TEST_SUITE_P(Variants, OpsOnBochs, ::testing::Values("ops_avx2", "ops_avx512", "ops_avx512vbmi"),
                         [](const auto& at) { return std::string(at.param); });

}  // namespace
}  // namespace octile::testing
