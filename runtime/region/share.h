// Sharing: tensors in each other's memory, or the host's, instead of copies.
// In:  a program whose tails are known.  Out: the same with concats and splits in place, copies that are somebody's
//      second result, outputs written directly; tails told where nobody else reads their floats.
// Not here: tails of arithmetic (fuse.h), where memory lies (place.h).
#pragma once

#include "runtime/region/program.h"

namespace octile::runtime {

// `desc`: of the region, for what explain says about a node whose copy is gone.
void share(Program& program, const RegionDesc& desc);

}  // namespace octile::runtime
