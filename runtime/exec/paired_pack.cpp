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

constexpr int64_t kTileChannels = 16;
constexpr int64_t kLeastChannels = 16, kLeastReduction = 16;
constexpr int64_t kMoved = sizeof(Reorder::order);  // elements
constexpr int32_t kSource = 16;                     // bytes a move reads at a place
constexpr double kMove = 2.4 * kMoved;              // the time of a move, in elements of one channel
constexpr int64_t kMostRows = 2;                    // times the reduction: more would never have been worth it
constexpr int64_t kSampleRows = 64, kSamples = 2;   // what tells how wide groups should be
// Time of exact int16 kernels and of acc16 in words of two over acc16 in single words, Zen 3 (bench/records).
// Tuning compares exact kernels with exact ones.
constexpr double kExact = 1.32, kTuned = 1.2, kLonger = 0.8;

// What raw weights of some channels may be, their top bits flipped where they are signed, and the zero points beside.
struct Cut {
  using Channels = std::array<uint8_t, kPairChannels>;
  Channels low, high, zero;
  uint8_t flip;
};

// raw - zero point, cut to s8; what was cut off, and whether anything was.
bool cut_row(const Cut& by, int64_t count, uint8_t* row, Cut::Channels& left) {
  uint8_t any = 0;
  for (int64_t j = 0; j < count; ++j) {
    const uint8_t raw = row[j] ^ by.flip, kept = std::min(std::max(raw, by.low[j]), by.high[j]);
    left[j] = static_cast<uint8_t>(raw - kept);
    any |= left[j];
    row[j] = static_cast<uint8_t>(kept - by.zero[j]);
  }
  return any != 0;
}

// Makes raw rows of `count` channels raw - zero point, as s8; what of a row does not fit is a further row. Lanes that
// hold no channel are zero.
void cut_rows(const WeightView& wei, const WeightRule& rule, int64_t channel, int64_t count, int stride, int64_t rows,
              uint8_t* raw, PairedRows& more) {
  Cut by;
  by.flip = wei.type == DType::s8 ? 128 : 0;
  bool plain = wei.type == DType::s8;
  for (int64_t j = 0; j < count; ++j) {
    const int32_t zero = rule.taken(channel + j) + by.flip;
    by.zero[j] = static_cast<uint8_t>(zero);
    by.low[j] = static_cast<uint8_t>(std::max(zero - 128, 0));
    by.high[j] = static_cast<uint8_t>(std::min(zero + 127, 255));
    plain = plain && zero == by.flip;
  }
  if (plain) return;
  Cut::Channels left{};
  for (int64_t k = 0; k < rows; ++k) {
    if (!cut_row(by, count, raw + k * stride, left)) continue;
    more.element.push_back(static_cast<int32_t>(k));
    more.weights.insert(more.weights.end(), left.begin(), left.begin() + stride);
  }
}

const int8_t* signed_rows(const std::vector<uint8_t>& rows, int64_t at) {
  return reinterpret_cast<const int8_t*>(rows.data()) + at;
}

// Is what is left of every weight within s8 too? 255 of u8 less 0, and 127 of s8 less -128, are one too many.
bool left_fits(const OpSpec& spec, const WeightView& wei, const WeightRule& rule) {
  const int32_t lowest = qmin_of(spec.wei);
  const bool may = std::none_of(rule.zp.begin(), rule.zp.end(), [&](int32_t z) { return z == lowest; });
  return may || fits_s8(spec, wei, rule.zp);
}

// The next 16 bytes that a part of an order comes from, and which of them go where in it; their elements become -1.
// Negative: none is left. Nothing is read after `last`, where the last 16 bytes of a segment begin.
int32_t next_source(std::span<int32_t> part, int32_t last, std::span<uint8_t> order) {
  std::fill(order.begin(), order.end(), kNoByte);
  const auto first = std::find_if(part.begin(), part.end(), [](int32_t element) { return element >= 0; });
  if (first == part.end()) return -1;
  const int32_t from = std::min(*first / kSource * kSource, last);
  for (size_t i = 0; i < part.size(); ++i) {
    if (part[i] < from || part[i] >= from + kSource) continue;
    order[i] = static_cast<uint8_t>(part[i] - from);
    part[i] = -1;
  }
  return from;
}

