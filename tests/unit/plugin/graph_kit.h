// Hand-made host graphs.
// In:  ops in topological order.  Out: a linked HostGraph whose constants live in the kit.
// Not here: any host.
#pragma once

#include <cstring>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "plugin/partition/host_graph.h"

namespace octile::plugin::test {

class GraphKit {
 public:
  HostGraph graph;

  GraphKit() { graph.name = "net"; }

  int input(ElemType type, std::vector<int64_t> dims) { return value(fresh("x"), type, std::move(dims)); }

  template <class T>
  int constant(ElemType type, const std::vector<T>& data, std::vector<int64_t> dims) {
    // One byte past an aligned place: constants of a mapped file have no alignment.
    bytes_.emplace_back(data.size() * sizeof(T) + 1);
    if (!data.empty()) std::memcpy(bytes_.back().data() + 1, data.data(), data.size() * sizeof(T));
    const int v = value(fresh("c"), type, std::move(dims));
    graph.values[v].constant = true;
    graph.values[v].data = bytes_.back().data() + 1;
    graph.values[v].bytes = data.size() * sizeof(T);
    return v;
  }
  int scale(float s) { return constant<float>(ElemType::f32, {s}, {}); }
  int u8(int z) { return constant<uint8_t>(ElemType::u8, {static_cast<uint8_t>(z)}, {}); }
  int s8(int z) { return constant<int8_t>(ElemType::s8, {static_cast<int8_t>(z)}, {}); }

  // A node with one output of this type; its index is nodes().back().
  int node(const std::string& op, std::vector<int> inputs, ElemType type, std::vector<int64_t> dims = {}) {
    HostNode n;
    n.op = op;
    n.name = fresh(op);
    n.inputs = std::move(inputs);
    n.outputs = {value(fresh("t"), type, std::move(dims))};
    graph.nodes.push_back(std::move(n));
    return graph.nodes.back().outputs[0];
  }
  void ints(const std::string& key, std::vector<int64_t> list) { last().attributes[key].ints = std::move(list); }
  void integer(const std::string& key, int64_t i) { last().attributes[key].i = i; }
  void real(const std::string& key, float f) { last().attributes[key].f = f; }
  void text(const std::string& key, const std::string& s) { last().attributes[key].s = s; }
  HostNode& last() { return graph.nodes.back(); }

  int dequantize(int q, float s = 0.5F, int zp = 0) {
    const ElemType type = graph.values[q].type;
    return node("DequantizeLinear", {q, scale(s), type == ElemType::u8 ? u8(zp) : s8(zp)}, ElemType::f32,
                graph.values[q].dims);
  }
  int quantize(int f, ElemType type = ElemType::u8, float s = 0.25F, int zp = 3) {
    return node("QuantizeLinear", {f, scale(s), type == ElemType::u8 ? u8(zp) : s8(zp)}, type, graph.values[f].dims);
  }
  int weights(std::vector<int64_t> dims) {
    int64_t count = 1;
    for (const int64_t d : dims) count *= d;
    std::vector<int8_t> data(count);
    for (int64_t i = 0; i < count; ++i) data[i] = static_cast<int8_t>(i % 251 - 125);
    return constant(ElemType::s8, data, std::move(dims));
  }
  // DQ, DQ -> Conv -> Q with oc = ic = channels and a 3x3 filter.
  int conv(int q, int64_t channels = 4) {
    const int x = dequantize(q, 0.25F, 3);
    const int w = dequantize(weights({channels, channels, 3, 3}), 0.125F, 0);
    const int f = node("Conv", {x, w}, ElemType::f32);
    ints("pads", {1, 1, 1, 1});
    return quantize(f);
  }
  // QLinearMatMul of [*, k] codes.
  int dense(int q, int64_t k = 4, int64_t n = 4) {
    return node("QLinearMatMul", {q, scale(0.25F), u8(3), weights({k, n}), scale(0.5F), s8(0), scale(0.25F), u8(3)},
                ElemType::u8, {-1, n});
  }
  // DynamicQuantizeLinear, with its three results; the codes.
  int quantize_here(int x) {
    const int codes = node("DynamicQuantizeLinear", {x}, ElemType::u8, graph.values[x].dims);
    for (const ElemType type : {ElemType::f32, ElemType::u8}) last().outputs.push_back(input(type, {}));
    return codes;
  }
  // MatMulInteger, Cast and Mul by the scales, of what that node quantized.
  int dynamic_product(const HostNode& quantize, int wei, int wei_scale, const std::vector<int64_t>& dims) {
    const int scales = node("Mul", {quantize.outputs[1], wei_scale}, ElemType::f32);
    const int acc = node("MatMulInteger", {quantize.outputs[0], wei, quantize.outputs[2]}, ElemType::s32, dims);
    const int real = node("Cast", {acc}, ElemType::f32, dims);
    integer("to", 1);
    return node("Mul", {real, scales}, ElemType::f32, dims);
  }
  // ConvInteger of 1x1 filters, Add of a bias counted in its sums, by `divisor`, Cast and Mul by `scales`.
  int counted_product(const HostNode& quantize, int wei, int bias, int scales, int divisor,
                      const std::vector<int64_t>& dims) {
    const int count = node("Floor", {node("Div", {bias, divisor}, ElemType::f32)}, ElemType::f32);
    const int whole = node("Cast", {count}, ElemType::s32);
    integer("to", 6);
    const std::vector<int64_t> column{1, dims[1], 1, 1};
    const int shaped = node("Reshape", {whole, constant<int64_t>(ElemType::s64, column, {4})}, ElemType::s32, column);
    const int acc = node("ConvInteger", {quantize.outputs[0], wei, quantize.outputs[2]}, ElemType::s32, dims);
    const int real = node("Cast", {node("Add", {acc, shaped}, ElemType::s32, dims)}, ElemType::f32, dims);
    integer("to", 1);
    return node("Mul", {real, scales}, ElemType::f32, dims);
  }
  void output(int v) { graph.values[v].graph_output = true; }
  const HostGraph& linked() {
    graph.link();
    return graph;
  }

 private:
  std::string fresh(const std::string& what) { return what + std::to_string(++counter_); }
  int value(const std::string& name, ElemType type, std::vector<int64_t> dims) {
    const int v = graph.value(name);
    graph.values[v].type = type;
    graph.values[v].ranked = !dims.empty();
    graph.values[v].dims = std::move(dims);
    return v;
  }

  std::deque<std::vector<uint8_t>> bytes_;
  int counter_ = 0;
};

}  // namespace octile::plugin::test
