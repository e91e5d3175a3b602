// The tile registers of AMX, and the kernels made of them. In/out: see tiles.h.
// Not here: sums and their ends (tile_dot.h).
// Written as assembly, which names registers by number: compilers' own functions want literals.
#include "runtime/exec/tiles.h"

#if defined(__x86_64__)

#include "runtime/exec/tile_dot.h"

namespace octile::runtime {
namespace {

struct Amx {
  static void configure(int rows, int rest) {
    constexpr int kWord = 4;
    TileConfig c;
    for (int tile = kSumsTile; tile < kSumsTile + 4; ++tile) c.set(tile, rows, kTileBytes);
    c.set(kSourceTile, rows, kTileBytes);
    c.set(kWeightsTile, kTileRows, kTileBytes);
    c.set(kShortSource, rows, rest > 0 ? rest : kTileBytes);
    c.set(kShortWeights, rest > 0 ? rest / kWord : kTileRows, kTileBytes);
    asm volatile("ldtilecfg %0" ::"m"(c));
  }
  static void release() { asm volatile("tilerelease"); }

  template <int Tile>
  static void load(const void* from, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(Tile));
  }
  template <int Tile>
  static void store(void* to, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(Tile) : "memory");
  }
  // Unsigned source, signed weights.
  template <int Sums, int Source, int Weights>
  static void dot() {
    asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(Sums), "i"(Source), "i"(Weights));
  }
};

int dot(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo, float hi,
        int32_t zp, octile_buffer* dst) {
  TileDot<Amx>(*src, *wei, *bias, *mult, lo, hi, zp, *dst).run();
  return 0;
}

int dotz(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo, float hi,
         int32_t zp, octile_buffer* wzp, octile_buffer* rowsum, octile_buffer* dst) {
  TileDot<Amx> call(*src, *wei, *bias, *mult, lo, hi, zp, *dst);
  call.subtract(*wzp, *rowsum);
  call.run();
  return 0;
}

template <class F>
Kernel entry(const char* family, const char* dst, F* fn) {
  packs::KernelEntry e;
  e.family = family;
  e.name = "tiles:" + e.family;
  e.op = "*";
  e.target = std::string(target(Isa::avx512amx).name);
  e.layout = "k4n16";
  e.src = "u8";
  e.dst = dst;
  e.tile_x = 2;  // a single pixel is no less work than sixteen
  e.tile_n = kTileRows;
  return {std::move(e), Isa::avx512amx, reinterpret_cast<void*>(fn)};
}

}  // namespace

std::vector<Kernel> tile_kernels() {
  return {entry("dot", "u8", dot), entry("dot", "s32", dot), entry("dotz", "u8", dotz), entry("dotz", "s32", dotz)};
}

}  // namespace octile::runtime

#else

namespace octile::runtime {

std::vector<Kernel> tile_kernels() { return {}; }

}  // namespace octile::runtime

#endif
