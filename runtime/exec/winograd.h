// Winograd: 3x3 convolutions of stride 1 with a quarter (tiles of 4x4 outputs) or 4/9 (2x2) of the multiplies, exactly.
// In:  see prepared_op.h.  Out: the same bytes as the direct kernels.
// Not here: the transforms (ops/kernels_winograd.inc), the products (kernels of the pack).
//
// Filters are kept as they are, a byte for each weight, and transformed again by every task, some channels at a time:
// that takes less time than reading eight times as many bytes from beyond the caches.
// Everything is an integer: the filters' matrix is scaled until it is whole, the sums' matrix likewise, and what comes
// out is 576 (or 4) times the answer, modulo 2^32. That leaves 2^25 (2^29) for the answer's magnitude, which is proven
// from the weights of each channel when they are packed: codes are 0..255.
#pragma once

#include <memory>
#include <vector>

#include "runtime/exec/slotted_op.h"

namespace octile::runtime {

class Winograd final : public SlottedOp {
 public:
  static constexpr std::string_view kKind = "winograd";

  // Whether this may be how an op runs on a CPU with CpuInfo::whole_vectors or without; its weights have the last word.
  [[nodiscard]] static bool may_run(std::span<const Kernel> kernels, Isa best, bool whole_vectors, const OpSpec& spec);
  // tile: the side of output tiles, 4 or 2; 4 becomes 2 where sums may be too large. Null where direct kernels are as
  // good then.
  [[nodiscard]] static Result<std::unique_ptr<PreparedOp>> make(const KernelLibrary& library, Isa best,
                                                                const OpSpec& spec, const OpQuant& quant,
                                                                const void* wei, int tile = 4);

  [[nodiscard]] static std::unique_ptr<PreparedOp> load(const KernelLibrary& library, Isa best, const OpSpec& spec,
                                                        const OpQuant& quant, packs::FieldReader& from,
                                                        const std::shared_ptr<const void>& owner);
  [[nodiscard]] bool save(packs::FieldWriter& out) const override;
  [[nodiscard]] Result<std::shared_ptr<const Choice>> choose(const OpSpec& shaped, int threads, bool contiguous,
                                                             bool pitched) const override;
  [[nodiscard]] Patch patch(const Choice& choice, size_t index) const override;
  [[nodiscard]] size_t packed_bytes() const override { return packed_.size(); }

 private:
  struct Plan;  // the Choice
  struct Task;
  struct Block;  // the tiles of one task and their scratch

  // Whose int16 products it runs on: AVX-512's by words of 16 channels where a pack has them.
  [[nodiscard]] static Isa products_isa(std::span<const Kernel> kernels, Isa best);
  Winograd(const KernelLibrary& library, Isa best, Isa isa, const OpSpec& spec, const OpQuant& quant, int tile);
  template <class T>  // of weights
  [[nodiscard]] int64_t pack(const OpQuant& quant, const void* wei);
  [[nodiscard]] int64_t side() const { return tile_ + 2; }
  [[nodiscard]] int64_t positions() const { return side() * side(); }
  [[nodiscard]] int64_t channels() const { return (spec_.oc + lanes_ - 1) / lanes_ * lanes_; }  // of whole panels
  [[nodiscard]] int64_t raw_bytes() const { return 9 * depth_ * channels(); }

  [[nodiscard]] static Task task_at(const Plan& plan, int64_t index);
  [[nodiscard]] std::string reason() const override;
  [[nodiscard]] int run_in(const Job& job, int64_t index, uint8_t* slot) const override;
  void read(const Job& job, const Block& block) const;
  void transform(const Plan& plan, const Block& block, int64_t chunk) const;
  [[nodiscard]] int multiply(const Plan& plan, const Block& block, size_t chunk) const;
  void write(const Job& job, const Block& block, size_t chunk) const;

  Isa isa_;  // of the products
  bool whole_vectors_;
  int tile_;
  int64_t depth_;  // input channels, a multiple of 16
  // packed_: for each panel and pair of input channels nine taps of signed bytes, the pairs of all output channels side
  // by side as in k2n8w or k2n16w. zeros_: what is to be subtracted, as often.
  std::vector<int16_t> zeros_;
};

}  // namespace octile::runtime
