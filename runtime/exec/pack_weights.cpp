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
constexpr int64_t kPackBlock = 256;  // weights of one output channel

constexpr int kMaxLanes = 16;

// Words of `lanes` channels from rows of [k, n]: loops of a fixed length over neighbouring elements, which compilers
// vectorize. Short panels and the last word of a run go through rows padded on the stack.
template <class T, int Lanes, int Quantum>
void pack_words(int64_t run, const T* rows, int64_t stride, int64_t count, const int32_t* taken, uint8_t* out,
                uint32_t* columns) {
  constexpr uint32_t kMask = Quantum == 4 ? 0xFF : 0xFFFF;
  constexpr int kShift = 32 / Quantum;
  std::array<std::array<T, Lanes>, Quantum> padded;
  std::array<uint32_t, Lanes> words, sums{};
  for (int64_t k = 0; k < run; k += Quantum) {
    std::array<const T*, Quantum> row;
    const bool whole = count == Lanes && run - k >= Quantum;
    for (int i = 0; i < Quantum; ++i) {
      row[i] = rows + (k + i) * stride;
      if (whole) continue;
      for (int j = 0; j < Lanes; ++j) {
        padded[i][j] = j < count && k + i < run ? row[i][j] : static_cast<T>(taken[j]);
      }
      row[i] = padded[i].data();
    }
    words.fill(0);
    for (int i = 0; i < Quantum; ++i) {
      const T* const from = row[i];
      for (int j = 0; j < Lanes; ++j) {
        const auto v = static_cast<uint32_t>(static_cast<int32_t>(from[j]) - taken[j]);
        sums[j] += v;
        words[j] |= (v & kMask) << (i * kShift);
      }
    }
    std::memcpy(out, words.data(), sizeof words);  // little endian
    out += sizeof words;
  }
  std::copy(sums.begin(), sums.end(), columns);
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

void gather_panel(const DotGeometry& d, const WeightView& wei, const WeightRule& rule, int64_t group,
                  int64_t first_channel, int lanes, int quantum, std::span<int16_t> out, std::span<uint32_t> columns) {
  std::fill(out.begin(), out.end(), int16_t{0});
  std::fill(columns.begin(), columns.end(), 0U);
  const int64_t count = std::min<int64_t>(lanes, d.channels - first_channel), padded = d.words(quantum) * quantum;
  // Channel by channel in the order weights lie in: c, ky, kx of a filter, or a column of a matrix.
  const bool joined = d.sx == 1 && d.run != d.depth;  // taps of a row are one segment
  const int64_t tap = (joined ? d.depth : padded) * lanes, row = d.sx * padded * lanes;
  const int64_t taps = wei.dense ? 1 : d.kw, rows = wei.dense ? 1 : d.kh, depth = wei.dense ? d.run : d.depth;
  const int64_t filter = rows * taps, step = wei.dense ? wei.row : 1;
  // Some input channels at a time, so that what all lanes write stays in the innermost cache.
  const int64_t block = std::max<int64_t>(1, kPackBlock / filter);
  for (int64_t first = 0; first < depth; first += block) {
    const int64_t last = std::min(depth, first + block);
    for (int64_t j = 0; j < count; ++j) {
      const int64_t o = group * d.channels + first_channel + j;
      const int32_t taken = rule.taken(o);
      int64_t raw = wei.dense ? o + first * step : (o * depth + first) * filter;
      uint32_t column = 0;
      for (int64_t c = first; c < last; ++c) {
        for (int64_t ky = 0; ky < rows; ++ky) {
          int16_t* to = out.data() + ky * row + c * lanes + j;
          for (int64_t kx = 0; kx < taps; ++kx, raw += step, to += tap) {
            const int32_t v = wei.at(raw) - taken;
            *to = static_cast<int16_t>(v);
            column += static_cast<uint32_t>(v);
          }
        }
      }
      columns[static_cast<size_t>(j)] += column;
    }
  }
}

void write_panel(Layout layout, const DotGeometry& d, std::span<const int16_t> gathered, uint8_t* out) {
  const LayoutFacts& f = facts(layout);
  const int64_t words = d.total_words(f.quantum);
  for (int64_t w = 0; w < words; ++w) {
    for (int64_t j = 0; j < f.lanes; ++j) {
      for (int64_t i = 0; i < f.quantum; ++i) {
        const int16_t v = gathered[static_cast<size_t>((w * f.quantum + i) * f.lanes + j)];
        if (f.bytes == 1) {
          *out = static_cast<uint8_t>(v);
        } else {
          std::memcpy(out, &v, sizeof v);
        }
        out += f.bytes;
      }
    }
  }
}

void pack_dense_panel(Layout layout, const DotGeometry& d, const WeightView& wei, const WeightRule& rule,
                      int64_t first_channel, uint8_t* out, uint32_t* columns) {
  const auto pack = wei.type == DType::u8 ? pack_rows<uint8_t> : pack_rows<int8_t>;
  const LayoutFacts& f = facts(layout);
  const int64_t count = std::min<int64_t>(f.lanes, d.channels - first_channel);
  std::array<int32_t, kMaxLanes> taken{};
  for (int64_t j = 0; j < count; ++j) taken[static_cast<size_t>(j)] = rule.taken(first_channel + j);
  pack(f, d.run, static_cast<const uint8_t*>(wei.data) + first_channel, wei.row, count, taken.data(), out, columns);
}

namespace {

// Filters of one tap: words of four channels follow each other as they lie.
uint32_t pack_pointwise(const uint8_t* raw, int64_t depth, int64_t words, bool is_signed, int64_t step, uint8_t* out) {
  uint32_t column = 0;
  for (int64_t c = 0; c < depth; ++c) {
    column += static_cast<uint32_t>(is_signed ? int32_t{static_cast<int8_t>(raw[c])} : int32_t{raw[c]});
  }
  for (int64_t w = 0; w < words; ++w) {
    std::memcpy(out + w * step, raw + 4 * w, static_cast<size_t>(std::min<int64_t>(4, depth - 4 * w)));
  }
  return column;
}

}  // namespace

void pack_filter_panel(Layout layout, const DotGeometry& d, const WeightView& wei, const WeightRule& rule,
                       int64_t group, int64_t first_channel, uint8_t* out, uint32_t* columns) {
  const LayoutFacts& f = facts(layout);
  std::memset(out, 0, static_cast<size_t>(panel_bytes(layout, d)));
  const int64_t count = std::min<int64_t>(f.lanes, d.channels - first_channel);
  const int64_t padded = d.words(f.quantum) * f.quantum, step = int64_t{f.lanes} * f.quantum, filter = d.kh * d.kw;
  const bool joined = d.sx == 1 && d.run != d.depth;
  const int64_t tap = joined ? d.depth : padded, row = d.sx * padded;
  const auto* const raw = static_cast<const uint8_t*>(wei.data);
  for (int64_t j = 0; j < count; ++j) {
    const int64_t o = group * d.channels + first_channel + j;
    const int32_t taken = rule.taken(o);
    uint8_t* const lane = out + j * f.quantum;
    int64_t at = o * d.depth * filter;
    if (filter == 1 && taken == 0) {
      columns[j] = pack_pointwise(raw + at, d.depth, d.words(f.quantum), wei.type == DType::s8, step, lane);
      continue;
    }
    uint32_t column = 0;
    for (int64_t c = 0; c < d.depth; ++c) {
      for (int64_t ky = 0; ky < d.kh; ++ky) {
        int64_t k = ky * row + c;
        for (int64_t kx = 0; kx < d.kw; ++kx, ++at, k += tap) {
          const int32_t v = wei.at(at) - taken;
          lane[(k >> 2) * step + (k & 3)] = static_cast<uint8_t>(v);
          column += static_cast<uint32_t>(v);
        }
      }
    }
    columns[j] = column;
  }
}

unsigned safe_groups(const DotGeometry& d, std::span<const int16_t> gathered) {
  constexpr int kLanes = 8, kQuantum = 4, kLimit = 128;  // 255 * 128 is within int16
  const int64_t words = d.words(kQuantum), segments = d.sx * d.sy;
  unsigned safe = 0;
  for (int g = 1; g <= 4; ++g) {
    bool ok = true;
    for (int64_t s = 0; s < segments && ok; ++s) {
      int64_t w = 0;
      while (w < words && ok) {
        const int64_t span = words - w >= g ? g : 1;  // what is left over goes word by word
        for (int lane = 0; lane < 2 * kLanes && ok; ++lane) {
          int positive = 0, negative = 0;
          for (int64_t i = 0; i < 2 * span; ++i) {
            const int64_t k = (s * words + w + i / 2) * kQuantum + lane % 2 * 2 + i % 2;
            const int v = gathered[static_cast<size_t>(k * kLanes + lane / 2)];
            (v > 0 ? positive : negative) += v > 0 ? v : -v;
          }
          ok = positive <= kLimit && negative <= kLimit;
        }
        w += span;
      }
    }
    if (ok) safe |= 1U << g;
  }
  return safe;
}

int32_t folded_bias(int32_t bias, int32_t src_zp, uint32_t column, int64_t reduction, int32_t left) {
  const auto z = static_cast<uint32_t>(src_zp);
  uint32_t v = static_cast<uint32_t>(bias) - z * column;
  v += static_cast<uint32_t>(reduction) * z * static_cast<uint32_t>(left);
  return static_cast<int32_t>(v);
}

bool fits_s8(const OpSpec& spec, const WeightView& wei, const std::vector<int32_t>& zp) {
  const int64_t channels = spec.channels();
  const int64_t count = wei.dense ? spec.k * spec.n : spec.oc * (spec.ic / spec.g) * spec.kh * spec.kw;
  const int64_t per_channel = count / channels;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t o = wei.dense ? i % channels : i / per_channel;
    const int64_t index = wei.dense ? i / channels * wei.row + o : i;
    const int32_t v = wei.at(index) - (zp.size() == 1 ? zp[0] : zp[static_cast<size_t>(o)]);
    if (v < -128 || v > 127) return false;
  }
  return true;
}

std::vector<uint8_t> pack_depthwise(const OpSpec& s, const WeightView& wei, const WeightRule& rule,
                                    std::string_view layout) {
  const int64_t taps = layout == "t1c" ? 1 : layout == "t4c" ? 4 : 2, bytes = layout == "t2cw" ? 2 : 1;
  const int64_t padded = (s.oc + kDepthwisePad - 1) / kDepthwisePad * kDepthwisePad;
  const int64_t groups = (s.kw + taps - 1) / taps;
  std::vector<uint8_t> out(static_cast<size_t>(taps * padded * groups * s.kh * bytes));
  for (int64_t c = 0; c < s.oc; ++c) {
    for (int64_t ky = 0; ky < s.kh; ++ky) {
      for (int64_t kx = 0; kx < s.kw; ++kx) {
        const auto v = static_cast<int16_t>(wei.at((c * s.kh + ky) * s.kw + kx) - rule.taken(c));
        const int64_t at = (((ky * groups + kx / taps) * padded + c) * taps + kx % taps) * bytes;
        std::memcpy(&out[static_cast<size_t>(at)], &v, static_cast<size_t>(bytes));  // little endian
      }
    }
  }
  return out;
}

}  // namespace octile::runtime
