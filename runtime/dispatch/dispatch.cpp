// Choosing kernels; see dispatch.h.
// In:  kernel table, question.  Out: spans.  Not here: buffers, weights.
#include "runtime/dispatch/dispatch.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>

#include "runtime/exec/tiles.h"

namespace octile::runtime {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr double kCallCycles = 120;    // one call, buffers filled
constexpr double kTileCycles = 24;     // loop set-up and address work of one tile
constexpr double kLaneTileCycles = 4;  // the same where a tile is one step of a loop over pixels: depthwise, unpacked
constexpr double kStoreCycles = 5;     // requantize and store of one accumulator vector
constexpr double kCrowdedStoreCycles = 7;
constexpr double kLoadCycles = 0.5;
constexpr double kNarrowBroadcastCycles = 0.12;  // one source word on AVX2
constexpr double kGatherCycles = 3;              // depthwise: one vector of words of taps
constexpr double kUnpackCycles = 0.5;            // the same by unpacking bytes inside lanes, for each tap
constexpr double kKeptCycles = 2;             // one vector of weights, brought into lane order for a block of channels
constexpr double kNarrowLane = 0.65;          // a block in registers of half the width over one in whole registers
constexpr double kWideLaneStoreCycles = 2.5;  // requantize and store of a vector in lane order, on AVX-512
constexpr double kChainCycles = 5;            // vpdpbusd, as slow as it comes
constexpr double kNarrowChainCycles = 2;      // two additions
// How strongly a tier is preferred to the next: large enough that no tile shape outweighs it.
constexpr double kExactFactor = 1e-3, kLowerFactor = 1e3, kPortableFactor = 1e6;

Reason tier(const Kernel& k, const Ask& ask, Isa best) {
  const bool same = level(k.isa) == level(best);
  if (k.entry.op == ask.op_key && same) return Reason::exact;
  if (k.isa == Isa::portable) return Reason::portable;
  return same ? Reason::any_shape : Reason::lower_isa;
}

double factor(Reason r, Isa best) {
  switch (r) {
    // Tuned ones were faster than other vectors, of which tiles are none.
    case Reason::exact: return best == level(best) ? kExactFactor : 1;
    case Reason::any_shape: return 1;
    case Reason::lower_isa: return kLowerFactor;
    case Reason::portable: return kPortableFactor;
  }
  return kPortableFactor;
}

// Family, type, instruction set and op match; tile sizes are looked at later.
bool eligible(const Kernel& k, const Ask& ask) {
  const packs::KernelEntry& e = k.entry;
  return k.fn != nullptr && k.isa <= ask.best && e.family == ask.family && e.dst == ask.dst &&
         (e.op == "*" || e.op == ask.op_key);
}

bool tile_fits(const packs::KernelEntry& e, const Ask& ask) { return ask.x >= e.tile_x && ask.y >= e.tile_y; }

int vector_lanes(Isa isa) { return isa == Isa::portable ? 4 : target(isa).vector_bytes / 4; }

// Cycles one accumulator vector needs for four source elements.
double dot_cycles(const Kernel& k) {
  if (k.layout->layout == Layout::k4n16) return 4.0;  // portable
  if (k.layout->layout == Layout::k4n8) {
    const int g = std::max(k.entry.acc16_group, 1);
    return std::max((1.0 + 1.0 / g) / 2, (2.0 + 1.0 / g) / 3);  // multiplies on two ports, all on three
  }
  return 1.2;  // k2n8w: two multiplies and two adds on four ports, some additions in the way of multiplies
}

// What a tile of VNNI costs, in cycles of a core.
struct VnniCore {
  double dot;                                             // one vpdpbusd of the target's width
  double load_vector, load_pixel;                         // of weights, of a word of the source: at least that
  std::array<double, 4> narrow;                           // per sum at its end, by vectors narrowed together
  double tile, crowd;                                     // a tile; the square of its sums
  double near_vector, far_vector, near_pixel, far_pixel;  // what loads add, by where they read
  double address;  // a pixel whose address has no register: of a tile's panels and pixels in a row eleven have one
};

// Fitted to a Zen 4 core, which takes a vector in two halves: loads hide behind a vpdpbusd a cycle.
constexpr VnniCore kHalves{.dot = 1,
                           .load_vector = 1,
                           .load_pixel = 0.5,
                           .narrow = {4.5, 2.1, 2.0, 1.6},
                           .tile = 4,
                           .crowd = 0.06,
                           .near_vector = 0.02,
                           .far_vector = 0.15,
                           .near_pixel = 0.02,
                           .far_pixel = 0.05,
                           .address = 0};
// Fitted to an Emerald Rapids core: two a cycle, so that loads hide less and larger tiles pay.
constexpr VnniCore kWhole{.dot = 0.5,
                          .load_vector = 1,
                          .load_pixel = 0.5,
                          .narrow = {4.0, 1.9, 2.6, 0.9},
                          .tile = 15,
                          .crowd = 0.066,
                          .near_vector = 0.22,
                          .far_vector = 0.22,
                          .near_pixel = 0,
                          .far_pixel = 0.085,
                          .address = 1.25};
// Registers of 256 bits, fitted to a Granite Rapids core, whose products and loads those of Intel's clients have.
constexpr VnniCore kShort{.dot = 0.5,
                          .load_vector = 0.33,
                          .load_pixel = 0.33,
                          .narrow = {4.0, 3.0, 2.0, 1.5},
                          .tile = 10,
                          .crowd = 0,
                          .near_vector = 0.05,
                          .far_vector = 0.2,
                          .near_pixel = 0,
                          .far_pixel = 0.1,
                          .address = 0};

// One tile on VNNI: sums of one tile are narrowed while the next one's products begin, the better the fewer both
// are. What is read again and again from beyond the first cache, weights by every tile of pixels, pixels by every tile
// of channels, does not hide wholly.
double vnni_tile(const Kernel& k, const Ask& ask) {
  const packs::KernelEntry& e = k.entry;
  const Isa isa = k.isa;
  constexpr double kPlain = 1;  // of a sum that is stored as it is
  constexpr double kHalf = 0.5;
  constexpr int64_t kAddresses = 11;
  const VnniCore& core = isa == Isa::avxvnni ? kShort : ask.whole_vectors ? kWhole : kHalves;
  const auto steps = static_cast<double>(ceil_div(ask.reduction, k.layout->quantum));
  const int64_t vectors = ceil_div(e.tile_n, vector_lanes(isa)), pixels = int64_t{e.tile_x} * e.tile_y;
  const double share = e.tile_n < vector_lanes(isa) ? kHalf : 1;  // of a vector's cycle
  const double accs = static_cast<double>(vectors * pixels) * share;
  const double near = target(isa).l1d_bytes / 2.0;
  const bool far_weights = steps * static_cast<double>(vectors * target(isa).vector_bytes) > near;
  const bool far_pixels = static_cast<double>(ask.x * ask.y * ask.reduction) > near;
  const double loads = (far_weights ? core.far_vector : core.near_vector) * static_cast<double>(vectors) +
                       (far_pixels ? core.far_pixel : core.near_pixel) * static_cast<double>(pixels);
  const double narrow = e.dst == "s32" ? kPlain : core.narrow[static_cast<size_t>(std::min<int64_t>(vectors, 4) - 1)];
  const double ports = core.load_vector * share * static_cast<double>(vectors) +
                       core.load_pixel * static_cast<double>(pixels) +
                       core.address * static_cast<double>(std::max<int64_t>(e.tile_x + vectors - kAddresses, 0));
  return core.tile + accs * (narrow + core.crowd * accs) +
         steps * (std::max({core.dot * accs, ports, kChainCycles}) + loads);
}

// One panel by tiles, over the whole crop. Fitted to a Granite Rapids core: 234 layers of ten networks, 18 % off on
// geometric mean. A step loads a row of up to 64 bytes for each pixel, and as many rows of the panel as those hold
// words, which takes longer than its products; the end of a tile takes what it takes to go through memory.
double tile_cycles(const Ask& ask) {
  constexpr double kPanel = 40, kTile = 23, kEnd = 2.8;
  const int64_t across = ceil_div(ask.x, kTileRows), rows = ceil_div(ask.x, across), run = ask.reduction / ask.segments;
  const int64_t steps = ceil_div(run, kTileBytes), words = ceil_div(run, layout_desc(Layout::k4n16).quantum);
  const auto loads = static_cast<double>(ask.segments * (steps * rows + words));
  return kPanel + static_cast<double>(ask.y * across) * (kTile + kEnd * static_cast<double>(rows) + loads);
}

// What one kernel may cover from one panel on.
struct Option {
  int kernel = 0;
  Reason reason = Reason::portable;
  int64_t panels = 0;  // of one tile
  unsigned PanelModes::*mode = nullptr;
  unsigned bit = 0;
  bool tail = false;     // one call covers one tile, its last panel partial or not
  bool any = false;      // portable: any number of channels
  bool half = false;     // the first half of a panel, where the channels end there
  int64_t alike = 0;     // all of the above but kernel and reason
  double cost = kNever;  // of one tile of channels over the whole crop
  int64_t run = 0;       // panels it may take from the one looked at on
};

unsigned PanelModes::*mode_of(Layout layout) {
  if (layout == Layout::k4n16) return &PanelModes::k4n16;
  if (layout == Layout::k4n8) return &PanelModes::k4n8;
  return layout == Layout::k2n16w ? &PanelModes::k2n16w : &PanelModes::k2n8w;
}

// Of those that cover alike the cheapest.
std::vector<Option> options_of(std::span<const Kernel> table, const Ask& ask, int lanes, Isa best) {
  std::vector<Option> options;
  for (size_t i = table.size(); i-- > 0;) {  // later packs win ties
    const packs::KernelEntry& e = table[i].entry;
    if (!eligible(table[i], ask) || !tile_fits(e, ask)) continue;
    Option o;
    o.kernel = static_cast<int>(i);
    o.reason = tier(table[i], ask, best);
    o.any = !generated(table[i].isa);  // kernels of the runtime take any number of channels
    o.half = !o.any && 2 * e.tile_n == lanes;
    if (!o.any && !o.half && e.tile_n % lanes != 0) continue;
    o.panels = o.any || o.half ? 1 : e.tile_n / lanes;
    o.mode = mode_of(table[i].layout->layout);
    o.bit = 1U << e.acc16_group;
    o.tail = e.tail_n && !o.any;
    o.alike = o.panels << 16 | static_cast<int64_t>(table[i].layout->layout) << 8 | o.bit;
    for (const bool flag : {o.tail, o.any, o.half}) o.alike = o.alike << 1 | static_cast<int64_t>(flag);
    const double tile = estimate(table[i], ask, o.any ? ceil_div(lanes, e.tile_n) : 1);
    o.cost = (tile + (o.tail ? kCallCycles : 0)) * factor(o.reason, best);
    const auto known = std::ranges::find(options, o.alike, &Option::alike);
    if (known == options.end()) {
      options.push_back(o);
    } else if (o.cost < known->cost) {
      *known = o;
    }
  }
  return options;
}

void append(std::vector<Span>& spans, const Option& o, int64_t first, int64_t panels, int64_t channels) {
  if (!spans.empty() && spans.back().kernel == o.kernel && !o.tail) {
    spans.back().panels += panels;
    spans.back().channels += channels;
    return;
  }
  spans.push_back({o.kernel, first, panels, channels, o.reason});
}

}  // namespace

