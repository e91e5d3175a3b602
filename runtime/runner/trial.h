// Trial: one op with one set of kernels, ready to be judged and timed.
// In:  library, OpSpec, drawn tensors.  Out: a verdict against the oracle; runs.
// Not here: the protocol (main.cpp), clocks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/exec/aligned.h"
#include "runtime/exec/prepared_op.h"

namespace octile::runtime {

struct RunRequest {
  OpSpec op;
  Isa isa = Isa::portable;
  uint64_t seed = 0;
  int rounds = 27;
  double sample_us = 2000;
};
// "seed=7 rounds=27 sample_us=2000 target=avx512vnni op=<op line>"; op comes last.
[[nodiscard]] Result<RunRequest> parse_run(const std::string& text);

struct TrialData {
  OpQuant quant;
  std::vector<uint8_t> src, wei;  // reference layouts
  std::vector<uint8_t> want;      // the oracle's answer
  Status status;
};
// Tensors of the op; weights small enough for acc16 kernels of `group` (0: any).
[[nodiscard]] TrialData draw(const OpSpec& op, uint64_t seed, int group);

class Trial {
 public:
  Trial(const KernelLibrary& library, Isa best, const OpSpec& op, const TrialData& data);
  // "ok", or "wrong ...", "unused ...", "failed ...". `expected`: kernels of which at least one must have been chosen.
  [[nodiscard]] std::string judge(const std::vector<packs::KernelEntry>& expected);
  [[nodiscard]] Status run() const;
  [[nodiscard]] const std::vector<Decision>& decisions() const { return decisions_; }

 private:
  [[nodiscard]] Status prepare(const KernelLibrary& library, Isa best);

  OpSpec op_;
  const TrialData* data_;
  Status status_;
  std::unique_ptr<PreparedOp> prepared_;
  std::shared_ptr<const Choice> choice_;
  std::vector<Decision> decisions_;
  AlignedBytes src_bytes_, dst_bytes_, scratch_;
  Tensor src_, dst_;
};

}  // namespace octile::runtime
