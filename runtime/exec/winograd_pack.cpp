// Winograd::make: whether an op is run this way, filters transformed and packed, sums proven to fit.
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
// Filters of 4x4 tiles are eight times their s8 weights; from here on they are bound by memory.
constexpr int64_t kMostFilters = 256 * 256;

// Two input channels of half a panel's output channels, as its words hold them. Vectors are of the size that every CPU
// has: comparisons of wider ones become loops over elements.
constexpr int kTogether = 8;
using Lane = int16_t __attribute__((vector_size(2 * kTogether)));
using Pair = int32_t __attribute__((vector_size(2 * kTogether)));
constexpr int64_t kHalves = 2;
constexpr int64_t kRun = 16;  // words of one position written at a time
constexpr int kMostPositions = 36;

// The filters' matrix, scaled to integers: its rows by 4, 6, 6, 24, 24, 1 and by 2 each.
template <int Tile>
void transform_line(const Lane& a, const Lane& b, const Lane& c, Lane* out, int step) {
  if constexpr (Tile == 2) {
    const Lane outer = a + c;
    out[0] = a * 2;
    out[step] = outer + b;
    out[2 * step] = outer - b;
    out[3 * step] = c * 2;
  } else {
    const Lane outer = a + c, far = a + c * 4, twice = b * 2;
    out[0] = a;
    out[step] = -outer - b;
    out[2 * step] = b - outer;
    out[3 * step] = far + twice;
    out[4 * step] = far - twice;
    out[5 * step] = c;
  }
}

// g: [ky][kx]; out: [y][x], `step` apart. Within 49 * 255.
template <int Tile>
void transform(const Lane* g, Lane* out, int step) {
  constexpr int kSide = Tile + 2;
  std::array<Lane, size_t{kSide} * 3> half;
  for (int x = 0; x < 3; ++x) transform_line<Tile>(g[x], g[3 + x], g[6 + x], &half[static_cast<size_t>(x)], 3);
  for (size_t y = 0; y < kSide; ++y) {
    const Lane* const row = &half[3 * y];
    transform_line<Tile>(row[0], row[1], row[2], out + static_cast<int>(y) * kSide * step, step);
  }
}

// Rows of two input channels, their elements in turn.
template <class T>
void interleave(const uint8_t* first, const uint8_t* second, Lane& out) {
  typedef T Row __attribute__((vector_size(kTogether / 2)));
  Row a, b;
  std::memcpy(&a, first, sizeof a);
  std::memcpy(&b, second, sizeof b);
  const auto both = __builtin_shufflevector(a, b, 0, 4, 1, 5, 2, 6, 3, 7);
  out = __builtin_convertvector(both, Lane);
}

// Sums of the two channels of each word.
Pair both_channels(const Lane& lane) {
  const auto words = reinterpret_cast<Pair>(lane);
  return (words << 16 >> 16) + (words >> 16);
}

}  // namespace

int Winograd::tile_for(std::span<const Kernel> kernels, Isa best, const OpSpec& s) {
  const bool fits = s.kind == OpKind::conv2d && s.g == 1 && s.kh == 3 && s.kw == 3 && s.sh == 1 && s.sw == 1 &&
                    s.dh == 1 && s.dw == 1 && s.ic >= kLeastDepth && s.oc >= kLeastChannels;
  if (!fits) return 0;
  if ((tuned_groups(kernels, Isa::avx2, s) & 1) != 0) return 0;  // it was faster than this
  // Where int16 products are the best there are, for the op itself and for ours.
  for (const DType dst : {DType::s32, s.dst}) {
    if (best_isa_with(kernels, dot_ask(best, dst)) != Isa::avx2) return 0;
  }
  return s.ic * s.oc <= kMostFilters ? 4 : 2;
}

Result<std::unique_ptr<PreparedOp>> Winograd::make(const KernelLibrary& library, Isa best, const OpSpec& spec,
                                                   const OpQuant& quant, const void* wei, int tile) {
  // So was a kernel tuned for weights like these.
  const WeightView view{wei, spec.wei, false, 0};
  const unsigned tuned = tuned_groups(library.kernels(), Isa::avx2, spec);
  if (tuned != 0 && (tuned & acc16_everywhere(dot_geometry(spec), view, subtracting(spec.wei, quant.wei_zp))) != 0) {
    return std::unique_ptr<PreparedOp>();
  }
  for (; tile >= 2; tile -= 2) {
    std::unique_ptr<Winograd> op(new Winograd(library, best, spec, quant, tile));
    op->packed_ = AlignedBytes::uninitialized(static_cast<size_t>(op->filter_bytes()));
    if (!op->packed_.ok() || !op->tables_.ok()) return Status(Code::out_of_memory, "out of memory for packed weights");
    op->packed_.expect_writes(0, static_cast<size_t>(op->filter_bytes()));
    if (op->pack(quant, wei)) return std::unique_ptr<PreparedOp>(std::move(op));
  }
  return std::unique_ptr<PreparedOp>();
}

Winograd::Winograd(const KernelLibrary& library, Isa best, const OpSpec& spec, const OpQuant& quant, int tile)
    : SlottedOp(library, best, spec, quant, "k2n8w"), tile_(tile), depth_((spec.ic + kBlock - 1) / kBlock * kBlock) {}

