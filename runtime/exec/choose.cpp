// PreparedOp::choose: kernels for one shape, cut into tasks, with room for scratch.
// In:  shaped OpSpec, threads.  Out: Choice.
// Not here: packing, calling.
#include <algorithm>
#include <limits>

#include "runtime/exec/check.h"
#include "runtime/exec/op.h"
#include "runtime/exec/slots.h"

namespace octile::runtime {
namespace {

constexpr int64_t kSlack = 64;  // elements a kernel may read past widened rows

constexpr int64_t kTileBlock = 32;    // pixels that products by tiles take at a time
constexpr int64_t kTileProducts = 4;  // of theirs, as long as one of vectors

constexpr int64_t kDepthwiseTile = 32;  // channels that threads do not cut further

}  // namespace

Result<std::shared_ptr<const Choice>> Op::choose(const OpSpec& shaped, int threads, bool contiguous,
                                                 bool pitched) const {
  OCTILE_RETURN_IF_ERROR(check_shape(shaped, spec_));
  auto choice = std::make_shared<Choice>();
  Choice& c = *choice;
  c.shaped = shaped;
  c.pitched = pitched;
  const bool dense = shaped.kind == OpKind::dense;
  c.batch = shaped.mb;
  c.x = dense ? shaped.m : shaped.ow();
  c.y = dense ? 1 : shaped.oh();
  const bool pointwise = dense || (shaped.kh == 1 && shaped.kw == 1 && shaped.sh == 1 && shaped.sw == 1 &&
                                   shaped.pt + shaped.pl + shaped.pb + shaped.pr == 0);
  if (contiguous && pointwise && !depthwise_ && !spec_.wei_var) {
    c.fused = true;
    c.x *= c.y * c.batch;
    c.y = c.batch = 1;
  }
  if (std::max({c.x, c.y, shaped.iw * shaped.ic * 2, shaped.k}) > std::numeric_limits<int32_t>::max()) {
    return Status(Code::unsupported, "an extent beyond 32 bits: " + to_key(shaped));
  }
  const std::string key = to_key(shaped);
  // Kernels of one workload hold the distance of pixels as a constant.
  const Ask question = ask(pitched ? std::string_view() : key, c.x, c.y);
  if (!cover(c, question, 1)) return Status(Code::unsupported, "no kernel for " + key);
  cut(c, std::max(threads, 1));
  if (Ask share = question; const int64_t shares = threads > 1 ? shrink(c, share) : 0) {
    if (!cover(c, share, shares)) return Status(Code::unsupported, "no kernel for " + key);
    cut(c, threads);
  }
  lay_scratch(c, threads);
  return std::shared_ptr<const Choice>(std::move(choice));
}

// What threads share is smaller than the whole, and other tiles may be best for it: those that fit blocks, where they
// would compute a quarter too much, and for a single pixel, of which nothing but channels is shared, those for each
// share. In how many shares to cover the channels, with `ask` about a block; 0 if all is well as it is.
int64_t Op::shrink(const Choice& c, Ask& ask) const {
  int64_t& extent = c.along_y ? ask.y : ask.x;
  if (c.blocks == 1) {
    const bool pixel = !depthwise_ && geometry_.groups == 1 && c.x * c.y * c.batch == 1;
    return pixel && c.cuts.size() > 2 ? std::ssize(c.cuts) - 1 : 0;
  }
  extent = 0;
  for (size_t i = 1; i < c.starts.size(); ++i) extent = std::max(extent, c.starts[i] - c.starts[i - 1]);
  const auto wasteful = [&](const Part& p) {
    const packs::KernelEntry& e = table_[static_cast<size_t>(p.kernel)].entry;
    const int64_t tile = c.along_y ? e.tile_y : e.tile_x * c.joined;
    return 4 * ceil_div(extent, tile) * tile > 5 * extent;
  };
  return std::any_of(c.parts.begin(), c.parts.end(), wasteful) ? 1 : 0;
}

bool Op::cover(Choice& c, const Ask& question, int64_t shares) const {
  c.parts.clear();
  c.widen = false;
  if (depthwise_) return add_rows(c, question) || add_depthwise(c, question);
  for (int64_t g = 0; g < geometry_.groups; ++g) {
    if (!add_group(c, g, question, shares)) return false;
  }
  return true;
}

bool Op::add_group(Choice& c, int64_t group, const Ask& question, int64_t shares) const {
  const int64_t per_group = panels_per_group();
  std::vector<PanelModes> modes(static_cast<size_t>(per_group));
  for (int64_t p = 0; p < per_group; ++p) {
    const auto at = static_cast<size_t>(group * per_group + p);
    PanelModes& m = modes[static_cast<size_t>(p)];
    (layouts_[at] == Layout::k4n16 ? m.k4n16 : layouts_[at] == Layout::k4n8 ? m.k4n8 : m.k2n8w) = groups_[at];
  }
  std::vector<Span> spans;
  for (int64_t i = 0; i < shares; ++i) {
    const int64_t first = per_group * i / shares, end = per_group * (i + 1) / shares;
    Ask share = question;
    share.channels = std::min(question.channels, end * lanes_) - first * lanes_;
    const std::span<const PanelModes> own(modes.data() + first, static_cast<size_t>(end - first));
    const std::vector<Span> some = cover_panels(table_, share, lanes_, own);
    if (some.empty()) return false;
    for (Span s : some) {
      s.first += first;
      spans.push_back(s);
    }
  }
  for (const Span& s : spans) {
    const Kernel& k = table_[static_cast<size_t>(s.kernel)];
    Part part;
    part.kernel = s.kernel;
    part.reason = s.reason;
    part.layout = k.layout->layout;
    part.group = group;
    part.panels = s.panels;
    part.channels = s.channels;
    part.table = (group * per_group + s.first) * lanes_;
    part.wei_offset = offsets_[static_cast<size_t>(group * per_group + s.first)];
    part.channel = group * geometry_.channels + s.first * lanes_;
    part.src_channel = group * geometry_.depth;
    c.parts.push_back(part);
    c.widen = c.widen || layout_desc(part.layout).widens();
  }
  return true;
}

bool Op::add_depthwise(Choice& c, const Ask& question) const {
  const std::vector<Span> spans = cover_depthwise(table_, question, dw_layouts_);
  for (const Span& s : spans) {
    const Kernel& k = table_[static_cast<size_t>(s.kernel)];
    Part part;
    part.layout = k.layout->layout;
    const auto which = std::ranges::find(dw_layouts_, part.layout) - dw_layouts_.begin();
    part.kernel = s.kernel;
    part.reason = s.reason;
    part.panels = 1;
    part.channels = s.channels;
    part.table = part.channel = part.src_channel = s.first;
    part.wei_offset = dw_offsets_[static_cast<size_t>(which)] + s.first * channel_bytes(part.layout);
    c.parts.push_back(part);
  }
  return !spans.empty();
}

// Kernels for one filter and stride want the strides of both axes to be equal; called for each row of output, they need
// not look at the vertical one. Pixels of few channels are then taken together where filters step a pixel at a time:
// two of 16 are one of 32 to a kernel of stride 2, which moves by a pair. Kernels for any filter take several times as
// long.
bool Op::add_rows(Choice& c, const Ask& question) const {
  if (question.sw == 0) return false;
  for (const int64_t joined : {4, 2, 1}) {
    const bool fits = joinable(spec_) && spec_.oc * joined >= kLeastJoined && c.x % joined == 0 && !c.pitched;
    if (joined > 1 ? !fits : spec_.sh == spec_.sw) continue;
    Ask row = question;
    row.x /= joined;
    row.y = 1;
    row.channels *= joined;
    row.sh = row.sw = joined > 1 ? static_cast<int>(joined) : question.sw;
    const Isa best = best_isa_with(table_, row);
    const auto exact = [&](const Kernel& k) { return k.isa == best && k.entry.op == question.op_key; };
    if (std::any_of(table_.begin(), table_.end(), exact)) return false;
    const auto kernel_of = [&](const Part& p) -> const Kernel& { return table_[static_cast<size_t>(p.kernel)]; };
    const auto fixed = [&](const Part& p) { return kernel_of(p).isa == best && kernel_of(p).entry.kh != 0; };
    // Tasks and tails know channels as they are: joined ones stay together.
    const auto whole = [&] { return c.parts.size() == 1 && kernel_of(c.parts[0]).entry.tile_n == row.channels; };
    c.by_rows = add_depthwise(c, row) && std::all_of(c.parts.begin(), c.parts.end(), fixed) && (joined == 1 || whole());
    c.joined = c.by_rows ? joined : 1;
    if (c.by_rows) return true;
    c.parts.clear();
  }
  return false;
}

// Splits parts into single tiles of channels, groups them by weight bytes, joins neighbours again.
void Op::cut(Choice& c, int threads) const {
  CutFacts f;
  int64_t unit_x = 1, unit_y = 1;
  Isa isa = Isa::portable;
  std::vector<Part> tiles;
  for (const Part& p : c.parts) {
    const Kernel& k = table_[static_cast<size_t>(p.kernel)];
    isa = std::max(isa, k.isa);
    unit_x = std::max<int64_t>(unit_x, k.entry.tile_x);
    unit_y = std::max<int64_t>(unit_y, k.entry.tile_y);
    if (k.isa == Isa::avx512amx) {
      unit_x = std::max(unit_x, std::min(c.x, kTileBlock));
      unit_y = std::max(unit_y, std::min(c.y, ceil_div(kTileBlock / 2, c.x)));
    }
    if (k.entry.tail_n || (!depthwise_ && k.entry.tile_n < lanes_)) {  // portable kernels too; half a panel
      tiles.push_back(p);
      continue;
    }
    // A depthwise kernel takes any number of channels from its tile's on, the others whole tiles.
    const int64_t width = depthwise_ ? std::max<int64_t>(k.entry.tile_n, kDepthwiseTile) : k.entry.tile_n;
    const int64_t count = depthwise_ ? std::max<int64_t>(p.channels / width, 1) : p.panels * lanes_ / width;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t done = i * width;
      Part t = p;
      t.channels = i + 1 == count ? p.channels - done : width;
      t.table += done;
      t.channel += done;
      if (depthwise_) {
        t.src_channel += done;
        t.wei_offset += done * channel_bytes(p.layout);
      } else {
        t.panels = width / lanes_;
        t.wei_offset += done / lanes_ * panel_bytes(p.layout, geometry_);
      }
      tiles.push_back(t);
    }
  }
  unit_x *= c.joined;
  const OpSpec& s = c.shaped;
  const int64_t pixel = (s.kind == OpKind::dense ? s.k : s.ic) * (c.widen ? 2 : 1);
  // Rows, unless they are too few for the threads and there are more columns.
  const int64_t rows = c.y / unit_y * c.batch;
  const bool enough = rows % threads == 0 || (c.y * c.batch >= kTasksPerThread * threads && rows >= threads);
  c.along_y = c.y > 1 && (enough || c.y / unit_y >= c.x / unit_x);
  const int64_t unit = c.along_y ? unit_y : unit_x, outputs = c.along_y ? c.x : c.y;
  f.l2_bytes = target(isa).l2_bytes;
  f.src_bytes = c.along_y ? s.sh * s.iw * pixel : s.sw * (c.y > 1 ? s.ih : 1) * pixel;
  const bool by_tiles = isa == Isa::avx512amx;
  const int64_t filter = depthwise_ ? geometry_.reduction() * kDepthwiseCost
                                    : ceil_div(geometry_.reduction(), by_tiles ? kTileProducts : 1);
  f.cost = outputs * s.channels() * (filter + kOutputCost);
  f.outputs = c.by_rows && !c.along_y ? 1 : outputs;
  f.weight_bytes = panels_bytes_;
  f.extent = c.along_y ? c.y : c.x;
  f.unit = unit;
  f.batch = c.batch;
  // Pixels of what varies stay whole, for tails that want them so (softmax).
  f.channel_tiles = spec_.wei_var ? 1 : static_cast<int64_t>(tiles.size());
  f.threads = threads;
  f.apart = depthwise_;
  f.rows = c.along_y;
  const Cut result = cut_work(f);
  c.blocks = result.blocks;
  c.blocks_first = result.blocks_first;
  c.unit = unit;
  c.starts.clear();
  for (int64_t i = 0; i <= c.blocks; ++i) c.starts.push_back(block_start(f.extent, unit, c.blocks, i));
  c.parts.clear();
  c.cuts.assign(1, 0);
  // Groups of as many channels each as whole tiles allow.
  const auto total = static_cast<int64_t>(tiles.size()), groups = result.channel_groups;
  const int64_t channels = tiles.back().channel + tiles.back().channels;
  for (int64_t g = 0, i = 0; g < groups; ++g) {
    const size_t begin = c.parts.size();
    for (const int64_t first = i; i < total - (groups - 1 - g); ++i) {
      const Part& t = tiles[static_cast<size_t>(i)];
      if (i > first && (2 * t.channel + t.channels) * groups > 2 * channels * (g + 1)) break;
      const bool joins = c.parts.size() > begin && c.parts.back().kernel == t.kernel &&
                         c.parts.back().group == t.group && !table_[static_cast<size_t>(t.kernel)].entry.tail_n;
      if (joins) {
        if (!depthwise_) c.parts.back().panels += t.panels;
        c.parts.back().channels += t.channels;
      } else {
        c.parts.push_back(t);
      }
    }
    c.cuts.push_back(c.parts.size());
  }
}

