// Functions of one operand and of two, element by element.
// In:  a site.  Out: its steps.  Not here: windows and rows (rows.cpp).
#include <array>
#include <cmath>
#include <map>

#include "plugin/partition/constants.h"
#include "plugin/partition/quant_params.h"
#include "plugin/partition/translate.h"

namespace octile::plugin {
namespace {

struct Parameter {
  std::string_view name;
  float otherwise;
};
struct UnaryRow {
  NodeKind kind;
  std::vector<Parameter> parameters{};  // in the order of NodeDesc::floats
};

const UnaryRow& unary_row(std::string_view op) {
  static const std::map<std::string_view, UnaryRow> kRows = {
      {"Relu", {NodeKind::relu}},
      {"LeakyRelu", {NodeKind::leaky_relu, {{"alpha", 0.01F}}}},
      {"Sigmoid", {NodeKind::sigmoid}},
      {"HardSigmoid", {NodeKind::hard_sigmoid, {{"alpha", 0.2F}, {"beta", 0.5F}}}},
      {"HardSwish", {NodeKind::hard_swish}},
      {"Tanh", {NodeKind::tanh}},
      {"Exp", {NodeKind::exp}},
      {"Log", {NodeKind::log}},
      {"Sqrt", {NodeKind::sqrt}},
      {"Erf", {NodeKind::erf}},
      {"Neg", {NodeKind::neg}},
      {"Abs", {NodeKind::abs}},
      {"Reciprocal", {NodeKind::reciprocal}},
      {"Softplus", {NodeKind::softplus}},
      {"Elu", {NodeKind::elu, {{"alpha", 1.0F}}}},
      {"Round", {NodeKind::round}},
      {"Floor", {NodeKind::floor}},
      {"Ceil", {NodeKind::ceil}},
  };
  return kRows.at(op.starts_with("QLinear") ? op.substr(7) : op);
}

NodeKind binary_kind(std::string_view op) {
  static const std::map<std::string_view, NodeKind> kKinds = {
      {"Add", NodeKind::add}, {"Sub", NodeKind::sub}, {"Mul", NodeKind::mul},
      {"Div", NodeKind::div}, {"Sum", NodeKind::add}, {"Min", NodeKind::min},
      {"Max", NodeKind::max}, {"Pow", NodeKind::pow}, {"PRelu", NodeKind::prelu}};
  return kKinds.at(op.starts_with("QLinear") ? op.substr(7) : op);
}

// x, or x + bias where a bias is given.
int biased(const Site& site) {
  if (site.in.size() < 2) return site.in[0];
  const int sum = site.writer.inner(DType::f32);
  site.writer.step(NodeKind::add, {site.in[0], site.in[1]}, sum);
  return sum;
}

}  // namespace

Verdict write_unary(const Site& site) {
  const UnaryRow& row = unary_row(site.node.op);
  NodeDesc& d = site.writer.main(row.kind, {site.in[0]}, site.out);
  for (const Parameter& p : row.parameters) d.floats.push_back(site.node.float_attribute(p.name, p.otherwise));
  return {};
}

Verdict write_clip(const Site& site) {
  float lo = 0, hi = 0;
  OCTILE_RETURN_IF_REFUSED(read_clip_bounds(site.graph, site.node, lo, hi));
  site.writer.main(NodeKind::clip, {site.in[0]}, site.out).floats = {lo, hi};
  return {};
}

// Gelu of both domains, FastGelu and BiasGelu.
Verdict write_gelu(const Site& site) {
  const HostAttribute* how = site.node.attribute("approximate");
  const bool tanh = site.node.op == "FastGelu" || (how != nullptr && how->s == "tanh");
  if (how != nullptr && how->s != "tanh" && how->s != "none") return refuse(Reason::attribute, "approximate");
  const int x = biased(site);
  site.writer.main(NodeKind::gelu, {x}, site.out).ints = {tanh ? 1 : 0};
  return {};
}

// x * sigmoid(alpha * x).
Verdict write_quick_gelu(const Site& site) {
  const int scaled = site.writer.inner(DType::f32), gate = site.writer.inner(DType::f32);
  const float alpha = site.node.float_attribute("alpha", 1.702F);
  site.writer.step(NodeKind::mul, {site.in[0], site.writer.constant(std::vector<float>{alpha}, {})}, scaled);
  site.writer.step(NodeKind::sigmoid, {scaled}, gate);
  site.writer.main(NodeKind::mul, {site.in[0], gate}, site.out);
  return {};
}

// Chains from the left where there are more than two operands.
Verdict write_binary(const Site& site) {
  const NodeKind kind = binary_kind(site.node.op);
  if (site.in.size() == 1) {
    site.writer.main(NodeKind::identity, {site.in[0]}, site.out);
    return {};
  }
  int left = site.in[0];
  for (size_t i = 1; i < site.in.size(); ++i) {
    const bool last = i + 1 == site.in.size();
    const int to = last ? site.out : site.writer.inner(DType::f32);
    if (last) {
      site.writer.main(kind, {left, site.in[i]}, to);
    } else {
      site.writer.step(kind, {left, site.in[i]}, to);
    }
    left = to;
  }
  return {};
}

// The exponent may be a constant of another type.
Verdict write_pow(const Site& site) {
  const int exponent = site.node.input(1);
  if (exponent < 0) return refuse(Reason::malformed, "no exponent");
  const HostValue& v = site.graph.values[exponent];
  int e = exponent;
  if (v.type == ElemType::s32 || v.type == ElemType::s64) {
    std::vector<int64_t> whole;
    OCTILE_RETURN_IF_REFUSED(read_int64s(site.graph, exponent, whole));
    e = site.writer.constant(std::vector<float>(whole.begin(), whole.end()), v.dims);
  } else if (v.type != ElemType::f32) {
    return refuse(Reason::type_not_supported, v.name);
  }
  site.writer.main(NodeKind::pow, {site.in[0], e}, site.out);
  return {};
}

// x * a + b per channel, as the host's own float kernel has it.
Verdict write_batch_norm(const Site& site) {
  const HostNode& n = site.node;
  const auto index = static_cast<int>(&n - site.graph.nodes.data());
  if (n.int_attribute("training_mode", 0) != 0) return refuse(Reason::attribute, "training_mode");
  std::array<std::vector<float>, 4> p;  // scale, bias, mean, variance
  for (size_t i = 0; i < p.size(); ++i) {
    Dequantize dq;
    OCTILE_RETURN_IF_REFUSED(read_reals(site.graph, n.input(i + 1), index, p[i], dq));
    if (p[i].size() != p[0].size() || p[i].empty()) return refuse(Reason::malformed, "parameters differ in length");
    if (dq.node >= 0) site.writer.look_through(dq.node);
  }
  int64_t rank = 0;
  OCTILE_RETURN_IF_REFUSED(read_rank(site.graph, n.input(0), rank));
  if (rank < 2) return refuse(Reason::rank_unknown);
  const float epsilon = n.float_attribute("epsilon", 1e-5F);
  std::vector<float> a, b;
  for (size_t c = 0; c < p[0].size(); ++c) {
    a.push_back(p[0][c] / std::sqrt(p[3][c] + epsilon));
    b.push_back(p[1][c] - p[2][c] * a[c]);
  }
  std::vector<int64_t> dims(static_cast<size_t>(rank) - 1, 1);
  dims[0] = std::ssize(a);
  const int scaled = site.writer.inner(DType::f32);
  site.writer.step(NodeKind::mul, {site.in[0], site.writer.constant(a, dims)}, scaled);
  site.writer.main(NodeKind::add, {scaled, site.writer.constant(b, dims)}, site.out);
  return {};
}

}  // namespace octile::plugin
