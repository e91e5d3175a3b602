// Space: parameters, constraints and the static cost of the dot and depthwise families; see space.h.
// In:  OpSpec, TargetDesc, layout half.  Out: the list of valid candidates and what removed the others.
// Not here: measured numbers.  Constants below are counts of registers and instructions, not tuned values.
#include "schedules/space/space.h"

#include <algorithm>
#include <cmath>

#include "targets/desc/layout.h"

namespace octile {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

bool has_zero_points(const OpSpec& op) { return op.wei_zp || op.wei == DType::u8; }

Candidate layout_only(std::string name, int group = 0) {
  Candidate c;
  c.layout = std::move(name);
  c.group = group;
  return c;
}

}  // namespace

std::string layout_half(const Candidate& cand) {
  const std::string line = to_line(cand);
  return line.substr(0, line.find(" tile="));
}

struct Space::Constraint {
  std::string name, meaning;
  bool (*holds)(const Facts& f, const Candidate& c);
};

const std::vector<Space::Constraint>& Space::constraints() {
  static const std::vector<Constraint> table = {
      {"shape", "the tile is not larger than the output",
       [](const Facts& f, const Candidate& c) {
         return c.tx <= f.row && c.ty <= f.y && c.tn <= f.panel * ceil_div(f.n, f.panel);
       }},
      {"registers", "accumulators, one column of weights and the source fit the vector registers",
       [](const Facts& f, const Candidate& c) {
         const int columns = c.tn / f.lanes, acc = c.tx * c.ty * columns;
         if (f.depthwise) {  // accumulators and the words of one row of the tile; weights come from memory
           return acc + c.tx * columns * static_cast<int>(f.segments) <= f.registers;
         }
         // acc16 reads weights from memory but keeps ones and two sums; the others keep weights and one source word.
         return acc + (f.group > 0 ? 4 : columns + 1) <= f.registers - (f.registers > 16 ? 1 : 0);
       }},
      {"unpack",
       "lane order wants a fixed filter, blocks of 32 or 64 channels, and at most four outputs to share a word",
       [](const Facts& f, const Candidate& c) {
         return !c.lane_unpack || (c.kx != 0 && !c.tail && (c.tn == 32 || c.tn == 64) && f.n > 0 && c.tx <= 4);
       }},
      {"waste", "shifting the last tile inwards recomputes at most half as much again",
       [](const Facts& f, const Candidate& c) {
         const double done = static_cast<double>(ceil_div(f.x, c.tx) * c.tx * ceil_div(f.y, c.ty) * c.ty);
         return done <= 1.5 * static_cast<double>(f.x * f.y);
       }},
      {"latency", "at least four accumulators hide the latency of a dot, where the output has that many",
       [](const Facts& f, const Candidate& c) {
         const int64_t most = f.x * f.y * ceil_div(f.n, f.panel) * (f.panel / f.lanes);
         return c.tx * c.ty * (c.tn / f.lanes) >= std::min<int64_t>(4, most);
       }},
      {"unroll", "one unrolled step is not longer than a segment",
       [](const Facts& f, const Candidate& c) { return c.uk == 1 || c.uk * std::max(1, c.group) <= f.words; }},
      {"code", "the unrolled loop body has at most 256 dots",
       [](const Facts& f, const Candidate& c) {
         const int64_t steps = f.depthwise ? f.rows * f.segments : c.uk * std::max(1, c.group);
         return c.tx * c.ty * (c.tn / f.lanes) * steps <= 256;
       }},
      {"order", "loops of one iteration stand outermost, so that equal loop nests are listed once",
       [](const Facts& f, const Candidate& c) {
         std::string loops, single;
         for (char v : std::string("xyn")) {
           const int64_t tiles = v == 'x' ? ceil_div(f.x, c.tx) : v == 'y' ? ceil_div(f.y, c.ty) : ceil_div(f.n, c.tn);
           if (tiles <= 1) single += v;
         }
         for (char v : c.order) {
           if (single.find(v) == std::string::npos) loops += v;
         }
         return c.order == loops + single;
       }},
  };
  return table;
}

