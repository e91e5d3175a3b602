// Paired::choose and run: blocks of pixels times groups of channels, the source copied in the order of each group.
// In:  shapes, tensors, scratch, the host's threads.  Out: dst.
// Not here: orders and weights (paired_pack.cpp).  run() allocates nothing.
#include "runtime/exec/paired.h"

#include <algorithm>
#include <limits>

#include "runtime/exec/check.h"
#include "runtime/exec/frame.h"
#include "workload/numerics/float_mode.h"

namespace octile::runtime {
namespace {

constexpr int64_t kCopyBytes = 96 * 1024;  // of the source that is copied at a time: it stays near
constexpr int64_t kShared = 64;            // channels of a group that threads share out
constexpr size_t kLine = 64;               // bytes of a cache line
constexpr int64_t kOver = 32;              // bytes a move may write past a row

// Of a layer of one pixel every byte comes from memory, these too: they are on their way while a kernel runs.
void ask_for(const std::vector<Reorder>& moves) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(moves.data());
  for (size_t at = 0; at < moves.size() * sizeof(Reorder); at += kLine) __builtin_prefetch(bytes + at, 0, 2);
}

int64_t pitch_of(int64_t row) { return static_cast<int64_t>(align_up(static_cast<size_t>(row + kOver))); }

}  // namespace

// Channels of a group, all of them or what one task takes at least.
struct Paired::Share {
  size_t group = 0;
  int64_t first = 0, channels = 0;
};

struct Paired::Plan : SlottedOp::Plan {
  std::vector<Share> shares;      // in order; every task that has some of a group copies the source
  int64_t tasks_of_channels = 1;  // shares are spread over them
  int64_t step = 1;               // of the cut axis, copied at a time
  bool flat = false;              // all pixels of the source are one row
};

Result<std::shared_ptr<const Choice>> Paired::choose(const OpSpec& shaped, int threads, bool contiguous,
                                                     bool pitched) const {
  OCTILE_RETURN_IF_ERROR(check_shape(shaped, spec_));
  auto plan = std::make_shared<Plan>();
  Plan& p = *plan;
  const bool dense = shaped.kind == OpKind::dense;
  p.shaped = shaped;
  p.pitched = pitched;
  p.batch = shaped.mb;
  p.x = dense ? shaped.m : shaped.ow();
  p.y = dense ? 1 : shaped.oh();
  p.fused = contiguous;
  p.flat = contiguous && (dense || (geometry_.kh * geometry_.kw * shaped.sh * shaped.sw == 1 &&
                                    shaped.pt + shaped.pl + shaped.pb + shaped.pr == 0));
  if (p.fused) {
    p.x *= p.y * p.batch;
    p.y = p.batch = 1;
  }
  if (std::max({p.x, p.y, shaped.ic, shaped.k}) > std::numeric_limits<int32_t>::max()) {
    return Status(Code::unsupported, "an extent beyond 32 bits: " + to_key(shaped));
  }
  p.along_y = p.y > 1;
  Ask ask = dot_ask(best_, spec_.dst);
  ask.x = p.x;
  ask.y = p.y;
  PanelModes mode;
  mode.k4n8 = 3;  // acc16 of single words, portable kernels
  int64_t longest = 0;
  for (const Group& group : groups_) longest = std::max(longest, group.row);
  ask.reduction = longest;
  Covers covers;
  const bool few = threads > 1 && std::ssize(groups_) < kTasksPerThread * threads;
  for (size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    const int64_t count = few ? ceil_div(group.channels, kShared) : 1;
    for (int64_t i = 0; i < count; ++i) {
      const Channels part = part_of(group.channels, i, count);
      const int64_t first = group.first + part.first, offset = group.offset + part.first * group.row;
      ask.channels = part.count;
      if (!add_parts(p, ask, mode, first, offset, kLanes * group.row, covers)) {
        return Status(Code::unsupported, "no kernel for " + to_key(shaped));
      }
      p.shares.push_back({g, first, part.count});
    }
  }
  for (const Part& part : p.parts) {
    const packs::KernelEntry& e = table_[static_cast<size_t>(part.kernel)].entry;
    p.unit = std::max<int64_t>(p.unit, p.along_y ? e.tile_y : e.tile_x);
  }
  const int64_t pixels = p.along_y ? p.x : 1;  // of a step along the axis
  CutFacts f;
  f.l2_bytes = target(Isa::avx2).l2_bytes;
  f.src_bytes = (dense ? shaped.k : shaped.sh * shaped.sw * shaped.ic) * pixels;
  f.cost = pixels * shaped.channels() * (geometry_.reduction() + kOutputCost);
  f.weight_bytes = packed_bytes_;
  f.extent = p.along_y ? p.y : p.x;
  f.unit = p.unit;
  f.batch = p.batch;
  f.channel_tiles = std::ssize(p.shares);
  f.threads = std::max(threads, 1);
  Cut cut = cut_work(f);
  // Tasks are as large as each other, so threads end together if each has as many.
  if (const int64_t tasks = p.batch * cut.blocks * cut.channel_groups; tasks > f.threads) {
    const int64_t even = ceil_div(tasks, f.threads) * f.threads;
    cut.blocks = std::clamp<int64_t>(ceil_div(even, p.batch * cut.channel_groups), cut.blocks,
                                     std::max(f.extent / f.unit, cut.blocks));
  }
  p.blocks = cut.blocks;
  p.tasks_of_channels = cut.channel_groups;
  const int64_t most = std::max(kCopyBytes / (pitch_of(longest) * pixels) / p.unit, int64_t{1}) * p.unit;
  const int64_t block = ceil_div(f.extent / p.unit, p.blocks) * p.unit + f.extent % p.unit;
  p.step = std::min(most, block);
  // The last piece of a block takes what does not make whole units.
  p.slot = align_up(static_cast<size_t>((std::min(p.step + p.unit, block) + p.unit) * pixels * pitch_of(longest)));
  p.count = p.batch * p.blocks * p.tasks_of_channels;
  lay_slots(p, threads);
  return std::shared_ptr<const Choice>(std::move(plan));
}

