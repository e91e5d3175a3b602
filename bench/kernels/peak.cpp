// Peak loops in intrinsics, one function per instruction mix, chosen at run time.
// In/out: see peak.h.  Not here: anything a product runs; intrinsics are at home here because the peak is the
// yardstick.
//
// Each loop keeps enough independent accumulators in registers to hide the latency of the chain (4 to 5 cycles at two
// instructions per cycle), reads no memory, and hands its sums to the optimiser's blind spot so that nothing is
// removed.
#include "bench/kernels/peak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "targets/probe/probe.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace octile::bench {
namespace {

constexpr int kRounds = 20000;

#if defined(__x86_64__)
constexpr int kChainsZmm = 16, kChainsYmm = 8;

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
#endif

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

Peak measure_peak(Isa isa) {
#if defined(__x86_64__)
  if (can_run(isa)) {
    switch (isa) {
      case Isa::avx512vnni: return {"vpdpbusd zmm", best_rate(loop_vpdpbusd)};
      case Isa::avx2: return {"vpmaddubsw+vpmaddwd ymm", best_rate(loop_vpmaddubsw)};
      case Isa::x86_64_v2: return {"pmaddwd xmm", best_rate(loop_pmaddwd)};
      case Isa::portable: break;
    }
  }
#endif
  return {};
}

}  // namespace octile::bench