Result<std::vector<Candidate>> Space::layouts(const OpSpec& op, const TargetDesc& target) {
  if (op.kind != OpKind::conv2d && op.kind != OpKind::dense) {
    return Status(Code::unsupported, std::string(to_string(op.kind)) + " has any-shape kernels only, nothing to tune");
  }
  if (!generated(target.isa)) {
    return Status(Code::unsupported, std::string(target.alias) + " kernels are part of the runtime, nothing to tune");
  }
  // Whether the zero points of constant weights can be subtracted beforehand, and so which family computes them, is in
  // their values, which no op line holds.
  if (has_zero_points(op) && !(op.wei_var && target.isa >= Isa::avxvnni)) {
    return Status(Code::unsupported, "weights with zero points have any-shape kernels only, nothing to tune");
  }
  if (op.depthwise()) {
    return std::vector{layout_only(target.isa >= Isa::avxvnni ? "t4c" : "t2cw")};
  }
  switch (target.isa) {
    case Isa::x86_64_v2: return std::vector{layout_only("k2n8w")};
    case Isa::avx2: {
      if (op.wei_var) return std::vector{layout_only("k2n8w")};  // unknown weights must fit any kernel
      std::vector<Candidate> all{layout_only("k2n8w")};
      for (int group : {2, 1, 4, 3}) all.push_back(layout_only("k4n8", group));
      return all;
    }
    case Isa::avxvnni:
    case Isa::avx512vnni: return std::vector{layout_only("k4n16")};
    case Isa::portable:
    case Isa::avx512amx: break;
  }
  return Status(Code::internal, "a target without a space");
}

Result<Space> Space::make(const OpSpec& op, const TargetDesc& target, const Candidate& layout) {
  OCTILE_ASSIGN_OR_RETURN(const std::vector<Candidate> known, layouts(op, target));
  if (std::ranges::none_of(known, [&](const Candidate& c) { return layout_half(c) == layout_half(layout); })) {
    return Status(Code::invalid_argument, layout_half(layout) + " is no layout of " + std::string(target.name));
  }
  Space s;
  s.layout_ = layout_only(layout.layout, layout.group);
  Facts& f = s.facts_;
  f.lanes = target.vector_bytes / 4;
  f.registers = target.vector_registers;
  if (op.depthwise()) {
    s.set_depthwise_facts(op);
  } else {
    s.set_dot_facts(op);
  }
  s.set_values();
  s.list_candidates();
  if (s.valid_.empty()) return Status(Code::internal, "the space of " + to_key(op) + " is empty");
  s.default_ = *std::ranges::min_element(
      s.valid_, {}, [&](const Candidate& c) { return std::pair(s.predicted_cost(c), to_line(c)); });
  return s;
}

void Space::set_dot_facts(const OpSpec& op) {
  Facts& f = facts_;
  const LayoutDesc& layout = *find_layout(layout_.layout);
  f.panel = layout.lanes;
  f.group = layout_.group;
  if (op.kind == OpKind::dense) {
    f.x = f.row = op.m;
    f.n = op.n;
    f.words = ceil_div(op.k, layout.quantum);
    return;
  }
  const int64_t channels = op.ic / op.g;
  const bool whole = op.dw == 1 && op.g == 1;  // the taps of a row are one contiguous run
  f.x = f.row = op.ow();
  f.y = op.oh();
  // Pixels of a pointwise conv are one row where the plan leaves no gaps between them, and may be cut where it does.
  if (op.kh * op.kw == 1 && op.sh * op.sw == 1 && op.pt + op.pl + op.pb + op.pr == 0) {
    f.x *= op.oh() * op.mb;
    f.y = 1;
  }
  f.n = op.oc / op.g;
  f.words = ceil_div(whole ? op.kw * channels : channels, layout.quantum);
  f.segments = whole ? op.kh : op.kh * op.kw;
}

void Space::set_depthwise_facts(const OpSpec& op) {
  Facts& f = facts_;
  f.depthwise = true;
  f.panel = f.lanes;
  f.x = f.row = op.ow();
  f.y = op.oh();
  f.n = op.oc;
  f.rows = static_cast<int>(op.kh);
  f.segments = ceil_div(op.kw, find_layout(layout_.layout)->quantum);
  if (op.dh == 1 && op.dw == 1 && op.sh == op.sw) {
    layout_.kx = static_cast<int>(op.kw);
    layout_.ky = f.ky = static_cast<int>(op.kh);
    layout_.st = f.st = static_cast<int>(op.sh);
  }
}

