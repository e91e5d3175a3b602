// The machine's own peaks: register-only loops of the dot instructions, and walks over memory.
// In:  an Isa, or rounds and buffers.  Out: multiply-adds per second of one thread; the loops themselves.
// Not here: threads and reports (peak_main.cpp), kernels of ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "targets/desc/target.h"

namespace octile::bench {

struct PeakLoop {
  std::string_view name;
  Isa isa = Isa::portable;               // what the CPU must have
  int64_t (*run)(int rounds) = nullptr;  // the multiply-adds of one round
};

// All loops, the fastest instructions first; some may be more than this CPU has.
[[nodiscard]] std::span<const PeakLoop> peak_loops();

// The loop a kernel of this target is held against.
//   avx512amx   tdpbusd on tiles of 16 rows of 64 bytes
//   avx512vnni  vpdpbusd on zmm
//   avx2        vpmaddubsw + vpmaddwd + vpaddd on ymm: the usual, saturating mix of the field
//   x86_64_v2   pmaddwd + paddd on xmm: what exact code on words can reach
[[nodiscard]] const PeakLoop& yardstick(Isa isa);

// One pass over a buffer, a multiple of 256 bytes long and aligned to 32.
struct MemoryLoops {
  void (*read)(uint8_t* memory, size_t bytes);
  void (*write)(uint8_t* memory, size_t bytes);
};
[[nodiscard]] MemoryLoops memory_loops();

struct Peak {
  std::string_view name;
  double gmac_per_s = 0;
};

// The yardstick's rate, measured now; 0 where this CPU cannot run it.
[[nodiscard]] Peak measure_peak(Isa isa);

}  // namespace octile::bench
