// The search space: what a 3x3 conv has, what every neighbour is, and the reviewed golden of a few spaces.
// In: op lines.  Out: assertions; space.golden.txt is written anew with OCTILE_UPDATE_GOLDEN=1.  Not here: timing.
#include "schedules/space/space.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/unit/tuner/fakes.h"
#include "tuner/cli/dry_run.h"

namespace octile::tuner {
namespace {

const std::vector<std::string>& examples() {
  static const std::vector<std::string> lines = {
      testing::kConv,
      "conv2d mb1g1ic256ih14iw14oc1024kh1kw1 src=s8:zp wei=s8:per_oc bia=s32 dst=s8:zp",
      "conv2d mb1g1ic3ih224iw224oc64kh7kw7sh2sw2pt3pl3pb3pr3 src=u8:zp wei=s8:per_oc bia=s32 dst=u8:zp",
      "conv2d mb1g1ic8ih1iw1oc2kh1kw1 src=s8:zp wei=s8:per_oc bia=s32 dst=s8:zp",
      "conv2d mb2g4ic64ih9iw5oc96kh3kw3dh2dw2pt2pl2pb2pr2 src=u8:zp wei=s8 dst=u8:zp",
      "conv2d mb1g96ic96ih28iw28oc96kh3kw3pt1pl1pb1pr1 src=u8:zp wei=s8:per_oc bia=s32 dst=u8:zp post=relu6",
      "conv2d mb1g40ic40ih12iw40oc40kh5kw5sh2pt2pl2pb2pr2 src=s8:zp wei=s8:per_oc bia=s32 dst=s8:zp",
      "dense mb1m1k2048n1000 src=u8:zp wei=s8:per_oc bia=s32 dst=u8:zp",
      testing::kDense,
  };
  return lines;
}

template <class Use>
void for_each_space(Use use) {
  for (Isa isa : {Isa::avx512vnni, Isa::avxvnni, Isa::avx2, Isa::x86_64_v2}) {
    for (const Task& t : testing::tasks_of(examples(), isa).tasks) use(t);
  }
}

TEST(Space, A3x3ConvOnVnniHoldsAThousandCandidates) {
  EXPECT_GE(testing::tasks_of({testing::kConv}).tasks.at(0).space.size().valid, 1000);
}

TEST(Space, DefaultsSamplesAndChildrenAreValidAndPrintBack) {
  for_each_space([](const Task& t) {
    const Space& s = t.space;
    Rng rng(11);
    EXPECT_TRUE(s.check(s.default_candidate()).ok());
    Candidate a = s.default_candidate(), b = s.sample(rng);
    for (int i = 0; i < 200; ++i) {
      const Candidate child = i % 2 == 0 ? s.mutate(a, rng) : s.crossover(a, b, rng);
      ASSERT_TRUE(s.check(child).ok()) << to_line(child) << " " << s.check(child).to_string();
      const Result<Candidate> back = parse_candidate(to_line(child));
      ASSERT_TRUE(back.ok() && *back == child) << to_line(child);
      b = a;
      a = child;
    }
  });
}

TEST(Space, MutationReachesEveryParameter) {
  const Space s = testing::tasks_of({testing::kConv}).tasks.at(0).space;
  std::set<int> tx, ty, tn, uk;
  std::set<std::string> order;
  Rng rng(5);
  Candidate c = s.default_candidate();
  for (int i = 0; i < 20000; ++i) {
    c = s.mutate(c, rng);
    tx.insert(c.tx), ty.insert(c.ty), tn.insert(c.tn), uk.insert(c.uk), order.insert(c.order);
  }
  EXPECT_GE(tx.size(), 14U);
  EXPECT_EQ(ty.size(), 4U);
  EXPECT_EQ(tn.size(), 4U);
  EXPECT_EQ(uk.size(), 6U);
  EXPECT_EQ(order.size(), 6U);
}

TEST(Space, CutsAddUp) {
  for_each_space([](const Task& t) {
    int64_t cut = 0;
    for (const SpaceCut& c : t.space.size().cuts) cut += c.cut;
    EXPECT_EQ(cut + t.space.size().valid, t.space.size().combinations);
    EXPECT_EQ(static_cast<size_t>(t.space.size().valid), t.space.candidates().size());
  });
}

TEST(Space, RefusalsNameTheConstraint) {
  const Space s = testing::tasks_of({testing::kConv}).tasks.at(0).space;
  const auto reason = [&](const char* line) { return s.check(*parse_candidate(line)).message(); };
  EXPECT_EQ(reason("layout=k4n16 tile=x14y1n64").find("registers:"), 0U);
  EXPECT_EQ(reason("layout=k4n16 tile=x2y1n96 tail=y").find("shape:"), 0U);
  EXPECT_EQ(reason("layout=k4n16 tile=x15y1n16").find("values: tx=15"), 0U);
  EXPECT_EQ(reason("layout=k2n8w tile=x4y1n16").find("layout:"), 0U);
  EXPECT_EQ(reason("layout=k4n16 tile=x4y1n16 tail=y").find("values: kxy"), 0U);
  EXPECT_EQ(reason("layout=k4n16 tile=x4y1n16 kxy=3x3").find("values: kxy"), 0U);
}

TEST(Space, TilesOverAPartialPanelMaskIt) {
  const Space narrow = testing::tasks_of({"dense mb1m64k64n8 src=u8:zp wei=s8 dst=u8:zp"}).tasks.at(0).space;
  for (const Candidate& c : narrow.candidates()) EXPECT_TRUE(c.tail && c.tn == 16) << to_line(c);
  const Space mixed = testing::tasks_of({"dense mb1m64k64n40 src=u8:zp wei=s8 dst=u8:zp"}).tasks.at(0).space;
  for (const Candidate& c : mixed.candidates()) EXPECT_EQ(c.tail, c.tn == 48) << to_line(c);
}

TEST(Space, WeightsWithZeroPointsAreLeftToAnyShapeKernelsUnlessTheirFamilyIsCertain) {
  const std::string constant = "dense mb1m128k64n64 src=u8:zp wei=u8:zp dst=u8:zp";
  const std::string variable = "dense mb1m128k64n64 src=u8:zp wei=u8:zp:var dst=u8:zp";
  EXPECT_TRUE(testing::tasks_of({constant}).tasks.empty());
  EXPECT_EQ(testing::tasks_of({variable}).tasks.size(), 1U);
  EXPECT_TRUE(testing::tasks_of({variable}, Isa::avx2).tasks.empty());
}

TEST(Space, IsTheOneThatWasReviewed) {
  std::string now;
  for (Isa isa : {Isa::avx512vnni, Isa::avxvnni, Isa::avx2, Isa::x86_64_v2})
    now += dry_run_text(testing::tasks_of(examples(), isa));
  const std::string path = OCTILE_SPACE_GOLDEN;
  if (std::getenv("OCTILE_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << now;
  std::ifstream in(path);
  std::stringstream golden;
  golden << in.rdbuf();
  EXPECT_EQ(now, golden.str()) << "the space changed: review the difference, then run this test with "
                                  "OCTILE_UPDATE_GOLDEN=1 and commit "
                               << path;
}

}  // namespace
}  // namespace octile::tuner
