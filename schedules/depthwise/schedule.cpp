// The schedule of the depthwise family; see schedule.h.
#include "schedules/depthwise/schedule.h"

#include <map>

namespace octile::schedules {

using namespace Halide;  // NOLINT(google-build-using-namespace)

void schedule_depthwise(generators::DepthwiseStages& s, const Candidate& cand, int lanes) {
  Var ci("ci"), xi("xi"), yi("yi"), co("co"), xo("xo"), yo("yo");
  const std::map<char, Var> outer{{'n', co}, {'x', xo}, {'y', yo}};
  // A block of channels in lane order is whole: the last one shifts inwards. Phases count from the first pixel, so that
  // their last tile may not shift.
  const TailStrategy channels = cand.tail      ? TailStrategy::PredicateStores
                                : s.lane_order ? TailStrategy::ShiftInwards
                                               : TailStrategy::RoundUp;
  s.out.split(s.c, co, ci, cand.tn, channels)
      .split(s.x, xo, xi, cand.tx, s.phases > 1 ? TailStrategy::GuardWithIf : TailStrategy::ShiftInwards)
      .split(s.y, yo, yi, cand.ty, TailStrategy::ShiftInwards)
      .reorder({ci, xi, yi, outer.at(cand.order[0]), outer.at(cand.order[1]), outer.at(cand.order[2])})
      .unroll(xi)
      .unroll(yi);
  if (cand.tail) {
    s.out.vectorize(ci);  // a masked dimension cannot be split again
  } else if (s.lane_order) {
    s.out.vectorize(ci);  // the whole block, so that its lanes can be put back in order
  } else {
    s.out.vectorize(ci, lanes);
    if (cand.tn > lanes) s.out.unroll(ci);
  }
  const Var& tile = outer.at(cand.order[0]);
  const int width = s.lane_order ? cand.tn : lanes;  // dots and shuffles see the whole block
  const auto in_registers = [&](Stage stage) { stage.vectorize(s.c, width).unroll(s.c).unroll(s.x).unroll(s.y); };
  s.acc.compute_at(s.out, s.lane_order && !s.row_loop ? xi : tile).bound_extent(s.c, cand.tn);
  in_registers(s.acc);
  for (Func& f : s.kept) f.compute_at(s.out, co).bound_extent(s.c, cand.tn).vectorize(s.c, width);
  if (s.fixed) {
    s.pack.bound_extent(s.c, cand.tn).bound(s.group, 0, s.groups);
    s.pack.vectorize(s.c, width).unroll(s.c).unroll(s.x).unroll(s.row).unroll(s.group);
  }
  if (s.row_loop) {
    Stage update = s.acc.update(0);
    update.reorder({Var(s.c.name()), s.x, s.y, s.rows});
    in_registers(update);
    for (Func& f : s.kept_rows) {
      f.compute_at(s.out, co).bound_extent(s.c, cand.tn).bound(s.row, 0, cand.ky).vectorize(s.c, width).unroll(s.row);
    }
    s.pack.compute_at(s.acc, s.rows)
        .bound_extent(s.row, (cand.ty - 1) * cand.st + 1)
        .bound_extent(s.x, 1);  // phases are as many as outputs
    s.acc.bound_extent(s.x, cand.tx).bound_extent(s.y, cand.ty);
  } else if (s.fixed) {
    s.pack.compute_at(s.out, tile);
    if (s.phases > 1) s.pack.bound_extent(s.x, 1);
    if (s.has_column) {
      for (Func column : {s.column, s.last}) {
        column.compute_at(s.out, tile).bound_extent(s.c, cand.tn).vectorize(s.c, width).unroll(s.x).unroll(s.row);
      }
    }
  } else {
    Stage update = s.acc.update(0);
    update.reorder({Var(s.c.name()), s.x, s.y, s.taps[0], s.taps[1]});
    in_registers(update);
  }
}

}  // namespace octile::schedules
