// Placement: where each store lies, which kernels run, how moves step through memory.
// In:  a lowered and fused program, the target.  Out: the same program, ready to run.
// Not here: fusion, running.
#pragma once

#include "runtime/region/lower.h"

namespace octile::runtime {

[[nodiscard]] Status place(const Recipe& recipe, Program& program);
// A store as the conversions see it: as an image where `image` says so, else as rows. Data is null.
[[nodiscard]] View view_of(const Store& store, bool image);
// The store whose memory this one's is.
[[nodiscard]] int root_of(const Program& program, int store);

}  // namespace octile::runtime
