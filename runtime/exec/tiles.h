// Tiles: kernels of x86-64/avx512amx, products whose sums lie in tile registers, with the pack ABI.
// In:  nothing.  Out: kernel entries with function pointers, of any shape, for layout k4n16 and both destinations.
// Not here: how a product is cut into tiles (tile_dot.h), choosing between them and vectors (dispatch).
#pragma once

#include <vector>

#include "runtime/loader/library.h"

namespace octile::runtime {

// Callable where can_run(Isa::avx512amx).
[[nodiscard]] std::vector<Kernel> tile_kernels();

}  // namespace octile::runtime
