// The walk that chooses blocks, and the further shapes a graph can be run at.
// In/out: see random_graph.h.  Not here: what blocks are made of (random_*.cpp), text (print_graph.cpp).
#include "tests/support/random_graph.h"

#include <algorithm>
#include <map>

#include "tests/support/random_blocks.h"

namespace octile::testing {
namespace {

constexpr int kTriesPerBlock = 6;
constexpr int64_t kMaxInputElements = 2500;  // times the size of the graph

// `size` is 1, or 16 for images worth cutting into bands and sharing between threads.
Shape draw_input_shape(Rng& rng, int64_t size) {
  const int64_t batch = rng.pick<int64_t>({1, 1, 1, 2, 3});
  const int64_t channels = rng.chance(0.2) ? 3 : rng.pick<int64_t>({1, 2, 4, 5, 8, 9, 12, 16, 16, 17, 24, 32, 33, 48});
  switch (rng.below(8)) {
    case 0: return {batch, channels};
    case 1: return {batch, rng.range(1, 9), channels};   // tokens
    case 2: return {batch, channels, rng.range(1, 24)};  // 1-D
    default: {
      const int64_t largest = size == 1 ? 12 : 48;
      const int64_t most = std::clamp<int64_t>(size * kMaxInputElements / (largest * batch * channels), 1, largest);
      const int64_t side = rng.range(1, largest), other = rng.chance(0.5) ? side : rng.range(1, largest);
      return {batch, channels, std::min(side, most), side * other > most * largest ? std::min(other, most) : other};
    }
  }
}

DType draw_input_type(Rng& rng) {
  return rng.pick({DType::u8, DType::u8, DType::s8, DType::s8, DType::f32, DType::f32, DType::f32, DType::s32});
}

Block pick_block(Rng& rng, DType type) {
  const auto what = rng.uniform();
  const bool codes = type != DType::f32;
  const std::vector<NamedBlock>& list = what < (codes ? 0.4 : 0)      ? dot_blocks()
                                        : what < (codes ? 0.75 : 0.8) ? float_blocks()
                                                                      : movement_blocks();
  double sum = 0;
  for (const NamedBlock& block : list) sum += block.weight;
  double at = rng.uniform() * sum;
  for (const NamedBlock& block : list) {
    at -= block.weight;
    if (at < 0) return block.draw;
  }
  return list.back().draw;
}

int add_input(GraphBuilder& b, const Shape& shape) {
  const DType type = draw_input_type(b.rng);
  const int x = b.input(type, shape);
  // A network's float input is quantized first; an accumulator of a neighbour region is requantized or cast.
  return type == DType::f32 && b.rng.chance(0.8) ? b.quantize(x) : x;
}

// The oracle runs the graph at these shapes.
bool allowed(const GraphDesc& graph, const std::vector<Shape>& shapes, uint64_t seed, int64_t size) {
  const Result<std::vector<HostArray>> values = interpret_all(graph, draw_arrays(graph, shapes, seed));
  if (!values.ok()) return false;
  int64_t elements = 0;
  for (const HostArray& value : *values) elements += value.count();
  return elements < size * 100'000;
}

// Other extents for the batch and for spatial axes; equal ones stay equal, channels stay.
std::vector<Shape> other_shapes(const std::vector<Shape>& first, Rng& rng, int64_t size) {
  std::map<int64_t, int64_t> extents;
  const int64_t batch = rng.chance(0.05) ? 0 : rng.range(1, 3);
  const bool batch_alone = rng.chance(0.3);
  std::vector<Shape> out = first;
  for (Shape& shape : out) {
    for (size_t i = 0; i < shape.size(); ++i) {
      if (i == 0 && shape.size() > 1) shape[i] = batch;
      const bool tokens = shape.size() == 3 && i == 1;
      if (batch_alone || (i < 2 && !tokens)) continue;
      if (shape.size() == 3 && (i == 1) == (rng.next() % 2 == 0)) continue;
      const auto [it, added] = extents.emplace(shape[i], rng.range(1, size == 1 ? 14 : 50));
      shape[i] = it->second;
    }
  }
  return out;
}

}  // namespace

RandomGraph draw_graph(uint64_t seed, int blocks) {
  const int64_t size = mix(~seed) % 32 == 0 ? 16 : 1;
  GraphBuilder b(mix(seed), size);
  const Shape shape = draw_input_shape(b.rng, size);
  std::vector<int> live{add_input(b, shape)};
  const int64_t wanted = b.rng.range(1, blocks);
  for (int64_t block = 0, tries = 0; block < wanted && tries < kTriesPerBlock * wanted; ++tries) {
    if (b.rng.chance(0.06)) live.push_back(add_input(b, b.rng.chance(0.7) ? shape : draw_input_shape(b.rng, size)));
    if (b.rng.chance(0.02)) live.push_back(b.input(DType::f32, {}));  // a scale known at run time
    const bool newest = b.rng.chance(0.75);
    const int x = live[newest ? live.size() - 1 : static_cast<size_t>(b.rng.below(std::ssize(live)))];
    const int y = pick_block(b.rng, b.type(x))(b, x, live);
    if (y == kNone || b.array(y).count() == 0) continue;
    live.push_back(y);
    ++block;
  }
  if (b.graph().nodes.empty()) (void)b.add(NodeKind::identity, {live[0]});
  RandomGraph out;
  out.seed = seed;
  std::vector<Shape> by_value;
  for (size_t v = 0; v < b.graph().values.size(); ++v) by_value.push_back(b.shape(static_cast<int>(v)));
  Rng rng(mix(b.rng.next()));
  out.graph = b.finish("random-" + std::to_string(seed));
  out.shapes.emplace_back();
  for (int v : out.graph.inputs) out.shapes[0].push_back(by_value[static_cast<size_t>(v)]);
  out.graph = compact(out.graph);
  for (int tries = 0; tries < 4 && out.shapes.size() < 2; ++tries) {
    std::vector<Shape> other = other_shapes(out.shapes[0], rng, size);
    if (other != out.shapes[0] && allowed(out.graph, other, seed, size)) out.shapes.push_back(std::move(other));
  }
  return out;
}

GraphDesc compact(const GraphDesc& graph) {
  std::vector<bool> used(graph.values.size(), false);
  const auto use = [&](const std::vector<int>& values) {
    for (int v : values) used[static_cast<size_t>(v)] = true;
  };
  use(graph.inputs);
  use(graph.outputs);
  for (const NodeDesc& node : graph.nodes) {
    use(node.inputs);
    use({node.output});
  }
  GraphDesc out = graph;
  out.values.clear();
  std::vector<int> to(graph.values.size(), -1);
  for (size_t v = 0; v < used.size(); ++v) {
    if (!used[v]) continue;
    to[v] = static_cast<int>(out.values.size());
    out.values.push_back(graph.values[v]);
  }
  const auto rename = [&](std::vector<int>& values) {
    for (int& v : values) v = to[static_cast<size_t>(v)];
  };
  rename(out.inputs);
  rename(out.outputs);
  for (NodeDesc& node : out.nodes) {
    rename(node.inputs);
    node.output = to[static_cast<size_t>(node.output)];
  }
  return out;
}

std::vector<HostArray> draw_arrays(const GraphDesc& graph, const std::vector<Shape>& shapes, uint64_t seed) {
  std::vector<HostArray> out;
  for (size_t i = 0; i < shapes.size(); ++i) {
    Rng rng(mix(seed ^ mix(i + 1)));
    out.push_back(draw_array(graph.values[static_cast<size_t>(graph.inputs[i])], shapes[i], rng));
  }
  return out;
}

}  // namespace octile::testing
