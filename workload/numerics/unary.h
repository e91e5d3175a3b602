// Unary: float functions with one answer on every machine, the scalar meaning of the elementwise node kinds.
// In:  float32 numbers, parameters of the node.  Out: float32 numbers.
// Not here: tensors, vector code, the C library's functions, which differ between machines.
//
// Transcendentals are evaluated in float64 by the expressions of float64.h (+, -, *, / and sqrt in a fixed order, no
// fused multiply-add), so that vector code can repeat them bit for bit, and rounded once: the error against the true
// value stays below 0.5 + 2^-20 ulp of float32. Nothing sets errno; call under FloatMode when the host's mode is
// unknown.
#pragma once

#include <vector>

#include "workload/graph/graph.h"

namespace octile {

// True of kinds with one operand, relu to ceil in NodeKind, and identity.
[[nodiscard]] bool is_unary(NodeKind kind);
// True of add to prelu.
[[nodiscard]] bool is_binary(NodeKind kind);

// A unary node, its parameters resolved.
struct Unary {
  NodeKind kind = NodeKind::identity;
  float a = 0, b = 0;  // alpha and beta, or lo and hi
  bool tanh_form = false;
  [[nodiscard]] float operator()(float x) const;
};
// The function of a unary node; refuses other kinds and wrong numbers of parameters.
[[nodiscard]] Result<Unary> unary_of(const NodeDesc& node);

// One element of a binary node.
[[nodiscard]] float binary(NodeKind kind, float a, float b);

}  // namespace octile
