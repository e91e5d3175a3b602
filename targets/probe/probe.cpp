// Executes CPUID and XGETBV once and keeps the answer.
// In:  the CPU.  Out: CpuInfo, the best target, the fallback chain.
// Not here: the meaning of the bits (decode.cpp).  On other architectures everything but portable C is absent.
#include "targets/probe/probe.h"

#include <thread>

#include "targets/probe/decode.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace octile {
namespace {

#if defined(__x86_64__)
CpuidWords read_cpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidWords w;
  __cpuid_count(leaf, subleaf, w.eax, w.ebx, w.ecx, w.edx);
  return w;
}

uint64_t read_xcr0() {
  constexpr uint32_t kOsxsave = 1U << 27;
  if ((read_cpuid(1, 0).ecx & kOsxsave) == 0) return 0;
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}
#else
CpuidWords read_cpuid(uint32_t, uint32_t) { return {}; }
uint64_t read_xcr0() { return 0; }
#endif

CpuInfo probe() {
  CpuInfo info = decode_cpuid(read_cpuid, read_xcr0());
  if (const unsigned n = std::thread::hardware_concurrency(); n > 0) info.logical_cpus = static_cast<int>(n);
  return info;
}

}  // namespace

const CpuInfo& cpu_info() {
  static const CpuInfo info = probe();
  return info;
}

bool can_run(Isa isa) {
  switch (isa) {
    case Isa::portable: return true;
    case Isa::x86_64_v2: return cpu_info().x86_64_v2;
    case Isa::avx2: return cpu_info().avx2;
    case Isa::avx512vnni: return cpu_info().avx512vnni;
  }
  return false;
}

std::vector<Isa> fallback_chain(Isa best) {
  std::vector<Isa> chain;
  for (Isa isa : {Isa::avx512vnni, Isa::avx2, Isa::x86_64_v2, Isa::portable}) {
    if (isa <= best && can_run(isa)) chain.push_back(isa);
  }
  return chain;
}

Isa host_isa() { return fallback_chain(Isa::avx512vnni).front(); }

}  // namespace octile
