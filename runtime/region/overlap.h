// Overlap: products and passes whose tasks may begin while the step before them still runs, and what each of them waits
// for. In:  a program whose kernels are chosen, not yet placed.  Out: Step::overlaps and Step::needs. Not here: waiting
// (runtime/exec/team.h), lifetimes (place.cpp keeps what two steps read and write apart).
#pragma once

#include "runtime/region/program.h"

namespace octile::runtime {

void find_overlaps(Program& program);

}  // namespace octile::runtime
