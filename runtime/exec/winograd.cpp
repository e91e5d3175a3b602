// Winograd::choose and run: blocks of tiles, transformed, multiplied with filters and written in the second cache.
// In:  shapes, tensors, scratch, the host's threads.  Out: dst.
// Not here: packing (winograd_pack.cpp).  run() allocates nothing.
#include "runtime/exec/winograd.h"

#include <algorithm>

#include "runtime/exec/check.h"
#include "runtime/exec/frame.h"
#include "runtime/exec/tails.h"
#include "workload/numerics/float_mode.h"

namespace octile::runtime {
namespace {

constexpr int64_t kChunk = 64;            // at most so many channels have filters and sums in scratch at a time
constexpr int64_t kFilterShare = 3;       // of L2, the filters of a chunk
constexpr int64_t kLeastTiles = 8;        // threads cut blocks no smaller: their weights would be read for too little
constexpr int64_t kPlentyOfTiles = 48;    // blocks this large lose little, so threads may have more of them
constexpr int64_t kWorthwhileTiles = 16;  // fewer, because channels are many, would read filters too often
constexpr int64_t kGap = 64;  // bytes between positions, so that their rows are not all in one set of the cache

}  // namespace

struct Winograd::Plan : SlottedOp::Plan {
  int64_t tiles_x = 1, tiles_y = 1, tiles = 1;           // tiles: of all images
  int64_t groups = 1;                                    // of chunks, a task each
  int64_t most = 1;                                      // tiles of a block
  int64_t chunk = 1;                                     // channels of a chunk, and sums of one tile and position
  int64_t read_step = 0, filter_step = 0, sum_step = 0;  // elements between positions
  size_t filters = 0, sums = 0;                          // bytes: offsets in a slot
};

struct Winograd::Task {
  int64_t first, last;       // tiles
  int64_t chunk, chunk_end;  // of channels
};

struct Winograd::Block {
  int64_t first, last;
  int16_t* windows;
  int16_t* filters;
  int32_t* sums;
};

Result<std::shared_ptr<const Choice>> Winograd::choose(const OpSpec& shaped, int threads, bool /*contiguous*/,
                                                       bool pitched) const {
  OCTILE_RETURN_IF_ERROR(check_shape(shaped, spec_));
  auto plan = std::make_shared<Plan>();
  Plan& p = *plan;
  p.shaped = shaped;
  p.pitched = pitched;
  p.x = shaped.ow();
  p.y = shaped.oh();
  p.tiles_x = ceil_div(p.x, tile_);
  p.tiles_y = ceil_div(p.y, tile_);
  p.tiles = shaped.mb * p.tiles_y * p.tiles_x;
  const int64_t l2 = target(isa_).l2_bytes;
  const int64_t fitting = l2 / kFilterShare / (positions() * depth_ * 2) / lanes_ * lanes_;
  p.chunk = std::clamp(fitting, lanes_, std::min(kChunk, channels()));
  const int64_t chunks = ceil_div(channels(), p.chunk);
  const auto tile_bytes = positions() * (depth_ * 2 + p.chunk * 4);
  CutFacts f;
  f.l2_bytes = 4 * l2;  // cut_work() leaves a quarter of it to what a step reads
  f.src_bytes = std::min(tile_bytes, l2 / kWorthwhileTiles);
  f.cost = positions() * depth_ * spec_.oc;
  f.extent = p.tiles;
  f.unit = std::min(kLeastTiles, p.tiles);
  f.channel_tiles = chunks;
  Cut cut = cut_work(f);
  if (threads > 1) {
    // By channels first, but for no more tasks than threads: each of them transforms its windows again, while smaller
    // blocks would transform all filters for fewer tiles. Chunks that they cannot share evenly are worse than that.
    const int64_t groups = std::clamp<int64_t>(ceil_div(threads, cut.blocks), 1, chunks);
    cut.channel_groups = chunks % groups == 0 || p.tiles < threads * kLeastTiles ? groups : 1;
    const auto at_least = [&](int64_t tasks, int64_t tiles) {
      const int64_t most = std::max(p.tiles / tiles, cut.blocks);
      cut.blocks = std::clamp(ceil_div(tasks, cut.channel_groups), cut.blocks, most);
    };
    at_least(threads, kLeastTiles);
    at_least(4 * threads, kPlentyOfTiles);
  }
  p.blocks = cut.blocks;
  p.groups = cut.channel_groups;
  p.most = ceil_div(p.tiles, p.blocks);
  Ask ask = dot_ask(best_, DType::s32);
  ask.whole_vectors = whole_vectors_;
  ask.x = p.tiles / p.blocks;
  ask.reduction = depth_;
  PanelModes mode;
  mode.k2n8w = mode.k2n16w = 1;
  Covers covers;
  for (int64_t first = 0; first < channels(); first += p.chunk) {
    ask.channels = std::min(p.chunk, spec_.oc - first);
    // Scratch has room for whole panels, but there may be kernels for a half.
    if (ask.channels % lanes_ != lanes_ / 2) ask.channels = ceil_div(ask.channels, lanes_) * lanes_;
    if (!add_parts(p, ask, mode, 0, 0, lanes_ * depth_ * 2, covers)) {
      return Status(Code::unsupported, "no kernel for " + to_key(shaped));
    }
  }
  p.read_step = p.most * depth_ + kGap / 2;
  p.filter_step = p.chunk * depth_ + kGap / 2;
  p.sum_step = p.most * p.chunk + kGap / 4;
  p.filters = align_up(static_cast<size_t>(positions() * p.read_step) * sizeof(int16_t));
  p.sums = p.filters + align_up(static_cast<size_t>(positions() * p.filter_step) * sizeof(int16_t));
  p.slot = p.sums + align_up(static_cast<size_t>(positions() * p.sum_step) * sizeof(int32_t));
  p.count = p.blocks * p.groups;
  lay_slots(p, threads);
  return std::shared_ptr<const Choice>(std::move(plan));
}

Winograd::Task Winograd::task_at(const Plan& p, int64_t index) {
  const int64_t block = index % p.blocks, group = index / p.blocks, chunks = std::ssize(p.cuts) - 1;
  return {p.tiles * block / p.blocks, p.tiles * (block + 1) / p.blocks, chunks * group / p.groups,
          chunks * (group + 1) / p.groups};
}

std::string Winograd::reason() const { return tile_ == 4 ? "winograd 4x4" : "winograd 2x2"; }

Patch Winograd::patch(const Choice& choice, size_t index) const {
  const auto& p = static_cast<const Plan&>(choice);
  const Task t = task_at(p, static_cast<int64_t>(index));
  const int64_t top = t.first / p.tiles_x, bottom = (t.last - 1) / p.tiles_x;  // rows of tiles, of all images
  const auto row = [&](int64_t tiles, int64_t more) {
    return tiles / p.tiles_y * p.y + std::min(p.y, (tiles % p.tiles_y + more) * tile_);
  };
  Patch out{row(top, 0) * p.x, row(bottom, 1) * p.x, 0, p.x, 0, 0};
  if (top == bottom) {
    out.x = t.first % p.tiles_x * tile_;
    out.x_end = std::min(p.x, ((t.last - 1) % p.tiles_x + 1) * tile_);
  }
  out.channel = t.chunk * p.chunk;
  out.channel_end = std::min(t.chunk_end * p.chunk, spec_.oc);
  return out;
}

int Winograd::run_in(const Job& job, int64_t index, uint8_t* slot) const {
  const auto& p = static_cast<const Plan&>(*job.choice);
  const Task task = task_at(p, index);
  Block block;
  block.first = task.first;
  block.last = task.last;
  block.windows = reinterpret_cast<int16_t*>(slot);
  block.filters = reinterpret_cast<int16_t*>(slot + p.filters);
  block.sums = reinterpret_cast<int32_t*>(slot + p.sums);
  const FloatMode mode;
  read(job, block);
  int rc = 0;
  for (int64_t c = task.chunk; c < task.chunk_end; ++c) {
    transform(p, block, c);
    rc |= multiply(p, block, static_cast<size_t>(c));
    write(job, block, static_cast<size_t>(c));
  }
  return rc;
}

// Windows that hang over the end of the padded image repeat its last row or column: what they give is not written.
void Winograd::read(const Job& job, const Block& block) const {
  const auto& p = static_cast<const Plan&>(*job.choice);
  const OpSpec& s = p.shaped;
  const Tensor& t = job.src;
  const int64_t height = s.ih + s.pt + s.pb, width = s.iw + s.pl + s.pr;
  const uint8_t* const origin = t.data - s.pt * t.stride_y - s.pl * t.stride_x;
  for (int64_t i = block.first; i < block.last; ++i) {
    const int64_t x = i % p.tiles_x * tile_, y = i / p.tiles_x % p.tiles_y * tile_, n = i / p.tiles_x / p.tiles_y;
    WinogradWindow window;
    for (int k = 0; k < side(); ++k) {
      window.rows[k] = origin + n * t.stride_n + std::min(y + k, height - 1) * t.stride_y;
      window.columns[k] = std::min(x + k, width - 1) * t.stride_x;
    }
    ops_->winograd_read(tile_, window, spec_.ic, block.windows + (i - block.first) * depth_, p.read_step);
  }
}

void Winograd::transform(const Plan& plan, const Block& block, int64_t chunk) const {
  const int64_t first = chunk * plan.chunk, last = std::min(first + plan.chunk, channels());
  for (int64_t c = first; c < last; c += lanes_) {
    ops_->winograd_filter(tile_, packed_.as<int8_t>() + 9 * depth_ * c, &zeros_[static_cast<size_t>(2 * c)], depth_ / 2,
                          static_cast<int>(2 * lanes_), block.filters + (c - first) * depth_, plan.filter_step);
  }
}

// One product for each position: windows [tiles, depth] by filters [depth, channels of the chunk].
int Winograd::multiply(const Plan& plan, const Block& block, size_t chunk) const {
  const int64_t tiles = block.last - block.first;
  Buffer<5> src{kInt, 16};
  Buffer<4> wei{kInt, 16};
  Buffer<1> bias{kInt, 32}, mult{kFloat, 32};
  Buffer<3> dst{kInt, 32};
  src.set(0, depth_, 1);
  src.set(1, 1, 0);
  src.set(2, 1, 0);
  src.set(3, tiles, depth_);
  src.set(4, 1, 0);
  wei.set(0, 2, 1);
  wei.set(1, lanes_, 2);
  wei.set(2, depth_ / 2, 2 * lanes_);
  bias.at(tables_.as<int32_t>() + 2 * table_length_);  // zeros
  mult.at(tables_.as<float>() + table_length_);        // not looked at
  dst.set(1, tiles, plan.chunk);
  dst.set(2, 1, 0);
  int rc = 0;
  for (int64_t position = 0; position < positions(); ++position) {
    src.at(block.windows + position * plan.read_step);
    for (size_t i = plan.cuts[chunk]; i < plan.cuts[chunk + 1]; ++i) {
      const Part& part = plan.parts[i];
      wei.set(3, part.panels, lanes_ * depth_);
      wei.at(reinterpret_cast<uint8_t*>(block.filters + position * plan.filter_step) + part.wei_offset);
      bias.set(0, part.channels, 1);
      mult.set(0, part.channels, 1);
      dst.set(0, part.channels, 1);
      dst.at(block.sums + position * plan.sum_step + part.channel);
      rc |= reinterpret_cast<octile_dot_fn>(table_[static_cast<size_t>(part.kernel)].fn)(
          &src.raw, &wei.raw, &bias.raw, &mult.raw, 0, 255, 0, &dst.raw);
    }
  }
  return rc;
}

void Winograd::write(const Job& job, const Block& block, size_t chunk) const {
  const auto& p = static_cast<const Plan&>(*job.choice);
  const Tensor& t = job.dst;
  Crop crop;
  crop.channel = static_cast<int64_t>(chunk) * p.chunk;
  crop.channels = std::min(p.chunk, spec_.oc - crop.channel);
  WinogradPost post;
  post.bias = tables_.as<int32_t>() + crop.channel;
  post.mult = spec_.dst == DType::s32 ? nullptr : tables_.as<float>() + table_length_ + crop.channel;
  post.lo = lo_;
  post.hi = hi_;
  post.zp = dst_zp_;
  WinogradTile tile;
  tile.stride_y = t.stride_y;
  tile.stride_x = t.stride_x;
  for (int64_t i = block.first; i < block.last;) {  // the tiles of one row at a time
    const int64_t end = std::min(block.last, (i / p.tiles_x + 1) * p.tiles_x);
    crop.n = i / p.tiles_x / p.tiles_y;
    crop.y = i / p.tiles_x % p.tiles_y * tile_;
    crop.x = i % p.tiles_x * tile_;
    crop.ys = std::min<int64_t>(tile_, p.y - crop.y);
    crop.xs = std::min((end - i) * tile_, p.x - crop.x);
    tile.ys = static_cast<int>(crop.ys);
    uint8_t* const row = t.data + crop.n * t.stride_n + crop.y * t.stride_y + crop.channel * size_of(spec_.dst);
    for (int64_t x = crop.x; i < end; ++i, x += tile_) {
      tile.data = row + x * t.stride_x;
      tile.xs = static_cast<int>(std::min<int64_t>(tile_, p.x - x));
      ops_->winograd_write(tile_, post, block.sums + (i - block.first) * p.chunk, p.sum_step, crop.channels, tile);
    }
    fill_halo(t, crop);
    if (!job.tails.empty()) apply_tails(*ops_, job.tails, t, crop);
  }
}

}  // namespace octile::runtime