namespace {

// Words of taps are gathered once for each row of the tile's window; kernels that know filter and stride share the rows
// between their outputs, but for those that loop over the rows of large filters; those in lane order share words of
// bytes between the outputs of a row too.
double estimate_depthwise(const Kernel& k, const Ask& ask, int64_t tiles) {
  const packs::KernelEntry& e = k.entry;
  const Isa isa = k.isa;
  const double crops = static_cast<double>(ceil_div(ask.x, e.tile_x) * ceil_div(ask.y, e.tile_y) * tiles);
  const int taps = std::max(k.layout->quantum, 2), kw = std::max(ask.kw, 1);  // t1c, of portable kernels: no slower
  const double own_rows = static_cast<double>(e.tile_y) * ask.kh;
  const bool row_loop = k.whole_blocks && taps == 4 && e.kh > 3;
  const double rows = e.kh == 0 || row_loop ? own_rows : static_cast<double>((e.tile_y - 1) * e.sh + e.kh);
  const double pixels = static_cast<double>(e.tile_x) * e.tile_y;
  if (!k.whole_blocks) {
    const double vectors = static_cast<double>(ceil_div(e.tile_n, vector_lanes(isa)));
    const double segments = static_cast<double>(ceil_div(kw, taps)), accs = vectors * pixels;
    const double gathers = vectors * e.tile_x * rows * segments, dots = accs * ask.kh * segments;
    const double gather = e.kh == 0 ? 2 * kGatherCycles : kGatherCycles;
    return crops * (kTileCycles + gather * gathers + dots + (e.tail_n ? kCrowdedStoreCycles : kStoreCycles) * accs);
  }
  const int phases = taps == 4 ? static_cast<int>(e.tile_x) : 1;
  double words = 0;  // of a row, read by one output
  for (int p = 0; p < phases; ++p) words += (p * ask.sw + kw - 1) / taps - p * ask.sw / taps + 1;
  words /= phases;
  const double made = static_cast<double>(ceil_div(kw + (phases - 1) * ask.sw, taps) * e.tile_x / phases);
  const double store = isa == Isa::avx512vnni ? kWideLaneStoreCycles : kStoreCycles;
  const double tile = kLaneTileCycles + 4 * (kUnpackCycles * taps * rows * made + pixels * (ask.kh * words + store));
  const double block = 4 * kKeptCycles * (2 + phases * ask.kh * words);
  const double width = e.tile_n < 4 * vector_lanes(isa) ? kNarrowLane : 1;
  return width * (crops * tile + static_cast<double>(tiles) * block);
}

}  // namespace

