// What runs one region: the callbacks the host calls per fused node.
// In:  a region's plan, where its tensors stand among the fused node's.  Out: an OrtNodeComputeInfo the host may call
//      from several threads at once; it keeps no state of a run.
// Not here: making plans (ep_compile.cpp).
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "plugin/onnxruntime/logging.h"
#include "plugin/onnxruntime/ort_abi.h"
#include "plugin/onnxruntime/reports.h"
#include "runtime/plan_file/plan_file.h"
#include "runtime/region/region.h"
#include "runtime/region/weights_cache.h"

namespace octile::ort {

// What a region is created of.
struct RegionParts {
  std::shared_ptr<const runtime::KernelLibrary> library;
  Isa best = Isa::portable;
  runtime::PlanFile plan;
  std::shared_ptr<const void> weights;           // what owns those of the plan's nodes
  std::shared_ptr<runtime::WeightsCache> files;  // null: none
};

class RegionCompute : public OrtNodeComputeInfo {
 public:
  // `inputs`, `outputs`: per tensor of the region, its position on the fused node. The plan has been checked.
  RegionCompute(const Host& host, const Log& log, RegionParts parts, std::vector<size_t> inputs,
                std::vector<size_t> outputs, int threads, std::shared_ptr<Reports> reports);
  ~RegionCompute();  // hands the times of its steps to the reports that want them
  RegionCompute(const RegionCompute&) = delete;
  RegionCompute& operator=(const RegionCompute&) = delete;
  // Creates the region, once: when the host makes the state of its kernel, after it has dropped its own weights, or
  // before, while they are there.
  [[nodiscard]] Status start();

 private:
  // Tells the reports about these input shapes, unless they were met before.
  void report(const std::vector<std::vector<int64_t>>& shapes) const;
  [[nodiscard]] Status run(OrtKernelContext* context) const;
  [[nodiscard]] Status read_input(OrtKernelContext* context, size_t position, runtime::HostTensor& tensor) const;

  Host host_;
  Log log_;
  RegionParts parts_;  // empty once the region is there
  std::unique_ptr<runtime::Region> region_;
  std::vector<size_t> inputs_, outputs_;
  int threads_;
  std::shared_ptr<Reports> reports_;
  mutable std::mutex mutex_;
  mutable std::set<std::vector<std::vector<int64_t>>> met_;
};

}  // namespace octile::ort
