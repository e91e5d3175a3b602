// Winograd::make: whether an op is run this way, filters transformed and packed, sums proven to fit.
// In:  library, OpSpec, OpQuant, raw weights.  Out: an op ready to choose and run, or none.
// Not here: shapes, threads.
#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/exec/check.h"
#include "runtime/exec/pack_weights.h"
#include "runtime/exec/winograd.h"

namespace octile::runtime {
namespace {

constexpr int64_t kBlock = 16;    // input channels are padded to it
constexpr size_t kTogether = 16;  // filters transformed at a time: of a panel's channels and two of the input's
// Measured on Zen 3 (bench/records): with fewer, direct kernels are as fast where weights allow acc16.
constexpr int64_t kLeastDepth = 24, kLeastChannels = 24;
// Filters of 4x4 tiles are eight times their s8 weights; from here on they are bound by memory.
constexpr int64_t kMostFilters = 256 * 256;

// The filters' matrix, scaled to integers: by 4, 6, 6, 24, 24, 1 and by 2, 2, 2, 2 in its rows.
constexpr int kFilters4[6][3] = {{1, 0, 0}, {-1, -1, -1}, {-1, 1, -1}, {1, 2, 4}, {1, -2, 4}, {0, 0, 1}};
constexpr int kFilters2[6][3] = {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}};

using Lane = std::array<int16_t, kTogether>;

// out[y][x] = sum of g[ky][kx] * matrix[y][ky] * matrix[x][kx], for kTogether filters: within 49 * 255.
void transform(const int (&matrix)[6][3], int side, const std::array<Lane, 9>& g, std::array<Lane, 36>& out) {
  std::array<Lane, 18> half{};
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < 3; ++x) {
      for (int k = 0; k < 3; ++k) {
        for (size_t c = 0; c < kTogether; ++c) {
          half[y * 3 + x][c] = static_cast<int16_t>(half[y * 3 + x][c] + g[k * 3 + x][c] * matrix[y][k]);
        }
      }
    }
  }
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      for (size_t c = 0; c < kTogether; ++c) {
        const Lane *const a = &half[y * 3], &first = a[0], &second = a[1], &third = a[2];
        out[y * side + x][c] =
            static_cast<int16_t>(first[c] * matrix[x][0] + second[c] * matrix[x][1] + third[c] * matrix[x][2]);
      }
    }
  }
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
    const auto elements = static_cast<size_t>(op->positions() * op->panels() * op->panel_words());
    op->packed_ = AlignedBytes(elements * sizeof(int16_t));
    if (!op->packed_.ok() || !op->tables_.ok()) return Status(Code::out_of_memory, "out of memory for packed weights");
    if (op->pack(quant, wei)) return std::unique_ptr<PreparedOp>(std::move(op));
  }
  return std::unique_ptr<PreparedOp>();
}

Winograd::Winograd(const KernelLibrary& library, Isa best, const OpSpec& spec, const OpQuant& quant, int tile)
    : SlottedOp(library, best, spec, quant, "k2n8w"), tile_(tile), depth_((spec.ic + kBlock - 1) / kBlock * kBlock) {}

int64_t Winograd::panels() const { return (spec_.oc + kLanes - 1) / kLanes; }

// False where the sums of some channel may leave what the tile's scale leaves of 32 bits.
bool Winograd::pack(const OpQuant& quant, const void* wei) {
  const WeightView view{wei, spec_.wei, false, 0};
  const WeightRule rule = subtracting(spec_.wei, quant.wei_zp);
  const auto& matrix = tile_ == 4 ? kFilters4 : kFilters2;
  const int64_t most = (int64_t{1} << (tile_ == 4 ? 25 : 29)) - 1;
  std::array<Lane, 9> g;
  std::array<Lane, 36> u;
  for (int64_t o = 0; o < spec_.oc; o += kLanes) {
    const int64_t count = std::min(kLanes, spec_.oc - o);
    int16_t* const panel = packed_.as<int16_t>() + o / kLanes * panel_words();
    std::array<int64_t, kTogether> up{}, down{};
    for (int64_t c = 0; c < spec_.ic; c += 2) {
      for (Lane& lane : g) lane.fill(0);
      for (int64_t j = 0; j < count; ++j) {
        const int32_t taken = rule.taken(o + j);
        const int64_t from = ((o + j) * spec_.ic + c) * 9;
        for (int64_t i = 0; i < std::min<int64_t>(2, spec_.ic - c); ++i) {
          for (int64_t tap = 0; tap < 9; ++tap) {
            g[static_cast<size_t>(tap)][static_cast<size_t>(2 * j + i)] =
                static_cast<int16_t>(view.at(from + i * 9 + tap) - taken);
          }
        }
      }
      Lane plus{}, minus{};  // within 9 * 255
      for (const Lane& lane : g) {
        for (size_t j = 0; j < kTogether; ++j) {
          plus[j] = static_cast<int16_t>(plus[j] + std::max<int16_t>(lane[j], 0));
          minus[j] = static_cast<int16_t>(minus[j] - std::min<int16_t>(lane[j], 0));
        }
      }
      for (size_t j = 0; j < kTogether; ++j) {
        up[j] += plus[j];
        down[j] += minus[j];
      }
      transform(matrix, static_cast<int>(side()), g, u);
      int16_t* const to = panel + c * kLanes;
      for (int64_t p = 0; p < positions(); ++p) {
        std::memcpy(to + p * panels() * panel_words(), u[static_cast<size_t>(p)].data(), sizeof(Lane));
      }
    }
    for (int64_t j = 0; j < count; ++j) {
      const auto lane = static_cast<size_t>(2 * j);
      const int64_t above = up[lane] + up[lane + 1], below = down[lane] + down[lane + 1];
      if (255 * std::max(above, below) > most) return false;
      set_tables(quant, o + j, static_cast<uint32_t>(above - below), spec_.ic * 9);
    }
  }
  return true;
}

}  // namespace octile::runtime
