// A maximum matching, nearly; see pairing.h.
// In:  rows.  Out: rows in pairs.  Not here: packing.
#include "runtime/exec/pairing.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

namespace octile::runtime {
namespace {

constexpr int kLimit = 128;

using Set = uint32_t;  // of rows of a block, by rank
static_assert(kPairRows == 32);

constexpr Set one(int i) { return Set{1} << i; }

// Up to kPairRows rows.
class Matching {
 public:
  Matching(const Ops& ops, const int8_t* rows, int count) : count_(count), free_(~Set{0} >> (kPairRows - count)) {
    ops.neighbours(rows, count, order_.data(), may_.data());
  }

  void match() {
    // The largest first, each with the largest that fits.
    for (int a = 0; a < count_; ++a) {
      const Set fits = may_[static_cast<size_t>(a)] & free_;
      if ((free_ & one(a)) != 0 && fits != 0) join(a, std::countr_zero(fits));
    }
    for (bool parted = true; parted;) {
      parted = false;
      for (Set alone = free_; alone != 0 && !parted; alone &= alone - 1) parted = part(std::countr_zero(alone));
    }
  }

  // Of each row of the block its neighbour, or -1.
  [[nodiscard]] std::array<int8_t, kPairRows> mates() const {
    std::array<int8_t, kPairRows> out;
    out.fill(-1);
    for (int a = 0; a < count_; ++a) {
      const auto at = static_cast<size_t>(a);
      if ((free_ & one(a)) == 0) out[order_[at]] = static_cast<int8_t>(order_[mate_[at]]);
    }
    return out;
  }

 private:
  // a-c and d-e instead of c-d, e being free as a is.
  bool part(int a) {
    for (Set taken = may_[static_cast<size_t>(a)] & ~free_; taken != 0; taken &= taken - 1) {
      const int c = std::countr_zero(taken), d = mate_[static_cast<size_t>(c)];
      const Set others = may_[static_cast<size_t>(d)] & free_ & ~one(a);
      if (others == 0) continue;
      join(a, c);
      join(d, std::countr_zero(others));
      return true;
    }
    return false;
  }
  void join(int a, int b) {
    mate_[static_cast<size_t>(a)] = static_cast<uint8_t>(b);
    mate_[static_cast<size_t>(b)] = static_cast<uint8_t>(a);
    free_ &= ~(one(a) | one(b));
  }

  int count_;
  Set free_;
  std::array<uint8_t, kPairRows> order_, mate_;  // by rank
  std::array<Set, kPairRows> may_;
};

void put(PairedRows& out, int32_t element, const int8_t* weights) {
  out.element.push_back(element);
  if (weights != nullptr) {
    out.weights.insert(out.weights.end(), weights, weights + kPairChannels);
  } else {
    out.weights.insert(out.weights.end(), kPairChannels, 0);
  }
}

// What of `second` is too much beside `first`: taken from it, added to `rest`.
void take_excess(const int8_t* first, int8_t* second, std::vector<int8_t>& rest) {
  for (int c = 0; c < kPairChannels; ++c) {
    const int most = kLimit - std::max<int>(first[c], 0), least = -kLimit - std::min<int>(first[c], 0);
    const int kept = std::clamp<int>(second[c], least, most);
    rest.push_back(static_cast<int8_t>(second[c] - kept));
    second[c] = static_cast<int8_t>(kept);
  }
}

void put_block(const Ops& ops, const int8_t* rows, const int32_t* element, int count, PairedRows& out,
               PairedRows& rest) {
  Matching matching(ops, rows, count);
  matching.match();
  const auto mates = matching.mates();
  const auto row = [&](int i) { return rows + static_cast<ptrdiff_t>(i) * kPairChannels; };
  for (int a = 0; a < count; ++a) {
    const int b = mates[static_cast<size_t>(a)];
    if (b < a) continue;
    put(out, element[a], row(a));
    put(out, element[b], row(b));
  }
  // By twos, the second one in part; the last of an odd number beside zeros.
  int first = -1;
  for (int a = 0; a < count; ++a) {
    if (mates[static_cast<size_t>(a)] >= 0) continue;
    put(out, element[a], row(a));
    if (first < 0) {
      first = a;
      continue;
    }
    first = -1;
    rest.element.push_back(element[a]);
    int8_t* const second = out.weights.data() + out.weights.size() - kPairChannels;
    take_excess(second - kPairChannels, second, rest.weights);
  }
  if (first >= 0) put(out, -1, nullptr);
}

}  // namespace

void pair_rows(const Ops& ops, const int8_t* rows, int64_t count, PairedRows& out) {
  std::vector<int32_t> element(static_cast<size_t>(count));
  for (size_t i = 0; i < element.size(); ++i) element[i] = static_cast<int32_t>(i);
  PairedRows from;
  // What is left of weights is left of half the rows at most, so this ends.
  while (count > 0) {
    PairedRows rest;
    for (int64_t at = 0; at < count; at += kPairRows) {
      const auto block = static_cast<int>(std::min<int64_t>(kPairRows, count - at));
      put_block(ops, rows + at * kPairChannels, &element[static_cast<size_t>(at)], block, out, rest);
    }
    from = std::move(rest);
    element = from.element;
    rows = from.weights.data();
    count = static_cast<int64_t>(element.size());
  }
}

}  // namespace octile::runtime
