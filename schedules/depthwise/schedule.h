// The schedule of the depthwise family, x86: channels in lanes, a tile of pixels in registers.
// In:  DepthwiseStages, lanes of an int32 vector, Candidate.  Out: the stages scheduled.
// Not here: arithmetic, which candidates are worth trying (space/).
#pragma once

#include "generators/depthwise/depthwise.h"
#include "schedules/space/candidate.h"

namespace octile::schedules {

void schedule_depthwise(generators::DepthwiseStages& stages, const Candidate& cand, int lanes);

}  // namespace octile::schedules
