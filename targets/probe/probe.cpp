// Executes CPUID and XGETBV once and keeps the answer.
// In:  the CPU.  Out: CpuInfo, the best target, the fallback chain.
// Not here: the meaning of the bits (decode.cpp).  On other architectures everything but portable C is absent.
#include "targets/probe/probe.h"

#include <thread>

#include "targets/probe/decode.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
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

// arch_prctl of asm/prctl.h, which older systems' headers lack.
constexpr int kGetPermitted = 0x1022, kAskFor = 0x1023, kTileData = 18;

bool tiles_permitted() {
  uint64_t components = 0;
  return syscall(SYS_arch_prctl, kGetPermitted, &components) == 0 && (components >> kTileData & 1) != 0;
}
void ask() { syscall(SYS_arch_prctl, kAskFor, kTileData); }
#else
CpuidWords read_cpuid(uint32_t, uint32_t) { return {}; }
uint64_t read_xcr0() { return 0; }
bool tiles_permitted() { return false; }
void ask() {}
#endif

CpuInfo probe() {
  CpuInfo info = decode_cpuid(read_cpuid, read_xcr0());
  info.avx512amx = info.avx512vnni && info.amx_int8 && tiles_permitted();
  if (const unsigned n = std::thread::hardware_concurrency(); n > 0) info.logical_cpus = static_cast<int>(n);
  return info;
}

}  // namespace

const CpuInfo& cpu_info() {
  static const CpuInfo info = probe();
  return info;
}

void ask_for_tiles() { ask(); }

bool can_run(Isa isa) {
  switch (isa) {
    case Isa::portable: return true;
    case Isa::x86_64_v2: return cpu_info().x86_64_v2;
    case Isa::avx2: return cpu_info().avx2;
    case Isa::avxvnni: return cpu_info().avxvnni;
    case Isa::avx512vnni: return cpu_info().avx512vnni;
    case Isa::avx512amx: return cpu_info().avx512amx;
  }
  return false;
}

std::vector<Isa> fallback_chain(Isa best) {
  std::vector<Isa> chain;
  const std::span<const TargetDesc> all = all_targets();
  for (auto t = all.rbegin(); t != all.rend(); ++t) {
    if (t->isa <= best && can_run(t->isa)) chain.push_back(t->isa);
  }
  return chain;
}

Isa host_isa() { return fallback_chain(all_targets().back().isa).front(); }

}  // namespace octile
