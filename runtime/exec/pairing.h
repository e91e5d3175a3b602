// Pairing: which rows of weights may share one vpmaddubsw, so that acc16 kernels of one word are exact.
// In:  up to 16 rows (one source element each) of the weights of some output channels.  Out: an order of them, in
// pairs. Not here: panels, the source's copy in that order (paired.h).
//
// vpmaddubsw adds the products of two neighbours in int16. Sources are 0..255, so two rows may be neighbours when for
// every channel weights of one sign sum to at most 128 (255 * 128 < 2^15). The most pairs are a maximum matching in a
// graph of 16 nodes. Rows that are left over become neighbours all the same: what is too much of the second one's
// weights is left to a further row of the same element, and those rows find neighbours among themselves.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace octile::runtime {

constexpr int kPairRows = 16, kPairChannels = 64;

struct PairedRows {
  int count = 0;                                         // even, at most 2 * kPairRows
  std::array<uint8_t, size_t{2} * kPairRows> element{};  // of the row's source; any where weights are 0
  std::array<std::array<int8_t, kPairChannels>, size_t{2} * kPairRows> weights;
};

// rows: [count][kPairChannels], zeros where there are fewer channels; `channels` of them are looked at, rounded up
// to 16.
void pair_rows(const int8_t* rows, int count, int channels, PairedRows& out);

}  // namespace octile::runtime