Status Paired::check(const Choice& plan, const Tensor& src, const Tensor& dst) const {
  if (geometry_.run > geometry_.depth && pitched(src)) return {Code::invalid_argument, "distance of pixels"};
  // Kernels address what they write with 32 bits.
  const int64_t limit = std::numeric_limits<int32_t>::max();
  if (dst.h * dst.stride_y > limit || (plan.fused && plan.x * dst.stride_x > limit)) {
    return {Code::unsupported, "an image beyond 2 GiB"};
  }
  return {};
}

// What task `index` computes, and the shares that is.
Crop Paired::crop_of(const Plan& p, int64_t index, size_t& begin, size_t& end) const {
  const int64_t per_channels = p.batch * p.blocks, cut = index / per_channels, block = index % p.blocks;
  const auto all = std::ssize(p.shares);
  begin = static_cast<size_t>(all * cut / p.tasks_of_channels);
  end = static_cast<size_t>(all * (cut + 1) / p.tasks_of_channels);
  const int64_t extent = p.along_y ? p.y : p.x, first = block_start(extent, p.unit, p.blocks, block);
  Crop crop;
  crop.row = p.fused;
  crop.n = index % per_channels / p.blocks;
  crop.ys = p.y;
  crop.xs = p.x;
  crop.channel = p.shares[begin].first;
  crop.channels = p.shares[end - 1].first + p.shares[end - 1].channels - crop.channel;
  (p.along_y ? crop.y : crop.x) = first;
  (p.along_y ? crop.ys : crop.xs) = block_start(extent, p.unit, p.blocks, block + 1) - first;
  return crop;
}

Patch Paired::patch(const Choice& choice, size_t index) const {
  const auto& p = static_cast<const Plan&>(choice);
  size_t begin = 0, end = 0;
  return patch_of(crop_of(p, static_cast<int64_t>(index), begin, end), p.x, p.y);
}

int Paired::run_in(const Job& job, int64_t index, uint8_t* slot) const {
  const auto& p = static_cast<const Plan&>(*job.choice);
  size_t begin = 0, end = 0;
  Crop crop = crop_of(p, index, begin, end);
  const int64_t first = p.along_y ? crop.y : crop.x, size = p.along_y ? crop.ys : crop.xs;
  int64_t pieces = std::max<int64_t>(ceil_div(size / p.unit * p.unit, p.step), 1);
  if (!job.tails.empty()) {
    const int64_t wanted = size * (p.along_y ? p.x : 1) * crop.channels / kTailBytes;
    pieces = std::clamp<int64_t>(wanted, pieces, std::max<int64_t>(size / p.unit, pieces));
  }
  int rc = 0;
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const int64_t from = block_start(size, p.unit, pieces, piece), to = block_start(size, p.unit, pieces, piece + 1);
    (p.along_y ? crop.y : crop.x) = first + from;
    (p.along_y ? crop.ys : crop.xs) = to - from;
    for (size_t i = begin; i < end; ++i) {
      const size_t g = p.shares[i].group;
      if (i == begin || p.shares[i - 1].group != g) {
        gather(job, groups_[g], (crop.n * p.y + crop.y) * p.x + crop.x, crop.ys * crop.xs, slot);
        if (g < p.shares[end - 1].group) ask_for(groups_[g + 1].moves);
      }
      rc |= multiply(job, crop, i, slot);
    }
    fill_halo(job.dst, crop);
    if (job.tails.empty()) continue;
    const FloatMode mode;
    apply_tails(*ops_, job.tails, job.dst, crop);
  }
  return rc;
}

