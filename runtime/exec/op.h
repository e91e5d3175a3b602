// Op: the one PreparedOp, split over prepare.cpp (packing), choose.cpp (kernels, tasks) and run.cpp (calls).
// In:  see prepared_op.h.  Out: the same.
// Not here: anything a user of the runtime sees.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/exec/aligned.h"
#include "runtime/exec/choice.h"
#include "runtime/exec/job.h"
#include "runtime/exec/pack_weights.h"
#include "runtime/exec/prepared_op.h"
#include "runtime/exec/tails.h"

namespace octile::runtime {

// Depthwise ops whose pixels may be taken together, two or four as one of at least kLeastJoined channels.
[[nodiscard]] inline bool joinable(const OpSpec& spec) {
  return spec.depthwise() && (spec.oc == 8 || spec.oc == 16) && spec.sw == 1;
}
inline constexpr int64_t kLeastJoined = 32;

class Op final : public PreparedOp {
 public:
  Op(const KernelLibrary& library, Isa best, OpSpec spec, OpQuant quant);
  [[nodiscard]] Status pack(const void* wei);
  void load(packs::FieldReader& from, const std::shared_ptr<const void>& owner);  // instead of pack()
  [[nodiscard]] bool save(packs::FieldWriter& out) const override;

  [[nodiscard]] Result<std::shared_ptr<const Choice>> choose(const OpSpec& shaped, int threads, bool contiguous,
                                                             bool pitched) const override;
  [[nodiscard]] std::vector<Decision> explain(const Choice& choice) const override;
  [[nodiscard]] size_t scratch_bytes(const Choice& choice) const override { return choice.scratch; }
  [[nodiscard]] Status run(const Choice& choice, const Tensor& src, const Tensor& dst, void* scratch,
                           const Parallel& parallel, const void* wei_var, int64_t wei_stride,
                           std::span<const Tail> tails) const override;
  [[nodiscard]] size_t tasks(const Choice& choice) const override;
  void run_task(Job& job, size_t index) const override;
  [[nodiscard]] Patch patch(const Choice& choice, size_t index) const override;
  [[nodiscard]] size_t packed_bytes() const override { return packed_.size(); }

 private:
  struct Frame;  // the buffers of one task

  [[nodiscard]] std::string_view family() const { return depthwise_ ? "depthwise" : zeros_ ? "dotz" : "dot"; }
  [[nodiscard]] Ask ask(std::string_view key, int64_t x, int64_t y) const;
  [[nodiscard]] int64_t panels_per_group() const;

  void choose_layouts();
  void lay_panels(std::span<const PanelModes> modes);
  [[nodiscard]] Status pack_dot(const WeightView& wei);
  [[nodiscard]] Status pack_depthwise_op(const WeightView& wei);
  [[nodiscard]] PanelModes exact_modes() const;
  [[nodiscard]] std::vector<PanelModes> modes_of(int64_t group, const WeightView& wei) const;
  [[nodiscard]] std::vector<Layout> settle(std::span<const PanelModes> modes) const;
  [[nodiscard]] size_t table_bytes() const { return static_cast<size_t>(table_length_) * 3 * sizeof(int32_t); }
  void set_tables(int64_t index, int64_t channel, uint32_t column);

  [[nodiscard]] bool cover(Choice& choice, const Ask& question, int64_t shares) const;
  [[nodiscard]] int64_t shrink(const Choice& choice, Ask& question) const;
  [[nodiscard]] bool add_group(Choice& choice, int64_t group, const Ask& question, int64_t shares) const;
  [[nodiscard]] bool add_depthwise(Choice& choice, const Ask& question) const;
  [[nodiscard]] bool add_rows(Choice& choice, const Ask& question) const;
  void cut(Choice& choice, int threads) const;
  void lay_scratch(Choice& choice, int threads) const;

  [[nodiscard]] Status check(const Choice& choice, const Tensor& src, const Tensor& dst) const override;
  void bind(Job& job) const override;
  void widen(Job& job, const Parallel& parallel) const;
  void sum_rows(const Job& job, size_t cut, const Crop& crop, uint32_t* sums) const;
  void pack_variable(Job& job, const void* wei_var, int64_t wei_stride, int64_t matrix, const Parallel& parallel) const;
  [[nodiscard]] static Crop crop_of(const Choice& choice, int64_t batches, size_t index, size_t& cut);
  void run_crop(Job& job, size_t cut, const Crop& crop, const Tensor& dst, uint32_t* sums) const;
  void add_rests(const Job& job, const Part& part, const Crop& crop, const Tensor& dst) const;
  [[nodiscard]] int call_dot(const Job& job, Frame& frame, const Part& part) const;
  [[nodiscard]] int call_depthwise(const Job& job, Frame& frame, const Part& part) const;

  Isa best_;
  bool whole_vectors_;
  const Ops* ops_;
  OpSpec spec_;
  OpQuant quant_;
  DotGeometry geometry_;
  std::shared_ptr<const std::vector<Kernel>> kernels_;
  std::span<const Kernel> table_;  // all of them: the families this op may use
  WeightRule rule_;
  bool depthwise_ = false, zeros_ = false;
  bool fits_ = false;  // weights less their zero points are within s8
  int lanes_ = 16;
  std::vector<uint8_t> acc16_;      // dot: acc16 groups each panel could take, all groups
  std::vector<Layout> layouts_;     // dot: of each panel, all groups
  std::vector<unsigned> groups_;    // dot: acc16 groups each panel is safe for, bit 0 always set
  std::vector<int64_t> offsets_;    // dot: of each panel in packed_
  std::vector<Layout> dw_layouts_;  // depthwise: those packed
  std::vector<int64_t> dw_offsets_;
  std::vector<DepthwiseRest> rests_;  // depthwise: what panels of bytes leave out
  int64_t panels_bytes_ = 0;          // dot: of all panels
  AlignedBytes packed_;
  AlignedBytes tables_;  // bias, mult, wzp: table_length_ entries each
  int64_t table_length_ = 0;
  float lo_ = 0, hi_ = 255;
  int32_t src_zp_ = 0, dst_zp_ = 0;  // as stored: of the u8 tensors
};

}  // namespace octile::runtime
