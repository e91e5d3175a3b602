// Random ops over the whole grammar, half of them at the traps where int8 kernels break.
// In:  a seed.  Out: OpSpec; then, from spec and seed, OpQuant and tensors.
// Not here: running anything.  A repro needs only the op line and the seed.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "workload/numerics/requantize.h"
#include "workload/spec/op_spec.h"

namespace octile::testing {

// What a draw aims at. `none` is half of all draws; the rest are even.
enum class Trap : uint8_t {
  none,
  saturating_pairs,  // runs of 255 against runs of 127 or -128: int16 pair sums overflow
  acc16_edge,        // group sums at and just past the limits of int16 accumulation
  wei_min,           // many weights of -128 (0 and 255 for u8)
  zp_extreme,        // zero points at the ends of their types
  ties,              // products exactly at .5, negative ones too, destination zero point odd
  short_k,           // K = 1 to 9
  odd_channels,      // channels not a multiple of 4, odd extents
  huge_acc,          // |acc| > 2^24, where float(acc) rounds; sometimes past 2^31, where it wraps
  prime_strides,     // strides 3, 5, 7
  tile_edge,         // channels and pixels one below, at and one above tile sizes
  far_pads,          // pads wider than the kernel, each side its own
  odd_scales,        // multipliers 0, infinite, denormal
};
inline constexpr int kTraps = 13;

[[nodiscard]] std::string_view to_string(Trap trap);
[[nodiscard]] Trap trap_of(uint64_t seed);

// `macs` bounds the multiply-adds of one op.
[[nodiscard]] OpSpec draw_spec(uint64_t seed, int64_t macs = 2'000'000);

// The same op with at least `channels` output channels in one group, for kernels whose tile needs them; its other
// extents give way so that it stays within `macs` where it can.
[[nodiscard]] OpSpec widened(OpSpec spec, int64_t channels, int64_t macs);

struct Operands {
  OpQuant quant;
  std::vector<uint8_t> src, wei;  // bytes of the spec's types, in the layouts of workload/reference
  size_t dst_bytes = 0;
};
// The spec may also be any other valid one: a line of a shape file, or of a repro.
[[nodiscard]] Operands draw_operands(const OpSpec& spec, uint64_t seed);

}  // namespace octile::testing