// How bytes come from a segment of `run` elements into an order of them that begins at byte `to`. Nothing is read after
// the segment unless it is shorter than 16.
void add_moves(std::span<const int32_t> order, int64_t run, int64_t to, std::vector<Reorder>& moves) {
  const auto last = static_cast<int32_t>(std::max<int64_t>(run - kSource, 0));
  for (size_t at = 0; at < order.size(); at += kMoved) {
    std::array<int32_t, kMoved> left;
    const std::span part(left.data(), std::min(left.size(), order.size() - at));
    std::copy_n(order.begin() + static_cast<ptrdiff_t>(at), part.size(), part.begin());
    Reorder move;
    move.to = static_cast<int32_t>(to + static_cast<int64_t>(at));
    for (; (move.from = next_source(part, last, move.order)) >= 0; move.join = 1) {
      const int32_t second = next_source(part, last, move.second_order);
      move.second = second < 0 ? move.from : second;
      moves.push_back(move);
    }
  }
}

// What rows of some channels cost, in elements of one channel.
double cost_of(int64_t channels, int64_t rows, double moves) {
  return static_cast<double>(channels * rows) + kMove * moves;
}
double least_cost(int64_t channels, int64_t rows) {
  return cost_of(channels, rows, static_cast<double>(rows) / kMoved);
}

// Wide groups copy less, narrow ones find more pairs. Those wider than 64 channels are for weights of which hardly any
// is large, as of transformers that have one scale for a matrix; who finds few pairs in 64 finds fewer in more.
int64_t best_width(const Ops& ops, const DotGeometry& d, const WeightView& wei, const WeightRule& rule) {
  static constexpr std::array<int64_t, 5> kWidths{64, 48, 32, 128, kPairChannels};
  int64_t best = kTileChannels;
  double least = least_cost(best, 1) / static_cast<double>(best);
  const int64_t count = std::min(kSampleRows, d.run);
  PairedRows ordered, more;
  std::vector<Reorder> moves;
  std::vector<uint8_t> rows;
  for (const int64_t most : kWidths) {
    if (most > 64 && 2 * best != most) break;
    const int64_t channels = std::min(most, d.channels), narrower = most > 64 ? most / 2 : most - kTileChannels;
    const int stride = pair_stride(channels);
    if (narrower >= d.channels || least_cost(channels, 1) / static_cast<double>(channels) >= least) continue;
    double cost = 0;
    for (int64_t i = 0; i < kSamples; ++i) {
      const int64_t first = (d.channels - channels) * i / (kSamples - 1) / kTileChannels * kTileChannels;
      const int64_t segment = d.sx * d.sy * i / kSamples, row = (d.run - count) * i / (kSamples - 1);
      rows.assign(static_cast<size_t>(count * stride), 0);
      gather_rows(d, wei, {first, channels, stride, segment, row, row + count}, rows.data());
      cut_rows(wei, rule, first, channels, stride, count, rows.data(), more);
      ordered.element.clear();
      ordered.weights.clear();
      moves.clear();
      pair_rows(ops, signed_rows(rows, 0), count, channels, more, ordered);
      add_moves(ordered.element, count, 0, moves);
      cost += cost_of(channels, static_cast<int64_t>(ordered.element.size()), static_cast<double>(moves.size()));
    }
    cost /= static_cast<double>(kSamples * count * channels);
    if (cost >= least) continue;
    least = cost;
    best = most;
  }
  return best;
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
  return best_isa_with(kernels, ask) == Isa::avx2 && std::any_of(kernels.begin(), kernels.end(), single);
}

Result<std::unique_ptr<PreparedOp>> Paired::make(const KernelLibrary& library, Isa best, const OpSpec& spec,
                                                 const OpQuant& quant, const void* wei) {
  std::unique_ptr<Paired> op(new Paired(library, best, spec, quant));
  bool worthwhile = false;
  const bool tuned = (tuned_groups(library.kernels(), Isa::avx2, spec) & 1) != 0;
  OCTILE_RETURN_IF_ERROR(op->pack(quant, wei, tuned ? kTuned : kExact, &worthwhile));
  if (!worthwhile) op.reset();
  return std::unique_ptr<PreparedOp>(std::move(op));
}

