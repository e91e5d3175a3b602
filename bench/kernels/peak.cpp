// Peak loops in intrinsics, one function per instruction mix, chosen at run time.
// In/out: see peak.h.  Not here: anything a product runs; intrinsics are at home here because the peak is the
// yardstick.
//
// Each loop keeps enough independent accumulators in registers to hide the latency of the chain (4 to 5 cycles at two
// instructions per cycle), reads no memory, and hands its sums to the optimiser's blind spot so that nothing is
// removed.  The memory loops walk their buffer once per round with eight accumulators.
#include "bench/kernels/peak.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "runtime/exec/tiles.h"
#include "targets/probe/probe.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace octile::bench {
namespace {

constexpr int kRounds = 20000;

int64_t nothing(int) { return 0; }

#if defined(__x86_64__)
constexpr int kChainsZmm = 16, kChainsYmm = 8, kChainsVnniYmm = 12;

// Registers by name: left to choose, the compiler copies accumulators and the loop falls short of the peak.
__attribute__((target("avx512f,avx512vnni"))) int64_t loop_vpdpbusd(int rounds) {
  for (int r = 0; r < rounds; ++r) {
    __asm__ volatile(
        "vpdpbusd %%zmm30, %%zmm31, %%zmm0\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm1\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm2\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm3\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm4\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm5\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm6\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm7\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm8\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm9\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm10\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm11\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm12\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm13\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm14\n\t"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm15\n\t"
        :
        :
        : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
          "xmm13", "xmm14", "xmm15");
  }
  return int64_t{64} * kChainsZmm;
}

// Four tiles of sums, as many as kernels keep.
int64_t loop_tdpbusd(int rounds) {
  constexpr int kChains = 4, kTiles = 6;
  runtime::TileConfig config;
  for (int tile = 0; tile < kTiles; ++tile) config.set(tile, runtime::kTileRows, runtime::kTileBytes);
  __asm__ volatile("ldtilecfg %0" ::"m"(config));
  for (int r = 0; r < rounds; ++r) {
    __asm__ volatile(
        "tdpbusd %tmm5, %tmm4, %tmm0\n\t"
        "tdpbusd %tmm5, %tmm4, %tmm1\n\t"
        "tdpbusd %tmm5, %tmm4, %tmm2\n\t"
        "tdpbusd %tmm5, %tmm4, %tmm3\n\t");
  }
  __asm__ volatile("tilerelease");
  return int64_t{runtime::kTileRows} * runtime::kTileRows * runtime::kTileBytes * kChains;
}

__attribute__((target("avxvnni"))) int64_t loop_vpdpbusd_ymm(int rounds) {
  for (int r = 0; r < rounds; ++r) {
    __asm__ volatile(
        "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm0\n\t"
        "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm1\n\t"
        "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm2\n\t"
        "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm3\n\t"
        "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm4\n\t"
        "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm5\n\t"
        "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm6\n\t"
        "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm7\n\t"
        "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm8\n\t"
        "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm9\n\t"
        "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm10\n\t"
        "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm11\n\t"
        :
        :
        : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11");
  }
  return int64_t{32} * kChainsVnniYmm;
}

__attribute__((target("avx2"))) int64_t loop_vpmaddubsw(int rounds) {
  __m256i acc[kChainsYmm];
  for (__m256i& a : acc) a = _mm256_setzero_si256();
  __m256i u = _mm256_set1_epi32(0x01020304), s = _mm256_set1_epi32(0x01FF02FE);
  __m256i ones = _mm256_set1_epi16(1);
  for (int r = 0; r < rounds; ++r) {
#pragma GCC unroll 8
    for (__m256i& a : acc) {
      __asm__ volatile("" : "+x"(u));  // the product of the previous line must not be reused
      a = _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_maddubs_epi16(u, s), ones));
    }
  }
  for (__m256i& a : acc) __asm__ volatile("" : "+x"(a));
  return int64_t{32} * kChainsYmm;
}

__attribute__((target("avx2"))) int64_t loop_vpmaddwd(int rounds) {
  __m256i acc[kChainsYmm];
  for (__m256i& a : acc) a = _mm256_setzero_si256();
  __m256i u = _mm256_set1_epi32(0x00010002), s = _mm256_set1_epi32(0x0001FFFF);
  for (int r = 0; r < rounds; ++r) {
#pragma GCC unroll 8
    for (__m256i& a : acc) {
      __asm__ volatile("" : "+x"(u));
      a = _mm256_add_epi32(a, _mm256_madd_epi16(u, s));
    }
  }
  for (__m256i& a : acc) __asm__ volatile("" : "+x"(a));
  return int64_t{16} * kChainsYmm;
}

