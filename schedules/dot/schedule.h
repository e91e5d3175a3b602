// The schedule of the dot family, x86: output tiles in registers, channels in vector lanes.
// In:  DotStages, lanes of an int32 vector, Candidate.  Out: the stages scheduled.
// Not here: arithmetic, which candidates are worth trying (space/).
#pragma once

#include "generators/dot/dot.h"
#include "schedules/space/candidate.h"

namespace octile::schedules {

void schedule_dot(generators::DotStages& stages, const Candidate& cand, int lanes);

}  // namespace octile::schedules
