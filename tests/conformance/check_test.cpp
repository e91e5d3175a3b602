// The check itself: it must notice errors, unwritten outputs, bytes outside; shapes must stay valid when scaled.
// In:  implementations that misbehave.  Out: assertions.
// Not here: arithmetic faults (planted_faults_test.cpp).
#include "tests/conformance/check.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "workload/reference/reference.h"
#include "workload/shapes/shapes.h"

namespace octile::testing {
namespace {

std::string verdict(const Implementation& run) {
  const OpSpec spec = *parse_op("conv2d ic5ih4iw3oc7kh3kw3pt1pl1 src=u8:zp wei=s8 dst=s8:zp");
  const Operands operands = draw_operands(spec, 4);
  return difference(spec, operands, expected(spec, operands), run);
}

TEST(Check, TellsRightFromWrong) {
  EXPECT_EQ(verdict(reference::run), "");
  EXPECT_NE(verdict([](auto&&...) { return Status(); }).find("42 of 42 outputs differ"), std::string::npos);
  EXPECT_EQ(verdict([](auto&&...) { return Status(Code::internal, "broken"); }), "internal error: broken");
  const auto early = [](const OpSpec& s, const OpQuant& q, const void* src, const void* wei, void* dst) {
    static_cast<uint8_t*>(dst)[-1] = 0;
    return reference::run(s, q, src, wei, dst);
  };
  EXPECT_EQ(verdict(early), "bytes before the destination were written");
}

TEST(Check, OneByteOutsideIsAFault) {
  const auto past_end = [](const OpSpec& s, const OpQuant& q, const void* src, const void* wei, void* dst) {
    static_cast<uint8_t*>(dst)[s.dst_elements()] = 0;
    return reference::run(s, q, src, wei, dst);
  };
  EXPECT_DEATH(static_cast<void>(verdict(past_end)), "");
  const auto into_source = [](const OpSpec& s, const OpQuant& q, const void* src, const void* wei, void* dst) {
    static_cast<uint8_t*>(const_cast<void*>(src))[0] ^= 1;
    return reference::run(s, q, src, wei, dst);
  };
  EXPECT_DEATH(static_cast<void>(verdict(into_source)), "");
}

TEST(Check, ScaledShapesStayTheSameOpButSmall) {
  int ops = 0;
  for (const auto& entry : std::filesystem::directory_iterator(OCTILE_SHAPES_DIR)) {
    if (entry.path().extension() != ".txt") continue;
    const Result<std::vector<OpSpec>> specs = load_shapes(entry.path());
    ASSERT_TRUE(specs.ok()) << specs.status().to_string();
    for (const OpSpec& spec : *specs) {
      const OpSpec small = scaled_down(spec, 4'000'000);
      EXPECT_TRUE(validate(small).ok()) << to_key(small);
      EXPECT_LE(small.macs(), 12'000'000) << to_key(small);
      EXPECT_EQ(small.channels(), spec.channels());
      EXPECT_EQ(small.ic, spec.ic);
      EXPECT_EQ(small.k, spec.k);
      ++ops;
    }
  }
  EXPECT_GT(ops, 300);
}

}  // namespace
}  // namespace octile::testing
