// What CPUID words mean, apart from the instruction, so that tests can show it machines they do not have.
// In:  a function that reads CPUID, the XCR0 register.  Out: CpuInfo.
// Not here: executing CPUID (probe.cpp).
#pragma once

#include <cstdint>

#include "targets/probe/probe.h"

namespace octile {

struct CpuidWords {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};
using CpuidReader = CpuidWords (*)(uint32_t leaf, uint32_t subleaf);

// `xcr0` is 0 where the OS does not offer XGETBV. logical_cpus is left at 1.
[[nodiscard]] CpuInfo decode_cpuid(CpuidReader read, uint64_t xcr0);

}  // namespace octile
