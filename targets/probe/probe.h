// What this machine is: CPUID of our own (Halide's check does not know VNNI), operating-system register state included.
// In:  the CPU.  Out: CpuInfo; which targets it can run.  Not here: timing, benchmarks.
#pragma once

#include <string>
#include <vector>

#include "targets/desc/target.h"

namespace octile {

struct CpuInfo {
  std::string vendor;  // "GenuineIntel"
  std::string brand;   // "AMD EPYC 9R14"; "unknown" where CPUID gives none
  int family = 0, model = 0, stepping = 0;
  bool x86_64_v2 = false, avx2 = false, avx512vnni = false;    // usable: CPU and OS
  bool avxvnni = false, avx512vbmi = false, amx_int8 = false;  // reported by doctor, no target yet
  bool whole_vectors = false;  // takes 512 bits at once, two products a cycle: Intel's servers, Zen 5
  int logical_cpus = 1;
  int64_t l1d_bytes = 0, l2_bytes = 0, l3_bytes = 0;
};

[[nodiscard]] const CpuInfo& cpu_info();
[[nodiscard]] bool can_run(Isa isa);
// The best target this CPU runs, then each fallback, portable C last.
[[nodiscard]] std::vector<Isa> fallback_chain(Isa best);
[[nodiscard]] Isa host_isa();

}  // namespace octile
