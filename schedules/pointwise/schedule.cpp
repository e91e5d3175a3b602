// The schedule of the pointwise families; see schedule.h.
#include "schedules/pointwise/schedule.h"

namespace octile::schedules {

using namespace Halide;  // NOLINT(google-build-using-namespace)

void schedule_pointwise(generators::PointwiseStages& s, const Candidate& cand) {
  s.out.vectorize(s.c, cand.tn, cand.tail ? TailStrategy::Predicate : TailStrategy::RoundUp);
}

}  // namespace octile::schedules
