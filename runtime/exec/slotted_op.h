// SlottedOp: what ops share whose tasks borrow scratch and call dot kernels for any shape.
// In:  see prepared_op.h.  Out: plans with parts and slots, run(), bias' and multipliers.
// Not here: how a task goes about it (winograd.h, paired.h).
#pragma once

#include <map>
#include <vector>

#include "runtime/exec/aligned.h"
#include "runtime/exec/choice.h"
#include "runtime/exec/job.h"
#include "runtime/exec/ops/ops.h"
#include "runtime/exec/prepared_op.h"

namespace octile::runtime {

class SlottedOp : public PreparedOp {
 public:
  [[nodiscard]] std::vector<Decision> explain(const Choice& choice) const final;
  [[nodiscard]] size_t scratch_bytes(const Choice& choice) const final { return choice.scratch; }
  [[nodiscard]] Status run(const Choice& choice, const Tensor& src, const Tensor& dst, void* scratch,
                           const Parallel& parallel, const void* wei_var, int64_t wei_stride,
                           std::span<const Tail> tails) const final;
  [[nodiscard]] size_t tasks(const Choice& choice) const final;
  void run_task(Job& job, size_t index) const final;

 protected:
  struct Plan : Choice {
    int64_t count = 1;  // tasks
  };
  // table_: the kernels of this layout, whose panels have `lanes` output channels.
  SlottedOp(const KernelLibrary& library, Isa best, const OpSpec& spec, const OpQuant& quant, std::string_view layout,
            int64_t lanes);
  [[nodiscard]] static Ask dot_ask(Isa best, DType dst);
  // bias' and multiplier of one channel; column: the sum of its weights, reduction: how many.
  void set_tables(const OpQuant& quant, int64_t channel, uint32_t column, int64_t reduction);
  // What was chosen for runs of so many channels.
  using Covers = std::map<int64_t, std::vector<Span>>;
  // One more cut: kernels over panels from `channel` on, whose weights begin at `offset`. False if there are none.
  // `known`: of runs that differ in channels alone.
  [[nodiscard]] bool add_parts(Plan& plan, const Ask& ask, const PanelModes& modes, int64_t channel, int64_t offset,
                               int64_t panel_bytes, Covers& known) const;
  static void lay_slots(Plan& plan, int threads);

  Isa best_;
  const Ops* ops_;
  OpSpec spec_;
  int64_t lanes_;
  std::shared_ptr<const std::vector<Kernel>> kernels_;  // of the library
  std::span<const Kernel> table_;
  AlignedBytes packed_;
  AlignedBytes tables_;  // bias', mult, zeros: table_length_ entries each
  int64_t table_length_;
  float lo_, hi_;
  int32_t src_zp_, dst_zp_;  // as stored: of the u8 tensors

 private:
  [[nodiscard]] virtual std::string reason() const = 0;
  [[nodiscard]] Status check(const Choice& /*choice*/, const Tensor& /*src*/, const Tensor& /*dst*/) const override {
    return {};
  }
  void bind(Job& job) const final { job.slot_bytes = job.choice->slot; }
  // Returns what kernels return.
  [[nodiscard]] virtual int run_in(const Job& job, int64_t index, uint8_t* slot) const = 0;
};

}  // namespace octile::runtime
