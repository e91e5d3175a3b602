// Paired::make: whether an op is run this way, an order for each group of channels, weights packed in it.
// In:  library, OpSpec, OpQuant, raw weights.  Out: an op ready to choose and run, or none.
// Not here: shapes, threads.
#include <algorithm>
#include <array>

#include "runtime/exec/check.h"
#include "runtime/exec/paired.h"
#include "runtime/exec/pairing.h"

namespace octile::runtime {
namespace {

// A copy of the source costs a group as much as two channels, so wide groups; pairs are harder to find in them.
constexpr int64_t kGroupChannels = 48, kTileChannels = 16;
constexpr int64_t kLeastChannels = 16, kLeastReduction = 16;
constexpr double kCopyChannels = 2;
// Time of exact int16 kernels and of acc16 in words of two over acc16 in single words, Zen 3 (bench/records).
constexpr double kExact = 1.22, kLonger = 0.8;

// Elements of k of every channel of a group, one row each: raw - zero point, which fits s8.
void gather_group(const DotGeometry& d, const WeightView& wei, const WeightRule& rule, int64_t first, int64_t channels,
                  std::vector<int8_t>& rows) {
  rows.assign(static_cast<size_t>(d.reduction() * kPairChannels), 0);
  auto* const raw = reinterpret_cast<uint8_t*>(rows.data());
  for (int64_t s = 0; s < d.sx * d.sy; ++s) {
    gather_rows(d, wei, {first, channels, kPairChannels, s, 0, d.run}, raw + s * d.run * kPairChannels);
  }
  for (int64_t j = 0; j < channels; ++j) {
    const int32_t taken = rule.taken(first + j);
    if (taken == 0) continue;
    for (int64_t k = 0; k < d.reduction(); ++k) {
      uint8_t& v = raw[k * kPairChannels + j];
      v = static_cast<uint8_t>(v - taken);
    }
  }
}

}  // namespace

bool Paired::may_run(std::span<const Kernel> kernels, Isa best, const OpSpec& s) {
  const bool fits = !s.wei_var && (s.kind == OpKind::dense || s.g == 1) && s.channels() >= kLeastChannels &&
                    dot_geometry(s).reduction() >= kLeastReduction;
  if (!fits) return false;
  const Ask ask = dot_ask(best, s.dst);
  const auto single = [&](const Kernel& k) {
    return k.isa == Isa::avx2 && k.entry.op == "*" && k.entry.dst == ask.dst && k.entry.acc16_group == 1;
  };
  return best_isa_with(kernels, ask) == Isa::avx2 && std::any_of(kernels.begin(), kernels.end(), single) &&
         !tuned_for(kernels, Isa::avx2, s);
}

Result<std::unique_ptr<PreparedOp>> Paired::make(const KernelLibrary& library, Isa best, const OpSpec& spec,
                                                 const OpQuant& quant, const void* wei) {
  std::unique_ptr<Paired> op(new Paired(library, best, spec, quant));
  bool worthwhile = false;
  OCTILE_RETURN_IF_ERROR(op->pack(quant, wei, &worthwhile));
  if (!worthwhile) op.reset();
  return std::unique_ptr<PreparedOp>(std::move(op));
}

Paired::Paired(const KernelLibrary& library, Isa best, const OpSpec& spec, const OpQuant& quant)
    : SlottedOp(library, best, spec, quant, "k4n8"), geometry_(dot_geometry(spec)) {}

// What a channel costs in the order the weights have, over acc16 in single words.
double Paired::cost_of_others(const WeightView& wei, const WeightRule& rule) const {
  double sum = 0;
  int64_t panels = 0;
  for (int64_t first = 0; first < geometry_.channels; first += kLanes, ++panels) {
    const unsigned groups = acc16_of(geometry_, wei, rule, 0, first, true).groups;
    sum += groups == 0 ? kExact : (groups & ~3U) == 0 ? 1 : kLonger;
  }
  return sum / static_cast<double>(panels);
}

// Blocks of 16 elements of a segment, each in its own order.
void Paired::order(Group& group, const std::vector<int8_t>& rows, std::vector<int8_t>& ordered) const {
  ordered.clear();
  PairedRows found;
  for (int64_t s = 0; s < geometry_.sx * geometry_.sy; ++s) {
    group.segments.push_back(group.moves.size());
    for (int64_t from = 0; from < geometry_.run; from += kPairRows) {
      const int64_t first = s * geometry_.run + from;
      const auto count = static_cast<int>(std::min<int64_t>(kPairRows, geometry_.run - from));
      pair_rows(&rows[static_cast<size_t>(first * kPairChannels)], count, static_cast<int>(group.channels), found);
      for (int at = 0; at < found.count; at += kPairRows) {
        Reorder move;
        move.from = static_cast<int32_t>(from);
        move.to = static_cast<int32_t>(group.row + at);
        std::copy_n(&found.element[static_cast<size_t>(at)], std::min(kPairRows, found.count - at), move.order);
        group.moves.push_back(move);
      }
      for (int i = 0; i < found.count; ++i) {
        const auto& weights = found.weights[static_cast<size_t>(i)];
        ordered.insert(ordered.end(), weights.begin(), weights.end());
      }
      group.row += found.count;
    }
  }
  group.segments.push_back(group.moves.size());
  for (; group.row % 4 != 0; ++group.row) ordered.insert(ordered.end(), kPairChannels, 0);
}

Status Paired::pack(const OpQuant& quant, const void* wei, bool* worthwhile) {
  *worthwhile = false;
  const WeightView view{wei, spec_.wei, spec_.kind == OpKind::dense, spec_.n};
  WeightRule rule;
  rule.type = spec_.wei;
  rule.zp = quant.wei_zp;
  rule.subtract = true;
  const int32_t middle = spec_.wei == DType::u8 ? 128 : 0;
  const bool plain = std::all_of(rule.zp.begin(), rule.zp.end(), [&](int32_t z) { return z == middle; });
  if (!plain && !fits_s8(spec_, view, rule.zp)) return {};
  const double others = cost_of_others(view, rule);
  const int64_t tiles = ceil_div(geometry_.channels, kTileChannels);
  const int64_t count = ceil_div(geometry_.channels, kGroupChannels);
  // Rows may become longer, but not as much as to cost more than they save.
  const double budget = others * static_cast<double>(geometry_.reduction() * geometry_.channels);
  // Each group's rows are at least the reduction; what is more is added as it is found.
  double cost = static_cast<double>(geometry_.reduction()) *
                (static_cast<double>(geometry_.channels) + kCopyChannels * static_cast<double>(count));
  if (cost > budget) return {};
  // What the last panel holds beyond its channels.
  const int64_t partial = (kLanes - 1) * 2 * (geometry_.reduction() + 2);
  packed_ = AlignedBytes::uninitialized(static_cast<size_t>(budget) + static_cast<size_t>(partial));
  if (!packed_.ok() || !tables_.ok()) return {Code::out_of_memory, "out of memory for packed weights"};
  std::vector<int8_t> rows, ordered;
  std::array<uint32_t, kLanes> columns;
  for (int64_t g = 0; g < count; ++g) {
    Group group;
    group.first = tiles * g / count * kTileChannels;
    group.channels = std::min(tiles * (g + 1) / count * kTileChannels, geometry_.channels) - group.first;
    group.offset = packed_bytes_;
    gather_group(geometry_, view, rule, group.first, group.channels, rows);
    order(group, rows, ordered);
    cost +=
        static_cast<double>(group.row - geometry_.reduction()) * (static_cast<double>(group.channels) + kCopyChannels);
    if (cost > budget) return {};
    DotGeometry d;
    d.channels = group.channels;
    d.depth = d.run = group.row;
    WeightRule none;
    none.subtract = true;
    none.zp = {0};
    const WeightView from{ordered.data(), DType::s8, true, kPairChannels};
    for (int64_t j = 0; j < group.channels; j += kLanes) {
      pack_dense_panel(Layout::k4n8, d, from, none, j, packed_.data() + packed_bytes_, columns.data());
      packed_bytes_ += panel_bytes(Layout::k4n8, d);
      for (int64_t i = 0; i < std::min(kLanes, group.channels - j); ++i) {
        set_tables(quant, group.first + j + i, columns[static_cast<size_t>(i)], geometry_.reduction());
      }
    }
    groups_.push_back(std::move(group));
  }
  *worthwhile = true;
  return {};
}

}  // namespace octile::runtime