void Space::set_values() {
  numbers_[0] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 20, 28};
  numbers_[1] = {1, 2, 3, 4};
  const int step = std::max(facts_.panel, facts_.lanes);
  for (int columns : {1, 2, 3, 4, 5, 6, 8, 12}) numbers_[2].push_back(step * columns);
  numbers_[3] = {1, 2, 3, 4, 6, 8};
  if (facts_.depthwise) {
    numbers_[2] = {step, 2 * step, 4 * step};
    numbers_[3] = layout_.kx != 0 && facts_.lanes >= 8 ? std::vector{0, 1} : std::vector{0};
  }
  orders_ = {"xyn", "xny", "yxn", "ynx", "nxy", "nyx"};
}

size_t Space::extent(size_t axis) const { return axis < numbers_.size() ? numbers_[axis].size() : orders_.size(); }

Candidate Space::at(const Point& point) const {
  Candidate c = layout_;
  c.tx = numbers_[0][point[0]];
  c.ty = numbers_[1][point[1]];
  c.tn = numbers_[2][point[2]];
  if (facts_.depthwise) {
    c.lane_unpack = numbers_[3][point[3]] != 0;
  } else {
    c.uk = numbers_[3][point[3]];
  }
  c.order = orders_[point[4]];
  // Mask what reaches into a partial panel; depthwise: a masked kernel covers any number of channels by itself.
  c.tail = facts_.depthwise ? facts_.n % c.tn != 0 : c.tn > facts_.n / facts_.panel * facts_.panel;
  return c;
}

Space::Point Space::point_of(const Candidate& c) const {
  const auto index = [](const auto& values, const auto& value) {
    const auto it = std::ranges::find(values, value);
    OCTILE_CHECK(it != values.end());
    return static_cast<size_t>(it - values.begin());
  };
  const int fourth = facts_.depthwise ? static_cast<int>(c.lane_unpack) : c.uk;
  return {index(numbers_[0], c.tx), index(numbers_[1], c.ty), index(numbers_[2], c.tn), index(numbers_[3], fourth),
          index(orders_, c.order)};
}

void Space::list_candidates() {
  for (const Constraint& constraint : constraints()) size_.cuts.push_back({constraint.name, constraint.meaning, 0});
  Point p{};
  for (;;) {
    const Candidate c = at(p);
    ++size_.combinations;
    size_t broken = 0;
    while (broken < constraints().size() && constraints()[broken].holds(facts_, c)) ++broken;
    if (broken == constraints().size()) {
      valid_.push_back(c);
    } else {
      ++size_.cuts[broken].cut;
    }
    size_t axis = 0;
    while (axis < p.size() && ++p[axis] == extent(axis)) p[axis++] = 0;
    if (axis == p.size()) break;
  }
  size_.valid = static_cast<int64_t>(valid_.size());
}

std::vector<SpaceParameter> Space::parameters() const {
  const std::array<std::string, 4> names = {"tx", "ty", "tn", facts_.depthwise ? "unpack" : "uk"};
  std::vector<SpaceParameter> all;
  for (size_t i = 0; i < names.size(); ++i) {
    SpaceParameter p{names[i], {}};
    for (int v : numbers_[i]) p.values.push_back(std::to_string(v));
    all.push_back(std::move(p));
  }
  all.push_back({"order", orders_});
  return all;
}

Status Space::check(const Candidate& cand) const {
  if (layout_half(cand) != layout_half(layout_)) {
    return {Code::invalid_argument, "layout: this space is for " + layout_half(layout_)};
  }
  const int fourth = facts_.depthwise ? static_cast<int>(cand.lane_unpack) : cand.uk;
  const std::array<int, 4> numbers = {cand.tx, cand.ty, cand.tn, fourth};
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (std::ranges::find(numbers_[i], numbers[i]) == numbers_[i].end()) {
      return {Code::invalid_argument,
              "values: " + parameters()[i].name + "=" + std::to_string(numbers[i]) + " is not a value of this space"};
    }
  }
  if (std::ranges::find(orders_, cand.order) == orders_.end()) {
    return {Code::invalid_argument, "values: order=" + cand.order + " is not a value of this space"};
  }
  if (cand != at(point_of(cand))) {
    return {Code::invalid_argument,
            "values: kxy and st do not belong to this space, tail=y exactly where the tile "
            "reaches into a partial panel"};
  }
  for (const Constraint& c : constraints()) {
    if (!c.holds(facts_, cand)) return {Code::invalid_argument, c.name + ": does not hold: " + c.meaning};
  }
  return {};
}