void Op::lay_scratch(Choice& c, int threads) const {
  const OpSpec& s = c.shaped;
  size_t at = 0;
  const auto take = [&](size_t bytes) {
    const size_t here = at;
    at += align_up(bytes);
    return here;
  };
  if (c.widen) {
    const int64_t elements =
        s.kind == OpKind::dense ? s.mb * s.m * s.k : s.mb * (s.ih + s.pt + s.pb) * (s.iw + s.pl + s.pr) * s.ic;
    c.widened = take(static_cast<size_t>(elements + kSlack) * sizeof(int16_t));
  }
  if (spec_.wei_var) {
    c.wei = take(static_cast<size_t>(panels_bytes_));
    c.tables = take(static_cast<size_t>(table_length_) * sizeof(int32_t));
  }
  if (zeros_) {  // a sum for each pixel of a block and each group of a cut
    int64_t groups = 0, extent = 0;
    for (size_t cut = 0; cut + 1 < c.cuts.size(); ++cut) {
      groups = std::max(groups, c.parts[c.cuts[cut + 1] - 1].group - c.parts[c.cuts[cut]].group + 1);
    }
    for (size_t i = 0; i + 1 < c.starts.size(); ++i) extent = std::max(extent, c.starts[i + 1] - c.starts[i]);
    c.slot = align_up(static_cast<size_t>(groups * extent * (c.along_y ? c.x : c.y)) * sizeof(uint32_t));
    c.slots = Slots::useful(threads, static_cast<int64_t>(c.tasks()));
    c.borrowed = take(c.slot * static_cast<size_t>(c.slots));
  }
  c.scratch = at;
}

std::vector<Decision> Op::explain(const Choice& c) const {
  std::vector<Decision> out;
  for (const Part& p : c.parts) {
    const Kernel& k = table_[static_cast<size_t>(p.kernel)];
    add_decision(out, k, reason_text(p.reason, best_, k.isa), p.panels);
  }
  return out;
}

void add_decision(std::vector<Decision>& decisions, const Kernel& kernel, const std::string& reason, int64_t panels) {
  for (Decision& d : decisions) {
    if (d.kernel != kernel.entry.name || d.reason != reason) continue;
    d.panels += panels;
    return;
  }
  decisions.push_back({kernel.entry.name, kernel.entry.target, reason, panels});
}

}  // namespace octile::runtime
