// Plans, tasks and tables of ops with slots; see slotted_op.h.
// In:  shapes, tensors, scratch, the host's threads.  Out: tasks run.  run() allocates nothing.
// Not here: what a task does.
#include "runtime/exec/slotted_op.h"

#include <algorithm>

#include "runtime/exec/pack_weights.h"

namespace octile::runtime {
namespace {

constexpr size_t kSlotStep = 1024 * 1024;  // slots of different ops begin at the same place, in the same thread's cache
constexpr int64_t kOverRead = 15;          // entries of the tables after the last channel that may be read

}  // namespace

SlottedOp::SlottedOp(const KernelLibrary& library, Isa best, const OpSpec& spec, const OpQuant& quant,
                     std::string_view layout, int64_t lanes)
    : best_(best),
      ops_(&ops_for(best)),
      spec_(spec),
      lanes_(lanes),
      kernels_(library.kernels_of({"dot"}, {}, layout)),
      table_(*kernels_),
      table_length_(ceil_div(spec.channels() + kOverRead, 16) * 16),
      lo_(static_cast<float>(quant.clamp_lo - quant.dst_zp)),
      hi_(static_cast<float>(quant.clamp_hi - quant.dst_zp)),
      src_zp_(stored_zp(quant.src_zp, spec.src)),
      dst_zp_(stored_zp(quant.dst_zp, spec.dst)) {
  tables_ = AlignedBytes(static_cast<size_t>(table_length_) * 3 * sizeof(int32_t));
}

Ask SlottedOp::dot_ask(Isa best, DType dst) {
  Ask ask;
  ask.family = "dot";
  ask.dst = dst_name(dst);
  ask.best = best;
  return ask;
}

void SlottedOp::set_tables(const OpQuant& quant, int64_t channel, uint32_t column, int64_t reduction) {
  const auto at = static_cast<size_t>(channel);
  const float scale = quant.wei_scale.size() == 1 ? quant.wei_scale[0] : quant.wei_scale[at];
  tables_.as<int32_t>()[channel] = folded_bias(quant.bias.empty() ? 0 : quant.bias[at], src_zp_, column, reduction, 0);
  tables_.as<float>()[table_length_ + channel] = multiplier(quant.src_scale, scale, quant.dst_scale);
}

bool SlottedOp::add_parts(Plan& plan, const Ask& ask, const PanelModes& mode, int64_t channel, int64_t offset,
                          int64_t panel_bytes, Covers& known) const {
  const auto [cover, fresh] = known.try_emplace(ask.channels);
  if (fresh) {
    const std::vector<PanelModes> modes(static_cast<size_t>(ceil_div(ask.channels, lanes_)), mode);
    cover->second = cover_panels(table_, ask, static_cast<int>(lanes_), modes);
  }
  if (plan.cuts.empty()) plan.cuts.push_back(0);
  for (const Span& s : cover->second) {
    Part part;
    part.kernel = s.kernel;
    part.panels = s.panels;
    part.channels = s.channels;
    part.channel = part.table = channel + s.first * lanes_;
    part.wei_offset = offset + s.first * panel_bytes;
    plan.parts.push_back(part);
  }
  plan.cuts.push_back(plan.parts.size());
  return !cover->second.empty();
}

void SlottedOp::lay_slots(Plan& plan, int threads) {
  plan.slots = Slots::useful(threads, plan.count);
  if (plan.slots > 1) plan.slot = (plan.slot + kSlotStep - 1) / kSlotStep * kSlotStep;
  plan.scratch = plan.slot * static_cast<size_t>(plan.slots);
}

std::vector<Decision> SlottedOp::explain(const Choice& choice) const {
  std::vector<Decision> out;
  for (const Part& p : choice.parts) add_decision(out, table_[static_cast<size_t>(p.kernel)], reason(), p.panels);
  return out;
}

size_t SlottedOp::tasks(const Choice& choice) const {
  return static_cast<size_t>(static_cast<const Plan&>(choice).count);
}

void SlottedOp::run_task(Job& job, size_t index) const {
  const auto i = static_cast<int64_t>(index);
  const int slot = job.slots->take(i, static_cast<const Plan&>(*job.choice).count);
  const int rc = run_in(job, i, job.scratch + job.slot_bytes * static_cast<size_t>(slot));
  job.slots->give(slot);
  if (rc != 0) job.rc.store(rc, std::memory_order_relaxed);
}

Status SlottedOp::run(const Choice& choice, const Tensor& src, const Tensor& dst, void* scratch,
                      const Parallel& parallel, const void* wei_var, int64_t /*wei_stride*/,
                      std::span<const Tail> tails) const {
  if (wei_var != nullptr) return {Code::invalid_argument, "weights must come with run() exactly when they vary"};
  Slots slots(static_cast<const Plan&>(choice).slots);
  Job job;
  OCTILE_RETURN_IF_ERROR(begin(choice, src, dst, scratch, tails, job));
  job.slots = &slots;
  spread(parallel, static_cast<int64_t>(tasks(choice)),
         [&](int64_t index) { run_task(job, static_cast<size_t>(index)); });
  return ended(job);
}

}  // namespace octile::runtime
