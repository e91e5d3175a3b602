// Paired: acc16 for any weights, on AVX2: source elements reordered until neighbours cannot leave int16 together.
// In:  see prepared_op.h.  Out: the same bytes as the exact kernels.
// Not here: which elements may be neighbours (pairing.h), kernels.
//
// Channels form groups of up to 256 with an order of their own. A task copies its source once for each of its groups,
// in that order, one row of bytes for each output pixel, whatever filter, stride and pads are; then kernels for a dense
// layer run over it.
#pragma once

#include <memory>
#include <vector>

#include "runtime/exec/pack_weights.h"
#include "runtime/exec/pairing.h"
#include "runtime/exec/slotted_op.h"
#include "runtime/exec/tails.h"

namespace octile::runtime {

class Paired final : public SlottedOp {
 public:
  static constexpr std::string_view kKind = "paired";
  static constexpr int64_t kLanes = 8;  // output channels of a panel

  // Whether this may be how an op runs; its weights have the last word.
  [[nodiscard]] static bool may_run(std::span<const Kernel> kernels, Isa best, const OpSpec& spec);
  // Null where the weights leave other kernels as fast.
  [[nodiscard]] static Result<std::unique_ptr<PreparedOp>> make(const KernelLibrary& library, Isa best,
                                                                const OpSpec& spec, const OpQuant& quant,
                                                                const void* wei);

  [[nodiscard]] static std::unique_ptr<PreparedOp> load(const KernelLibrary& library, Isa best, const OpSpec& spec,
                                                        const OpQuant& quant, packs::FieldReader& from,
                                                        const std::shared_ptr<const void>& owner);
  [[nodiscard]] bool save(packs::FieldWriter& out) const override;
  [[nodiscard]] Result<std::shared_ptr<const Choice>> choose(const OpSpec& shaped, int threads, bool contiguous,
                                                             bool pitched) const override;
  [[nodiscard]] Patch patch(const Choice& choice, size_t index) const override;
  [[nodiscard]] size_t packed_bytes() const override { return static_cast<size_t>(packed_bytes_); }

 private:
  struct Share;
  struct Plan;  // the Choice

  struct Channels {
    int64_t first = 0, count = 0;
  };

  struct Group {
    int64_t first = 0, channels = 0;  // output channels
    int64_t row = 0;                  // elements of a row in its order, a multiple of 4
    int64_t offset = 0;               // of its panels in packed_
    std::vector<Reorder> moves;       // from a segment of the source to the row
    std::vector<size_t> segments;     // where the moves of each segment begin, and the end
  };

  Paired(const KernelLibrary& library, Isa best, const OpSpec& spec, const OpQuant& quant);
  [[nodiscard]] Status pack(const OpQuant& quant, const void* wei, double exact, bool* worthwhile);
  [[nodiscard]] double cost_of_others(const WeightView& wei, const WeightRule& rule, double exact) const;
  // Part `index` of `count` of so many channels: whole tiles, spread evenly.
  [[nodiscard]] static Channels part_of(int64_t channels, int64_t index, int64_t count);
  [[nodiscard]] Group group_at(int64_t index, int64_t count) const;
  [[nodiscard]] int64_t group_bytes(const Group& group) const;
  [[nodiscard]] bool moves_fit(const Group& group) const;
  void order(Group& group, const std::vector<uint8_t>& rows, std::vector<PairedRows>& more, PairedRows& ordered) const;

  [[nodiscard]] Crop crop_of(const Plan& plan, int64_t index, size_t& begin, size_t& end) const;
  [[nodiscard]] std::string reason() const override { return "paired"; }
  [[nodiscard]] Status check(const Choice& choice, const Tensor& src, const Tensor& dst) const override;
  [[nodiscard]] int run_in(const Job& job, int64_t index, uint8_t* slot) const override;
  void gather(const Job& job, const Group& group, int64_t first, int64_t count, uint8_t* to) const;
  [[nodiscard]] int multiply(const Job& job, const Crop& crop, size_t group, const uint8_t* rows) const;

  DotGeometry geometry_;
  std::vector<Group> groups_;  // their panels in packed_, k4n8
  int64_t packed_bytes_ = 0;
};

}  // namespace octile::runtime
