// A maximum matching, nearly; see pairing.h.
// In:  rows.  Out: rows in pairs.  Not here: packing.
#include "runtime/exec/pairing.h"

#include <algorithm>
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
using Masks = std::array<uint16_t, kPairRows>;  // bit j of mask i: i and j may be neighbours

// Magnitudes of positive and of negative weights, less 128, and what the neighbour's may be, less 128: signed bytes are
// what every CPU compares.
struct Signs {
  Step up, down, room_up, room_down;
};

Masks neighbours(const int8_t* rows, int count, int channels) {
  Masks may{};
  uint32_t open = (1U << count) - 1;
  for (int i = 0; i < count; ++i) may[static_cast<size_t>(i)] = static_cast<uint16_t>(open & ~(1U << i));
  std::array<Signs, kPairRows> signs;
  for (int c = 0; c < channels; c += kStep) {
    for (int i = 0; i < count; ++i) {
      Signs& s = signs[static_cast<size_t>(i)];
      Step w;
      std::memcpy(&w, rows + i * kPairChannels + c, sizeof w);
      const Step up = w & (w > 0), down = w & (w < 0);
      s.up = up ^ kFlip;
      s.room_up = -up;
      s.down = reinterpret_cast<Step>(-reinterpret_cast<const Unsigned&>(down)) ^ kFlip;  // -128 becomes 128
      s.room_down = down;
    }
    for (int i = 0; i < count; ++i) {
      const Signs& a = signs[static_cast<size_t>(i)];
      uint32_t left = may[static_cast<size_t>(i)] >> i >> 1;  // each pair once
      for (int j = i + 1; left != 0; ++j, left >>= 1) {
        if ((left & 1) == 0) continue;
        const Signs& b = signs[static_cast<size_t>(j)];
        const auto over = reinterpret_cast<Halves>((b.up > a.room_up) | (b.down > a.room_down));
        if ((over[0] | over[1]) == 0) continue;
        may[static_cast<size_t>(i)] = static_cast<uint16_t>(may[static_cast<size_t>(i)] & ~(1U << j));
        may[static_cast<size_t>(j)] = static_cast<uint16_t>(may[static_cast<size_t>(j)] & ~(1U << i));
      }
    }
  }
  return may;
}

// std::popcount is a call where CPUs may lack the instruction.
int count_bits(uint32_t v) {
  v -= v >> 1 & 0x5555;
  v = (v & 0x3333) + (v >> 2 & 0x3333);
  v = (v + (v >> 4)) & 0x0F0F;
  return static_cast<int>((v + (v >> 8)) & 0x1F);
}

class Matching {
 public:
  Matching(const Masks& may, int count) : may_(may), free_((1U << count) - 1) { mate_.fill(-1); }

  void match() {
    // Who has the fewest to choose from goes first.
    for (int a = scarcest(free_); a >= 0; a = scarcest(free_)) join(a, scarcest(choices(a)));
    // Two that are left over may part a pair between them: a-c and d-b instead of c-d.
    for (bool parted = true; parted;) {
      parted = false;
      for (uint32_t rest = free_; rest != 0 && !parted; rest &= rest - 1) parted = part(std::countr_zero(rest));
    }
  }
  [[nodiscard]] int mate(int i) const { return mate_[static_cast<size_t>(i)]; }
  [[nodiscard]] uint32_t alone() const { return free_; }

 private:
  [[nodiscard]] uint32_t choices(int i) const { return may_[static_cast<size_t>(i)] & free_; }
  // Of a set, the one with the fewest choices but not none; -1 if none has any.
  [[nodiscard]] int scarcest(uint32_t set) const {
    int found = -1, fewest = kPairRows;
    for (; set != 0; set &= set - 1) {
      const int i = std::countr_zero(set), n = count_bits(choices(i));
      if (n > 0 && n < fewest) {
        found = i;
        fewest = n;
      }
    }
    return found;
  }
  void join(int a, int b) {
    mate_[static_cast<size_t>(a)] = static_cast<int8_t>(b);
    mate_[static_cast<size_t>(b)] = static_cast<int8_t>(a);
    free_ &= ~(1U << a | 1U << b);
  }
  bool part(int a) {
    for (uint32_t near = may_[static_cast<size_t>(a)]; near != 0; near &= near - 1) {
      const int c = std::countr_zero(near), d = mate(c);
      const uint32_t others = d < 0 ? 0 : choices(d) & ~(1U << a);
      if (others == 0) continue;
      join(a, c);
      join(d, std::countr_zero(others));
      return true;
    }
    return false;
  }

  Masks may_;
  uint32_t free_;
  std::array<int8_t, kPairRows> mate_;
};

void put(PairedRows& out, int element, const int8_t* weights) {
  const auto at = static_cast<size_t>(out.count++);
  out.element[at] = static_cast<uint8_t>(element);
  if (weights != nullptr) {
    std::memcpy(out.weights[at].data(), weights, kPairChannels);
  } else {
    out.weights[at].fill(0);
  }
}

// What of `second` is too much beside `first`: taken from it, returned.
std::array<int8_t, kPairChannels> excess(const int8_t* first, int8_t* second) {
  std::array<int8_t, kPairChannels> rest;
  for (int c = 0; c < kPairChannels; ++c) {
    const int most = kLimit - std::max<int>(first[c], 0), least = -kLimit - std::min<int>(first[c], 0);
    const int kept = std::clamp<int>(second[c], least, most);
    rest[static_cast<size_t>(c)] = static_cast<int8_t>(second[c] - kept);
    second[c] = static_cast<int8_t>(kept);
  }
  return rest;
}

}  // namespace

void pair_rows(const int8_t* rows, int count, int channels, PairedRows& out) {
  Matching matching(neighbours(rows, count, channels), count);
  matching.match();
  out.count = 0;
  for (int i = 0; i < count; ++i) {
    if (matching.mate(i) < i) continue;
    put(out, i, rows + i * kPairChannels);
    put(out, matching.mate(i), rows + matching.mate(i) * kPairChannels);
  }
  // By twos, the second one in part; the last of an odd number beside zeros.
  std::array<int8_t, size_t{kPairRows / 2} * kPairChannels> rest;
  std::array<int, kPairRows / 2> element{};
  int left = 0;
  for (uint32_t alone = matching.alone(); alone != 0; alone &= alone - 1) {
    const int a = std::countr_zero(alone);
    put(out, a, rows + a * kPairChannels);
    alone &= alone - 1;
    if (alone == 0) {
      put(out, a, nullptr);
      break;
    }
    const int b = std::countr_zero(alone);
    put(out, b, rows + b * kPairChannels);
    const auto pair = static_cast<size_t>(out.count) - 2;
    const auto more = excess(out.weights[pair].data(), out.weights[pair + 1].data());
    std::memcpy(&rest[static_cast<size_t>(left) * kPairChannels], more.data(), kPairChannels);
    element[static_cast<size_t>(left++)] = b;
  }
  if (left == 0) return;
  Matching parts(neighbours(rest.data(), left, channels), left);
  parts.match();
  for (int i = 0; i < left; ++i) {
    const int mate = parts.mate(i);
    if (mate >= 0 && mate < i) continue;
    put(out, element[static_cast<size_t>(i)], &rest[static_cast<size_t>(i) * kPairChannels]);
    put(out, element[static_cast<size_t>(mate < 0 ? i : mate)],
        mate < 0 ? nullptr : &rest[static_cast<size_t>(mate) * kPairChannels]);
  }
}

}  // namespace octile::runtime
