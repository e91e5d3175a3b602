// Winograd::make: whether an op is run this way, filters packed, sums proven to fit.
// In:  library, OpSpec, OpQuant, raw weights.  Out: an op ready to choose and run, or none.
// Not here: shapes, threads.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "runtime/exec/check.h"
#include "runtime/exec/pack_weights.h"
#include "runtime/exec/winograd.h"

namespace octile::runtime {
namespace {

constexpr int64_t kBlock = 16;  // input channels are padded to it
// Measured on Zen 3 (bench/records): with fewer, direct kernels are as fast where weights allow acc16.
constexpr int64_t kLeastDepth = 24, kLeastChannels = 24;
// On AVX-512. From here on feature maps are small as a rule, and filters transformed for too few tiles.
constexpr int64_t kMostFilters = 256 * 256;
// With two vpdpbusd a cycle direct kernels are faster (1.0 to 2 times on Emerald Rapids) but for few channels of many,
// to which their tiles do not fit.
constexpr int64_t kDeep = 96, kNarrow = 24;

// Two input channels of four of a panel's output channels, as its words hold them. Vectors are of the size that every
// CPU has: comparisons of wider ones become loops over elements.
constexpr int kTogether = 8;
using Lane = int16_t __attribute__((vector_size(2 * kTogether)));
using Bytes = int8_t __attribute__((vector_size(kTogether)));
using Pair = int32_t __attribute__((vector_size(2 * kTogether)));
constexpr int64_t kOutputs = kTogether / 2;
constexpr int64_t kMostLanes = 16, kMostParts = kMostLanes / kOutputs;

// Rows of two input channels, their elements in turn.
template <class T>
Lane interleaved(const uint8_t* first, const uint8_t* second) {
  typedef T Row __attribute__((vector_size(kTogether / 2)));
  Row a, b;
  std::memcpy(&a, first, sizeof a);
  std::memcpy(&b, second, sizeof b);
  const auto both = __builtin_shufflevector(a, b, 0, 4, 1, 5, 2, 6, 3, 7);
  return __builtin_convertvector(both, Lane);
}

// What makes bytes of weights signed ones.
int32_t shift_of(DType type) { return type == DType::u8 ? 128 : 0; }

// Sums of the two channels of each word.
Pair both_channels(const Lane& lane) {
  const auto words = reinterpret_cast<Pair>(lane);
  return (words << 16 >> 16) + (words >> 16);
}

}  // namespace

bool Winograd::may_run(std::span<const Kernel> kernels, Isa best, bool whole_vectors, const OpSpec& s) {
  const bool fits = s.kind == OpKind::conv2d && s.g == 1 && s.kh == 3 && s.kw == 3 && s.sh == 1 && s.sw == 1 &&
                    s.dh == 1 && s.dw == 1 && s.ic >= kLeastDepth && s.oc >= kLeastChannels;
  if (!fits) return false;
  // Where the products are of the best instruction set there is for the op itself.
  const Isa isa = products_isa(kernels, best);
  for (const DType dst : {DType::s32, s.dst}) {
    if (best_isa_with(kernels, dot_ask(best, dst)) != isa) return false;
  }
  if ((tuned_groups(kernels, isa, s) & 1) != 0) return false;  // it was faster than this
  if (isa == Isa::avx2) return true;
  return whole_vectors ? s.ic >= kDeep && s.oc <= kNarrow : s.ic * s.oc <= kMostFilters;
}

Isa Winograd::products_isa(std::span<const Kernel> kernels, Isa best) {
  const bool wide = std::any_of(kernels.begin(), kernels.end(), [&](const Kernel& k) {
    return k.isa == Isa::avx512vnni && k.isa <= best && k.entry.layout == "k2n16w" && k.entry.op == "*";
  });
  return wide ? Isa::avx512vnni : Isa::avx2;
}

// Returns the largest magnitude a sum of this op may have.
template <class T>
int64_t Winograd::pack(const OpQuant& quant, const void* wei) {
  const WeightView view{wei, spec_.wei, false, 0};
  const DotGeometry d = dot_geometry(spec_);
  const auto shift = static_cast<int16_t>(shift_of(spec_.wei));
  const int64_t parts = lanes_ / kOutputs;
  int64_t largest = 0;
  std::vector<uint8_t> raw(static_cast<size_t>(9 * spec_.ic * lanes_));  // a row for each tap and input channel
  int8_t* to = packed_.as<int8_t>();
  for (int64_t o = 0; o < spec_.oc; o += lanes_) {
    const int64_t count = std::min(lanes_, spec_.oc - o);
    if (count < lanes_) std::fill(raw.begin(), raw.end(), static_cast<uint8_t>(shift));
    gather_filter(d, view, o, count, static_cast<int>(lanes_), raw.data());
    std::array<Lane, kMostParts> zero;
    std::memcpy(zero.data(), &zeros_[static_cast<size_t>(2 * o)], static_cast<size_t>(2 * lanes_) * sizeof(int16_t));
    std::array<uint8_t, kMostLanes> none{};  // an input channel that only fills a word
    for (int64_t j = 0; j < lanes_; ++j) {
      none[static_cast<size_t>(j)] = static_cast<uint8_t>(zeros_[static_cast<size_t>(2 * (o + j))] + shift);
    }
    const auto row = [&](int64_t tap, int64_t c) {
      return c < spec_.ic ? &raw[static_cast<size_t>((tap * spec_.ic + c) * lanes_)] : none.data();
    };
    std::array<Pair, kMostParts> above{}, all{};  // sums of weights above zero, of all
    for (int64_t c = 0; c < depth_; c += 2) {
      for (int64_t part = 0; part < parts; ++part) {
        const auto at = static_cast<size_t>(part);
        Lane plus{}, sum{};  // within 9 * 255
        for (int64_t tap = 0; tap < 9; ++tap) {
          Lane lane = interleaved<T>(row(tap, c) + part * kOutputs, row(tap, c + 1) + part * kOutputs);
          lane -= shift;
          const auto bytes = __builtin_convertvector(lane, Bytes);
          std::memcpy(to + (tap * parts + part) * kTogether, &bytes, sizeof bytes);
          lane -= zero[at];
          plus += lane & (lane > 0);
          sum += lane;
        }
        above[at] += both_channels(plus);
        all[at] += both_channels(sum);
      }
      to += 9 * parts * kTogether;
    }
    for (int64_t j = 0; j < count; ++j) {
      const auto part = static_cast<size_t>(j / kOutputs);
      const int64_t up = above[part][j % kOutputs], sum = all[part][j % kOutputs];
      largest = std::max(largest, 255 * std::max(up, up - sum));
      set_tables(quant, o + j, static_cast<uint32_t>(sum), spec_.ic * 9);
    }
  }
  return largest;
}

Result<std::unique_ptr<PreparedOp>> Winograd::make(const KernelLibrary& library, Isa best, const OpSpec& spec,
                                                   const OpQuant& quant, const void* wei, int tile) {
  // So was a kernel tuned for weights like these.
  const WeightView view{wei, spec.wei, false, 0};
  const Isa isa = products_isa(library.kernels(), best);
  const unsigned tuned = tuned_groups(library.kernels(), isa, spec);
  if (tuned != 0 && (tuned & acc16_everywhere(dot_geometry(spec), view, subtracting(spec.wei, quant.wei_zp))) != 0) {
    return std::unique_ptr<PreparedOp>();
  }
  std::unique_ptr<Winograd> op(new Winograd(library, best, isa, spec, quant, tile));
  op->packed_ = AlignedBytes::uninitialized(static_cast<size_t>(op->raw_bytes()));
  if (!op->packed_.ok() || !op->tables_.ok()) return Status(Code::out_of_memory, "out of memory for packed weights");
  op->packed_.expect_writes(0, static_cast<size_t>(op->raw_bytes()));
  const int64_t largest = spec.wei == DType::u8 ? op->pack<uint8_t>(quant, wei) : op->pack<int8_t>(quant, wei);
  // The answer times 576, or 4, is worked out modulo 2^32.
  if (largest >= int64_t{1} << 25) op->tile_ = 2;
  if (largest >= int64_t{1} << 29 || (op->tile_ == 2 && isa != Isa::avx2)) op.reset();
  return std::unique_ptr<PreparedOp>(std::move(op));
}

Winograd::Winograd(const KernelLibrary& library, Isa best, Isa isa, const OpSpec& spec, const OpQuant& quant, int tile)
    : SlottedOp(library, best, spec, quant, isa == Isa::avx2 ? "k2n8w" : "k2n16w", isa == Isa::avx2 ? 8 : 16),
      isa_(isa),
      whole_vectors_(library.whole_vectors()),
      tile_(tile),
      depth_((spec.ic + kBlock - 1) / kBlock * kBlock) {
  const WeightRule rule = subtracting(spec.wei, quant.wei_zp);
  zeros_.resize(static_cast<size_t>(2 * channels()));
  for (int64_t c = 0; c < spec.oc; ++c) {
    const auto at = static_cast<size_t>(2 * c);
    zeros_[at] = zeros_[at + 1] = static_cast<int16_t>(rule.taken(c) - shift_of(spec.wei));
  }
}

bool Winograd::save(packs::FieldWriter& out) const {
  out.text(kKind);
  out.number(int32_t{tile_});
  save_weights(out, packed_, raw_bytes(), tables_);
  return true;
}

std::unique_ptr<PreparedOp> Winograd::load(const KernelLibrary& library, Isa best, const OpSpec& spec,
                                           const OpQuant& quant, packs::FieldReader& from,
                                           const std::shared_ptr<const void>& owner) {
  int32_t tile = 0;
  from.number(tile);
  if ((tile != 2 && tile != 4) || !may_run(library.kernels(), best, library.whole_vectors(), spec)) {
    from.fail("the op has no tiles of " + std::to_string(tile));
    return nullptr;
  }
  std::unique_ptr<Winograd> op(new Winograd(library, best, products_isa(library.kernels(), best), spec, quant, tile));
  load_weights(from, owner, op->raw_bytes(), op->tables_.size(), op->packed_, op->tables_);
  return op;
}

}  // namespace octile::runtime
