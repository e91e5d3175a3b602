// GraphBuilder: a graph built node by node, every value computed by the oracle at once, so that scales fit the data.
// In:  nodes.  Out: GraphDesc that the oracle accepts.
// Not here: which nodes to draw (random_graph.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/rng.h"
#include "workload/graph/infer.h"
#include "workload/graph/interpreter.h"

namespace octile::testing {

// Every value is named by its index in graph().values; kNone is a node the oracle refused, and nothing was added.
inline constexpr int kNone = -1;

struct QuantParams {
  DType type = DType::u8;
  float scale = 1.0F;
  int32_t zp = 0;
};

class GraphBuilder {
 public:
  // `size` multiplies how many elements and multiply-adds a node may have.
  GraphBuilder(uint64_t seed, int64_t size);

  int input(DType type, const Shape& shape);
  int constant(const Shape& shape, const std::vector<float>& values);
  int indices(const Shape& shape, const std::vector<int32_t>& values);
  // Appends the node; its output gets the type and parameters given.
  int add(NodeDesc node, std::vector<int> inputs, const QuantParams& out);
  // A float node or a movement: its output is like its first input.
  int add(NodeKind kind, std::vector<int> inputs, std::vector<int64_t> ints = {}, std::vector<float> floats = {});
  int quantize(int value, const QuantParams& to);
  int quantize(int value) { return quantize(value, params_for(range_of(value))); }
  int dequantize(int value);
  // The value as floats: itself, or dequantized.
  int floats(int value) { return quantized(value) ? dequantize(value) : value; }

  // Parameters for a range of real numbers; sometimes too narrow or too wide, sometimes odd.
  struct Range {
    float lo = 0, hi = 0;
  };
  [[nodiscard]] QuantParams params_for(Range range);
  [[nodiscard]] Range range_of(int value) const;  // of the finite elements, 0 included

  [[nodiscard]] const GraphDesc& graph() const { return graph_; }
  [[nodiscard]] const HostArray& array(int value) const { return arrays_[static_cast<size_t>(value)]; }
  [[nodiscard]] const Shape& shape(int value) const { return array(value).dims; }
  [[nodiscard]] const ValueDesc& desc(int value) const { return graph_.values[static_cast<size_t>(value)]; }
  [[nodiscard]] DType type(int value) const { return desc(value).type; }
  [[nodiscard]] bool quantized(int value) const { return size_of(type(value)) == 1; }
  [[nodiscard]] int readers(int value) const { return readers_[static_cast<size_t>(value)]; }
  // The accumulators a spec node would have: itself with an s32 destination, nothing added.
  [[nodiscard]] Result<HostArray> accumulators(NodeDesc node, const std::vector<int>& inputs) const;

  // Values that nothing reads become outputs, and some that are read; inputs that nothing reads are none.
  GraphDesc finish(const std::string& name);

  Rng rng;

 private:
  int value(DType type, float scale, int32_t zp, HostArray array);
  [[nodiscard]] bool too_large(const NodeDesc& node, const Shape& src, const Shape& out) const;
  int64_t size_;
  GraphDesc graph_;
  std::vector<HostArray> arrays_;
  std::vector<int> readers_;
  bool prefers_signed_, powers_of_two_;
};

// What draw_arrays() draws for one input.
[[nodiscard]] HostArray draw_array(const ValueDesc& value, const Shape& shape, Rng& rng);

}  // namespace octile::testing