double estimate(const Kernel& k, const Ask& ask, int64_t tiles) {
  const packs::KernelEntry& e = k.entry;
  const Isa isa = k.isa;
  const double crops = static_cast<double>(ceil_div(ask.x, e.tile_x) * ceil_div(ask.y, e.tile_y) * tiles);
  if (e.family == "depthwise") return estimate_depthwise(k, ask, tiles);
  if (isa == Isa::avx512amx) return static_cast<double>(tiles) * tile_cycles(ask);
  if (isa >= Isa::avxvnni) return crops * vnni_tile(k, ask);
  const double vectors = static_cast<double>(ceil_div(e.tile_n, vector_lanes(isa)));
  const double pixels = static_cast<double>(e.tile_x) * e.tile_y, accs = vectors * pixels;
  const double steps = static_cast<double>(ceil_div(ask.reduction, 4));
  // Multiplies, and loads that do not hide behind them (weights once per tile, source once per pixel); at least the
  // latency of one chain of sums.
  const bool narrow = isa == Isa::avx2;
  const double loads = kLoadCycles * vectors + (narrow ? kNarrowBroadcastCycles : kLoadCycles) * pixels;
  const double work = accs * dot_cycles(k) + loads;
  // Three quarters of the registers: beyond that the requantize has to spill sums.
  const double store = accs > 0.75 * target(isa).vector_registers ? kCrowdedStoreCycles : kStoreCycles;
  return crops * (kTileCycles + accs * store + steps * std::max(work, narrow ? kNarrowChainCycles : kChainCycles));
}