// Cycles, roughly: one dot or two loads a cycle, a dependent dot every five cycles, a few cycles per loop iteration,
// six operations to requantize one vector. Good enough to order candidates before the first measurement.
double Space::predicted_cost(const Candidate& c) const {
  if (facts_.depthwise) return depthwise_cost(c);
  const double columns = static_cast<double>(c.tn) / facts_.lanes;
  const double pixels = c.tx * c.ty, acc = pixels * columns;
  const double dots = facts_.group > 0 ? acc * (facts_.group + 1.0) / (2.0 * facts_.group) : acc;
  const double loads = (pixels + columns) / 2;
  const double word = std::max({dots, loads, 5.0}) + 0.15 * std::min(dots, loads);
  const double loop = 2.0 / (c.uk * std::max(1, facts_.group));
  const double words = static_cast<double>(facts_.words), segments = static_cast<double>(facts_.segments);
  const double rest = std::fmod(words, static_cast<double>(c.uk * std::max(1, facts_.group)));
  const double tile = segments * (words * (word + loop) + 3 + rest) + 6 * acc + 12;
  const auto tiles = static_cast<double>(ceil_div(facts_.x, c.tx) * ceil_div(facts_.y, c.ty));
  // Channels a whole number of tiles does not cover are left to a narrower kernel: charge them at its pace.
  const double n_tiles = std::max(1.0, static_cast<double>(facts_.n) / c.tn);
  const double left = facts_.n > c.tn && facts_.n % c.tn != 0 ? 0.05 : 0.0;
  const double order = c.order == "xyn" ? 0.0 : 0.001;
  return tile * tiles * n_tiles * (1 + left + order);
}

// A word of taps takes some five operations to gather, and neighbouring rows of the tile share it.
double Space::depthwise_cost(const Candidate& c) const {
  const double columns = static_cast<double>(c.tn) / facts_.lanes, acc = c.tx * c.ty * columns;
  const double rows = facts_.ky == 0 ? c.ty * facts_.rows : (c.ty - 1) * facts_.st + facts_.ky;
  const double gathers = c.tx * rows * columns * static_cast<double>(facts_.segments);
  const double dots = acc * facts_.rows * static_cast<double>(facts_.segments);
  const auto tiles =
      static_cast<double>(ceil_div(facts_.x, c.tx) * ceil_div(facts_.y, c.ty) * ceil_div(facts_.n, c.tn));
  return tiles * (dots + (c.lane_unpack ? 2 : 5) * gathers + (c.tail ? 9 : 6) * acc + 12) *
         (c.order == "nxy" ? 1.0 : 1.001);
}

const Candidate& Space::sample(Rng& rng) const { return valid_[rng() % valid_.size()]; }

Candidate Space::mutate(const Candidate& cand, Rng& rng) const {
  const Point start = point_of(cand);
  for (int attempt = 0; attempt < 64; ++attempt) {
    Point p = start;
    const size_t axis = rng() % p.size();
    if (axis < numbers_.size() && rng() % 4 != 0) {
      const bool up = rng() % 2 == 0;
      if (up ? p[axis] + 1 == extent(axis) : p[axis] == 0) continue;
      p[axis] = up ? p[axis] + 1 : p[axis] - 1;
    } else {
      p[axis] = rng() % extent(axis);
    }
    const Candidate c = at(p);
    if (p != start && check(c).ok()) return c;
  }
  return cand;
}

Candidate Space::crossover(const Candidate& a, const Candidate& b, Rng& rng) const {
  const Point pa = point_of(a), pb = point_of(b);
  for (int attempt = 0; attempt < 16; ++attempt) {
    Point p{};
    for (size_t i = 0; i < p.size(); ++i) p[i] = rng() % 2 == 0 ? pa[i] : pb[i];
    if (p != pa && p != pb && check(at(p)).ok()) return at(p);
  }
  return mutate(a, rng);
}

}  // namespace octile
