// PreparedOp::run: blocks times channel groups, one kernel call per part.
// In:  Choice, tensors, scratch, the host's threads.  Out: dst.
// Not here: choosing.  Nothing is allocated; buffers live on the stack of the task.
#include <algorithm>
#include <limits>

#include "runtime/exec/frame.h"
#include "runtime/exec/op.h"
#include "workload/numerics/float_mode.h"

namespace octile::runtime {

namespace {

template <class Fn>
Fn as(void* fn) {
  return reinterpret_cast<Fn>(fn);
}

Status refuse(const std::string& what) { return {Code::invalid_argument, what}; }

}  // namespace

Status Op::check(const Choice& c, const Tensor& src, const Tensor& dst) const {
  const OpSpec& s = c.shaped;
  const int64_t limit = std::numeric_limits<int32_t>::max();
  const bool joined = !depthwise_ && geometry_.run > geometry_.depth;
  if (joined && pitched(src)) return refuse("distance of pixels");
  // Kernels address one image with 32-bit offsets.
  if ((src.h + s.pt + s.pb) * src.stride_y > limit || dst.h * dst.stride_y > limit ||
      (c.fused && (c.x * src.stride_x > limit || c.x * dst.stride_x > limit))) {
    return {Code::unsupported, "an image beyond 2 GiB"};
  }
  return {};
}

size_t Op::tasks(const Choice& c) const { return c.widen || spec_.wei_var ? 0 : c.tasks(); }

void Op::bind(Job& job) const {
  const OpSpec& s = job.choice->shaped;
  job.origin = job.src.data - s.pt * job.src.stride_y - s.pl * job.src.stride_x;
  job.wei = packed_.data();
  job.bias = tables_.as<int32_t>();
  job.slot_bytes = job.choice->slot;
  job.first_batch = 0;
  job.batches = job.choice->batch;
}

Status Op::run(const Choice& c, const Tensor& src, const Tensor& dst, void* scratch, const Parallel& parallel,
               const void* wei_var, int64_t wei_stride, std::span<const Tail> tails) const {
  if (spec_.wei_var != (wei_var != nullptr)) return refuse("weights must come with run() exactly when they vary");
  Job job;
  OCTILE_RETURN_IF_ERROR(begin(c, src, dst, scratch, tails, job));
  if (c.widen) widen(job, parallel);
  Slots slots(c.slots);
  job.slots = &slots;
  const auto all = [&](size_t count) {
    spread(parallel, static_cast<int64_t>(count), [&](int64_t i) { run_task(job, static_cast<size_t>(i)); });
  };
  if (!spec_.wei_var) {
    all(c.tasks());
  } else {
    job.batches = 1;  // each matrix packs its own weights
    for (int64_t b = 0; b < c.batch; ++b) {
      pack_variable(job, wei_var, wei_stride, b, parallel);
      job.first_batch = b;
      all(c.tasks() / static_cast<size_t>(c.batch));
    }
  }
  return ended(job);
}

// The source as int16, same geometry, halo of the pads included; rows no output reads are skipped.
void Op::widen(Job& job, const Parallel& parallel) const {
  const Choice& c = *job.choice;
  const OpSpec& s = c.shaped;
  const bool dense = s.kind == OpKind::dense;
  const int64_t rows = dense ? 1 : s.ih + s.pt + s.pb;
  const int64_t width = dense ? s.m * s.k : (s.iw + s.pl + s.pr) * s.ic;
  auto* wide = reinterpret_cast<int16_t*>(job.scratch + c.widened);
  job.wide = wide;
  const int64_t channels = dense ? s.k : s.ic;
  job.wide_x = channels;
  job.wide_y = width;
  job.wide_n = rows * width;
  const bool sparse = s.kind == OpKind::conv2d && s.kh == 1 && s.sh > 1;
  spread(parallel, s.mb * rows, [&](int64_t i) {
    const int64_t y = i % rows;
    if (sparse && y % s.sh != 0) return;
    const uint8_t* from = job.origin + i / rows * job.src.stride_n + y * job.src.stride_y;
    int16_t* to = wide + i * width;
    const bool pitched = job.src.stride_x != channels;
    const int64_t run = pitched ? channels : width;
    for (int64_t x = 0; x < width; x += run, from += job.src.stride_x) {
      for (int64_t k = 0; k < run; ++k) to[x + k] = from[k];
    }
  });
  std::fill_n(wide + s.mb * rows * width, 64, int16_t{0});
}

// dotz: the sums of everything the pixels of a crop read, for each group its cut has channels of.
void Op::sum_rows(const Job& job, size_t cut, const Crop& crop, uint32_t* sums) const {
  const Choice& c = *job.choice;
  const OpSpec& s = c.shaped;
  const DotGeometry& d = geometry_;
  const bool dense = s.kind == OpKind::dense;
  const int64_t step = dense ? job.src.stride_x : s.sw * job.src.stride_x;
  const int64_t first = c.parts[c.cuts[cut]].group, last = c.parts[c.cuts[cut + 1] - 1].group;
  std::fill_n(sums, (last - first + 1) * crop.ys * crop.xs, 0U);
  for (int64_t g = first; g <= last; ++g) {
    for (int64_t y = crop.y; y < crop.y + crop.ys; ++y, sums += crop.xs) {
      const uint8_t* const from = job.origin + crop.n * job.src.stride_n + y * s.sh * job.src.stride_y + g * d.depth;
      for (int64_t ky = 0; ky < d.sy; ++ky) {
        for (int64_t kx = 0; kx < d.sx; ++kx) {
          const int64_t offset = ky * s.dh * job.src.stride_y + kx * s.dw * job.src.stride_x + crop.x * step;
          ops_->add_codes({from + offset, step}, d.run, crop.xs, sums);
        }
      }
    }
  }
}

// Packs matrix `matrix` of the variable weights into scratch, one panel per task, and its bias'.
void Op::pack_variable(Job& job, const void* wei_var, int64_t wei_stride, int64_t matrix,
                       const Parallel& parallel) const {
  const Choice& c = *job.choice;
  const int64_t stride = wei_stride == 0 ? spec_.n : wei_stride;
  const WeightView view{static_cast<const uint8_t*>(wei_var) + matrix * spec_.k * stride, spec_.wei, true, stride};
  uint8_t* wei = job.scratch + c.wei;
  auto* bias = reinterpret_cast<int32_t*>(job.scratch + c.tables);
  job.wei = wei;
  job.bias = bias;
  spread(parallel, static_cast<int64_t>(layouts_.size()), [&](int64_t p) {
    const auto at = static_cast<size_t>(p);
    uint32_t columns[16];
    const int64_t first = p * lanes_, count = std::min<int64_t>(lanes_, geometry_.channels - first);
    pack_dense_panel(layouts_[at], geometry_, view, rule_, first, wei + offsets_[at], columns);
    for (int64_t j = 0; j < lanes_; ++j) {
      const int64_t n = first + j;
      const int32_t own = quant_.bias.empty() || j >= count ? 0 : quant_.bias[static_cast<size_t>(n)];
      bias[n] = j >= count ? 0 : folded_bias(own, src_zp_, columns[j], geometry_.reduction(), rule_.left(n));
    }
  });
}

// The buffers of one task; what differs from part to part is set for each call.
struct Op::Frame {
  Buffer<5> src{kUInt, 8};
  Buffer<4> wei{kInt, 8};
  Buffer<1> bias{kInt, 32}, mult{kFloat, 32}, wzp{kInt, 32};
  Buffer<2> rowsum{kInt, 32};
  Buffer<3> dst;
  int64_t batch = 0, x0 = 0, y0 = 0;
  int64_t src_x = 0;  // elements between source pixels

