// Tile registers in memory, per thread as the real ones. In/out: see emulated_tiles.h.
// What the instructions do is told in Intel's manual: a load brings configured rows and zeros the rest; a product of
// registers whose sizes do not agree, or that nobody configured, is an illegal instruction, and here an abort.
#include "tests/unit/runtime/emulated_tiles.h"

#include <array>
#include <cstdlib>
#include <cstring>

#include "runtime/exec/tile_dot.h"

namespace octile::test {
namespace {

using namespace runtime;  // NOLINT: what is tested

struct Register {
  int rows = 0, bytes = 0;
  std::array<std::array<uint8_t, kTileBytes>, kTileRows> data{};
};

thread_local std::array<Register, 8> registers;

void need(bool holds) {
  if (!holds) std::abort();
}

struct Emulated {
  static void configure(int rows, int rest) {
    release();
    for (int tile = 0; tile < 8; ++tile) {
      Register& r = registers[static_cast<size_t>(tile)];
      const bool weights = tile == kWeightsTile || tile == kShortWeights, brief = tile >= kShortSource && rest > 0;
      r.rows = !weights ? rows : brief ? rest / 4 : kTileRows;
      r.bytes = brief && !weights ? rest : kTileBytes;
      need(r.rows >= 1 && r.rows <= kTileRows && r.bytes >= 4 && r.bytes % 4 == 0);
    }
  }
  static void release() { registers = {}; }

  template <int Tile>
  static void load(const void* from, int64_t stride) {
    Register& r = registers[Tile];
    need(r.rows > 0);
    r.data = {};
    for (int i = 0; i < r.rows; ++i) {
      std::memcpy(r.data[static_cast<size_t>(i)].data(), static_cast<const uint8_t*>(from) + i * stride,
                  static_cast<size_t>(r.bytes));
    }
  }
  template <int Tile>
  static void store(void* to, int64_t stride) {
    const Register& r = registers[Tile];
    need(r.rows > 0);
    for (int i = 0; i < r.rows; ++i) {
      std::memcpy(static_cast<uint8_t*>(to) + i * stride, r.data[static_cast<size_t>(i)].data(),
                  static_cast<size_t>(r.bytes));
    }
  }
  template <int Sums, int Source, int Weights>
  static void dot() {
    Register& sums = registers[Sums];
    const Register &a = registers[Source], &b = registers[Weights];
    need(a.rows == sums.rows && b.bytes == sums.bytes && b.rows * 4 == a.bytes);
    for (size_t m = 0; m < static_cast<size_t>(a.rows); ++m) {
      for (size_t n = 0; n < static_cast<size_t>(b.bytes / 4); ++n) {
        uint32_t sum = 0;
        std::memcpy(&sum, &sums.data[m][4 * n], 4);
        for (size_t k = 0; k < static_cast<size_t>(a.bytes); ++k) {
          sum += static_cast<uint32_t>(a.data[m][k] * static_cast<int8_t>(b.data[k / 4][4 * n + k % 4]));
        }
        std::memcpy(&sums.data[m][4 * n], &sum, 4);
      }
    }
  }
};

}  // namespace

int emulated_dot(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo, float hi,
                 int32_t zp, octile_buffer* dst) {
  TileDot<Emulated>(*src, *wei, *bias, *mult, lo, hi, zp, *dst).run();
  return 0;
}

int emulated_dotz(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo, float hi,
                  int32_t zp, octile_buffer* wzp, octile_buffer* rowsum, octile_buffer* dst) {
  TileDot<Emulated> call(*src, *wei, *bias, *mult, lo, hi, zp, *dst);
  call.subtract(*wzp, *rowsum);
  call.run();
  return 0;
}

}  // namespace octile::test
