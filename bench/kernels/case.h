// One op with seeded data, ready to be run over and over as a region would run it.
// In:  kernel library, op, weights' kind, seed.  Out: run(), the answer in reference layout, the oracle's answer.
// Not here: timing.  Packing and halo are made once, outside of what is timed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/exec/aligned.h"
#include "runtime/exec/prepared_op.h"

namespace octile::bench {

// gaussian: N(0, sigma) quantized per channel to +-127, as trained weights are.  small: uniform in +-31.
enum class Weights : uint8_t { gaussian, small };

class Case {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Case>> make(const runtime::KernelLibrary& library, Isa best,
                                                          const OpSpec& spec, Weights weights, uint64_t seed);
  [[nodiscard]] Status run() const;
  // Runs once and compares with workload/reference, every byte.
  [[nodiscard]] Status check() const;
  [[nodiscard]] const OpSpec& spec() const { return spec_; }
  // The kernel that covers most panels, and why.
  [[nodiscard]] std::string kernel() const;

 private:
  Case() = default;
  void draw(Weights weights, uint64_t seed);
  Status prepare(const runtime::KernelLibrary& library, Isa best);
  void fill_source();

  OpSpec spec_;
  OpQuant quant_;
  std::vector<uint8_t> src_, wei_;  // reference layouts
  runtime::AlignedBytes padded_, dst_, scratch_;
  runtime::Tensor src_tensor_, dst_tensor_;
  std::unique_ptr<runtime::PreparedOp> op_;
  std::shared_ptr<const runtime::Choice> choice_;
};

}  // namespace octile::bench