__attribute__((target("sse4.1"))) int64_t loop_pmaddwd(int rounds) {
  __m128i acc[kChainsYmm];
  for (__m128i& a : acc) a = _mm_setzero_si128();
  __m128i u = _mm_set1_epi32(0x00010002), s = _mm_set1_epi32(0x0001FFFF);
  for (int r = 0; r < rounds; ++r) {
#pragma GCC unroll 8
    for (__m128i& a : acc) {
      __asm__ volatile("" : "+x"(u));
      a = _mm_add_epi32(a, _mm_madd_epi16(u, s));
    }
  }
  for (__m128i& a : acc) __asm__ volatile("" : "+x"(a));
  return int64_t{8} * kChainsYmm;
}

constexpr size_t kStride = 256;  // eight ymm registers

__attribute__((target("avx2"))) void read_avx2(uint8_t* memory, size_t bytes) {
  __m256i acc[8];
  for (__m256i& a : acc) a = _mm256_setzero_si256();
  for (size_t at = 0; at + kStride <= bytes; at += kStride) {
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i) {
      acc[i] = _mm256_or_si256(acc[i], _mm256_load_si256(reinterpret_cast<const __m256i*>(memory + at) + i));
    }
  }
  for (__m256i& a : acc) __asm__ volatile("" : "+x"(a));
}

__attribute__((target("avx2"))) void write_avx2(uint8_t* memory, size_t bytes) {
  const __m256i value = _mm256_set1_epi8(1);
  for (size_t at = 0; at + kStride <= bytes; at += kStride) {
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i) _mm256_store_si256(reinterpret_cast<__m256i*>(memory + at) + i, value);
  }
  __asm__ volatile("" : : "r"(memory) : "memory");
}
#endif

void read_plain(uint8_t* memory, size_t bytes) {
  uint64_t sum = 0, word = 0;
  for (size_t at = 0; at + sizeof word <= bytes; at += sizeof word) {
    std::memcpy(&word, memory + at, sizeof word);
    sum |= word;
  }
  __asm__ volatile("" : : "r"(sum));
}

void write_plain(uint8_t* memory, size_t bytes) {
  std::memset(memory, 1, bytes);
  __asm__ volatile("" : : "r"(memory) : "memory");
}

double best_rate(int64_t (*loop)(int)) {
  double best = 0;
  for (int i = 0; i < 30; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const int64_t per_round = loop(kRounds);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(per_round) * kRounds / took.count());
  }
  return best / 1e9;
}

}  // namespace

std::span<const PeakLoop> peak_loops() {
#if defined(__x86_64__)
  static constexpr std::array kLoops{
      PeakLoop{"tdpbusd", Isa::avx512amx, loop_tdpbusd},
      PeakLoop{"vpdpbusd zmm", Isa::avx512vnni, loop_vpdpbusd},
      PeakLoop{"vpdpbusd ymm", Isa::avxvnni, loop_vpdpbusd_ymm},
      PeakLoop{"vpmaddubsw+vpmaddwd ymm", Isa::avx2, loop_vpmaddubsw},
      PeakLoop{"vpmaddwd ymm", Isa::avx2, loop_vpmaddwd},
      PeakLoop{"pmaddwd xmm", Isa::x86_64_v2, loop_pmaddwd},
  };
  return kLoops;
#else
  return {};
#endif
}

const PeakLoop& yardstick(Isa isa) {
  static constexpr PeakLoop kNone{"none", Isa::portable, nothing};
  const std::span<const PeakLoop> loops = peak_loops();
  const auto it = std::find_if(loops.begin(), loops.end(), [&](const PeakLoop& l) { return l.isa == isa; });
  return it == loops.end() ? kNone : *it;
}

MemoryLoops memory_loops() {
#if defined(__x86_64__)
  if (can_run(Isa::avx2)) return {read_avx2, write_avx2};
#endif
  return {read_plain, write_plain};
}

Peak measure_peak(Isa isa) {
  const PeakLoop& loop = yardstick(isa);
  return can_run(isa) ? Peak{loop.name, best_rate(loop.run)} : Peak{};
}

}  // namespace octile::bench
