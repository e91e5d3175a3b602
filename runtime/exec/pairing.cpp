// Blocks of rows in pairs, and what is too much of rows that found nobody; see pairing.h.
// In:  rows.  Out: rows in pairs.  Not here: who finds whom (ops/kernels_pairs.inc), packing.
#include "runtime/exec/pairing.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace octile::runtime {
namespace {

constexpr int kLimit = 128;

void put(PairedRows& out, int32_t element, const int8_t* weights, int stride) {
  out.element.push_back(element);
  if (weights != nullptr) {
    out.weights.insert(out.weights.end(), weights, weights + stride);
  } else {
    out.weights.insert(out.weights.end(), static_cast<size_t>(stride), 0);
  }
}

// What of `second` is too much beside `first`: taken from it, added to `rest`.
void take_excess(const int8_t* first, int8_t* second, int stride, std::vector<int8_t>& rest) {
  const size_t at = rest.size();
  rest.resize(at + static_cast<size_t>(stride));
  int8_t* const left = rest.data() + at;
  for (int c = 0; c < stride; ++c) {
    const auto most = static_cast<int16_t>(kLimit - std::max<int16_t>(first[c], 0));
    const auto least = static_cast<int16_t>(-kLimit - std::min<int16_t>(first[c], 0));
    const int16_t kept = std::max(std::min<int16_t>(second[c], most), least);
    left[c] = static_cast<int8_t>(second[c] - kept);
    second[c] = static_cast<int8_t>(kept);
  }
}

void put_block(const Ops& ops, const int8_t* rows, const int32_t* element, int count, int channels, PairedRows& out,
               PairedRows& rest) {
  const int stride = pair_stride(channels);
  std::array<int8_t, kPairRows> mates;
  ops.match_rows(rows, count, channels, mates.data());
  const auto row = [&](int i) { return rows + static_cast<ptrdiff_t>(i) * stride; };
  for (int a = 0; a < count; ++a) {
    const int b = mates[static_cast<size_t>(a)];
    if (b < a) continue;
    put(out, element[a], row(a), stride);
    put(out, element[b], row(b), stride);
  }
  // By twos, the second one in part; the last of an odd number beside zeros.
  int first = -1;
  for (int a = 0; a < count; ++a) {
    if (mates[static_cast<size_t>(a)] >= 0) continue;
    put(out, element[a], row(a), stride);
    if (first < 0) {
      first = a;
      continue;
    }
    first = -1;
    rest.element.push_back(element[a]);
    int8_t* const second = out.weights.data() + out.weights.size() - stride;
    take_excess(second - stride, second, stride, rest.weights);
  }
  if (first >= 0) put(out, -1, nullptr, stride);
}

}  // namespace

void pair_rows(const Ops& ops, const int8_t* rows, int64_t count, int64_t channels, PairedRows& more, PairedRows& out) {
  std::vector<int32_t> element(static_cast<size_t>(count));
  for (size_t i = 0; i < element.size(); ++i) element[i] = static_cast<int32_t>(i);
  PairedRows from, rest = std::move(more);
  more = {};
  // What is left of weights is left of half the rows at most, so this ends.
  for (; count > 0; rest = {}) {
    for (int64_t at = 0; at < count; at += kPairRows) {
      const auto block = static_cast<int>(std::min<int64_t>(kPairRows, count - at));
      put_block(ops, rows + at * pair_stride(channels), &element[static_cast<size_t>(at)], block,
                static_cast<int>(channels), out, rest);
    }
    from = std::move(rest);
    element = from.element;
    rows = from.weights.data();
    count = static_cast<int64_t>(element.size());
  }
}

}  // namespace octile::runtime
