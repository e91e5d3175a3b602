// Packing of weights; see pack_weights.h.
// In:  raw weights.  Out: panels.  Not here: layout choice.
#include "runtime/exec/pack_weights.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace octile::runtime {
namespace {

constexpr int64_t kDepthwisePad = 64;
constexpr int kMaxLanes = 16;

using Sixteen = uint8_t __attribute__((vector_size(16)));  // as wide as every CPU has vectors
using Words = uint16_t __attribute__((vector_size(16)));
constexpr int64_t kSixteen = 16;

// The first halves of two vectors, or the second ones, an element of each in turn.
Sixteen zip_low(const Sixteen& a, const Sixteen& b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
Sixteen zip_high(const Sixteen& a, const Sixteen& b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
Words zip_low(const Words& a, const Words& b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
Words zip_high(const Words& a, const Words& b) { return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }

// Rows of a byte for each of `count` channels, `stride` bytes apart: a run of a panel.
struct PanelRows {
  const uint8_t* data = nullptr;
  int64_t stride = 0, run = 0, count = 0;
  const int32_t* taken = nullptr;  // of each channel
};

// The row as Lanes bytes; the channel's taken value, which becomes 0, where there is none.
template <int Lanes>
std::array<uint8_t, Lanes> padded_row(const PanelRows& rows, int64_t k) {
  std::array<uint8_t, Lanes> out;
  for (int j = 0; j < Lanes; ++j) {
    const bool there = j < rows.count && k < rows.run;
    out[j] = there ? rows.data[k * rows.stride + j] : static_cast<uint8_t>(rows.taken[j]);
  }
  return out;
}

// So many bytes; written in a register, since a wide load cannot take what a narrow store has just written.
template <int Lanes>
Sixteen load_lanes(const uint8_t* from) {
  if constexpr (Lanes == kSixteen) {
    Sixteen all;
    std::memcpy(&all, from, sizeof all);
    return all;
  } else {
    static_assert(Lanes == sizeof(int64_t));
    using Longs = int64_t __attribute__((vector_size(16)));
    int64_t half = 0;
    std::memcpy(&half, from, sizeof half);
    return reinterpret_cast<Sixteen>(Longs{half, 0});
  }
}

// Words of four bytes for each of Lanes channels; differences are within s8, so bytes may wrap on the way.
template <int Lanes>
void pack_fours(const PanelRows& rows, uint8_t* out, uint32_t* columns) {
  constexpr int kQuarter = Lanes / 4;   // vectors of words, of four channels each
  constexpr int64_t kWordsPerSum = 64;  // two bytes of 128 at most: sums stay within int16
  using Sums = int16_t __attribute__((vector_size(16)));
  Sixteen taken{};
  for (int j = 0; j < Lanes; ++j) taken[j] = static_cast<uint8_t>(rows.taken[j]);
  for (int64_t begin = 0; begin < rows.run; begin += 4 * kWordsPerSum) {
    std::array<Sums, kQuarter> sums{};
    for (int64_t k = begin; k < std::min(rows.run, begin + 4 * kWordsPerSum); k += 4, out += 4 * Lanes) {
      std::array<Sixteen, 4> v;
      if (rows.count == Lanes && rows.run - k >= 4) {
        for (int i = 0; i < 4; ++i) v[i] = load_lanes<Lanes>(rows.data + (k + i) * rows.stride);
      } else {
        for (int i = 0; i < 4; ++i) v[i] = load_lanes<Lanes>(padded_row<Lanes>(rows, k + i).data());
      }
      for (Sixteen& row : v) row -= taken;
      std::array<Words, kQuarter> words;
      for (int half = 0; half < Lanes / 8; ++half) {
        const auto ab = reinterpret_cast<Words>(half == 0 ? zip_low(v[0], v[1]) : zip_high(v[0], v[1]));
        const auto cd = reinterpret_cast<Words>(half == 0 ? zip_low(v[2], v[3]) : zip_high(v[2], v[3]));
        words[2 * half] = zip_low(ab, cd);
        words[2 * half + 1] = zip_high(ab, cd);
      }
      for (int q = 0; q < kQuarter; ++q) {
        const auto pairs = reinterpret_cast<Sums>(words[q]);  // little endian
        sums[q] += (pairs << 8 >> 8) + (pairs >> 8);
      }
      std::memcpy(out, words.data(), sizeof words);
    }
    for (int j = 0; j < Lanes; ++j) {
      const Sums& of = sums[j / 4];
      columns[j] += static_cast<uint32_t>(of[2 * (j % 4)] + of[2 * (j % 4) + 1]);
    }
  }
}

// Words of two int16 for each of eight channels, bytes read as T.
template <class T>
void pack_twos(const PanelRows& rows, uint8_t* out, uint32_t* columns) {
  constexpr int kEight = 8;
  constexpr int64_t kWordsPerSum = 32;  // two elements of 383 at most
  typedef T Raw __attribute__((vector_size(kEight)));
  using Wide = int16_t __attribute__((vector_size(16)));
  Wide taken;
  for (int j = 0; j < kEight; ++j) taken[j] = static_cast<int16_t>(rows.taken[j]);
  for (int64_t begin = 0; begin < rows.run; begin += 2 * kWordsPerSum) {
    Wide sums{};
    for (int64_t k = begin; k < std::min(rows.run, begin + 2 * kWordsPerSum); k += 2, out += 4 * kEight) {
      std::array<Wide, 2> v;
      for (int i = 0; i < 2; ++i) {
        Raw raw;
        if (rows.count == kEight && k + i < rows.run) {
          std::memcpy(&raw, rows.data + (k + i) * rows.stride, sizeof raw);
        } else {
          std::memcpy(&raw, padded_row<kEight>(rows, k + i).data(), sizeof raw);
        }
        v[i] = __builtin_convertvector(raw, Wide) - taken;
        sums += v[i];
      }
      const auto a = reinterpret_cast<Words>(v[0]), b = reinterpret_cast<Words>(v[1]);
      const std::array<Words, 2> words{zip_low(a, b), zip_high(a, b)};
      std::memcpy(out, words.data(), sizeof words);
    }
    for (int j = 0; j < kEight; ++j) columns[j] += static_cast<uint32_t>(int32_t{sums[j]});
  }
}

// Adds to `columns`.
void pack_words(const LayoutDesc& f, DType type, const PanelRows& rows, uint8_t* out, uint32_t* columns) {
  if (f.quantum == 2) {
    (type == DType::s8 ? pack_twos<int8_t> : pack_twos<uint8_t>)(rows, out, columns);
  } else {
    (f.lanes == 8 ? pack_fours<8> : pack_fours<16>)(rows, out, columns);
  }
}

}  // namespace

int64_t panel_bytes(Layout layout, const DotGeometry& d) {
  const LayoutDesc& f = layout_desc(layout);
  return d.total_words(f.quantum) * f.quantum * f.lanes * f.bytes;
}

namespace {

// Columns [0, count) of N rows of bytes, 8 or 16: column c, N bytes, goes to place(c). Halves of the rows take turns
// until rows are columns.
template <int N, class Place>
void turn(const uint8_t* rows, int64_t pitch, int64_t count, Place place) {
  int64_t c = 0;
  for (; c + kSixteen <= count; c += kSixteen) {
    std::array<Sixteen, N> v, w;
    for (int i = 0; i < N; ++i) std::memcpy(&v[i], rows + i * pitch + c, sizeof v[i]);
    for (int round = 1; round < N; round *= 2) {
      for (int i = 0; i < N / 2; ++i) {
        w[2 * i] = zip_low(v[i], v[i + N / 2]);
        w[2 * i + 1] = zip_high(v[i], v[i + N / 2]);
      }
      v = w;
    }
    const auto* bytes = reinterpret_cast<const uint8_t*>(v.data());
    for (int64_t i = 0; i < kSixteen; ++i) std::memcpy(place(c + i), bytes + i * N, N);
  }
  for (; c < count; ++c) {
    uint8_t* const to = place(c);
    for (int64_t i = 0; i < N; ++i) to[i] = rows[i * pitch + c];
  }
}

// The same of any number of rows; places(j) is the place() of those from row j on.
template <class Places>
void turn_rows(const uint8_t* rows, int64_t pitch, int64_t count, int64_t columns, Places places) {
  int64_t j = 0;
  for (; j + 16 <= count; j += 16) turn<16>(rows + j * pitch, pitch, columns, places(j));
  for (; j + 8 <= count; j += 8) turn<8>(rows + j * pitch, pitch, columns, places(j));
  for (; j < count; ++j) {
    auto place = places(j);
    for (int64_t c = 0; c < columns; ++c) *place(c) = rows[j * pitch + c];
  }
}

// One tap of `count` channels: out[c][j] is input channel c of output channel j.
void gather_tap(const uint8_t* raw, int64_t pitch, int64_t filter, int64_t count, int64_t n, int lanes, uint8_t* out) {
  if (filter == 1) {
    return turn_rows(raw, pitch, count, n,
                     [=](int64_t j) { return [=, to = out + j](int64_t c) { return to + c * lanes; }; });
  }
  for (int64_t j = 0; j < count; ++j) {
    const uint8_t* const from = raw + j * pitch;
    for (int64_t c = 0; c < n; ++c) out[c * lanes + j] = from[c * filter];
  }
}

// Which of a filter's bytes comes next, and its row: taps are outer to input channels in rows, inner in filters.
class FilterRow {
 public:
  FilterRow(int64_t taps, int64_t channels) : taps_(taps), channels_(channels) {}
  int64_t next() {
    const int64_t row = tap_ * channels_ + channel_;
    if (++tap_ == taps_) {
      tap_ = 0;
      ++channel_;
    }
    return row;
  }

 private:
  int64_t taps_, channels_, tap_ = 0, channel_ = 0;
};

}  // namespace

void gather_filter(const DotGeometry& d, const WeightView& wei, int64_t channel, int64_t count, int lanes,
                   uint8_t* out) {
  const int64_t filter = d.kh * d.kw, pitch = d.depth * filter;
  const uint8_t* const raw = static_cast<const uint8_t*>(wei.data) + channel * pitch;
  if (filter == 1) return gather_tap(raw, pitch, 1, count, d.depth, lanes, out);
  turn_rows(raw, pitch, count, pitch, [&](int64_t j) {
    return [row = FilterRow(filter, d.depth), to = out + j, lanes](int64_t) mutable { return to + row.next() * lanes; };
  });
}

void gather_rows(const DotGeometry& d, const WeightView& wei, const WeightRows& rows, uint8_t* out) {
  const auto* const raw = static_cast<const uint8_t*>(wei.data);
  if (wei.dense) {
    for (int64_t k = rows.from; k < rows.to; ++k, out += rows.lanes) {
      std::memcpy(out, raw + k * wei.row + rows.channel, static_cast<size_t>(rows.count));
    }
    return;
  }
  const int64_t filter = d.kh * d.kw, pitch = d.depth * filter;
  for (int64_t k = rows.from; k < rows.to;) {
    const int64_t kx = d.sx == 1 ? k / d.depth : rows.segment % d.sx, c = d.sx == 1 ? k % d.depth : k;
    const int64_t n = std::min(d.depth - c, rows.to - k);
    const uint8_t* const tap = raw + rows.channel * pitch + c * filter + rows.segment / d.sx * d.kw + kx;
    gather_tap(tap, pitch, filter, rows.count, n, rows.lanes, out + (k - rows.from) * rows.lanes);
    k += n;
  }
}

namespace {

using TakenValues = std::array<int32_t, kMaxLanes>;

TakenValues taken_values(const WeightRule& rule, int64_t channel, int64_t count) {
  TakenValues out{};
  for (int64_t j = 0; j < count; ++j) out[static_cast<size_t>(j)] = rule.taken(channel + j);
  return out;
}

}  // namespace

void pack_dense_rows(Layout layout, const DotGeometry& d, const WeightView& wei, const WeightRule& rule,
                     int64_t first_channel, int64_t row, uint8_t* panel, uint32_t* columns) {
  const LayoutDesc& f = layout_desc(layout);
  const int64_t count = std::min<int64_t>(f.lanes, d.channels - first_channel);
  const TakenValues taken = taken_values(rule, first_channel, count);
  const uint8_t* const from = static_cast<const uint8_t*>(wei.data) + row * wei.row + first_channel;
  const PanelRows rows{from, wei.row, std::min(kDenseRows, d.run - row), count, taken.data()};
  pack_words(f, wei.type, rows, panel + row * f.lanes * f.bytes, columns);
}

void pack_dense_panel(Layout layout, const DotGeometry& d, const WeightView& wei, const WeightRule& rule,
                      int64_t first_channel, uint8_t* out, uint32_t* columns) {
  std::fill(columns, columns + layout_desc(layout).lanes, 0U);
  for (int64_t row = 0; row < d.run; row += kDenseRows) {
    pack_dense_rows(layout, d, wei, rule, first_channel, row, out, columns);
  }
}

void pack_filter_panel(Layout layout, const DotGeometry& d, const WeightView& wei, const WeightRule& rule,
                       int64_t group, int64_t first_channel, std::vector<uint8_t>& scratch, uint8_t* out,
                       uint32_t* columns) {
  const LayoutDesc& f = layout_desc(layout);
  const int64_t count = std::min<int64_t>(f.lanes, d.channels - first_channel);
  const int64_t channel = group * d.channels + first_channel;
  const TakenValues taken = taken_values(rule, channel, count);
  std::fill(columns, columns + f.lanes, 0U);
  scratch.resize(static_cast<size_t>(d.reduction() * f.lanes));
  gather_filter(d, wei, channel, count, f.lanes, scratch.data());
  const int64_t step = d.words(f.quantum) * f.quantum * f.lanes * f.bytes;
  for (int64_t s = 0; s < d.sx * d.sy; ++s) {
    const PanelRows rows{scratch.data() + s * d.run * f.lanes, f.lanes, d.run, count, taken.data()};
    pack_words(f, wei.type, rows, out + s * step, columns);
  }
}

namespace {

constexpr int64_t kSafeLanes = 8, kSafeWord = 4, kSafeRows = 192;  // whole spans of every group
constexpr int16_t kSafeMost = 128;                                 // 255 * 128 is within int16
using Eight = int16_t __attribute__((vector_size(2 * kSafeLanes)));

Eight larger(const Eight& a, const Eight& b) { return a > b ? a : b; }
int16_t largest(const Eight& v) {
  int16_t most = v[0];
  for (int j = 1; j < kSafeLanes; ++j) most = std::max(most, v[j]);
  return most;
}

// Magnitudes by sign: of the first two elements of a word, and of the other two.
struct Magnitudes {
  std::array<Eight, 4> of{};
  Magnitudes& operator+=(const Magnitudes& other) {
    for (size_t i = 0; i < of.size(); ++i) of[i] += other.of[i];
    return *this;
  }
};

Magnitudes magnitudes(const Eight* word) {
  Magnitudes out;
  for (int i = 0; i < kSafeWord; i += 2) {
    const Eight &a = word[i], &b = word[i + 1], up = larger(a, Eight{}) + larger(b, Eight{});
    out.of[i] = up;
    out.of[i + 1] = up - (a + b);
  }
  return out;
}

// Which of the groups `among`, a bit each, are safe for some rows of one segment, whole words.
unsigned safe_groups(std::span<const Eight> rows, unsigned among) {
  std::array<Magnitudes, kSafeRows / kSafeWord> words;
  const auto count = static_cast<int64_t>(rows.size()) / kSafeWord;
  for (int64_t w = 0; w < count; ++w) words[w] = magnitudes(rows.data() + w * kSafeWord);
  for (int g = 1; g <= 4 && among != 0; ++g) {
    if ((among & 1U << g) == 0) continue;
    Eight most{};
    for (int64_t w = 0; w < count;) {
      const int64_t span = count - w >= g ? g : 1;  // what is left over goes word by word
      Magnitudes sum = words[w];
      for (int64_t i = 1; i < span; ++i) sum += words[w + i];
      for (const Eight& side : sum.of) most = larger(most, side);
      w += span;
    }
    // A word by itself is part of every span.
    if (largest(most) > kSafeMost) among = g == 1 ? 0 : among & ~(1U << g);
  }
  return among;
}

template <class T>
void widen_rows(const uint8_t* raw, size_t count, const Eight& taken, Eight* out) {
  typedef T Raw __attribute__((vector_size(kSafeLanes)));
  for (size_t k = 0; k < count; ++k) {
    Raw row;
    std::memcpy(&row, raw + k * kSafeLanes, sizeof row);
    out[k] = __builtin_convertvector(row, Eight) - taken;
  }
}

}  // namespace

Acc16 acc16_of(const DotGeometry& d, const WeightView& wei, const WeightRule& rule, int64_t group,
               int64_t first_channel, bool fits) {
  constexpr int64_t kFirstRows = 48;  // most panels fail at once
  const int64_t count = std::min<int64_t>(kSafeLanes, d.channels - first_channel);
  const int64_t channel = group * d.channels + first_channel;
  std::array<uint8_t, kSafeRows * kSafeLanes> raw{};
  std::array<Eight, kSafeRows> elements;
  Eight taken{};
  for (int j = 0; j < count; ++j) taken[j] = static_cast<int16_t>(rule.taken(channel + j));
  Acc16 found{true, 0x1E};
  for (int64_t at = 0; at < d.sx * d.sy * d.run;) {
    const int64_t from = at % d.run, to = std::min(d.run, from + (at == 0 ? kFirstRows : kSafeRows));
    const auto rows = static_cast<size_t>(to - from), padded = (rows + kSafeWord - 1) / kSafeWord * kSafeWord;
    gather_rows(d, wei, {channel, count, kSafeLanes, at / d.run, from, to}, raw.data());
    (wei.type == DType::u8 ? widen_rows<uint8_t> : widen_rows<int8_t>)(raw.data(), rows, taken, elements.data());
    std::fill(elements.begin() + static_cast<ptrdiff_t>(rows), elements.begin() + static_cast<ptrdiff_t>(padded),
              Eight{});
    Eight beyond{};  // of s8, to either side
    for (size_t k = 0; k < rows; ++k) beyond = larger(beyond, larger(elements[k], ~elements[k]));
    found.s8 = found.s8 && largest(beyond) <= 127;
    found.groups = safe_groups(std::span(elements).first(padded), found.groups);
    if (!found.s8 || (fits && found.groups == 0)) return found;
    at += to - from;
  }
  return found;
}

unsigned acc16_everywhere(const DotGeometry& d, const WeightView& wei, const WeightRule& rule) {
  const int64_t panels = (d.channels + kSafeLanes - 1) / kSafeLanes;
  unsigned groups = ~0U;
  for (int64_t p = 0; p < panels * d.groups && groups != 0; ++p) {
    const Acc16 found = acc16_of(d, wei, rule, p / panels, p % panels * kSafeLanes, true);
    groups &= found.s8 ? found.groups : 0;
  }
  return groups;
}

int32_t folded_bias(int32_t bias, int32_t src_zp, uint32_t column, int64_t reduction, int32_t left) {
  const auto z = static_cast<uint32_t>(src_zp);
  uint32_t v = static_cast<uint32_t>(bias) - z * column;
  v += static_cast<uint32_t>(reduction) * z * static_cast<uint32_t>(left);
  return static_cast<int32_t>(v);
}

namespace {

template <class T>
bool fits_s8(const OpSpec& spec, const WeightView& wei, const std::vector<int32_t>& zp) {
  const auto* const data = static_cast<const T*>(wei.data);
  const auto within = [&](int64_t first, int64_t count, int32_t zero) {
    T low = data[first], high = low;
    for (const T* w = data + first; w < data + first + count; ++w) {
      low = std::min(low, *w);
      high = std::max(high, *w);
    }
    return low - zero >= -128 && high - zero <= 127;
  };
  const int64_t channels = spec.channels(), filter = spec.ic / spec.g * spec.kh * spec.kw;
  const int64_t rows = wei.dense ? spec.k : channels;
  for (int64_t i = 0; i < rows; ++i) {
    const auto at = static_cast<size_t>(i);
    if (!wei.dense) {
      if (!within(i * filter, filter, zp.size() == 1 ? zp[0] : zp[at])) return false;
    } else if (zp.size() == 1) {
      if (!within(i * wei.row, channels, zp[0])) return false;
    } else {
      for (int64_t n = 0; n < channels; ++n) {
        if (!within(i * wei.row + n, 1, zp[static_cast<size_t>(n)])) return false;
      }
    }
  }
  return true;
}

}  // namespace

bool fits_s8(const OpSpec& spec, const WeightView& wei, const std::vector<int32_t>& zp) {
  return (wei.type == DType::u8 ? fits_s8<uint8_t> : fits_s8<int8_t>)(spec, wei, zp);
}

namespace {

int32_t within_s8(int32_t weight) { return std::clamp(weight, -128, 127); }

}  // namespace

std::vector<DepthwiseRest> depthwise_rests(const OpSpec& s, const WeightView& wei, const WeightRule& rule,
                                           int64_t most) {
  std::vector<DepthwiseRest> out;
  int64_t at = 0;
  for (int64_t c = 0; c < s.oc; ++c) {
    for (int64_t tap = 0; tap < s.kh * s.kw; ++tap) {
      const int32_t all = wei.at(at++) - rule.taken(c), rest = all - within_s8(all);
      if (rest == 0) continue;
      if (std::ssize(out) == most) return {};
      out.push_back({c, tap / s.kw, tap % s.kw, rest});
    }
  }
  return out;
}

std::vector<uint8_t> pack_depthwise(const OpSpec& s, const WeightView& wei, const WeightRule& rule, Layout layout) {
  const int64_t taps = layout_desc(layout).quantum, bytes = layout_desc(layout).bytes;
  const int64_t padded = (s.oc + kDepthwisePad - 1) / kDepthwisePad * kDepthwisePad;
  const int64_t groups = (s.kw + taps - 1) / taps;
  std::vector<uint8_t> out(static_cast<size_t>(taps * padded * groups * s.kh * bytes));
  std::vector<int64_t> places;  // of the taps of the first channel
  for (int64_t ky = 0; ky < s.kh; ++ky) {
    for (int64_t kx = 0; kx < s.kw; ++kx) {
      places.push_back(((ky * groups + kx / taps) * padded * taps + kx % taps) * bytes);
    }
  }
  int64_t at = 0;
  for (int64_t c = 0; c < s.oc; ++c) {
    const int32_t taken = rule.taken(c);
    uint8_t* const to = out.data() + c * taps * bytes;
    for (const int64_t place : places) {
      const int32_t all = wei.at(at++) - taken;
      const auto v = static_cast<int16_t>(bytes == 1 ? within_s8(all) : all);
      std::memcpy(to + place, &v, bytes == 1 ? 1 : 2);  // little endian
    }
  }
  return out;
}

}  // namespace octile::runtime
