// Tiles: kernels of x86-64/avx512amx, products whose sums lie in tile registers, with the pack ABI.
// In:  nothing.  Out: kernel entries with function pointers, of any shape, for layout k4n16 and both destinations; what
//      registers are told of their sizes.
// Not here: how a product is cut into tiles (tile_dot.h), choosing between them and vectors (dispatch).
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/loader/library.h"

namespace octile::runtime {

inline constexpr int kTileRows = 16, kTileBytes = 64;  // of a register, at most

// What ldtilecfg reads, Intel's "palette 1": rows and bytes of each register.
struct TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
  void set(int tile, int64_t row_count, int64_t row_bytes) {
    rows[tile] = static_cast<uint8_t>(row_count);
    bytes[tile] = static_cast<uint16_t>(row_bytes);
  }
};

// Callable where can_run(Isa::avx512amx).
[[nodiscard]] std::vector<Kernel> tile_kernels();

}  // namespace octile::runtime
