// Fusion: fewer steps, the same answers.
// In:  a lowered program.  Out: the same program with tails on its convolutions, operands written in place, dead steps
//      gone.
// Not here: what a node becomes (lower.h), memory (place.h).
#pragma once

#include "runtime/region/program.h"

namespace octile::runtime {

// `desc`: of the region, for what explain says about a fused node.
void fuse(Program& program, const RegionDesc& desc);

}  // namespace octile::runtime
