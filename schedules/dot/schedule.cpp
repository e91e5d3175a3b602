// The schedule of the dot family; see schedule.h.
// The accumulators of one tile live in registers over the whole reduction: acc is computed per tile with every extent
// constant, so LLVM promotes it. Activations are broadcast 32 bits at a time, weights are loaded once per tile column.
#include "schedules/dot/schedule.h"

#include <map>
#include <vector>

namespace octile::schedules {

using namespace Halide;  // NOLINT(google-build-using-namespace)

namespace {

// Channels narrowed and stored together: as many registers, up to four, as fill the tile evenly.
int store_width(int tn, int lanes) {
  int registers = 4;
  while (tn % (registers * lanes) != 0) --registers;
  return registers * lanes;
}

}  // namespace

void schedule_dot(generators::DotStages& s, const Candidate& cand, int lanes) {
  Var ni("ni"), xi("xi"), yi("yi"), no("no"), xo("xo"), yo("yo");
  const std::map<char, Var> outer{{'n', no}, {'x', xo}, {'y', yo}};
  // Channels come in whole panels (n is a multiple of tn), or as one masked panel; pixels shift inwards at the edge.
  s.out.split(s.n, no, ni, cand.tn, cand.tail ? TailStrategy::PredicateStores : TailStrategy::RoundUp)
      .split(s.x, xo, xi, cand.tx, TailStrategy::ShiftInwards)
      .split(s.y, yo, yi, cand.ty, TailStrategy::ShiftInwards)
      .reorder({ni, xi, yi, outer.at(cand.order[0]), outer.at(cand.order[1]), outer.at(cand.order[2])})
      .unroll(xi)
      .unroll(yi);
  if (cand.tail) {
    s.out.vectorize(ni);  // a masked dimension cannot be split again
  } else {
    const int width = store_width(cand.tn, lanes);
    s.out.vectorize(ni, width);
    if (cand.tn > width) s.out.unroll(ni);
  }
  const auto in_registers = [&](Stage stage) { stage.vectorize(s.n, lanes).unroll(s.n).unroll(s.x).unroll(s.y); };
  s.acc.compute_at(s.out, outer.at(cand.order[0])).bound_extent(s.n, cand.tn);
  in_registers(s.acc);
  Stage main = s.acc.update(0);
  main.reorder({Var(s.n.name()), s.x, s.y, s.main[0], s.main[1], s.main[2], s.main[3]});
  main.unroll(s.main[0]);
  in_registers(main);
  if (s.has_rest) {
    Stage rest = s.acc.update(1);
    rest.reorder({Var(s.n.name()), s.x, s.y, s.rest[0], s.rest[1], s.rest[2]});
    in_registers(rest);
  }
  // A dense layer and a 1x1 convolution have one segment: without loops over segments a tile takes some 60 scalar
  // instructions less.
  if (s.any_segments) s.out.specialize(s.src.dim(1).extent() == 1 && s.src.dim(2).extent() == 1);
}

}  // namespace octile::schedules
