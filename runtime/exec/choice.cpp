// Cutting an op into tasks; see choice.h.
// In:  sizes.  Out: blocks and channel groups.  Not here: kernels.
#include "runtime/exec/choice.h"

#include <algorithm>

namespace octile::runtime {
namespace {

constexpr int64_t kGrain = 64 * 1024;  // below this a task costs more to hand out than to run
constexpr int64_t kTask = 512 * 1024;  // a good size: every call of a kernel costs as well
constexpr int64_t kLarge = 8 * kTask;  // of larger ones a thread gets more than two: less is left for whoever is done
constexpr int64_t kShortRow = 28;      // pixels: of shorter rows a call for channels apart takes at least kApartRows
constexpr int64_t kApartRows = 7;
constexpr int64_t kApartOutputs = 96;  // pixels that such a call takes of columns
constexpr int64_t kWeightCost = 8;     // to read a byte from beyond the second cache, in multiply-adds

}  // namespace

Cut cut_work(const CutFacts& f) {
  Cut cut;
  // Weights: what one pass over the pixels keeps in half of L2.
  const int64_t by_weights = ceil_div(f.weight_bytes, std::max<int64_t>(f.l2_bytes / 2, 1));
  cut.channel_groups = std::clamp<int64_t>(by_weights, 1, f.channel_tiles);
  // Pixels: a block's source within a quarter of L2.
  const int64_t rows = std::max<int64_t>(f.l2_bytes / 4 / std::max<int64_t>(f.src_bytes, 1), 1);
  const int64_t most_blocks = std::max<int64_t>(f.extent / f.unit, 1);
  cut.blocks = std::clamp<int64_t>(ceil_div(f.extent, rows), 1, most_blocks);
  if (f.threads > 1) {
    const int64_t total = f.cost * f.extent * f.batch + kWeightCost * f.weight_bytes;
    const int64_t least = std::clamp<int64_t>(total / kGrain, 1, f.threads);
    const int64_t good = std::max(std::clamp<int64_t>(total / kTask, least, f.threads * 2),
                                  std::min<int64_t>(total / kLarge, f.threads * kTasksPerThread));
    int64_t wanted = ceil_div(good, least) * least;
    const auto tasks = [&] { return cut.blocks * f.batch * cut.channel_groups; };
    // Threads find in their own caches what they wrote of the layer before: rows, unless those are too few to share.
    const bool many = most_blocks >= f.threads * kTasksPerThread;
    if (f.apart && !f.rows && many) {
      wanted = std::clamp(f.extent * f.outputs / kApartOutputs / least * least, least, wanted);
    }
    cut.blocks_first = f.apart && (many || (f.rows && f.extent % f.threads == 0));
    // Few columns are left whole where channels can be cut instead, and so are short rows, of which a call takes some:
    // kernels for channels apart unpack their filters in every call.
    if (f.apart && (f.rows ? f.outputs < kShortRow : !many)) {
      const int64_t shares = cut.blocks_first ? std::max<int64_t>(f.extent / kApartRows / least, 1) * least : 1;
      cut.blocks = std::clamp(std::min(shares, wanted), cut.blocks, most_blocks);
      const int64_t groups = ceil_div(wanted, f.batch * cut.blocks);
      cut.channel_groups = std::clamp(groups, cut.channel_groups, f.channel_tiles);
    }
    // Where weights are in groups already, more groups rather than blocks: no weight is read twice.
    if (!f.apart && by_weights > 1) {
      const int64_t most = std::min(f.channel_tiles, std::max(wanted, cut.channel_groups));
      for (int64_t g = cut.channel_groups; g <= most; ++g) {
        if (g % least == 0 && f.channel_tiles % g == 0) cut.channel_groups = g;
      }
    }
    if (tasks() < wanted) {
      cut.blocks = std::clamp<int64_t>(ceil_div(wanted, f.batch * cut.channel_groups), cut.blocks, most_blocks);
      // Not some of one unit and some of two.
      if (2 * cut.blocks > most_blocks && most_blocks <= f.threads * kTasksPerThread) cut.blocks = most_blocks;
    }
    // Threads that write other channels of one pixel share its cache lines: as few groups as keep all threads busy.
    const int64_t most =
        std::clamp<int64_t>(ceil_div(wanted, f.batch * cut.blocks), cut.channel_groups, f.channel_tiles);
    const auto busy = [&] { return tasks() >= least && tasks() % least == 0; };
    while (cut.channel_groups < most && !busy()) ++cut.channel_groups;
  }
  return cut;
}

int64_t block_start(int64_t extent, int64_t unit, int64_t blocks, int64_t index) {
  if (index == blocks) return extent;
  // The shorter last unit counts as one, if its block holds another: a kernel takes as long for it.
  const int64_t units = ceil_div(extent, unit), last = extent - units * (blocks - 1) / blocks * unit;
  return (last < unit ? extent / unit : units) * index / blocks * unit;
}

}  // namespace octile::runtime
