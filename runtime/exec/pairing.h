// Pairing: which rows of weights may share one vpmaddubsw, so that acc16 kernels of one word are exact.
// In:  rows (one source element each) of the weights of some output channels.  Out: an order of them, in pairs.
// Not here: panels, the source's copy in that order (paired.h).
//
// vpmaddubsw adds the products of two neighbours in int16. Sources are 0..255, so two rows may be neighbours when for
// every channel weights of one sign sum to at most 128 (255 * 128 < 2^15). The most pairs are a maximum matching in a
// graph. Rows with large weights choose first, among rows as large; two that are left over may part a pair between
// them. What is left then becomes neighbours all the same: what is too much of the second one's weights is left to a
// further row of the same element, and those rows find neighbours among themselves.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/exec/ops/ops.h"

namespace octile::runtime {

struct PairedRows {
  std::vector<int32_t> element;  // even many; -1 where weights are 0
  std::vector<int8_t> weights;   // pair_stride(channels) for each
};

// Appends `count` rows in order. rows: [count][pair_stride(channels)], zeros from `channels` on. `more`: further rows
// of some of them, for what of their weights does not fit s8; it is used up.
void pair_rows(const Ops& ops, const int8_t* rows, int64_t count, int64_t channels, PairedRows& more, PairedRows& out);

}  // namespace octile::runtime
