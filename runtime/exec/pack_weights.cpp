// Packing of weights; see pack_weights.h.
// In:  raw weights.  Out: panels.  Not here: layout choice.
#include "runtime/exec/pack_weights.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace octile::runtime {
namespace {

constexpr std::array<LayoutFacts, 3> kFacts{{{"k4n16", 16, 4, 1}, {"k4n8", 8, 4, 1}, {"k2n8w", 8, 2, 2}}};
constexpr int64_t kDepthwisePad = 64;
constexpr int kMaxLanes = 16;

}  // namespace

const LayoutFacts& facts(Layout layout) { return kFacts[static_cast<size_t>(layout)]; }

int64_t panel_bytes(Layout layout, const DotGeometry& d) {
  const LayoutFacts& f = facts(layout);
  return d.total_words(f.quantum) * f.quantum * f.lanes * f.bytes;
}

namespace {

using Sixteen = uint8_t __attribute__((vector_size(16)));  // as wide as every CPU has vectors
constexpr int64_t kSixteen = 16;

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
        const Sixteen &a = v[i], &b = v[i + N / 2];
        w[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        w[2 * i + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
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

PackForm form_of(const LayoutFacts& f, int64_t run, int64_t stride, int64_t count, const WeightView& wei,
                 const WeightRule& rule, int64_t channel, std::array<int32_t, kMaxLanes>& taken) {
  for (int64_t j = 0; j < count; ++j) taken[static_cast<size_t>(j)] = rule.taken(channel + j);
  return {wei.type == DType::s8, f.lanes, f.quantum, run, stride, count, taken.data()};
}

}  // namespace

void pack_dense_panel(const Ops& ops, Layout layout, const DotGeometry& d, const WeightView& wei,
                      const WeightRule& rule, int64_t first_channel, uint8_t* out, uint32_t* columns) {
  const LayoutFacts& f = facts(layout);
  const int64_t count = std::min<int64_t>(f.lanes, d.channels - first_channel);
  std::array<int32_t, kMaxLanes> taken{};
  const PackForm form = form_of(f, d.run, wei.row, count, wei, rule, first_channel, taken);
  std::fill(columns, columns + f.lanes, 0U);
  ops.pack_words(form, static_cast<const uint8_t*>(wei.data) + first_channel, out, columns);
}

void pack_filter_panel(const Ops& ops, Layout layout, const DotGeometry& d, const WeightView& wei,
                       const WeightRule& rule, int64_t group, int64_t first_channel, std::vector<uint8_t>& scratch,
                       uint8_t* out, uint32_t* columns) {
  const LayoutFacts& f = facts(layout);
  const int64_t count = std::min<int64_t>(f.lanes, d.channels - first_channel);
  const int64_t channel = group * d.channels + first_channel;
  std::array<int32_t, kMaxLanes> taken{};
  const PackForm form = form_of(f, d.run, f.lanes, count, wei, rule, channel, taken);
  std::fill(columns, columns + f.lanes, 0U);
  scratch.resize(static_cast<size_t>(d.reduction() * f.lanes));
  gather_filter(d, wei, channel, count, f.lanes, scratch.data());
  const int64_t step = d.words(f.quantum) * f.quantum * f.lanes * f.bytes;
  for (int64_t s = 0; s < d.sx * d.sy; ++s) {
    ops.pack_words(form, scratch.data() + s * d.run * f.lanes, out + s * step, columns);
  }
}

namespace {

constexpr int kSafeLanes = 8, kSafeWord = 4, kLimit = 128;  // 255 * 128 is within int16

bool safe_for(std::span<const int16_t> elements, int64_t group) {
  const auto words = static_cast<int64_t>(elements.size()) / (kSafeLanes * kSafeWord);
  for (int64_t w = 0; w < words;) {
    const int64_t span = words - w >= group ? group : 1;  // what is left over goes word by word
    // Magnitudes by sign: of the first two elements of each word in front, of the other two behind.
    std::array<int16_t, size_t{2} * kSafeLanes> up{}, down{};
    for (int64_t i = 0; i < span * kSafeWord; ++i) {
      const int16_t* const row = elements.data() + (w * kSafeWord + i) * kSafeLanes;
      const size_t half = static_cast<size_t>(i % kSafeWord / 2) * kSafeLanes;
      for (size_t j = 0; j < kSafeLanes; ++j) {
        up[half + j] = static_cast<int16_t>(up[half + j] + std::max<int16_t>(row[j], 0));
        down[half + j] = static_cast<int16_t>(down[half + j] - std::min<int16_t>(row[j], 0));
      }
    }
    int most = 0;
    for (size_t j = 0; j < up.size(); ++j) most = std::max<int>(most, std::max(up[j], down[j]));
    if (most > kLimit) return false;
    w += span;
  }
  return true;
}

}  // namespace

unsigned safe_groups(std::span<const int16_t> elements) {
  unsigned safe = 0;
  for (int g = 1; g <= 4; ++g) {
    if (safe_for(elements, g)) safe |= 1U << g;
    if (safe == 0) break;  // a word by itself is part of every span
  }
  return safe;
}

Acc16 acc16_of(const DotGeometry& d, const WeightView& wei, const WeightRule& rule, int64_t group,
               int64_t first_channel, bool fits) {
  constexpr int64_t kRows = 192, kFirstRows = 48;  // whole spans of every group; most panels fail at once
  const int64_t count = std::min<int64_t>(kSafeLanes, d.channels - first_channel);
  const int64_t channel = group * d.channels + first_channel;
  std::array<uint8_t, kRows * kSafeLanes> raw{};
  std::array<int16_t, kRows * kSafeLanes> elements;
  Acc16 found{true, 0x1E};
  for (int64_t at = 0; at < d.sx * d.sy * d.run;) {
    const int64_t from = at % d.run, to = std::min(d.run, from + (at == 0 ? kFirstRows : kRows));
    const auto rows = static_cast<size_t>(to - from), padded = (rows + kSafeWord - 1) / kSafeWord * kSafeWord;
    gather_rows(d, wei, {channel, count, kSafeLanes, at / d.run, from, to}, raw.data());
    elements.fill(0);
    for (size_t j = 0; j < static_cast<size_t>(count); ++j) {
      const int32_t taken = rule.taken(channel + static_cast<int64_t>(j));
      for (size_t k = 0; k < rows; ++k) {
        const uint8_t b = raw[k * kSafeLanes + j];
        const int32_t v = wei.type == DType::u8 ? int32_t{b} : int32_t{static_cast<int8_t>(b)};
        elements[k * kSafeLanes + j] = static_cast<int16_t>(v - taken);
        found.s8 = found.s8 && v - taken >= -128 && v - taken <= 127;
      }
    }
    found.groups &= safe_groups(std::span(elements).first(padded * kSafeLanes));
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

bool fits_s8(const OpSpec& spec, const WeightView& wei, const std::vector<int32_t>& zp) {
  const auto within = [&](int64_t first, int64_t count, int32_t zero) {
    int32_t low = 0, high = 0;
    for (int64_t i = first; i < first + count; ++i) {
      low = std::min(low, wei.at(i) - zero);
      high = std::max(high, wei.at(i) - zero);
    }
    return low >= -128 && high <= 127;
  };
  const int64_t channels = spec.channels();
  const auto zero = [&](int64_t channel) { return zp.size() == 1 ? zp[0] : zp[static_cast<size_t>(channel)]; };
  if (!wei.dense) {
    const int64_t filter = spec.ic / spec.g * spec.kh * spec.kw;
    for (int64_t o = 0; o < channels; ++o) {
      if (!within(o * filter, filter, zero(o))) return false;
    }
    return true;
  }
  for (int64_t k = 0; k < spec.k; ++k) {
    if (zp.size() == 1) {
      if (!within(k * wei.row, channels, zp[0])) return false;
      continue;
    }
    for (int64_t n = 0; n < channels; ++n) {
      if (!within(k * wei.row + n, 1, zero(n))) return false;
    }
  }
  return true;
}

std::vector<uint8_t> pack_depthwise(const OpSpec& s, const WeightView& wei, const WeightRule& rule,
                                    std::string_view layout) {
  const int64_t taps = layout == "t1c" ? 1 : layout == "t4c" ? 4 : 2, bytes = layout == "t2cw" ? 2 : 1;
  const int64_t padded = (s.oc + kDepthwisePad - 1) / kDepthwisePad * kDepthwisePad;
  const int64_t groups = (s.kw + taps - 1) / taps;
  std::vector<uint8_t> out(static_cast<size_t>(taps * padded * groups * s.kh * bytes));
  const int64_t filter = s.kh * s.kw;
  for (int64_t tap = 0; tap < filter; ++tap) {
    const int64_t ky = tap / s.kw, kx = tap % s.kw;
    uint8_t* to = &out[static_cast<size_t>(((ky * groups + kx / taps) * padded * taps + kx % taps) * bytes)];
    for (int64_t c = 0; c < s.oc; ++c, to += taps * bytes) {
      const auto v = static_cast<int16_t>(wei.at(c * filter + tap) - rule.taken(c));
      std::memcpy(to, &v, static_cast<size_t>(bytes));  // little endian
    }
  }
  return out;
}

}  // namespace octile::runtime
