// Translations of movements: what elements single host nodes bring where.
// In:  hand-made nodes, worked answers.  Out: equality through the interpreter.
// Not here: functions of elements, refusals (test_translate.cpp).
#include <gtest/gtest.h>

#include "node_kit.h"

namespace octile::plugin::test {
namespace {

TEST(Translate, MovementsOfFloatsAndCodes) {
  const Codes six{1, 2, 3, 4, 5, 6};
  const auto moved = [&](const char* op, const auto& change, const Dims& dims, const Codes& wanted) {
    SCOPED_TRACE(op);
    NodeKit kit;
    kit.node(op, {kit.codes({1, 2, 3}, six)}, ElemType::u8);
    change(kit);
    kit.expect(dims, wanted);
  };
  const auto with = [](auto... inputs) {
    return [=](NodeKit& kit) { (kit.last().inputs.push_back(inputs(kit)), ...); };
  };
  const auto list = [](const std::vector<int64_t>& l) { return [l](NodeKit& kit) { return kit.list(l); }; };
  moved("Reshape", with(list({3, -1})), {3, 2}, six);
  moved(
      "Flatten", [](NodeKit&) {}, {1, 6}, six);
  moved("Squeeze", with(list({0})), {2, 3}, six);
  moved(
      "Unsqueeze", [](NodeKit& kit) { kit.ints("axes", {0}); }, {1, 1, 2, 3}, six);
  moved("Transpose", [](NodeKit& kit) { kit.ints("perm", {0, 2, 1}); }, {1, 3, 2}, {1, 4, 2, 5, 3, 6});
  moved("Slice", with(list({0}), list({1000}), list({-1}), list({2})), {1, 2, 2}, {1, 3, 4, 6});
  moved("Gather",
        [](NodeKit& kit) {
          kit.last().inputs.push_back(kit.list({-1, 0}));
          kit.integer("axis", 2);
        },
        {1, 2, 2}, {3, 1, 6, 4});  // clang-format keeps it so
  moved("Pad",
        [](NodeKit& kit) {
          kit.last().inputs.push_back(kit.list({0, 0, 1, 0, 0, 0}));
          kit.last().inputs.push_back(kit.u8(9));
        },
        {1, 2, 4}, {9, 1, 2, 3, 9, 4, 5, 6});
  moved("Pad",
        [](NodeKit& kit) {
          kit.last().inputs = {kit.last().inputs[0], kit.list({1, 0}), -1, kit.list({-1})};
          kit.text("mode", "edge");
        },
        {1, 2, 4}, {1, 1, 2, 3, 4, 4, 5, 6});
}

TEST(Translate, SplitIsASlicePerOutput) {
  NodeKit kit;
  kit.node("Split", {kit.codes({1, 5}, {1, 2, 3, 4, 5})}, ElemType::u8);
  kit.integer("axis", -1);
  kit.last().outputs.push_back(kit.input(ElemType::u8, {}));
  const std::vector<HostArray> halves = kit.answers();
  ASSERT_EQ(halves.size(), 2U);
  EXPECT_EQ(halves[0].bytes, (Codes{1, 2, 3}));
  EXPECT_EQ(halves[1].bytes, (Codes{4, 5}));
  kit.ints("split", {1, 4});
  EXPECT_EQ(kit.answers()[1].bytes, (Codes{2, 3, 4, 5}));
}

TEST(Translate, ConcatAndBlocks) {
  {
    NodeKit kit;
    const int a = kit.codes({1, 2}, {1, 2}), b = kit.codes({1, 1}, {3});
    kit.node("Concat", {a, b}, ElemType::u8);
    kit.integer("axis", 1);
    kit.expect({1, 3}, Codes{1, 2, 3});
  }
  {
    NodeKit kit;
    kit.node("SpaceToDepth", {kit.codes({1, 1, 2, 2}, {1, 2, 3, 4})}, ElemType::u8);
    kit.integer("blocksize", 2);
    kit.expect({1, 4, 1, 1}, Codes{1, 2, 3, 4});
  }
  {
    NodeKit kit;
    kit.node("DepthToSpace", {kit.codes({1, 8, 1, 1}, {0, 1, 2, 3, 4, 5, 6, 7})}, ElemType::u8);
    kit.integer("blocksize", 2);
    kit.text("mode", "CRD");
    kit.expect({1, 2, 2, 2}, Codes{0, 1, 2, 3, 4, 5, 6, 7});
  }
}

TEST(Translate, Resizes) {
  const auto resized = [](const auto& change, const Floats& wanted) {
    NodeKit kit;
    const int x = kit.floats({1, 1, 1, 2}, {0, 8});
    kit.node("Resize", {x, -1, kit.numbers({1, 1, 1, 2})}, ElemType::f32);
    change(kit, x);
    kit.expect({1, 1, 1, 4}, wanted);
  };
  resized([](NodeKit&, int) {}, {0, 0, 8, 8});
  resized([](NodeKit& kit, int) { kit.text("mode", "linear"); }, {0, 2, 6, 8});
  resized(
      [](NodeKit& kit, int) {
        kit.text("mode", "linear");
        kit.text("coordinate_transformation_mode", "asymmetric");
      },
      {0, 4, 8, 8});
  resized([](NodeKit& kit, int x) { kit.last().inputs = {x, -1, -1, kit.list({1, 1, 1, 4})}; }, {0, 0, 8, 8});
  resized(
      [](NodeKit& kit, int x) {
        kit.last().inputs = {x, kit.numbers({1, 1, 1, 2})};
        kit.last().since = 10;
      },
      {0, 0, 8, 8});
  resized(
      [](NodeKit& kit, int x) {
        kit.last().op = "Upsample";
        kit.last().inputs = {x};
        kit.last().attributes["scales"].floats = {1, 1, 1, 2};
      },
      {0, 0, 8, 8});
  NodeKit coded;  // a quantizer of operators leaves the node among codes
  coded.node("Resize", {coded.codes({1, 1, 1, 2}, {1, 8}), -1, coded.numbers({1, 1, 1, 2})}, ElemType::u8);
  coded.text("mode", "linear");
  coded.expect({1, 1, 1, 4}, Codes{1, 3, 6, 8});  // 2.75, 6.25
  NodeKit cubic;
  cubic.node("Resize", {cubic.input(ElemType::f32, {1, 1, 1, 2}), -1, cubic.numbers({1, 1, 1, 2})}, ElemType::f32);
  cubic.text("mode", "cubic");
  EXPECT_EQ(cubic.reason(), Reason::attribute);
}

}  // namespace
}  // namespace octile::plugin::test
