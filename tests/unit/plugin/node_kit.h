// NodeKit: one host node under test, translated and interpreted.
// In:  inputs' data, the node.  Out: its answers, or why there is no translation.
// Not here: groups of nodes (graph_kit.h).
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "graph_kit.h"
#include "plugin/partition/build.h"
#include "plugin/partition/translate.h"
#include "workload/graph/interpreter.h"

namespace octile::plugin::test {

using Floats = std::vector<float>;
using Codes = std::vector<uint8_t>;
using Dims = std::vector<int64_t>;

template <class T>
HostArray array(DType type, const Dims& dims, const std::vector<T>& data) {
  HostArray a(type, dims);
  EXPECT_EQ(a.bytes.size(), data.size() * sizeof(T));
  std::memcpy(a.bytes.data(), data.data(), std::min(a.bytes.size(), data.size() * sizeof(T)));
  return a;
}

// A host node under test, with its inputs' data.
struct NodeKit : GraphKit {
  std::vector<HostArray> data;

  int floats(const Dims& dims, const Floats& values) {
    data.push_back(array(DType::f32, dims, values));
    return input(ElemType::f32, dims);
  }
  int codes(const Dims& dims, const Codes& values) {
    data.push_back(array(DType::u8, dims, values));
    return input(ElemType::u8, dims);
  }
  int list(const std::vector<int64_t>& values) {
    return constant<int64_t>(ElemType::s64, values, {static_cast<int64_t>(values.size())});
  }
  int numbers(const Floats& values) {
    return constant<float>(ElemType::f32, values, {static_cast<int64_t>(values.size())});
  }
  // The last node's answers.
  std::vector<HostArray> answers() {
    Unit unit;
    const Verdict refusal = translate(linked(), static_cast<int>(graph.nodes.size()) - 1, unit);
    EXPECT_FALSE(refusal) << to_string(refusal->reason) << " " << refusal->detail;
    if (refusal) return {};
    const auto desc = build_unit(graph, unit);
    EXPECT_TRUE(desc.ok()) << desc.status().to_string();
    if (!desc.ok()) return {};
    const auto out = interpret(*desc, data);
    EXPECT_TRUE(out.ok()) << out.status().to_string();
    return out.ok() ? *out : std::vector<HostArray>();
  }
  void expect(const Dims& dims, const Floats& wanted) {
    const std::vector<HostArray> out = answers();
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0].dims, dims);
    EXPECT_EQ(Floats(out[0].as<float>(), out[0].as<float>() + out[0].count()), wanted);
  }
  void expect(const Dims& dims, const Codes& wanted) {
    const std::vector<HostArray> out = answers();
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0].dims, dims);
    EXPECT_EQ(out[0].bytes, wanted);
  }
  Reason reason() {
    Unit unit;
    const Verdict refusal = translate(linked(), static_cast<int>(graph.nodes.size()) - 1, unit);
    return refusal ? refusal->reason : Reason::taken;
  }
};

}  // namespace octile::plugin::test
