// Plans survive the way into bytes and back; what should not be written is not.
// In:  sample plans.  Out: assertions.
// Not here: damaged bytes (test_damage.cpp).
#include <gtest/gtest.h>

#include <cstring>

#include "packs/format/fields.h"
#include "tests/support/random_graph.h"
#include "tests/unit/plan_file/samples.h"

namespace octile::runtime::test {
namespace {

std::vector<uint8_t> bytes_of(const PlanFile& plan) {
  Result<std::vector<uint8_t>> bytes = write_plan(plan);
  EXPECT_TRUE(bytes.ok()) << bytes.status().to_string();
  return bytes.ok() ? std::move(*bytes) : std::vector<uint8_t>();
}

TEST(PlanFile, RoundTrip) {
  for (const PlanFile& plan : {runnable_plan(), every_field_plan()}) {
    const std::vector<uint8_t> bytes = bytes_of(plan);
    const Result<PlanFile> back = read_plan(bytes, "plan");
    ASSERT_TRUE(back.ok()) << back.status().to_string();
    expect_same(plan, *back);
    EXPECT_EQ(bytes_of(*back), bytes);
  }
}

TEST(PlanFile, RandomGraphsRoundTrip) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const testing::RandomGraph drawn = testing::draw_graph(seed);
    PlanFile plan;
    plan.graph = drawn.graph;
    for (const Shape& shape : drawn.shapes[0]) plan.inputs.push_back({true, Shape(shape.size(), -1)});
    plan.outputs.resize(drawn.graph.outputs.size());
    plan.ready = drawn.shapes;
    const std::vector<uint8_t> bytes = bytes_of(plan);
    const Result<PlanFile> back = read_plan(bytes, "plan");
    ASSERT_TRUE(back.ok()) << back.status().to_string();
    expect_same(plan, *back);
  }
}

TEST(PlanFile, BlobsAreAligned) {
  PlanFile plan = runnable_plan();
  plan.graph.nodes[0].wei.assign(plan.graph.nodes[0].wei.size(), 0xA5);
  const std::vector<uint8_t> bytes = bytes_of(plan);
  const std::vector<uint8_t>& weights = plan.graph.nodes[0].wei;
  const auto at = std::search(bytes.begin(), bytes.end(), weights.begin(), weights.end());
  ASSERT_NE(at, bytes.end());
  EXPECT_EQ((at - bytes.begin()) % static_cast<std::ptrdiff_t>(packs::kBlobAlignment), 0);
}

struct Refusal {
  const char* what;
  void (*change)(PlanFile&);
};
constexpr Refusal kRefusals[] = {
    {"groups", [](PlanFile& p) { p.graph.nodes[0].spec.g = 2; }},
    {"no earlier node", [](PlanFile& p) { p.graph.nodes[1].inputs[0] = 2; }},
    {"declared shapes", [](PlanFile& p) { p.inputs.clear(); }},
    {"declared shapes", [](PlanFile& p) { p.outputs[1].dims = {1}; }},
    {"declared shapes", [](PlanFile& p) { p.inputs[0].dims[0] = -2; }},
    {"every input", [](PlanFile& p) { p.ready[0].clear(); }},
    {"its input may have", [](PlanFile& p) { p.ready[0][0][3] = 9; }},
};

TEST(PlanFile, RefusesWhatItWouldNotRead) {
  for (const auto& [what, change] : kRefusals) {
    PlanFile plan = runnable_plan();
    change(plan);
    const Status st = write_plan(plan).status();
    EXPECT_FALSE(st.ok()) << what;
    EXPECT_NE(st.message().find(what), std::string::npos) << st.to_string();
  }
}

TEST(PlanFile, ShapesFitDeclarations) {
  const DeclaredShape declared{true, {-1, 3}}, unknown{};
  EXPECT_TRUE(fits(declared, {7, 3}) && fits(declared, {0, 3}));
  EXPECT_FALSE(fits(declared, {7, 4}) || fits(declared, {3}) || fits(declared, {7, 3, 1}) || fits(declared, {-1, 3}));
  EXPECT_TRUE(fits(unknown, {}) && fits(unknown, {1, 2}));
}

}  // namespace
}  // namespace octile::runtime::test
