// Winograd: 3x3 convolutions of stride 1 with a quarter (tiles of 4x4 outputs) or 4/9 (2x2) of the multiplies, exactly.
// In:  see prepared_op.h.  Out: the same bytes as the direct kernels.
// Not here: the transforms of codes and sums (ops/kernels_winograd.inc), the products (kernels of the pack).
//
// Everything is an integer: the filters' matrix is scaled until it is whole, the sums' matrix likewise, and what comes
// out is 576 (or 4) times the answer, modulo 2^32. That leaves 2^25 (2^29) for the answer's magnitude, which is proven
// from the weights of each channel when they are packed: codes are 0..255.
#pragma once

#include <memory>

#include "runtime/exec/slotted_op.h"

namespace octile::runtime {

class Winograd final : public SlottedOp {
 public:
  static constexpr std::string_view kKind = "winograd";

  // The side of the output tiles to run this op with, 0 where direct kernels are as good or fit better.
  [[nodiscard]] static int tile_for(std::span<const Kernel> kernels, Isa best, const OpSpec& spec);
  // tile: 4 or 2; 4 becomes 2 where sums may be too large. Null where they are too large for 2 as well.
  [[nodiscard]] static Result<std::unique_ptr<PreparedOp>> make(const KernelLibrary& library, Isa best,
                                                                const OpSpec& spec, const OpQuant& quant,
                                                                const void* wei, int tile);

  [[nodiscard]] static std::unique_ptr<PreparedOp> load(const KernelLibrary& library, Isa best, const OpSpec& spec,
                                                        const OpQuant& quant, packs::FieldReader& from,
                                                        const std::shared_ptr<const void>& owner);
  [[nodiscard]] bool save(packs::FieldWriter& out) const override;
  [[nodiscard]] Result<std::shared_ptr<const Choice>> choose(const OpSpec& shaped, int threads, bool contiguous,
                                                             bool pitched) const override;
  [[nodiscard]] size_t packed_bytes() const override { return packed_.size(); }

 private:
  struct Plan;   // the Choice
  struct Block;  // the tiles of one task and their scratch

  Winograd(const KernelLibrary& library, Isa best, const OpSpec& spec, const OpQuant& quant, int tile);
  [[nodiscard]] bool pack(const OpQuant& quant, const void* wei);
  [[nodiscard]] int64_t side() const { return tile_ + 2; }
  [[nodiscard]] int64_t positions() const { return side() * side(); }
  [[nodiscard]] int64_t panels() const;
  [[nodiscard]] int64_t filter_bytes() const { return positions() * panels() * panel_words() * 2; }
  [[nodiscard]] int64_t panel_words() const { return depth_ * kLanes; }  // int16 elements of one panel of one position

  [[nodiscard]] std::string reason() const override;
  [[nodiscard]] int run_task(const Job& job, int64_t index, uint8_t* slot) const override;
  void read(const Job& job, const Block& block) const;
  [[nodiscard]] int multiply(const Plan& plan, const Block& block, size_t chunk) const;
  void write(const Job& job, const Block& block, size_t chunk) const;

  int tile_;
  int64_t depth_;  // input channels, a multiple of 16; packed_: positions of panels, k2n8w
};

}  // namespace octile::runtime
