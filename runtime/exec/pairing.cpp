// A maximum matching, nearly; see pairing.h.
// In:  rows.  Out: rows in pairs.  Not here: packing.
#include "runtime/exec/pairing.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

namespace octile::runtime {
namespace {

constexpr int kLimit = 128, kStep = 16;  // channels compared at a time
constexpr int8_t kFlip = -128;

using Step = int8_t __attribute__((vector_size(kStep)));
using Unsigned = uint8_t __attribute__((vector_size(kStep)));
using Halves = uint64_t __attribute__((vector_size(kStep)));
using Set = uint32_t;  // of rows of a block
static_assert(kPairRows == 32 && kPairChannels % kStep == 0);

constexpr Set one(int i) { return Set{1} << i; }

// Magnitudes of positive and of negative weights, less 128, and what the neighbour's may be, less 128: signed bytes are
// what every CPU compares.
struct Signs {
  Step up, down, room_up, room_down;
};

Signs signs_of(const int8_t* row) {
  Step w;
  std::memcpy(&w, row, sizeof w);
  const Step up = w & (w > 0), down = w & (w < 0);
  Signs s;
  s.up = up ^ kFlip;
  s.room_up = -up;
  s.down = reinterpret_cast<Step>(-reinterpret_cast<const Unsigned&>(down)) ^ kFlip;  // -128 becomes 128
  s.room_down = down;
  return s;
}

// Whom a row finds hard to stand beside: a sum of fourth powers, in 1/2^14.
int32_t size_of_row(const int8_t* row, int channels) {
  int32_t sum = 0;
  for (int c = 0; c < channels; ++c) {
    const auto square = static_cast<int16_t>(row[c] * row[c] / 128);
    sum += square * square;
  }
  return sum;
}

// Up to kPairRows rows.
class Matching {
 public:
  Matching(const int8_t* rows, int count, int channels)
      : count_(count), steps_((channels + kStep - 1) / kStep), free_(~Set{0} >> (kPairRows - count)) {
    mate_.fill(-1);
    std::array<int32_t, kPairRows> size;
    for (int i = 0; i < count; ++i) {
      const int8_t* const row = rows + i * kPairChannels;
      for (int s = 0; s < steps_; ++s) signs_[static_cast<size_t>(i * kMostSteps + s)] = signs_of(row + s * kStep);
      size[static_cast<size_t>(i)] = size_of_row(row, steps_ * kStep);
      order_[static_cast<size_t>(i)] = static_cast<uint8_t>(i);
    }
    const auto larger = [&](uint8_t a, uint8_t b) { return size[a] != size[b] ? size[a] > size[b] : a < b; };
    std::sort(order_.begin(), order_.begin() + count, larger);
  }

  void match() {
    // The largest first, each with the largest that fits.
    for (int x = 0; x < count_; ++x) {
      const int a = order_[static_cast<size_t>(x)];
      for (int y = x + 1; is_free(a) && y < count_; ++y) {
        const int b = order_[static_cast<size_t>(y)];
        if (is_free(b) && may(a, b)) join(a, b);
      }
    }
    for (bool parted = true; parted;) {
      parted = false;
      for (int x = 0; x < count_ && !parted; ++x) {
        const int a = order_[static_cast<size_t>(x)];
        parted = is_free(a) && part(a);
      }
    }
  }
  [[nodiscard]] int mate(int i) const { return mate_[static_cast<size_t>(i)]; }
  [[nodiscard]] Set alone() const { return free_; }

 private:
  static constexpr int kMostSteps = kPairChannels / kStep;

  [[nodiscard]] bool is_free(int i) const { return (free_ & one(i)) != 0; }

  // a-c and d-e instead of c-d, e being free as a is.
  bool part(int a) {
    for (int c = 0; c < count_; ++c) {
      const int d = mate(c);
      if (d < 0 || !may(a, c)) continue;
      for (Set others = free_ & ~one(a); others != 0; others &= others - 1) {
        const int e = std::countr_zero(others);
        if (!may(d, e)) continue;
        join(a, c);
        join(d, e);
        return true;
      }
    }
    return false;
  }
  void join(int a, int b) {
    mate_[static_cast<size_t>(a)] = static_cast<int8_t>(b);
    mate_[static_cast<size_t>(b)] = static_cast<int8_t>(a);
    free_ &= ~(one(a) | one(b));
  }
  // Asked for again and again while pairs are parted.
  bool may(int a, int b) {
    const auto at = static_cast<size_t>(std::min(a, b));
    const Set bit = one(std::max(a, b));
    if ((known_[at] & bit) == 0) {
      known_[at] |= bit;
      if (compare(a, b)) may_[at] |= bit;
    }
    return (may_[at] & bit) != 0;
  }
  [[nodiscard]] bool compare(int a, int b) const {
    const Signs* const first = &signs_[static_cast<size_t>(a * kMostSteps)];
    const Signs* const second = &signs_[static_cast<size_t>(b * kMostSteps)];
    for (int s = 0; s < steps_; ++s) {
      const Signs &f = first[s], &g = second[s];
      const auto over = reinterpret_cast<Halves>((f.up > g.room_up) | (f.down > g.room_down));
      if ((over[0] | over[1]) != 0) return false;
    }
    return true;
  }

  int count_, steps_;
  Set free_;
  std::array<Signs, size_t{kPairRows} * kMostSteps> signs_;
  std::array<uint8_t, kPairRows> order_;
  std::array<int8_t, kPairRows> mate_;
  std::array<Set, kPairRows> known_{}, may_{};
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

void put_block(const int8_t* rows, const int32_t* element, int count, int channels, PairedRows& out, PairedRows& rest) {
  Matching matching(rows, count, channels);
  matching.match();
  const auto row = [&](int i) { return rows + static_cast<ptrdiff_t>(i) * kPairChannels; };
  for (int a = 0; a < count; ++a) {
    const int b = matching.mate(a);
    if (b < a) continue;
    put(out, element[a], row(a));
    put(out, element[b], row(b));
  }
  // By twos, the second one in part; the last of an odd number beside zeros.
  for (Set alone = matching.alone(); alone != 0; alone &= alone - 1) {
    const int a = std::countr_zero(alone);
    put(out, element[a], row(a));
    alone &= alone - 1;
    if (alone == 0) {
      put(out, -1, nullptr);
      break;
    }
    const int b = std::countr_zero(alone);
    put(out, element[b], row(b));
    rest.element.push_back(element[b]);
    int8_t* const second = out.weights.data() + out.weights.size() - kPairChannels;
    take_excess(second - kPairChannels, second, rest.weights);
  }
}

}  // namespace

void pair_rows(const int8_t* rows, int64_t count, int channels, PairedRows& out) {
  std::vector<int32_t> element(static_cast<size_t>(count));
  for (size_t i = 0; i < element.size(); ++i) element[i] = static_cast<int32_t>(i);
  PairedRows from;
  // What is left of weights is left of half the rows at most, so this ends.
  while (count > 0) {
    PairedRows rest;
    for (int64_t at = 0; at < count; at += kPairRows) {
      const auto block = static_cast<int>(std::min<int64_t>(kPairRows, count - at));
      put_block(rows + at * kPairChannels, &element[static_cast<size_t>(at)], block, channels, out, rest);
    }
    from = std::move(rest);
    element = from.element;
    rows = from.weights.data();
    count = static_cast<int64_t>(element.size());
  }
}

}  // namespace octile::runtime