// The source of `count` output pixels, counted through all images.
void Paired::gather(const Job& job, const Group& group, int64_t first, int64_t count, uint8_t* to) const {
  const auto& p = static_cast<const Plan&>(*job.choice);
  const OpSpec& s = p.shaped;
  const Tensor& t = job.src;
  const bool dense = s.kind == OpKind::dense;
  const int64_t width = p.flat ? p.x : dense ? s.m : s.ow(), height = p.flat || dense ? 1 : s.oh();
  const int64_t step_x = dense ? t.stride_x : s.sw * t.stride_x, step_y = s.sh * t.stride_y;
  const int64_t pitch = pitch_of(group.row);
  const uint8_t* const origin = dense ? t.data : t.data - s.pt * t.stride_y - s.pl * t.stride_x;
  for (int64_t done = 0; done < count;) {
    const int64_t at = first + done, row = at / width, x = at % width, pixels = std::min(width - x, count - done);
    const uint8_t* const from = origin + row / height * t.stride_n + row % height * step_y + x * step_x;
    for (int64_t i = 0; i < geometry_.sx * geometry_.sy; ++i) {
      const auto segment = static_cast<size_t>(i);
      const Reorder* const moves = group.moves.data() + group.segments[segment];
      const auto number = static_cast<int64_t>(group.segments[segment + 1] - group.segments[segment]);
      const int64_t offset = dense ? 0 : i / geometry_.sx * s.dh * t.stride_y + i % geometry_.sx * s.dw * t.stride_x;
      ops_->reorder(moves, number, {from + offset, step_x}, pixels, {to + done * pitch, pitch});
    }
    done += pixels;
  }
}

int Paired::multiply(const Job& job, const Crop& crop, size_t index, const uint8_t* rows) const {
  const auto& p = static_cast<const Plan&>(*job.choice);
  const Group& group = groups_[p.shares[index].group];
  const int64_t pitch = pitch_of(group.row), element = size_of(spec_.dst);
  const Tensor& t = job.dst;
  Buffer<5> src{kUInt, 8};
  Buffer<4> wei{kInt, 8};
  Buffer<1> bias{kInt, 32}, mult{kFloat, 32};
  Buffer<3> dst{element == 4 ? kInt : kUInt, static_cast<int>(element) * 8};
  src.at(rows);
  src.set(0, group.row, 1);
  src.set(1, 1, 0);
  src.set(2, 1, 0);
  src.set(3, crop.xs, pitch);
  src.set(4, crop.ys, crop.xs * pitch);
  wei.set(0, 4, 1);
  wei.set(1, kLanes, 4);
  wei.set(2, group.row / 4, 4 * kLanes);
  dst.set(1, crop.xs, t.stride_x / element);
  dst.set(2, crop.ys, t.stride_y / element);
  uint8_t* const to = pixel_at(t, crop.n, crop.y, crop.x);
  int rc = 0;
  for (size_t i = p.cuts[index]; i < p.cuts[index + 1]; ++i) {
    const Part& part = p.parts[i];
    wei.set(3, part.panels, kLanes * group.row);
    wei.at(packed_.data() + part.wei_offset);
    bias.set(0, part.channels, 1);
    bias.at(tables_.as<int32_t>() + part.table);
    mult.set(0, part.channels, 1);
    mult.at(tables_.as<float>() + table_length_ + part.table);
    dst.set(0, part.channels, 1);
    dst.at(to + part.channel * element);
    rc |= reinterpret_cast<octile_dot_fn>(table_[static_cast<size_t>(part.kernel)].fn)(
        &src.raw, &wei.raw, &bias.raw, &mult.raw, lo_, hi_, dst_zp_, &dst.raw);
  }
  return rc;
}

}  // namespace octile::runtime