Paired::Paired(const KernelLibrary& library, Isa best, const OpSpec& spec, const OpQuant& quant)
    : SlottedOp(library, best, spec, quant, "k4n8", kLanes), geometry_(dot_geometry(spec)) {}

// What a channel costs in the order the weights have, over acc16 in single words.
double Paired::cost_of_others(const WeightView& wei, const WeightRule& rule, double exact) const {
  double sum = 0;
  int64_t panels = 0;
  for (int64_t first = 0; first < geometry_.channels; first += kLanes, ++panels) {
    const Acc16 found = acc16_of(geometry_, wei, rule, 0, first, true);
    const unsigned groups = found.s8 ? found.groups : 0;
    sum += groups == 0 ? exact : (groups & ~3U) == 0 ? 1 : kLonger;
  }
  return sum / static_cast<double>(panels);
}

Paired::Channels Paired::part_of(int64_t channels, int64_t index, int64_t count) {
  const int64_t tiles = ceil_div(channels, kTileChannels), first = tiles * index / count * kTileChannels;
  return {first, std::min(tiles * (index + 1) / count * kTileChannels, channels) - first};
}

Paired::Group Paired::group_at(int64_t index, int64_t count) const {
  const Channels part = part_of(geometry_.channels, index, count);
  Group group;
  group.first = part.first;
  group.channels = part.count;
  return group;
}

int64_t Paired::group_bytes(const Group& group) const { return ceil_div(group.channels, kLanes) * kLanes * group.row; }

// Each segment in an order of its own.
void Paired::order(Group& group, const std::vector<uint8_t>& rows, std::vector<PairedRows>& more,
                   PairedRows& ordered) const {
  ordered.element.clear();
  ordered.weights.clear();
  for (int64_t s = 0; s < geometry_.sx * geometry_.sy; ++s) {
    group.segments.push_back(group.moves.size());
    pair_rows(*ops_, signed_rows(rows, s * geometry_.run * pair_stride(group.channels)), geometry_.run, group.channels,
              more[static_cast<size_t>(s)], ordered);
    add_moves(std::span(ordered.element).subspan(static_cast<size_t>(group.row)), geometry_.run, group.row,
              group.moves);
    group.row = static_cast<int64_t>(ordered.element.size());
  }
  group.segments.push_back(group.moves.size());
  group.row = ceil_div(group.row, 4) * 4;
  ordered.weights.resize(static_cast<size_t>(group.row * pair_stride(group.channels)));
}

bool Paired::save(packs::FieldWriter& out) const {
  out.text(kKind);
  out.number(static_cast<uint32_t>(groups_.size()));
  for (const Group& g : groups_) {
    out.number(g.row);
    out.list(g.segments);
    out.list(g.moves);
  }
  save_weights(out, packed_, packed_bytes_, tables_);
  return true;
}

// Whether moves read the segments they belong to and write their row.
bool Paired::moves_fit(const Group& group) const {
  const int64_t segments = geometry_.sx * geometry_.sy, last = std::max<int64_t>(geometry_.run - kSource, 0);
  const std::vector<size_t>& s = group.segments;
  if (s.size() != static_cast<size_t>(segments) + 1 || s.front() != 0 || s.back() != group.moves.size() ||
      !std::is_sorted(s.begin(), s.end()) || group.row % 4 != 0 || group.row < geometry_.reduction() ||
      group.row > kMostRows * geometry_.reduction() + 4) {
    return false;
  }
  return std::all_of(group.moves.begin(), group.moves.end(), [&](const Reorder& m) {
    return m.from >= 0 && m.from <= last && m.second >= 0 && m.second <= last && m.to >= 0 && m.to < group.row;
  });
}

