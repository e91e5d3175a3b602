// Packing: raw weights to the panels of a layout, and the constants folded into bias.
// In:  OpSpec, OpQuant, raw OIHW or [k, n] weights.  Out: normalized weights, panels, bias', which panels are
//      group-safe for acc16.
// Not here: which layout a panel gets (dispatch/), kernels.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "runtime/exec/geometry.h"
#include "targets/desc/layout.h"
#include "workload/numerics/requantize.h"

namespace octile::runtime {

// Of a depthwise layout, a channel's weights before those of the next one.
[[nodiscard]] inline int64_t channel_bytes(Layout layout) {
  return int64_t{layout_desc(layout).quantum} * layout_desc(layout).bytes;
}
// Bytes of one panel.
[[nodiscard]] int64_t panel_bytes(Layout layout, const DotGeometry& geometry);

// Weights with signs made equal and zero points removed where that fits. value = raw - zero, per output channel.
// mode folded: nothing is left of the zero points; mode rowsum: the dotz family subtracts left(n) * rowsum.
struct WeightRule {
  DType type = DType::s8;
  bool subtract = false;    // panels hold raw - zp (always within int16)
  std::vector<int32_t> zp;  // as given, 1 or one per channel
  int32_t shift = 0;        // raw - shift is within s8: 128 for u8
  [[nodiscard]] int32_t zero(int64_t channel) const {
    return zp.size() == 1 ? zp[0] : zp[static_cast<size_t>(channel)];
  }
  // What packing subtracts from a raw value, and what remains for dotz.
  [[nodiscard]] int32_t taken(int64_t channel) const { return subtract ? zero(channel) : shift; }
  [[nodiscard]] int32_t left(int64_t channel) const { return subtract ? 0 : zero(channel) - shift; }
};

// Whose panels hold raw - zp.
[[nodiscard]] inline WeightRule subtracting(DType type, std::vector<int32_t> zp) {
  return {type, true, std::move(zp), 0};
}

// Raw weights and where each one lies.
struct WeightView {
  const void* data = nullptr;
  DType type = DType::s8;
  bool dense = false;
  int64_t row = 0;  // dense: elements between rows of [k, n]
  [[nodiscard]] int32_t at(int64_t index) const {
    return type == DType::u8 ? static_cast<const uint8_t*>(data)[index] : static_cast<const int8_t*>(data)[index];
  }
};

// Elements [from, to) of one segment, of dense weights or a filter: a row each, of `lanes` bytes, one per output
// channel, `count` of them raw and the others left as they are.
struct WeightRows {
  int64_t channel = 0, count = 0;
  int lanes = 8;
  int64_t segment = 0, from = 0, to = 0;
};
void gather_rows(const DotGeometry& geometry, const WeightView& wei, const WeightRows& rows, uint8_t* out);
// All rows of `count` filters from `channel` on, segment after segment.
void gather_filter(const DotGeometry& geometry, const WeightView& wei, int64_t channel, int64_t count, int lanes,
                   uint8_t* out);
// kDenseRows rows of a panel of dense weights, from a multiple of as many on, straight from [k, n]; columns grows by
// `lanes` sums. Many panels of few rows read memory in order.
inline constexpr int64_t kDenseRows = 128;
void pack_dense_rows(Layout layout, const DotGeometry& geometry, const WeightView& wei, const WeightRule& rule,
                     int64_t first_channel, int64_t row, uint8_t* panel, uint32_t* columns);
// A whole panel, also of weights that vary; columns receives the sums.
void pack_dense_panel(Layout layout, const DotGeometry& geometry, const WeightView& wei, const WeightRule& rule,
                      int64_t first_channel, uint8_t* out, uint32_t* columns);
// A panel of a filter's weights; `scratch` is room that panels share.
void pack_filter_panel(Layout layout, const DotGeometry& geometry, const WeightView& wei, const WeightRule& rule,
                       int64_t group, int64_t first_channel, std::vector<uint8_t>& scratch, uint8_t* out,
                       uint32_t* columns);

struct Acc16 {
  bool s8 = false;      // the panel's weights are
  unsigned groups = 0;  // bit g is set where acc16 kernels of group g are exact for every segment
};
// Of a panel of 8 channels. `fits`: all weights of the op are within s8, so that the search may end early.
[[nodiscard]] Acc16 acc16_of(const DotGeometry& geometry, const WeightView& wei, const WeightRule& rule, int64_t group,
                             int64_t first_channel, bool fits);
// The groups that are safe in every panel.
[[nodiscard]] unsigned acc16_everywhere(const DotGeometry& geometry, const WeightView& wei, const WeightRule& rule);

// The zero point of a tensor as stored: signed codes lie with the top bit flipped.
[[nodiscard]] inline int32_t stored_zp(int32_t zp, DType type) { return type == DType::s8 ? zp + 128 : zp; }
// bias - src_zp * column + K * src_zp * left, modulo 2^32.
[[nodiscard]] int32_t folded_bias(int32_t bias, int32_t src_zp, uint32_t column, int64_t reduction, int32_t left);

// True when every raw - zp lies within s8.
[[nodiscard]] bool fits_s8(const OpSpec& spec, const WeightView& wei, const std::vector<int32_t>& zp);

// Depthwise panels, channels padded to 64: t1c, t4c (s8, cut off where weights are beyond it), t2cw (s16).
[[nodiscard]] std::vector<uint8_t> pack_depthwise(const OpSpec& spec, const WeightView& wei, const WeightRule& rule,
                                                  Layout layout);
// What panels of s8 cut off.
struct DepthwiseRest {
  int64_t channel = 0, ky = 0, kx = 0;
  int32_t weight = 0;
};
// None if there are more than `most`.
[[nodiscard]] std::vector<DepthwiseRest> depthwise_rests(const OpSpec& spec, const WeightView& wei,
                                                         const WeightRule& rule, int64_t most);

}  // namespace octile::runtime
