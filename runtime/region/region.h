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
#include "workload/graph/graph.h"

namespace octile::runtime {

using RegionDesc = GraphDesc;

struct HostTensor {
  void* data = nullptr;
  std::vector<int64_t> shape;
};

// Which kernel each node got for the shapes last planned.
struct NodeDecision {
  std::string node;
  std::string op;  // the shaped op key, with name and count
  std::vector<Decision> kernels;
  // What it costs between the region's inputs and outputs that codes in one order would not: tensors that it stores as
  // floats, and copies that only bring elements into another order.
  int stored_floats = 0, layout_changes = 0;
};

// What one step of a plan cost, over all its runs. Bytes are those it must read and write, weights too.
struct StepTime {
  std::vector<std::string> nodes;  // it computes; the first names it. None: a change of layout at the border
  std::string kind, op;            // the pass, and the first node's op at these shapes
  std::string form;                // how a function of two codes is computed, and what a product's tails are
  int64_t calls = 0, macs = 0, bytes = 0;
  double us = 0, best_us = 0;  // the sum, the fastest
};

// Asked for the storage of output `index` once its shape is known; returns null on failure.
struct OutputAllocator {
  void* context = nullptr;
  void* (*allocate)(void* context, size_t index, const std::vector<int64_t>& shape) = nullptr;
};

class ArenaPool;
class WeightsCache;

class Region {
 public:
  virtual ~Region() = default;
  // `pool`: where tensors between nodes live; null: the process's own. `files`: where packed weights may come from and
  // go to; null: they are packed anew. `packing`: the threads that pack, a node each; they need not be those of runs.
  [[nodiscard]] static Result<std::unique_ptr<Region>> create(std::shared_ptr<const KernelLibrary> library, Isa best,
                                                              RegionDesc desc, int threads,
                                                              std::shared_ptr<ArenaPool> pool = nullptr,
                                                              WeightsCache* files = nullptr,
                                                              const Parallel& packing = {});
  [[nodiscard]] virtual Status run(const std::vector<HostTensor>& inputs, const OutputAllocator& outputs,
                                   const Parallel& parallel) const = 0;
  // Plans for these input shapes (or finds the plan) and says what it chose. No data needed.
  [[nodiscard]] virtual Result<std::vector<NodeDecision>> explain(
      const std::vector<std::vector<int64_t>>& shapes) const = 0;
  // From here on every run reads the clock at every step. To be called before the first run.
  virtual void start_clock() = 0;
  // The steps of all plans that ran since; empty where no clock was started.
  [[nodiscard]] virtual std::vector<StepTime> times() const = 0;
};

}  // namespace octile::runtime