std::unique_ptr<PreparedOp> Paired::load(const KernelLibrary& library, Isa best, const OpSpec& spec,
                                         const OpQuant& quant, packs::FieldReader& from,
                                         const std::shared_ptr<const void>& owner) {
  std::unique_ptr<Paired> op(may_run(library.kernels(), best, spec) ? new Paired(library, best, spec, quant) : nullptr);
  const int64_t count = from.count(1);
  if (op == nullptr || count < 1 || count > ceil_div(op->geometry_.channels, kTileChannels)) {
    from.fail("the op has no such groups");
    return nullptr;
  }
  for (int64_t i = 0; i < count; ++i) {
    Group group = op->group_at(i, count);
    group.offset = op->packed_bytes_;
    from.number(group.row);
    from.list(group.segments);
    from.list(group.moves);
    if (!from.ok() || !op->moves_fit(group)) {
      from.fail("an order leaves its row");
      return nullptr;
    }
    op->packed_bytes_ += op->group_bytes(group);
    op->groups_.push_back(std::move(group));
  }
  load_weights(from, owner, op->packed_bytes_, op->tables_.size(), op->packed_, op->tables_);
  return op;
}

Status Paired::pack(const OpQuant& quant, const void* wei, double exact, bool* worthwhile) {
  *worthwhile = false;
  const WeightView view{wei, spec_.wei, spec_.kind == OpKind::dense, spec_.n};
  const WeightRule rule = subtracting(spec_.wei, quant.wei_zp);
  if (!left_fits(spec_, view, rule)) return {};
  const double others = cost_of_others(view, rule, exact);
  // Rows may become longer, but not as much as to cost more than they save.
  const double budget = others * static_cast<double>(geometry_.reduction() * geometry_.channels);
  // No sample is needed where the widest groups without a row too many would cost too much, as for safe weights.
  if (least_cost(kPairChannels, 1) >= others * kPairChannels) return {};
  const int64_t width = best_width(*ops_, geometry_, view, rule), count = ceil_div(geometry_.channels, width);
  // Rows are at least the reduction for each group; what is more is added as it is found.
  double cost =
      cost_of(geometry_.channels, geometry_.reduction(), static_cast<double>(geometry_.reduction() * count) / kMoved);
  if (cost > budget) return {};
  // What the last panel holds beyond its channels.
  const int64_t partial = (kLanes - 1) * 2 * (geometry_.reduction() + 2);
  packed_ = AlignedBytes::uninitialized(static_cast<size_t>(budget) + static_cast<size_t>(partial));
  if (!packed_.ok() || !tables_.ok()) return {Code::out_of_memory, "out of memory for packed weights"};
  std::vector<uint8_t> rows;
  std::vector<PairedRows> more(static_cast<size_t>(geometry_.sx * geometry_.sy));  // per segment
  PairedRows ordered;
  std::array<uint32_t, kLanes> columns;
  for (int64_t g = 0; g < count; ++g) {
    Group group = group_at(g, count);
    group.offset = packed_bytes_;
    const int stride = pair_stride(group.channels);
    rows.assign(static_cast<size_t>(geometry_.reduction() * stride), 0);
    if (view.dense) {
      gather_rows(geometry_, view, {group.first, group.channels, stride, 0, 0, geometry_.run}, rows.data());
    } else {
      gather_filter(geometry_, view, group.first, group.channels, stride, rows.data());
    }
    for (int64_t i = 0; i < geometry_.sx * geometry_.sy; ++i) {
      cut_rows(view, rule, group.first, group.channels, stride, geometry_.run,
               &rows[static_cast<size_t>(i * geometry_.run * stride)], more[static_cast<size_t>(i)]);
    }
    order(group, rows, more, ordered);
    cost += cost_of(group.channels, group.row, static_cast<double>(group.moves.size())) -
            least_cost(group.channels, geometry_.reduction());
    if (cost > budget || group.row > kMostRows * geometry_.reduction() + 4) return {};
    DotGeometry d;
    d.channels = group.channels;
    d.depth = d.run = group.row;
    const WeightRule none = subtracting(DType::s8, {0});
    const WeightView from{ordered.weights.data(), DType::s8, true, stride};
    packed_.expect_writes(static_cast<size_t>(packed_bytes_), static_cast<size_t>(group_bytes(group)));
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