std::vector<Span> cover_panels(std::span<const Kernel> table, const Ask& ask, int lanes,
                               std::span<const PanelModes> modes) {
  const Isa best = best_isa_with(table, ask);
  std::vector<Option> options = options_of(table, ask, lanes, best);
  const auto count = static_cast<int64_t>(modes.size());
  const int64_t full = ask.channels / lanes;  // panels without padding
  // cost[i]: the cheapest way to cover panels i and up; from the end backwards.
  std::vector<double> cost(static_cast<size_t>(count) + 1, kNever);
  std::vector<const Option*> pick(static_cast<size_t>(count) + 1, nullptr);
  cost[static_cast<size_t>(count)] = 0;
  for (int64_t i = count - 1; i >= 0; --i) {
    for (Option& o : options) {
      o.run = ((modes[static_cast<size_t>(i)].*o.mode) & o.bit) == 0 ? 0 : o.run + 1;
      // A tile reads the weights of all its panels, whatever it stores.
      const int64_t end = i + o.panels;
      if (o.run < o.panels || (!o.tail && !o.any && !o.half && end > full)) continue;
      if (o.half && ask.channels - i * lanes != lanes / 2) continue;
      const double c = o.cost + cost[static_cast<size_t>(end)];
      if (c < cost[static_cast<size_t>(i)]) {
        cost[static_cast<size_t>(i)] = c;
        pick[static_cast<size_t>(i)] = &o;
      }
    }
  }
  std::vector<Span> spans;
  for (int64_t i = 0; i < count;) {
    const Option* o = pick[static_cast<size_t>(i)];
    if (o == nullptr) return {};
    append(spans, *o, i, o->panels, std::min(ask.channels - i * lanes, o->panels * lanes));
    i += o->panels;
  }
  return spans;
}

