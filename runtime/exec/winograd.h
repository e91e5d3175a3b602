// Winograd: 3x3 convolutions of stride 1 with a quarter (tiles of 4x4 outputs) or 4/9 (2x2) of the multiplies, exactly.
// In:  see prepared_op.h.  Out: the same bytes as the direct kernels.
// Not here: the transforms of codes and sums (ops/kernels_winograd.inc), the products (kernels of the pack).
//
// Everything is an integer: the filters' matrix is scaled until it is whole, the sums' matrix likewise, and what comes
// out is 576 (or 4) times the answer, modulo 2^32. That leaves 2^25 (2^29) for the answer's magnitude, which is proven
// from the weights of each channel when they are packed: codes are 0..255.
#pragma once

#include <memory>
#include <vector>

#include "runtime/exec/aligned.h"
#include "runtime/exec/choice.h"
#include "runtime/exec/prepared_op.h"

namespace octile::runtime {

class Winograd final : public PreparedOp {
 public:
  // The side of the output tiles to run this op with, 0 where direct kernels are as good or fit better.
  [[nodiscard]] static int tile_for(std::span<const Kernel> kernels, Isa best, const OpSpec& spec);
  // tile: 4 or 2; 4 becomes 2 where sums may be too large. Null where they are too large for 2 as well.
  [[nodiscard]] static Result<std::unique_ptr<PreparedOp>> make(const KernelLibrary& library, Isa best,
                                                                const OpSpec& spec, const OpQuant& quant,
                                                                const void* wei, int tile);

  [[nodiscard]] Result<std::shared_ptr<const Choice>> choose(const OpSpec& shaped, int threads, bool contiguous,
                                                             bool pitched) const override;
  [[nodiscard]] std::vector<Decision> explain(const Choice& choice) const override;
  [[nodiscard]] size_t scratch_bytes(const Choice& choice) const override { return choice.scratch; }
  [[nodiscard]] Status run(const Choice& choice, const Tensor& src, const Tensor& dst, void* scratch,
                           const Parallel& parallel, const void* wei_var, int64_t wei_stride,
                           std::span<const Tail> tails) const override;
  [[nodiscard]] size_t packed_bytes() const override { return packed_.size(); }

 private:
  static constexpr int64_t kLanes = 8;  // output channels of a panel
  struct Plan;                          // the Choice
  struct Job;                           // one run(), what tasks see
  struct Block;                         // the tiles of one task and their scratch

  Winograd(const KernelLibrary& library, Isa best, const OpSpec& spec, const OpQuant& quant, int tile);
  [[nodiscard]] bool pack(const OpQuant& quant, const void* wei);
  [[nodiscard]] int64_t side() const { return tile_ + 2; }
  [[nodiscard]] int64_t positions() const { return side() * side(); }
  [[nodiscard]] int64_t panels() const;
  [[nodiscard]] int64_t panel_words() const { return depth_ * kLanes; }  // int16 elements of one panel of one position

  void run_task(Job& job, size_t index) const;
  void read(const Job& job, const Block& block) const;
  [[nodiscard]] int multiply(const Plan& plan, const Block& block, size_t chunk) const;
  void write(const Job& job, const Block& block, size_t chunk) const;

  Isa best_;
  const Ops* ops_;
  OpSpec spec_;
  int tile_;
  int64_t depth_;              // input channels, a multiple of 16
  std::vector<Kernel> table_;  // the dot kernels that may do the products
  AlignedBytes packed_;        // positions of panels, k2n8w
  AlignedBytes tables_;        // bias', mult, zeros: table_length_ entries each
  int64_t table_length_ = 0;
  float lo_ = 0, hi_ = 255;
  int32_t src_zp_ = 0, dst_zp_ = 0;  // as stored: of the u8 tensors
};

}  // namespace octile::runtime
