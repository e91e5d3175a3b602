// What runs one region: the callbacks the host calls per fused node.
// In:  a Region and where its tensors stand among the fused node's.  Out: an OrtNodeComputeInfo the host may call from
//      several threads at once; it keeps no state of a run.
// Not here: building regions (ep.cpp).
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "plugin/onnxruntime/logging.h"
#include "plugin/onnxruntime/ort_abi.h"
#include "plugin/onnxruntime/reports.h"
#include "runtime/region/region.h"

namespace octile::ort {

class RegionCompute : public OrtNodeComputeInfo {
 public:
  // `inputs`, `outputs`: per tensor of the region, its position on the fused node.
  RegionCompute(const Host& host, const Log& log, std::unique_ptr<runtime::Region> region, std::vector<size_t> inputs,
                std::vector<size_t> outputs, int threads, std::shared_ptr<Reports> reports);
  ~RegionCompute();  // hands the times of its steps to the reports that want them
  RegionCompute(const RegionCompute&) = delete;
  RegionCompute& operator=(const RegionCompute&) = delete;

  // Plans for these input shapes before the first run meets them.
  [[nodiscard]] Status prepare(const std::vector<std::vector<int64_t>>& shapes) const;
  // Tells the reports about these input shapes, unless they were met before.
  void report(const std::vector<std::vector<int64_t>>& shapes) const;

 private:
  [[nodiscard]] Status run(OrtKernelContext* context) const;
  [[nodiscard]] Status read_input(OrtKernelContext* context, size_t position, runtime::HostTensor& tensor) const;

  Host host_;
  Log log_;
  std::unique_ptr<runtime::Region> region_;
  std::vector<size_t> inputs_, outputs_;
  int threads_;
  std::shared_ptr<Reports> reports_;
  mutable std::mutex mutex_;
  mutable std::set<std::vector<std::vector<int64_t>>> met_;
};

}  // namespace octile::ort
