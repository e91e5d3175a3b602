// The text of a graph.
// In/out: see random_graph.h.  Not here: weights and constants in full; the seed draws them again.
#include <cstring>
#include <sstream>

#include "tests/support/random_graph.h"

namespace octile::testing {
namespace {

template <class T>
std::string list(const std::vector<T>& values, size_t most = 12) {
  std::ostringstream out;
  out << '[';
  for (size_t i = 0; i < values.size() && i < most; ++i) out << (i > 0 ? " " : "") << values[i];
  if (values.size() > most) out << " .." << values.size();
  out << ']';
  return out.str();
}

std::string text_of(const ValueDesc& v) {
  std::ostringstream out;
  out << v.name << ' ' << to_string(v.type);
  if (size_of(v.type) == 1) out << " scale " << v.scale << " zp " << v.zp;
  return out.str();
}

std::string text_of(const ValueDesc& v, const Shape& shape) {
  std::string out = text_of(v) + " " + octile::print(shape);
  if (!v.constant) return out;
  std::vector<double> values;
  for (size_t i = 0; i + 4 <= v.data.size() && i < 64; i += 4) {
    float f = 0;
    int32_t n = 0;
    std::memcpy(&f, &v.data[i], 4);
    std::memcpy(&n, &v.data[i], 4);
    values.push_back(v.type == DType::f32 ? double{f} : double(n));
  }
  return out + " = " + list(values);
}

std::string text_of(const OpQuant& q, const OpSpec& s) {
  std::ostringstream out;
  out << " src " << q.src_scale << ':' << q.src_zp << " dst " << q.dst_scale << ':' << q.dst_zp << " clamp ["
      << q.clamp_lo << ' ' << q.clamp_hi << ']';
  if (s.kind != OpKind::quantize && s.kind != OpKind::dequantize) {
    out << " wei " << list(q.wei_scale, 3) << ':' << list(q.wei_zp, 3);
  }
  if (s.bias) out << " bias " << list(q.bias, 3);
  return out.str();
}

}  // namespace

std::string print(const GraphDesc& graph, const std::vector<Shape>& input_shapes) {
  std::ostringstream out;
  const auto value = [&](int v) -> const ValueDesc& { return graph.values[static_cast<size_t>(v)]; };
  out << "graph " << graph.name << ", " << graph.nodes.size() << " nodes\n";
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    out << "  input  " << text_of(value(graph.inputs[i]), i < input_shapes.size() ? input_shapes[i] : Shape()) << '\n';
  }
  for (const NodeDesc& node : graph.nodes) {
    for (int v : node.inputs) {
      if (value(v).constant) out << "  const  " << text_of(value(v), value(v).dims) << '\n';
    }
    out << "  " << node.name << "  " << text_of(value(node.output)) << " = ";
    const bool spec = node.kind <= NodeKind::dynamic;
    if (node.kind != NodeKind::spec) out << to_string(node.kind) << ' ';
    if (spec) out << to_key(node.spec) << text_of(node.quant, node.spec);
    if (!node.ints.empty()) out << " ints " << list(node.ints, 20);
    if (!node.floats.empty()) out << " floats " << list(node.floats);
    if (node.spatial_rank != 2) out << " 1-D";
    if (node.auto_pad != "NOTSET") out << ' ' << node.auto_pad;
    out << " (";
    for (size_t i = 0; i < node.inputs.size(); ++i) out << (i > 0 ? ", " : "") << value(node.inputs[i]).name;
    out << ")\n";
  }
  out << "  outputs";
  for (int v : graph.outputs) out << ' ' << value(v).name;
  out << '\n';
  return out.str();
}

}  // namespace octile::testing
