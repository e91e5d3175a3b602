// Lowers the marker calls of generators/common/markers.h to the dot instruction of a target.
// In:  vectorised Halide IR.  Out: the same with calls Halide's code generator turns into one instruction each.
// Not here: which kernels use which marker.
#pragma once

#include <Halide.h>

#include <memory>

#include "targets/desc/target.h"

namespace octile::kernelc {

// vpdpbusd and vpdpwssd on avx512vnni and avxvnni; pmaddwd for 16-bit words and vpmaddubsw sums (acc16) elsewhere.
[[nodiscard]] std::unique_ptr<Halide::Internal::IRMutator> make_marker_lowering(Isa isa);

}  // namespace octile::kernelc
