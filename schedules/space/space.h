// Space: every candidate worth building for one workload on one target with one weight layout.
// In:  OpSpec, TargetDesc, the layout half of a candidate.  Out: the default, samples, neighbours, counts with reasons.
// Not here: Halide, timing, what was tried already (tuner/strategy).
//
// A space is a few parameters with short lists of values and a table of named constraints. It is small enough to list
// (some ten thousand combinations), so everything is a walk over the list: no candidate outside it is ever proposed,
// and what a constraint removes can be counted and reviewed (tests/golden).
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "schedules/space/candidate.h"
#include "targets/desc/target.h"
#include "workload/spec/op_spec.h"

namespace octile {

using Rng = std::mt19937_64;

struct SpaceCut {
  std::string constraint;  // "registers"
  std::string meaning;     // "accumulators, weights and source fit the vector registers"
  int64_t cut = 0;         // combinations it removes of those the constraints before it left
};

struct SpaceSize {
  int64_t combinations = 0, valid = 0;
  std::vector<SpaceCut> cuts;
};

struct SpaceParameter {
  std::string name;                 // "tx"
  std::vector<std::string> values;  // as a candidate line spells them
};

// The layout half alone, as it stands at the front of a candidate line: "layout=k4n8 group=2".
[[nodiscard]] std::string layout_half(const Candidate& cand);

class Space {
 public:
  // The layout halves that exist for this op on this target (only layout and group are set), best first. Ops that
  // have any-shape kernels only, and targets without generated kernels, are unsupported.
  [[nodiscard]] static Result<std::vector<Candidate>> layouts(const OpSpec& op, const TargetDesc& target);
  [[nodiscard]] static Result<Space> make(const OpSpec& op, const TargetDesc& target, const Candidate& layout);

  [[nodiscard]] const Candidate& default_candidate() const { return default_; }
  [[nodiscard]] const std::vector<Candidate>& candidates() const { return valid_; }
  [[nodiscard]] const SpaceSize& size() const { return size_; }
  [[nodiscard]] std::vector<SpaceParameter> parameters() const;
  // The name and meaning of the first constraint `cand` breaks.
  [[nodiscard]] Status check(const Candidate& cand) const;
  // What the facts of the target say before anything is measured: estimated cycles, comparable within one space only.
  [[nodiscard]] double predicted_cost(const Candidate& cand) const;

  [[nodiscard]] const Candidate& sample(Rng& rng) const;
  // One parameter moved, mostly to a neighbouring value. Returns `cand` itself if nothing else is valid.
  [[nodiscard]] Candidate mutate(const Candidate& cand, Rng& rng) const;
  // Each parameter from one of the parents; a mutation of `a` where no mix is valid.
  [[nodiscard]] Candidate crossover(const Candidate& a, const Candidate& b, Rng& rng) const;

 private:
  // What the constraints and the cost look at.
  struct Facts {
    int64_t x = 1, y = 1, n = 1;      // output extents of one call
    int64_t row = 1;                  // output pixels that surely follow each other: a tile must fit this
    int64_t words = 1, segments = 1;  // k-words of one segment, segments of one output
    int panel = 16, lanes = 16, registers = 32;
    int group = 0;
    bool depthwise = false;  // then segments are the words of one filter row, and:
    int ky = 0;              // filter rows; 0: not fixed in the kernel, because of dilation or unequal strides
    int st = 0, rows = 1;    // stride; filter rows
  };
  // Index of each parameter's value: tx, ty, tn, uk (depthwise: unpack), order.
  using Point = std::array<size_t, 5>;
  struct Constraint;
  static const std::vector<Constraint>& constraints();
  void set_values();
  void list_candidates();
  [[nodiscard]] double depthwise_cost(const Candidate& cand) const;
  void set_dot_facts(const OpSpec& op);
  void set_depthwise_facts(const OpSpec& op);
  [[nodiscard]] Candidate at(const Point& point) const;
  [[nodiscard]] Point point_of(const Candidate& cand) const;
  [[nodiscard]] size_t extent(size_t axis) const;

  Facts facts_;
  Candidate layout_;
  std::array<std::vector<int>, 4> numbers_;  // values of tx, ty, tn, and uk or, depthwise, unpack (1: lane)
  std::vector<std::string> orders_;
  std::vector<Candidate> valid_;
  Candidate default_;
  SpaceSize size_;
};

}  // namespace octile
