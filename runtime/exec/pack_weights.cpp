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

// Sums of a word stay within int16 for this many words: 4 elements of at most 255 each.
constexpr int64_t kWordsPerSum = 32;

template <class T, int Lanes>
struct Vector {
  typedef T Type __attribute__((vector_size(sizeof(T) * Lanes)));
};

// Words of `Lanes` channels from rows of [k, n]: the vectors of GCC and Clang, which any CPU has instructions for.
// Short panels and the last word of a run go through rows padded on the stack. Adds to `columns`.
template <class T, int Lanes, int Quantum>
void pack_words(int64_t run, const T* rows, int64_t stride, int64_t count, const int32_t* taken, uint8_t* out,
                uint32_t* columns) {
  using Raw = typename Vector<T, Lanes>::Type;
  using Wide = typename Vector<int16_t, Lanes>::Type;
  using Bits = typename Vector<uint16_t, Lanes>::Type;
  using Words = typename Vector<uint32_t, Lanes>::Type;
  Wide less;
  for (int j = 0; j < Lanes; ++j) less[j] = static_cast<int16_t>(taken[j]);
  for (int64_t begin = 0; begin < run; begin += kWordsPerSum * Quantum) {
    Wide sums{};
    for (int64_t k = begin; k < std::min(run, begin + kWordsPerSum * Quantum); k += Quantum) {
      std::array<Bits, 4> v;
      const bool whole = count == Lanes && run - k >= Quantum;
      for (int i = 0; i < Quantum; ++i) {
        const T* row = rows + (k + i) * stride;
        std::array<T, Lanes> padded;
        if (!whole) {
          for (int j = 0; j < Lanes; ++j) padded[j] = j < count && k + i < run ? row[j] : static_cast<T>(less[j]);
          row = padded.data();
        }
        Raw raw;
        std::memcpy(&raw, row, sizeof raw);
        const Wide value = __builtin_convertvector(raw, Wide) - less;
        sums += value;
        v[i] = reinterpret_cast<const Bits&>(value);
      }
      const Bits low = Quantum == 2 ? v[0] : (v[0] & 0xFF) | v[1] << 8;
      const Bits high = Quantum == 2 ? v[1] : (v[2] & 0xFF) | v[3] << 8;
      const Words words = __builtin_convertvector(low, Words) | __builtin_convertvector(high, Words) << 16;
      std::memcpy(out, &words, sizeof words);  // little endian
      out += sizeof words;
    }
    for (int j = 0; j < Lanes; ++j) columns[j] += static_cast<uint32_t>(int32_t{sums[j]});
  }
}

template <class T>
void pack_rows(const LayoutFacts& f, int64_t run, const uint8_t* rows, int64_t stride, int64_t count,
               const int32_t* taken, uint8_t* out, uint32_t* columns) {
  const T* const from = reinterpret_cast<const T*>(rows);
  if (f.quantum == 2) {
    pack_words<T, 8, 2>(run, from, stride, count, taken, out, columns);
  } else if (f.lanes == 8) {
    pack_words<T, 8, 4>(run, from, stride, count, taken, out, columns);
  } else {
    pack_words<T, 16, 4>(run, from, stride, count, taken, out, columns);
  }
}

}  // namespace

const LayoutFacts& facts(Layout layout) { return kFacts[static_cast<size_t>(layout)]; }

int64_t panel_bytes(Layout layout, const DotGeometry& d) {
  const LayoutFacts& f = facts(layout);
  return d.total_words(f.quantum) * f.quantum * f.lanes * f.bytes;
}

