// The machine's own int8 peak: register-only loops of the dot instructions, measured in the same run as the kernels.
// In:  an Isa.  Out: multiply-adds per second of one thread.  Not here: memory, kernels of ours.
#pragma once

#include <string_view>

#include "targets/desc/target.h"

namespace octile::bench {

struct Peak {
  std::string_view name;  // "vpdpbusd zmm", "vpmaddubsw+vpmaddwd ymm", "vpmaddwd ymm"
  double gmac_per_s = 0;
};

// The loop a kernel of this target is held against; gmac_per_s is 0 where this CPU cannot run it.
//   avx512vnni  vpdpbusd on zmm
//   avx2        vpmaddubsw + vpmaddwd + vpaddd on ymm: the usual, saturating mix of the field
//   x86_64_v2   pmaddwd + paddd on xmm: what exact code on words can reach
[[nodiscard]] Peak measure_peak(Isa isa);

}  // namespace octile::bench
