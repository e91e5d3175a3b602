// Region: a run of neighbouring quantized ops that stays integer and NHWC inside.
// In:  RegionDesc (ops and values as the host wrote them: NCHW or row-major, signed or not), KernelLibrary.
// Out: Region::run(host tensors) for any input shape; explain().
// Not here: host types, graph surgery (plugin/partition makes the RegionDesc).
// A plan per set of input shapes lives in a bounded cache; run() is thread-safe; nothing throws out of run().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/exec/parallel.h"
#include "runtime/exec/prepared_op.h"

namespace octile::runtime {

// One tensor of the region. Shapes are known only at run time.
struct ValueDesc {
  std::string name;
  DType type = DType::u8;
  float scale = 1.0F;  // quantized types
  int32_t zp = 0;
};

// conv2d takes NCHW (or NCW) values, dense [..., m, k]; quantize/dequantize/requantize keep the shape.
struct NodeDesc {
  std::string name;  // the host's node name, for explain
  OpSpec spec;       // kind, kernel, strides, dilations, pads, g, ic, oc / k, n, types; spatial extents unset
  OpQuant quant;
  int spatial_rank = 2;             // conv: 1 for NCW hosts, 2 for NCHW
  std::string auto_pad = "NOTSET";  // NOTSET, VALID, SAME_UPPER, SAME_LOWER: pads computed per shape
  std::vector<int> inputs;          // value indices: activation first, then the variable weights of a dense
  int output = -1;                  // value index
  std::vector<uint8_t> wei;         // constant weights, OIHW or [k, n]; empty when variable
};

struct RegionDesc {
  std::string name;
  std::vector<ValueDesc> values;
  std::vector<NodeDesc> nodes;       // topological order
  std::vector<int> inputs, outputs;  // value indices, in the host's order
};

struct HostTensor {
  void* data = nullptr;
  std::vector<int64_t> shape;
};

// Which kernel each node got for the shapes last planned.
struct NodeDecision {
  std::string node;
  std::string op;  // the shaped op key, with name and count
  std::vector<Decision> kernels;
};

// Asked for the storage of output `index` once its shape is known; returns null on failure.
struct OutputAllocator {
  void* context = nullptr;
  void* (*allocate)(void* context, size_t index, const std::vector<int64_t>& shape) = nullptr;
};

class Region {
 public:
  virtual ~Region() = default;
  [[nodiscard]] static Result<std::unique_ptr<Region>> create(std::shared_ptr<const KernelLibrary> library, Isa best,
                                                              RegionDesc desc, int threads);
  [[nodiscard]] virtual Status run(const std::vector<HostTensor>& inputs, const OutputAllocator& outputs,
                                   const Parallel& parallel) const = 0;
  // Plans for these input shapes (or finds the plan) and says what it chose. No data needed.
  [[nodiscard]] virtual Result<std::vector<NodeDecision>> explain(
      const std::vector<std::vector<int64_t>>& shapes) const = 0;
};

}  // namespace octile::runtime