  explicit Frame(int64_t dst_bytes) : dst(dst_bytes == 4 ? kInt : kUInt, static_cast<int>(dst_bytes) * 8) {}
};

// What task `index` computes, and which cut of the channels that is. Columns or rows are those of its block.
Crop Op::crop_of(const Choice& c, int64_t batches, size_t index, size_t& cut) {
  const auto i = static_cast<int64_t>(index), per_cut = batches * c.blocks, cuts = std::ssize(c.cuts) - 1;
  cut = static_cast<size_t>(c.blocks_first ? i % cuts : i / per_cut);
  const int64_t at = c.blocks_first ? i / cuts : i % per_cut, block = at % c.blocks;
  const auto size = [&](size_t b) { return c.starts[b + 1] - c.starts[b]; };
  // The shorter block comes first: it reads less of what the last tasks of the step before write.
  const bool falls = size(0) > size(c.starts.size() - 2), mirrored = c.blocks_first && (cut % 2 == 1) != falls;
  const auto near = static_cast<size_t>(mirrored ? c.blocks - 1 - block : block);
  const Part& last = c.parts[c.cuts[cut + 1] - 1];
  Crop crop;
  crop.row = c.fused;
  crop.n = at / c.blocks;
  crop.ys = c.y;
  crop.xs = c.x;
  crop.channel = c.parts[c.cuts[cut]].channel;
  crop.channels = (last.channel + last.channels - crop.channel) / c.joined;
  (c.along_y ? crop.y : crop.x) = mirrored ? c.starts.back() - c.starts[near + 1] : c.starts[near];
  (c.along_y ? crop.ys : crop.xs) = c.starts[near + 1] - c.starts[near];
  return crop;
}

Patch Op::patch(const Choice& c, size_t index) const {
  size_t cut = 0;
  return patch_of(crop_of(c, c.batch, index, cut), c.x, c.y);
}

void Op::run_task(Job& job, size_t index) const {
  const Choice& c = *job.choice;
  size_t cut = 0;
  Crop crop = crop_of(c, job.batches, index, cut);
  crop.n += job.first_batch;
  const int64_t first = c.along_y ? crop.y : crop.x, size = c.along_y ? crop.ys : crop.xs;
  // Tails want a crop that stays in the innermost cache.
  int64_t pieces = 1;
  if (!job.tails.empty()) {
    const int64_t bytes = crop.ys * crop.xs * crop.channels * size_of(spec_.dst);
    pieces = std::clamp<int64_t>(bytes / kTailBytes, 1, std::max<int64_t>(size / c.unit, 1));
  }
  const int slot = zeros_ ? job.slots->take(static_cast<int64_t>(index), static_cast<int64_t>(c.tasks())) : 0;
  auto* const sums = reinterpret_cast<uint32_t*>(job.scratch + c.borrowed + job.slot_bytes * static_cast<size_t>(slot));
  const bool alone = !job.tails.empty() && job.tails.back().alone;
  Tensor dst = job.dst;
  for (int64_t p = 0; p < pieces; ++p) {
    const int64_t from = block_start(size, c.unit, pieces, p), to = block_start(size, c.unit, pieces, p + 1);
    (c.along_y ? crop.y : crop.x) = first + from;
    (c.along_y ? crop.ys : crop.xs) = to - from;
    // What only the tails read is made where the first piece was, which the caches still have.
    if (alone) dst.data = job.dst.data - from * (c.along_y ? dst.stride_y : dst.stride_x);
    run_crop(job, cut, crop, dst, sums);
    fill_halo(dst, crop);
    if (!job.tails.empty()) {
      const FloatMode mode;
      apply_tails(*ops_, job.tails, dst, crop);
    }
  }
  if (zeros_) job.slots->give(slot);
}

void Op::run_crop(Job& job, size_t cut, const Crop& crop, const Tensor& dst, uint32_t* sums) const {
  const Choice& c = *job.choice;
  const OpSpec& s = c.shaped;
  const int64_t element = size_of(spec_.dst);
  if (zeros_) sum_rows(job, cut, crop, sums);
  Frame f(element);
  f.batch = crop.n;
  f.x0 = crop.x;
  const int64_t xs = crop.xs / c.joined, ys = c.by_rows ? 1 : crop.ys;  // of one call
  f.dst.set(1, xs, dst.stride_x / element * c.joined);
  f.dst.set(2, ys, dst.stride_y / element);
  f.rowsum.set(0, crop.xs, 1);
  f.rowsum.set(1, crop.ys, crop.xs);
  for (size_t p = c.cuts[cut]; p < c.cuts[cut + 1]; ++p) {
    const Part& part = c.parts[p];
    const bool wide = layout_desc(part.layout).widens();
    const int64_t row = wide ? job.wide_y : job.src.stride_y, image = wide ? job.wide_n : job.src.stride_n;
    const int64_t pixel = wide ? job.wide_x : job.src.stride_x, step_x = s.kind == OpKind::dense ? pixel : s.sw * pixel;
    f.src_x = pixel;
    f.src.raw.type = {static_cast<uint8_t>(wide ? kInt : kUInt), static_cast<uint8_t>(wide ? 16 : 8), 1};
    f.src.set(2, s.kind == OpKind::dense ? 1 : s.kh, s.dh * row);
    f.src.set(3, xs, step_x * c.joined);
    f.src.set(4, ys, s.sh * row);
    f.bias.at(job.bias + part.table);
    f.mult.at(tables_.as<float>() + table_length_ + part.table);
    f.bias.set(0, part.channels, 1);
    f.mult.set(0, part.channels, 1);
    f.dst.set(0, part.channels, 1);
    f.wei.at(job.wei + part.wei_offset);
    if (zeros_) f.rowsum.at(sums + (part.group - c.parts[c.cuts[cut]].group) * crop.ys * crop.xs);
    for (f.y0 = crop.y; f.y0 < crop.y + crop.ys; f.y0 += ys) {
      const int64_t offset = f.batch * image + f.y0 * s.sh * row + f.x0 * step_x + part.src_channel;
      f.src.at(wide ? reinterpret_cast<const uint8_t*>(job.wide + offset) : job.origin + offset);
      f.dst.at(pixel_at(dst, f.batch, f.y0, f.x0) + part.channel * element);
      const int rc = depthwise_ ? call_depthwise(job, f, part) : call_dot(job, f, part);
      if (rc != 0) job.rc.store(rc, std::memory_order_relaxed);
    }
    if (layout_desc(part.layout).bytes == 1) add_rests(job, part, crop, dst);
  }
}

// The products of what panels of bytes leave out, modulo 2^32 as all sums.
void Op::add_rests(const Job& job, const Part& part, const Crop& crop, const Tensor& dst) const {
  const OpSpec& s = job.choice->shaped;
  for (const DepthwiseRest& rest : rests_) {
    if (rest.channel < part.channel || rest.channel >= part.channel + part.channels) continue;
    for (int64_t y = crop.y; y < crop.y + crop.ys; ++y) {
      const int64_t row = y * s.sh + rest.ky * s.dh, pixel = crop.x * s.sw + rest.kx * s.dw;
      const uint8_t* from =
          job.origin + crop.n * job.src.stride_n + row * job.src.stride_y + pixel * job.src.stride_x + rest.channel;
      uint8_t* to = pixel_at(dst, crop.n, y, crop.x) + rest.channel * size_of(DType::s32);
      for (int64_t x = 0; x < crop.xs; ++x, from += s.sw * job.src.stride_x, to += dst.stride_x) {
        auto& sum = *reinterpret_cast<uint32_t*>(to);
        sum += static_cast<uint32_t>(rest.weight) * *from;
      }
    }
  }
}

int Op::call_depthwise(const Job& job, Frame& f, const Part& part) const {
  const OpSpec& s = job.choice->shaped;
  const Kernel& kernel = table_[static_cast<size_t>(part.kernel)];
  const LayoutDesc& l = layout_desc(part.layout);
  const int taps = l.quantum, at = taps == 1 ? 0 : 1;
  const int64_t padded = static_cast<int64_t>(align_up(static_cast<size_t>(s.oc))), groups = (s.kw + taps - 1) / taps;
  f.src.set(0, part.channels, 1);
  f.src.set(1, s.kw, s.dw * f.src_x);
  f.wei.raw.dimensions = at + 3;
  f.wei.raw.type.bits = static_cast<uint8_t>(8 * l.bytes);
  if (taps > 1) f.wei.set(0, taps, 1);
  f.wei.set(at, padded - part.channel, taps);
  f.wei.set(at + 1, groups, taps * padded);
  f.wei.set(at + 2, s.kh, taps * padded * groups);
  return as<octile_depthwise_fn>(kernel.fn)(&f.src.raw, &f.wei.raw, &f.bias.raw, &f.mult.raw, lo_, hi_, dst_zp_,
                                            &f.dst.raw);
}

int Op::call_dot(const Job& job, Frame& f, const Part& part) const {
  const Choice& c = *job.choice;
  const DotGeometry& d = geometry_;
  const Kernel& kernel = table_[static_cast<size_t>(part.kernel)];
  const LayoutDesc& l = layout_desc(part.layout);
  const int64_t words = d.total_words(l.quantum);
  f.src.set(0, d.words(l.quantum) * l.quantum, 1);
  f.src.set(1, d.sx, c.shaped.dw * f.src_x);
  f.wei.raw.type.bits = static_cast<uint8_t>(l.bytes * 8);
  f.wei.set(0, l.quantum, 1);
  f.wei.set(1, l.lanes, l.quantum);
  f.wei.set(2, words, l.quantum * l.lanes);
  f.wei.set(3, part.panels, words * l.quantum * l.lanes);
  if (!zeros_) {
    return as<octile_dot_fn>(kernel.fn)(&f.src.raw, &f.wei.raw, &f.bias.raw, &f.mult.raw, lo_, hi_, dst_zp_,
                                        &f.dst.raw);
  }
  f.wzp.set(0, part.channels, 1);
  f.wzp.at(tables_.as<int32_t>() + 2 * table_length_ + part.table);
  return as<octile_dotz_fn>(kernel.fn)(&f.src.raw, &f.wei.raw, &f.bias.raw, &f.mult.raw, lo_, hi_, dst_zp_, &f.wzp.raw,
                                       &f.rowsum.raw, &f.dst.raw);
}

}  // namespace octile::runtime