namespace {

constexpr int64_t kChunk = 64;

// Eight rows of bytes as words of eight: word c holds byte c of every row. Loops that compilers vectorize.
void interleave(const uint8_t* rows, int64_t pitch, int64_t count, uint8_t* out, int64_t step) {
  std::array<std::array<uint16_t, kChunk>, 4> pairs;
  std::array<std::array<uint32_t, kChunk>, 2> fours;
  std::array<uint64_t, kChunk> eights;
  for (int64_t first = 0; first < count; first += kChunk) {
    const auto n = static_cast<size_t>(std::min(kChunk, count - first));
    for (size_t p = 0; p < 4; ++p) {
      const uint8_t *const a = rows + static_cast<int64_t>(2 * p) * pitch + first, *const b = a + pitch;
      for (size_t c = 0; c < n; ++c) pairs[p][c] = static_cast<uint16_t>(a[c] | b[c] << 8);  // little endian
    }
    for (size_t h = 0; h < 2; ++h) {
      for (size_t c = 0; c < n; ++c) fours[h][c] = pairs[2 * h][c] | uint32_t{pairs[2 * h + 1][c]} << 16;
    }
    for (size_t c = 0; c < n; ++c) eights[c] = fours[0][c] | uint64_t{fours[1][c]} << 32;
    uint8_t* const to = out + first * step;
    if (step == 8) {
      std::memcpy(to, eights.data(), n * 8);
      continue;
    }
    for (size_t c = 0; c < n; ++c) std::memcpy(to + static_cast<int64_t>(c) * step, &eights[c], 8);
  }
}

// One tap of `count` channels: out[c][j] is input channel c of output channel j.
void gather_tap(const uint8_t* raw, int64_t pitch, int64_t filter, int64_t count, int64_t n, int lanes, uint8_t* out) {
  int64_t j = 0;
  if (filter == 1) {
    for (; j + 8 <= count; j += 8) interleave(raw + j * pitch, pitch, n, out + j, lanes);
  }
  for (; j < count; ++j) {
    const uint8_t* const from = raw + j * pitch;
    for (int64_t c = 0; c < n; ++c) out[c * lanes + j] = from[c * filter];
  }
}

}  // namespace

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

void pack_dense_panel(Layout layout, const DotGeometry& d, const WeightView& wei, const WeightRule& rule,
                      int64_t first_channel, uint8_t* out, uint32_t* columns) {
  const auto pack = wei.type == DType::u8 ? pack_rows<uint8_t> : pack_rows<int8_t>;
  const LayoutFacts& f = facts(layout);
  const int64_t count = std::min<int64_t>(f.lanes, d.channels - first_channel);
  std::array<int32_t, kMaxLanes> taken{};
  for (int64_t j = 0; j < count; ++j) taken[static_cast<size_t>(j)] = rule.taken(first_channel + j);
  std::fill(columns, columns + f.lanes, 0U);
  pack(f, d.run, static_cast<const uint8_t*>(wei.data) + first_channel, wei.row, count, taken.data(), out, columns);
}

void pack_filter_panel(Layout layout, const DotGeometry& d, const WeightView& wei, const WeightRule& rule,
                       int64_t group, int64_t first_channel, std::vector<uint8_t>& scratch, uint8_t* out,
                       uint32_t* columns) {
  const auto pack = wei.type == DType::u8 ? pack_rows<uint8_t> : pack_rows<int8_t>;
  const LayoutFacts& f = facts(layout);
  const int64_t count = std::min<int64_t>(f.lanes, d.channels - first_channel);
  const int64_t channel = group * d.channels + first_channel;
  std::array<int32_t, kMaxLanes> taken{};
  for (int64_t j = 0; j < count; ++j) taken[static_cast<size_t>(j)] = rule.taken(channel + j);
  std::fill(columns, columns + f.lanes, 0U);
  scratch.resize(static_cast<size_t>(d.run * f.lanes));
  const int64_t step = d.words(f.quantum) * f.quantum * f.lanes * f.bytes;
  for (int64_t s = 0; s < d.sx * d.sy; ++s) {
    gather_rows(d, wei, {channel, count, f.lanes, s, 0, d.run}, scratch.data());
    pack(f, d.run, scratch.data(), f.lanes, count, taken.data(), out + s * step, columns);
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
