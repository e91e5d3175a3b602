// One op through an implementation and through the oracle, in guarded memory, bit for bit; and what was covered.
// In:  OpSpec, operands, an implementation.  Out: a verdict, histograms.
// Not here: drawing (tests/support), the runtime (main.cpp).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/support/draw.h"
#include "workload/base/status.h"

namespace octile::testing {

// Takes and makes tensors as workload/reference does.
using Implementation =
    std::function<Status(const OpSpec& spec, const OpQuant& quant, const void* src, const void* wei, void* dst)>;

// The oracle's answer.
[[nodiscard]] std::vector<uint8_t> expected(const OpSpec& spec, const Operands& operands);

// Empty when `run` gives exactly `want`, else what is wrong: an error, a byte outside, the first differing output.
[[nodiscard]] std::string difference(const OpSpec& spec, const Operands& operands, const std::vector<uint8_t>& want,
                                     const Implementation& run);

// The op of a shape file with fewer pixels or rows, at most `macs` where possible; channels and kernel stay.
[[nodiscard]] OpSpec scaled_down(OpSpec spec, int64_t macs);

// What a run covered, for people to read.
class Tally {
 public:
  void add(const OpSpec& spec, uint64_t seed, const OpQuant& quant, const std::vector<uint8_t>& want);
  void add_kernel(const std::string& target, const std::string& kernel);
  [[nodiscard]] bool covers_target(const std::string& target) const { return targets_.count(target) > 0; }
  [[nodiscard]] bool covers_kernel(const std::string& target, const std::string& kernel) const {
    return kernels_.count(target + "  " + kernel) > 0;
  }
  [[nodiscard]] double saturated_share() const;
  [[nodiscard]] std::string text() const;

 private:
  std::map<std::string, std::map<std::string, int64_t>> histograms_;
  std::map<std::string, int64_t> kernels_, targets_;
  int64_t outputs_ = 0, saturated_ = 0;
};

}  // namespace octile::testing
