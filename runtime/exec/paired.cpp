// Paired::choose and run: blocks of pixels times groups of channels, the source copied in the order of each group.
// In:  shapes, tensors, scratch, the host's threads.  Out: dst.
// Not here: orders and weights (paired_pack.cpp).  run() allocates nothing.
#include "runtime/exec/paired.h"

#include <algorithm>
#include <atomic>
#include <limits>

#include "runtime/exec/check.h"
#include "runtime/exec/frame.h"
#include "runtime/exec/slots.h"
#include "workload/numerics/float_mode.h"

namespace octile::runtime {
namespace {

constexpr int64_t kCopyBytes = 96 * 1024;  // of the source that is copied at a time: it stays near
constexpr int64_t kTailBytes = 16 * 1024;  // of a crop that tails find in the innermost cache
constexpr int64_t kOver = 16;              // bytes a move may write past a row

int64_t pitch_of(int64_t row) { return static_cast<int64_t>(align_up(static_cast<size_t>(row + kOver))); }

}  // namespace

struct Paired::Plan : Choice {
  int64_t tasks_of_channels = 1;  // groups are spread over them
  int64_t step = 1;               // of the cut axis, copied at a time
  bool flat = false;              // all pixels of the source are one row
  size_t slot = 0;                // bytes
  int slots = 1;
};

struct Paired::Job {
  const Paired* op;
  const Plan* plan;
  Tensor src, dst;
  uint8_t* scratch;
  std::span<const Tail> tails;
  Slots slots;
  std::atomic<int> rc{0};
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
  Ask ask;
  ask.family = "dot";
  ask.dst = spec_.dst == DType::s32 ? "s32" : "u8";
  ask.best = best_;
  ask.x = p.x;
  ask.y = p.y;
  PanelModes mode;
  mode.k4n8 = 3;  // acc16 of single words, portable kernels
  p.cuts.assign(1, 0);
  int64_t longest = 0;
  for (size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    longest = std::max(longest, group.row);
    ask.channels = group.channels;
    ask.reduction = group.row;
    const std::vector<PanelModes> modes(static_cast<size_t>(ceil_div(group.channels, kLanes)), mode);
    for (const Span& s : cover_panels(table_, ask, kLanes, modes)) {
      const Kernel& k = table_[static_cast<size_t>(s.kernel)];
      p.unit = std::max<int64_t>(p.unit, p.along_y ? k.entry.tile_y : k.entry.tile_x);
      Part part;
      part.kernel = s.kernel;
      part.reason = s.reason;
      part.layout = Layout::k4n8;
      part.panels = s.panels;
      part.channels = s.channels;
      part.channel = part.table = group.first + s.first * kLanes;
      part.wei_offset = group.offset + s.first * kLanes * group.row;
      p.parts.push_back(part);
    }
    if (p.parts.size() == p.cuts.back()) return Status(Code::unsupported, "no kernel for " + to_key(shaped));
    p.cuts.push_back(p.parts.size());
  }
  const int64_t pixels = p.along_y ? p.x : 1;  // of a step along the axis
  CutFacts f;
  f.l2_bytes = target(Isa::avx2).l2_bytes;
  f.src_bytes = (dense ? shaped.k : shaped.sh * shaped.sw * shaped.ic) * pixels;
  f.macs = pixels * shaped.channels() * geometry_.reduction();
  f.weight_bytes = packed_bytes_;
  f.extent = p.along_y ? p.y : p.x;
  f.unit = p.unit;
  f.batch = p.batch;
  f.channel_tiles = static_cast<int64_t>(groups_.size());
  f.threads = std::max(threads, 1);
  const Cut cut = cut_work(f);
  p.blocks = cut.blocks;
  p.tasks_of_channels = cut.channel_groups;
  const int64_t most = std::max(kCopyBytes / (pitch_of(longest) * pixels) / p.unit, int64_t{1}) * p.unit;
  const int64_t block = ceil_div(f.extent / p.unit, p.blocks) * p.unit + f.extent % p.unit;
  p.step = std::min(most, block);
  // The last piece of a block takes what does not make whole units.
  p.slot = align_up(static_cast<size_t>((std::min(p.step + p.unit, block) + p.unit) * pixels * pitch_of(longest)));
  p.slots = static_cast<int>(
      std::min<int64_t>({std::max(threads, 1), Slots::kMost, p.batch * p.blocks * p.tasks_of_channels}));
  p.scratch = p.slot * static_cast<size_t>(p.slots);
  return std::shared_ptr<const Choice>(std::move(plan));
}

std::vector<Decision> Paired::explain(const Choice& choice) const {
  std::vector<Decision> out;
  for (const Part& p : choice.parts) add_decision(out, table_[static_cast<size_t>(p.kernel)], "paired", p.panels);
  return out;
}

Status Paired::run(const Choice& choice, const Tensor& src, const Tensor& dst, void* scratch, const Parallel& parallel,
                   const void* wei_var, int64_t /*wei_stride*/, std::span<const Tail> tails) const {
  OCTILE_RETURN_IF_ERROR(check_tensors(choice, src, dst));
  if (wei_var != nullptr) return {Code::invalid_argument, "weights must come with run() exactly when they vary"};
  if (geometry_.run > geometry_.depth && pitched(src)) return {Code::invalid_argument, "distance of pixels"};
  if (choice.fused && !(contiguous(src) && contiguous(dst))) {
    return {Code::invalid_argument, "tensors were promised to have no gaps"};
  }
  // Kernels address what they write with 32 bits.
  const int64_t limit = std::numeric_limits<int32_t>::max();
  if (dst.h * dst.stride_y > limit || (choice.fused && choice.x * dst.stride_x > limit)) {
    return {Code::unsupported, "an image beyond 2 GiB"};
  }
  if (!tails.empty()) {
    if (spec_.dst == DType::s32) return {Code::invalid_argument, "tails want codes, not accumulators"};
    OCTILE_RETURN_IF_ERROR(check_tails(tails, dst));
  }
  const auto& plan = static_cast<const Plan&>(choice);
  Job job{this, &plan, src, dst, static_cast<uint8_t*>(scratch), tails, Slots(plan.slots)};
  const auto task = [](void* arg, size_t index) {
    Job& j = *static_cast<Job*>(arg);
    j.op->run_task(j, index);
  };
  parallel(static_cast<size_t>(plan.batch * plan.blocks * plan.tasks_of_channels), task, &job);
  if (const int rc = job.rc.load(); rc != 0) {
    return {Code::internal, "a kernel returned " + std::to_string(rc) + " for " + to_key(plan.shaped)};
  }
  return {};
}

void Paired::run_task(Job& job, size_t index) const {
  const Plan& p = *job.plan;
  const auto at = static_cast<int64_t>(index), per_channels = p.batch * p.blocks, cut = at / per_channels;
  const auto all = static_cast<int64_t>(groups_.size());
  const auto begin = static_cast<size_t>(all * cut / p.tasks_of_channels);
  const auto end = static_cast<size_t>(all * (cut + 1) / p.tasks_of_channels);
  const int64_t extent = p.along_y ? p.y : p.x;
  const int64_t first = block_start(extent, p.unit, p.blocks, at % p.blocks);
  const int64_t size = block_start(extent, p.unit, p.blocks, at % p.blocks + 1) - first;
  Crop crop;
  crop.row = p.fused;
  crop.n = at % per_channels / p.blocks;
  crop.ys = p.y;
  crop.xs = p.x;
  int64_t pieces = std::max<int64_t>(ceil_div(size / p.unit * p.unit, p.step), 1);
  if (!job.tails.empty()) {
    const int64_t channels = groups_[end - 1].first + groups_[end - 1].channels - groups_[begin].first;
    const int64_t wanted = size * (p.along_y ? p.x : 1) * channels / kTailBytes;
    pieces = std::clamp<int64_t>(wanted, pieces, std::max<int64_t>(size / p.unit, pieces));
  }
  const int slot = job.slots.take();
  uint8_t* const rows = job.scratch + p.slot * static_cast<size_t>(slot);
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const int64_t from = block_start(size, p.unit, pieces, piece), to = block_start(size, p.unit, pieces, piece + 1);
    (p.along_y ? crop.y : crop.x) = first + from;
    (p.along_y ? crop.ys : crop.xs) = to - from;
    for (size_t g = begin; g < end; ++g) {
      const Group& group = groups_[g];
      gather(job, group, (crop.n * p.y + crop.y) * p.x + crop.x, crop.ys * crop.xs, rows);
      if (const int rc = multiply(job, crop, g, rows); rc != 0) job.rc.store(rc, std::memory_order_relaxed);
    }
    if (job.tails.empty()) continue;
    crop.channel = groups_[begin].first;
    crop.channels = groups_[end - 1].first + groups_[end - 1].channels - crop.channel;
    const FloatMode mode;
    apply_tails(*ops_, job.tails, job.dst, crop);
  }
  job.slots.give(slot);
}

// The source of `count` output pixels, counted through all images.
void Paired::gather(const Job& job, const Group& group, int64_t first, int64_t count, uint8_t* to) const {
  const Plan& p = *job.plan;
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
  const Plan& p = *job.plan;
  const Group& group = groups_[index];
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
  uint8_t* const to = t.data + crop.n * t.stride_n + crop.y * t.stride_y + crop.x * t.stride_x;
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
