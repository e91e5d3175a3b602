// StepClock: what the steps of a region's programs cost, summed over runs.
// In:  after each run, the microseconds of its steps.  Out: StepTime per step of every program met.
// Not here: reading the clock (execute.cpp).  Costs nothing where nobody asked: then there is no StepClock.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/region/program.h"

namespace octile::runtime {

class StepClock {
 public:
  void add(const std::shared_ptr<const Program>& program, const std::vector<double>& us);
  // `desc`: of the region whose programs these are.
  [[nodiscard]] std::vector<StepTime> times(const RegionDesc& desc) const;

 private:
  struct Sum {
    int64_t calls = 0;
    double us = 0, best_us = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::shared_ptr<const Program>, std::vector<Sum>> sums_;  // holds programs the cache may drop
};

}  // namespace octile::runtime
