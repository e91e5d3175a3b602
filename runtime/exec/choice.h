// Choice: the answer of PreparedOp::choose: kernels over channels, blocks over pixels, scratch.
// In:  spans of dispatch, packed panels.  Out: parts and tasks, plain data.
// Not here: pointers into any run's tensors.
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/dispatch/dispatch.h"
#include "runtime/exec/pack_weights.h"

namespace octile::runtime {

// One kernel call per block: consecutive channels under one kernel.
struct Part {
  int kernel = 0;  // index into PreparedOp's table
  Reason reason = Reason::portable;
  Layout layout = Layout::k4n16;
  int64_t group = 0;
  int64_t wei_offset = 0;  // bytes into the packed weights
  int64_t panels = 0;
  int64_t table = 0;    // index into bias, mult, wzp
  int64_t channel = 0;  // destination channel
  int64_t channels = 0;
  int64_t src_channel = 0;
};

struct Choice {
  OpSpec shaped;
  bool fused = false;    // pixels of all images as one row
  bool pitched = false;  // pixels may be further apart than their channels
  int64_t batch = 1, x = 1, y = 1;
  std::vector<Part> parts;
  std::vector<size_t> cuts;  // parts [cuts[i], cuts[i+1]) run together: their weights share the cache
  bool along_y = true;       // which extent is cut into blocks
  bool by_rows = false;      // depthwise: a call for every row of output
  int64_t joined = 1;        // depthwise: pixels that kernels see as one with as many times the channels
  int64_t blocks = 1, unit = 1;
  std::vector<int64_t> starts;  // of the blocks, then the extent
  bool blocks_first = false;    // neighbouring tasks are the cuts of a block, not the blocks of a cut; every second cut
                                // has its blocks the other way round, so that uneven ones add up
  bool widen = false;           // some part reads int16
  // Scratch, byte offsets.
  size_t widened = 0, wei = 0, tables = 0, borrowed = 0, scratch = 0;
  size_t slot = 0;  // bytes that a task borrows of what lies at `borrowed`
  int slots = 1;    // for so many tasks at a time

  [[nodiscard]] size_t tasks() const { return (cuts.size() - 1) * static_cast<size_t>(batch * blocks); }
};

// How much one cut of the work may hold.
struct CutFacts {
  int64_t l2_bytes = 0;
  int64_t src_bytes = 0;  // source bytes of one step along the cut axis
  int64_t cost = 0;       // of one step along the axis, all channels, in multiply-adds of products
  int64_t outputs = 1;    // pixels of one step, in one call
  int64_t weight_bytes = 0;
  int64_t extent = 1, unit = 1;  // of the axis, and the smallest block
  int64_t batch = 1, channel_tiles = 1;
  int threads = 1;
  bool apart = false;  // channels read their own alone, as in depthwise layers
  bool rows = false;   // steps are rows
};
struct Cut {
  int64_t blocks = 1;  // along the axis
  int64_t channel_groups = 1;
  bool blocks_first = false;  // neighbouring tasks are the groups of a block, not the blocks of a group
};
// What the end of an output costs (requantized, stored), and a multiply-add of a depthwise filter, in those of products
// (Zen 3, bench/records).
inline constexpr int64_t kOutputCost = 20, kDepthwiseCost = 3;
inline constexpr int64_t kTasksPerThread = 4;  // enough to even out threads of unequal speed
// Pure: tested with numbers alone.
[[nodiscard]] Cut cut_work(const CutFacts& facts);
// Where block `index` starts: whole units each, spread evenly, the rest in the last, as a unit or beside one.
[[nodiscard]] int64_t block_start(int64_t extent, int64_t unit, int64_t blocks, int64_t index);

}  // namespace octile::runtime
