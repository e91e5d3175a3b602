// The schedule of the pointwise families, x86: tn channels per vector step; tail kernels mask the last one.
// In:  PointwiseStages, Candidate.  Out: the stages scheduled.
// Not here: arithmetic.
#pragma once

#include "generators/pointwise/pointwise.h"
#include "schedules/space/candidate.h"

namespace octile::schedules {

void schedule_pointwise(generators::PointwiseStages& stages, const Candidate& cand);

}  // namespace octile::schedules
