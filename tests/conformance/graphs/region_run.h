// A graph as a Region, run the way an unkind host would.
// In:  kernels, an instruction set, a number of threads.  Out: what check_graph.h compares with the oracle.
// Not here: comparing.
#pragma once

#include <memory>

#include "runtime/region/region.h"
#include "tests/conformance/graphs/check_graph.h"

namespace octile::testing {

// Inputs may only be read and end, like outputs, at a page that faults. Several threads take the last task first, in a
// float mode of their own: rounding up, denormals flushed.
[[nodiscard]] GraphPrepare on_region(std::shared_ptr<const runtime::KernelLibrary> library, Isa isa, int threads);

}  // namespace octile::testing
