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
  // Usable: CPU, OS and process.
  bool x86_64_v2 = false, avx2 = false, avxvnni = false, avx512vnni = false, avx512amx = false;
  bool avx512vbmi = false;     // used by the steps between products
  bool amx_int8 = false;       // tiles of 8-bit codes, whatever the process may use
  bool whole_vectors = false;  // takes 512 bits at once, two products a cycle: Intel's servers, Zen 5
  int logical_cpus = 1;
  int64_t l1d_bytes = 0, l2_bytes = 0, l3_bytes = 0;
};

[[nodiscard]] const CpuInfo& cpu_info();
// Asks the operating system for the use of tile registers, which Linux gives to a process once and for all when it asks
// (5.16 and later): for programs, before their first cpu_info(). In a host's process it is the host that asks, as ONNX
// Runtime does when it is loaded. Does nothing on CPUs without them.
void ask_for_tiles();
[[nodiscard]] bool can_run(Isa isa);
// The best target this CPU runs, then each fallback, portable C last.
[[nodiscard]] std::vector<Isa> fallback_chain(Isa best);
[[nodiscard]] Isa host_isa();

}  // namespace octile
