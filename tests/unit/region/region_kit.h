// Kit: builds regions node by node, draws their data, and computes what they must answer with the oracle.
// In:  specs and seeds.  Out: RegionDesc, host tensors, expected bytes.
// Not here: assertions on single features.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "runtime/region/region.h"
#include "workload/reference/reference.h"

namespace octile::runtime::test {

using Shape = std::vector<int64_t>;

struct HostValue {
  DType type = DType::u8;
  Shape shape;
  std::vector<uint8_t> bytes;
};

// A convolution of k by k for Kit::conv.
[[nodiscard]] OpSpec filter(int64_t ic, int64_t oc, int64_t k, int64_t pad = 0, int64_t stride = 1);

class Kit {
 public:
  explicit Kit(uint32_t seed) : random_(seed) {}

  int value(DType type, float scale = 0.02F, int32_t zp = 0);
  int input(DType type, float scale = 0.02F, int32_t zp = 0);
  // `spec` needs kernel, strides, dilations, pads, groups and channels; types come from the values. Draws weights,
  // bias and scales such that few answers saturate. Returns the new value.
  int conv(int src, const OpSpec& spec, DType dst, int32_t dst_zp, int spatial_rank = 2,
           const std::string& auto_pad = "NOTSET");
  int dense(int src, int64_t k, int64_t n, DType dst, int32_t dst_zp);
  int matmul(int a, int b, int64_t k, int64_t n, DType dst, int32_t dst_zp);
  int quantize(int src, DType dst, float scale, int32_t zp);
  int dequantize(int src);
  int requantize(int src, DType dst, float scale, int32_t zp, int64_t channels = 0);
  // A node of any other kind; its output is of the type of its first input.
  int node(NodeKind kind, const std::vector<int>& inputs, std::vector<int64_t> ints, std::vector<float> floats = {});
  void output(int value) { desc.outputs.push_back(value); }

  [[nodiscard]] HostValue draw(int value, const Shape& shape);
  // All values of the region, by the oracle; layouts as the host has them.
  [[nodiscard]] std::vector<HostValue> expect(const std::vector<HostValue>& inputs) const;

  RegionDesc desc;

 private:
  int add(NodeDesc node, DType dst, float scale, int32_t zp);
  std::mt19937 random_;
};

// One run: the outputs' bytes, each followed by canaries that are checked.
struct RunResult {
  Status status;
  std::vector<HostValue> outputs;
};
[[nodiscard]] RunResult run_region(const Region& region, const RegionDesc& desc, std::vector<HostValue> inputs,
                                   const Parallel& parallel = {});
// Threads of the test's own, all started anew for each call.
[[nodiscard]] Parallel test_threads(int threads);
// Portable kernels, and those of the pack named by OCTILE_TEST_PACK where that is set.
[[nodiscard]] std::shared_ptr<const KernelLibrary> library_of(Isa best);
// With those.
[[nodiscard]] std::unique_ptr<Region> make(const RegionDesc& desc, Isa best = Isa::avx512vnni, int threads = 1);
// Draws inputs of these shapes, runs, and compares every output with the oracle.
void check(Kit& kit, const Region& region, const std::vector<Shape>& shapes, const Parallel& parallel = {});
void check(Kit& kit, const std::vector<Shape>& shapes);
// The same against the interpreter, for nodes of every kind.
void equals_interpreter(Kit& kit, const std::vector<Shape>& shapes, const Parallel& parallel = {});

}  // namespace octile::runtime::test
