// Fusion: fewer steps, the same answers.
// In:  a lowered program.  Out: the same program with tails on its convolutions, operands written in place, dead steps
//      gone.
// Not here: what a node becomes (lower.h), memory (place.h).
#pragma once

#include "runtime/region/program.h"

namespace octile::runtime {

// `names`: of the region's nodes, for what explain says about a fused one.
void fuse(Program& program, const std::vector<std::string>& names);

}  // namespace octile::runtime
