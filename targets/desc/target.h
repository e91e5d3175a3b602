// TargetDesc: where a kernel runs, the facts schedules and dispatch need, and what to fall back to.
// In:  a name ("avx2", "x86-64/avx512vnni", "host").  Out: the description.
// Not here: Halide target strings (schedules/kernelc owns the mapping), kernels.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "workload/base/status.h"

namespace octile {

// Ordered: the later, the faster; can_run() tells which a CPU has, since some of those with AVX-512 lack avxvnni.
// avx512amx adds tiles to avx512vnni, for products alone.
enum class Isa : uint8_t { portable, x86_64_v2, avx2, avxvnni, avx512vnni, avx512amx };

struct TargetDesc {
  Isa isa = Isa::portable;
  std::string_view name;   // canonical: "x86-64/avx512vnni"
  std::string_view alias;  // command line: "avx512vnni"
  int vector_bytes = 16;   // width of the dot instruction we use
  int vector_registers = 16;
  int dot_k = 1;  // source elements one int32 lane sums per instruction: 4 (vpdpbusd), 2 (pmaddwd), 1
  int l1d_bytes = 32 * 1024;
  int l2_bytes = 1024 * 1024;
};

// Targets of one level use each other's kernels, whichever are quicker.
[[nodiscard]] constexpr Isa level(Isa isa) { return isa == Isa::avx512amx ? Isa::avx512vnni : isa; }
// Whether kernels are generated, tuned and packed for it; else they are part of the runtime.
[[nodiscard]] constexpr bool generated(Isa isa) { return isa != Isa::portable && isa == level(isa); }
// All targets of this release, best last.
[[nodiscard]] std::span<const TargetDesc> all_targets();
[[nodiscard]] const TargetDesc& target(Isa isa);
// Accepts canonical names and aliases; "host" is the best the running CPU supports.
[[nodiscard]] Result<const TargetDesc*> find_target(std::string_view name);

}  // namespace octile