bool Winograd::save(packs::FieldWriter& out) const {
  out.text(kKind);
  out.number(int32_t{tile_});
  save_weights(out, packed_, filter_bytes(), tables_);
  return true;
}

std::unique_ptr<PreparedOp> Winograd::load(const KernelLibrary& library, Isa best, const OpSpec& spec,
                                           const OpQuant& quant, packs::FieldReader& from,
                                           const std::shared_ptr<const void>& owner) {
  int32_t tile = 0;
  from.number(tile);
  const int most = tile_for(library.kernels(), best, spec);
  if ((tile != 2 && tile != 4) || tile > most) {
    from.fail("the op has no tiles of " + std::to_string(tile));
    return nullptr;
  }
  std::unique_ptr<Winograd> op(new Winograd(library, best, spec, quant, tile));
  load_weights(from, owner, op->filter_bytes(), op->tables_.size(), op->packed_, op->tables_);
  return op;
}

int64_t Winograd::panels() const { return (spec_.oc + kLanes - 1) / kLanes; }

// False where the sums of some channel may leave what the tile's scale leaves of 32 bits.
bool Winograd::pack(const OpQuant& quant, const void* wei) {
  const WeightView view{wei, spec_.wei, false, 0};
  const WeightRule rule = subtracting(spec_.wei, quant.wei_zp);
  const DotGeometry d = dot_geometry(spec_);
  const auto filter = tile_ == 4 ? transform<4> : transform<2>;
  const auto interleaved = spec_.wei == DType::u8 ? interleave<uint8_t> : interleave<int8_t>;
  const int64_t most = (int64_t{1} << (tile_ == 4 ? 25 : 29)) - 1;
  std::vector<uint8_t> raw(static_cast<size_t>(9 * spec_.ic * kLanes));  // a row for each tap and input channel
  std::array<Lane, kMostPositions * kRun * kHalves> out;
  for (int64_t o = 0; o < spec_.oc; o += kLanes) {
    const int64_t count = std::min(kLanes, spec_.oc - o);
    if (count < kLanes) std::fill(raw.begin(), raw.end(), uint8_t{0});
    for (int64_t i = 0; i < d.sx * d.sy; ++i) {
      gather_rows(d, view, {o, count, static_cast<int>(kLanes), i, 0, d.run},
                  &raw[static_cast<size_t>(i * d.run * kLanes)]);
    }
    std::array<Lane, kHalves> zero{};
    std::array<uint8_t, kLanes> none{};  // an input channel that only fills a word
    for (int64_t j = 0; j < count; ++j) {
      const auto taken = static_cast<int16_t>(rule.taken(o + j));
      Lane& lane = zero[static_cast<size_t>(2 * j / kTogether)];
      lane[2 * j % kTogether] = lane[2 * j % kTogether + 1] = taken;
      none[static_cast<size_t>(j)] = static_cast<uint8_t>(taken);
    }
    const auto row = [&](int64_t tap, int64_t c) {
      return c < spec_.ic ? &raw[static_cast<size_t>((tap * spec_.ic + c) * kLanes)] : none.data();
    };
    std::array<int64_t, kLanes> up{}, sums{};  // of weights above zero, of all
    for (int64_t c = 0; c < depth_; c += 2 * kRun) {
      const int64_t run = std::min(kRun, (depth_ - c) / 2);
      std::array<Pair, kHalves> above{}, all{};
      for (int64_t k = 0; k < run * kHalves; ++k) {
        const int64_t channel = c + k / kHalves * 2;
        const auto half = static_cast<size_t>(k % kHalves);
        std::array<Lane, 9> g;
        Lane plus{}, sum{};  // within 9 * 255
        for (int64_t tap = 0; tap < 9; ++tap) {
          Lane& lane = g[static_cast<size_t>(tap)];
          interleaved(row(tap, channel) + half * kTogether / 2, row(tap, channel + 1) + half * kTogether / 2, lane);
          lane -= zero[half];
          plus += lane & (lane > 0);
          sum += lane;
        }
        above[half] += both_channels(plus);
        all[half] += both_channels(sum);
        filter(g.data(), &out[static_cast<size_t>(k)], kRun * kHalves);
      }
      for (size_t j = 0; j < up.size(); ++j) {
        constexpr size_t kOutputs = kTogether / 2;
        up[j] += above[j / kOutputs][j % kOutputs];
        sums[j] += all[j / kOutputs][j % kOutputs];
      }
      int16_t* const to = packed_.as<int16_t>() + o / kLanes * panel_words() + c * kLanes;
      for (int64_t p = 0; p < positions(); ++p) {
        const auto* const from = reinterpret_cast<const int16_t*>(&out[static_cast<size_t>(p * kRun * kHalves)]);
        std::copy_n(from, run * 2 * kLanes, to + p * panels() * panel_words());
      }
    }
    for (int64_t j = 0; j < count; ++j) {
      const auto at = static_cast<size_t>(j);
      if (255 * std::max(up[at], up[at] - sums[at]) > most) return false;
      set_tables(quant, o + j, static_cast<uint32_t>(sums[at]), spec_.ic * 9);
    }
  }
  return true;
}

}  // namespace octile::runtime