namespace {

// The cheapest way to cover what is left of the channels: its first span, and the cost of all.
struct Rest {
  double cost = kNever;
  Span first;
};

}  // namespace

std::vector<Span> cover_depthwise(std::span<const Kernel> table, const Ask& ask, std::span<const Layout> layouts) {
  const Isa best = best_isa_with(table, ask);
  const auto usable = [&](const Kernel& k) {
    const packs::KernelEntry& e = k.entry;
    const auto fixed = [](int have, int want) { return have == 0 || have == want; };
    return eligible(k, ask) && tile_fits(e, ask) && fixed(e.kh, ask.kh) && fixed(e.kw, ask.kw) && fixed(e.sh, ask.sh) &&
           fixed(e.sw, ask.sw) && std::ranges::find(layouts, k.layout->layout) != layouts.end();
  };
  std::map<int64_t, Rest> known;
  const auto cheapest = [&](const auto& self, int64_t left) -> const Rest& {
    if (const auto at = known.find(left); at != known.end()) return at->second;
    Rest rest;
    if (left == 0) rest.cost = 0;
    for (size_t i = table.size(); i-- > 0 && left > 0;) {
      const packs::KernelEntry& e = table[i].entry;
      if (!usable(table[i])) continue;
      const Reason reason = tier(table[i], ask, best);
      const bool any = e.tail_n || table[i].isa == Isa::portable || (table[i].whole_blocks && left >= e.tile_n);
      for (const int64_t channels : {any ? left : 0, left / e.tile_n * e.tile_n}) {
        if (channels == 0) continue;
        const double own = factor(reason, best) * estimate(table[i], ask, ceil_div(channels, e.tile_n));
        const double cost = own + kCallCycles + self(self, left - channels).cost;
        if (cost < rest.cost) rest = {cost, {static_cast<int>(i), ask.channels - left, channels, channels, reason}};
      }
    }
    return known.emplace(left, rest).first->second;
  };
  if (cheapest(cheapest, ask.channels).cost == kNever) return {};
  std::vector<Span> spans;
  for (int64_t left = ask.channels; left > 0; left -= spans.back().channels) spans.push_back(known.at(left).first);
  return spans;
}

Isa best_isa_with(std::span<const Kernel> table, const Ask& ask) {
  Isa best = Isa::portable;
  for (const Kernel& k : table) {
    if (eligible(k, ask)) best = std::max(best, k.isa);
  }
  return best;
}

int pick_elementwise(std::span<const Kernel> table, const Ask& ask, std::string_view src, Reason* reason) {
  const Isa best = best_isa_with(table, ask);
  int picked = -1;
  double lowest = kNever;
  for (size_t i = table.size(); i-- > 0;) {
    const packs::KernelEntry& e = table[i].entry;
    const bool any = table[i].isa == Isa::portable;
    if (!eligible(table[i], ask) || e.src != src || !tile_fits(e, ask)) continue;
    if (!any && (e.tail_n ? ask.channels < 1 : ask.channels % e.tile_n != 0)) continue;
    const Reason r = tier(table[i], ask, best);
    const double c = factor(r, best) / static_cast<double>(e.tile_n * e.tile_x);  // the widest that fits
    if (c < lowest) {
      lowest = c;
      picked = static_cast<int>(i);
      *reason = r;
    }
  }
  return picked;
}

std::string reason_text(Reason reason, Isa best, Isa used) {
  switch (reason) {
    case Reason::exact: return "exact workload";
    case Reason::any_shape:
      return level(best) == level(used) ? "any-shape, best tile"
                                        : "lower isa: no kernel for " + std::string(target(best).alias) + ", " +
                                              std::string(target(used).alias) + " used";
    case Reason::lower_isa:
      return "lower isa: no " + std::string(target(best).alias) + " kernel fits, " + std::string(target(used).alias) +
             " used";
    case Reason::portable:
      return best == Isa::portable ? "portable: asked for"
                                   : "portable: no " + std::string(target(best).alias) + " kernel fits";
  }
  return "?";
}

}  // namespace octile::runtime
