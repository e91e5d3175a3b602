// Dispatch: which kernels cover the channels of one op, pure functions over a kernel table.
// In:  kernel entries, what is asked (family, layout, extents, which panels allow which acc16 group).
// Out: a list of spans of panels, each with a kernel and a reason.
// Not here: weights, buffers, threads.  Deterministic: same table and question, same answer.
//
// Order of preference: a kernel built for exactly this workload, an any-shape kernel of the best instruction set, one
// of a lower set, portable C. Among any-shape kernels the estimated cost of the whole crop decides: tiles are counted
// with ceil in x and y, since kernels shift their last tile inwards.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/loader/library.h"
#include "targets/desc/layout.h"
#include "workload/spec/op_spec.h"

namespace octile::runtime {

// Tiles of b that hold a.
[[nodiscard]] constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

enum class Reason : uint8_t { exact, any_shape, lower_isa, portable };

// What a family is asked to compute on one run of channels.
struct Ask {
  std::string_view family, dst;
  std::string_view op_key;  // exact kernels carry it
  Isa best = Isa::portable;
  bool whole_vectors = false;          // of the CPU: CpuInfo::whole_vectors
  int64_t x = 1, y = 1;                // extents of the crop
  int64_t channels = 1;                // of this run; only its last panel may be partial
  int64_t reduction = 1;               // source elements summed per output
  int64_t segments = 1;                // in so many runs of neighbours
  int kh = 0, kw = 0, sh = 0, sw = 0;  // depthwise: filter and stride
};

// What kernels of products call the type they write: codes lie as u8.
[[nodiscard]] constexpr std::string_view dst_name(DType dst) { return dst == DType::s32 ? "s32" : "u8"; }

// One layout a panel may take, and the acc16 groups it is safe for: bit 0 exact kernels, bits 1..4 groups.
struct PanelModes {
  unsigned k4n16 = 0, k4n8 = 0, k2n8w = 0, k2n16w = 0;
};

// A span of panels covered by one kernel, in one or more full tiles.
struct Span {
  int kernel = 0;  // index into the table
  int64_t first = 0, panels = 0;
  int64_t channels = 0;
  Reason reason = Reason::portable;
};

// Estimated cycles of one kernel over the crop for `tiles` tiles of channels.
[[nodiscard]] double estimate(const Kernel& kernel, const Ask& ask, int64_t tiles);

// Covers all panels of a dot or dotz. `lanes` is the channels of one panel (of every layout in `modes`); a panel's
// modes say which layouts it may use. Empty when even portable C is missing from the table.
[[nodiscard]] std::vector<Span> cover_panels(std::span<const Kernel> table, const Ask& ask, int lanes,
                                             std::span<const PanelModes> modes);

// Covers the channels of a depthwise op, in spans of single channels (first and panels count channels), at the least
// estimated cost of all spans together.
[[nodiscard]] std::vector<Span> cover_depthwise(std::span<const Kernel> table, const Ask& ask,
                                                std::span<const Layout> layouts);

// The best instruction set at or below `best` with any-shape (or exact for op_key) kernels of this family.
[[nodiscard]] Isa best_isa_with(std::span<const Kernel> table, const Ask& ask);

// An elementwise kernel whose tile fits the extents [channels, x]; index into the table, -1 if none.
[[nodiscard]] int pick_elementwise(std::span<const Kernel> table, const Ask& ask, std::string_view src, Reason* reason);

[[nodiscard]] std::string reason_text(Reason reason, Isa best, Isa used);

}  // namespace octile::runtime
