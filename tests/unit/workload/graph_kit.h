// Kit: arrays and nodes in one line each, for tests of the interpreter.
// In:  literals.  Out: HostArray, NodeDesc, what a node answers.
// Not here: whole graphs (tests/support/random_graph.h).
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "workload/graph/infer.h"
#include "workload/graph/interpreter.h"

namespace octile::test {

using Shape = std::vector<int64_t>;
using Floats = std::vector<float>;
using Ints = std::vector<int64_t>;

template <class T>
DType type_of() {
  return std::is_same_v<T, float>     ? DType::f32
         : std::is_same_v<T, int32_t> ? DType::s32
         : std::is_same_v<T, int8_t>  ? DType::s8
                                      : DType::u8;
}

template <class T>
HostArray array(const Shape& dims, const std::vector<T>& values) {
  HostArray a(type_of<T>(), dims);
  EXPECT_EQ(a.bytes.size(), values.size() * sizeof(T));
  const size_t bytes = std::min(a.bytes.size(), values.size() * sizeof(T));
  if (bytes > 0) std::memcpy(a.bytes.data(), values.data(), bytes);  // of nothing there may be no address
  return a;
}

inline HostArray floats(const Shape& dims, const Floats& values) { return array<float>(dims, values); }

// first, first + 1, ...
inline HostArray counting(const Shape& dims, float first = 0) {
  HostArray a(DType::f32, dims);
  for (int64_t i = 0; i < a.count(); ++i) a.as<float>()[i] = first + static_cast<float>(i);
  return a;
}

template <class T = float>
std::vector<T> values(const HostArray& a) {
  return {a.as<T>(), a.as<T>() + a.count()};
}

inline NodeDesc node(NodeKind kind, Ints ints = {}, Floats parameters = {}) {
  NodeDesc n;
  n.name = "n";
  n.kind = kind;
  n.ints = std::move(ints);
  n.floats = std::move(parameters);
  return n;
}

// The node's answer; a node that refuses fails the test.
inline HostArray run(const NodeDesc& n, const std::vector<HostArray>& in) {
  std::vector<const HostArray*> operands;
  for (const HostArray& a : in) operands.push_back(&a);
  Result<HostArray> out = interpret_node(n, operands, in[0].type);
  EXPECT_TRUE(out.ok()) << out.status().to_string();
  return out.ok() ? std::move(*out) : HostArray();
}

inline Status refusal(const NodeDesc& n, const std::vector<HostArray>& in) {
  std::vector<const HostArray*> operands;
  for (const HostArray& a : in) operands.push_back(&a);
  return interpret_node(n, operands, in[0].type).status();
}

}  // namespace octile::test
