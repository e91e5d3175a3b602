// TileDot: dot and dotz of packs/format/pack_abi.h over layout k4n16, by tiles of sums instead of vectors.
// In:  buffers of a call; Tiles, a vocabulary of eight tile registers of up to 16 rows by 64 bytes.  Out: dst.
// Not here: the registers themselves (tiles.cpp), which crops pay (dispatch).  Wants AVX-512 BW and VL.
//
// A tile of sums is 16 pixels by one panel: a row of bytes for each pixel times 16 words of the panel as it lies in
// memory. Blocks are of two tiles of pixels by two panels, so that what is loaded is used twice. What a segment has
// beyond whole rows of 64 bytes goes to registers as short as that is: nothing is read that other kernels do not read.
// They take the place of a second register for source and weights, which costs five loads for four products.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "packs/format/pack_abi.h"
#include "runtime/exec/tiles.h"

namespace octile::runtime {

// Which register holds what: the last two what is short, or the second tile of pixels and the second panel.
inline constexpr int kSumsTile = 0, kSourceTile = 4, kWeightsTile = 5, kShortSource = 6, kShortWeights = 7;

template <class Tiles>
class TileDot {
 public:
  TileDot(const octile_buffer& src, const octile_buffer& wei, const octile_buffer& bias, const octile_buffer& mult,
          float lo, float hi, int32_t zp, octile_buffer& dst)
      : src_(src),
        wei_(reinterpret_cast<const int8_t*>(wei.host)),
        panel_(int64_t{wei.dim[3].stride}),
        bias_(reinterpret_cast<const int32_t*>(bias.host)),
        mult_(reinterpret_cast<const float*>(mult.host)),
        lo_(_mm512_set1_epi8(static_cast<char>(static_cast<int>(lo) + zp))),
        hi_(_mm512_set1_epi8(static_cast<char>(static_cast<int>(hi) + zp))),
        zp_(_mm512_set1_epi16(static_cast<int16_t>(zp))),
        clamps_(static_cast<int>(lo) + zp > 0 || static_cast<int>(hi) + zp < 255),
        sums_only_(dst.type.bits == 32),
        dst_(dst.host),
        dst_x_(dst.dim[1].stride * int64_t{dst.type.bits / 8}),
        dst_y_(dst.dim[2].stride * int64_t{dst.type.bits / 8}),
        channels_(dst.dim[0].extent),
        xs_(dst.dim[1].extent),
        ys_(dst.dim[2].extent),
        whole_(src.dim[0].extent / kTileBytes),
        rest_(src.dim[0].extent % kTileBytes),
        per_row_((xs_ + kTileRows - 1) / kTileRows),
        rows_((xs_ + per_row_ - 1) / per_row_) {}

  void subtract(const octile_buffer& wzp, const octile_buffer& rowsum) {
    wzp_ = reinterpret_cast<const int32_t*>(wzp.host);
    rowsum_ = reinterpret_cast<const int32_t*>(rowsum.host);
    rowsum_y_ = rowsum.dim[1].stride;
  }

  void run() {
    Tiles::configure(static_cast<int>(rows_), static_cast<int>(rest_));
    lines_ = lines_ahead();
    if (lines_ > 0) {
      all<true>();
    } else {
      all<false>();
    }
    Tiles::release();
  }

 private:
  // The first pixel of a tile; the last tile of a row shifts inwards.
  struct Place {
    int64_t x = 0, y = 0;
  };

  [[nodiscard]] const uint8_t* source(const Place& p) const {
    return src_.host + p.x * src_.dim[3].stride + p.y * src_.dim[4].stride;
  }

  // Weights come from beyond the second cache in a network: while some panels are at work the next ones are asked for,
  // a share at each step, where there are many and it is little enough to hide behind products. Lines for each step.
  [[nodiscard]] int64_t lines_ahead() const {
    constexpr int64_t kLeastBytes = 512 * 1024, kMostLines = 16, kPanels = 2;
    const int64_t blocks = (ys_ * per_row_ + 1) / 2, lines = kPanels * panel_ / kTileBytes;
    const int64_t steps = blocks * src_.dim[1].extent * src_.dim[2].extent * whole_;
    if (channels_ * panel_ < kLeastBytes * kTileRows || lines > kMostLines * steps) return 0;
    return (lines + steps - 1) / steps;
  }
  template <bool Ahead>
  void ask_ahead() {
    if constexpr (Ahead) {
      for (int64_t i = 0; i < lines_; ++i, ahead_ += kTileBytes) _mm_prefetch(ahead_, _MM_HINT_T1);
    }
  }

  template <bool Ahead>
  void all() {
    for (int64_t n = 0; n < channels_; n += 2 * kTileRows) {
      ahead_ = reinterpret_cast<const char*>(wei_) + (n / kTileRows + 2) * panel_;
      if (channels_ - n > kTileRows) {
        panels<2, Ahead>(n);
      } else {
        panels<1, Ahead>(n);
      }
    }
  }

  template <int N, bool Ahead>
  void panels(int64_t n) {
    const int64_t tiles = ys_ * per_row_;
    Place next;
    blocks<2, N, Ahead>(n, tiles / 2, next);
    blocks<1, N, Ahead>(n, tiles % 2, next);
  }

  // The tile of pixels to come.
  Place take(Place& next) const {
    const Place here{std::min(next.x, xs_ - rows_), next.y};
    next.x += rows_;
    if (next.x >= xs_) next = {0, next.y + 1};
    return here;
  }

  // Products of a block are under way while the sums of the one before it are brought to their places.
  template <int M, int N, bool Ahead>
  void blocks(int64_t n, int64_t count, Place& next) {
    // Sums of whole panels that are the answer.
    const bool at_once = sums_only_ && wzp_ == nullptr && channels_ - n >= N * kTileRows;
    Place first, second;
    for (int64_t i = 0; i < count; ++i) {
      const Place a = take(next), b = M == 2 ? take(next) : a;
      multiply<M, N, Ahead>(n, a, b);
      if (at_once) {
        store<M, N>(destination(n, a), destination(n + kTileRows, a), destination(n, b), destination(n + kTileRows, b),
                    dst_x_);
        continue;
      }
      if (i > 0) finish<M, N>(n, first, second);
      store<M, N>(sums_[0], sums_[1], sums_[2], sums_[3], kTileBytes);
      first = a, second = b;
    }
    if (count > 0 && !at_once) finish<M, N>(n, first, second);
  }

  // Sums of one row of source elements more. The second tile of pixels and the second panel have registers of their own
  // or take those of the first, whose panel then is loaded again.
  template <int M, int N, int Source, int Weights, int NextSource, int NextWeights>
  static void step(const uint8_t* a, const uint8_t* b, int64_t pixel, const int8_t* w, int64_t panel) {
    Tiles::template load<Source>(a, pixel);
    Tiles::template load<Weights>(w, kTileBytes);
    Tiles::template dot<kSumsTile, Source, Weights>();
    if constexpr (N == 2) {
      Tiles::template load<NextWeights>(w + panel, kTileBytes);
      Tiles::template dot<kSumsTile + 1, Source, NextWeights>();
    }
    if constexpr (M == 2) {
      Tiles::template load<NextSource>(b, pixel);
      if constexpr (N == 2) {
        Tiles::template dot<kSumsTile + 3, NextSource, NextWeights>();
        if constexpr (NextWeights == Weights) Tiles::template load<Weights>(w, kTileBytes);
      }
      Tiles::template dot<kSumsTile + 2, NextSource, Weights>();
    }
  }

  template <int M, int N, bool Ahead>
  void multiply(int64_t n, const Place& first, const Place& second) {
    Tiles::template load<kSumsTile>(bias_ + n, 0);  // every row
    if constexpr (N == 2) Tiles::template load<kSumsTile + 1>(bias_ + n + kTileRows, 0);
    if constexpr (M == 2) Tiles::template load<kSumsTile + 2>(bias_ + n, 0);
    if constexpr (M * N == 4) Tiles::template load<kSumsTile + 3>(bias_ + n + kTileRows, 0);
    const int64_t pixel = src_.dim[3].stride;
    const int8_t* w = wei_ + n / kTileRows * panel_;
    for (int64_t sy = 0; sy < src_.dim[2].extent; ++sy) {
      for (int64_t sx = 0; sx < src_.dim[1].extent; ++sx) {
        const int64_t offset = sy * src_.dim[2].stride + sx * src_.dim[1].stride;
        const uint8_t *a = source(first) + offset, *b = source(second) + offset;
        if (rest_ == 0) {
          for (int64_t k = 0; k < whole_; ++k, a += kTileBytes, b += kTileBytes, w += kTileRows * kTileBytes) {
            step<M, N, kSourceTile, kWeightsTile, kShortSource, kShortWeights>(a, b, pixel, w, panel_);
            ask_ahead<Ahead>();
          }
          continue;
        }
        for (int64_t k = 0; k < whole_; ++k, a += kTileBytes, b += kTileBytes, w += kTileRows * kTileBytes) {
          step<M, N, kSourceTile, kWeightsTile, kSourceTile, kWeightsTile>(a, b, pixel, w, panel_);
          ask_ahead<Ahead>();
        }
        step<M, N, kShortSource, kShortWeights, kShortSource, kShortWeights>(a, b, pixel, w, panel_);
        w += rest_ * kTileRows;
      }
    }
  }

  [[nodiscard]] uint8_t* destination(int64_t n, const Place& at) const {
    return dst_ + at.y * dst_y_ + at.x * dst_x_ + n * (sums_only_ ? int64_t{sizeof(int32_t)} : 1);
  }

  // The sums of a block: of the first tile of pixels by both panels, of the second.
  template <int M, int N>
  static void store(void* first, void* beside, void* second, void* last, int64_t stride) {
    Tiles::template store<kSumsTile>(first, stride);
    if constexpr (N == 2) Tiles::template store<kSumsTile + 1>(beside, stride);
    if constexpr (M == 2) Tiles::template store<kSumsTile + 2>(second, stride);
    if constexpr (M * N == 4) Tiles::template store<kSumsTile + 3>(last, stride);
  }

  using Sums = int32_t[kTileRows * kTileRows];

  // Brings the sums that were kept to their places.
  template <int M, int N>
  void finish(int64_t n, const Place& first, const Place& second) {
    finish_tile<N>(n, first, &sums_[0]);
    if constexpr (M == 2) finish_tile<N>(n, second, &sums_[2]);
  }

  template <int N>
  void finish_tile(int64_t n, const Place& at, Sums* sums) const {
    uint8_t* const out = destination(n, at);
    const int64_t count = std::min<int64_t>(channels_ - n, int64_t{N} * kTileRows);
    if (wzp_ != nullptr) take_zero_points<N>(n, at, sums);
    if (sums_only_) {
      copy_sums<N>(out, count, sums);
    } else {
      requantize<N>(out, n, count, sums);
    }
  }

  template <int N>
  void take_zero_points(int64_t n, const Place& at, Sums* sums) const {
    const int32_t* const sum = rowsum_ + at.x + at.y * rowsum_y_;
    for (int p = 0; p < N; ++p) {
      const __m512i zero = _mm512_loadu_si512(wzp_ + n + p * kTileRows);
      for (int64_t i = 0; i < rows_; ++i) {
        auto* const row = sums[p] + i * kTileRows;
        const __m512i less = _mm512_mullo_epi32(zero, _mm512_set1_epi32(sum[i]));
        _mm512_store_si512(row, _mm512_sub_epi32(_mm512_load_si512(row), less));
      }
    }
  }

  template <int N>
  void copy_sums(uint8_t* out, int64_t count, const Sums* sums) const {
    for (int p = 0; p < N; ++p, count -= kTileRows) {
      const auto mask = static_cast<__mmask16>(count >= kTileRows ? 0xFFFF : (1U << count) - 1);
      for (int64_t i = 0; i < rows_; ++i) {
        _mm512_mask_storeu_epi32(out + i * dst_x_ + p * kTileBytes, mask, _mm512_load_si512(sums[p] + i * kTileRows));
      }
    }
  }

  [[nodiscard]] static __m512i scaled(const int32_t* sums, __m512 mult) {
    return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums)), mult));
  }

  // Mode f32-rne (workload/numerics), for products below 2^31: what is clamped as bytes has been rounded before, which
  // gives the same since limits are whole numbers. Four vectors become one; rows beyond the tile's are not stored.
  template <int N>
  void requantize(uint8_t* out, int64_t n, int64_t count, const Sums* sums) const {
    if (count == N * kTileRows) {
      requantize_rows<N>(out, n, sums, [](uint8_t* to, auto codes) { write(to, codes); });
    } else {
      const auto mask = static_cast<__mmask32>((uint64_t{1} << count) - 1);
      requantize_rows<N>(out, n, sums, [mask](uint8_t* to, auto codes) { write(to, codes, mask); });
    }
  }

  template <int N, class Write>
  void requantize_rows(uint8_t* out, int64_t n, const Sums* sums, const Write& write_row) const {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512 mult = _mm512_loadu_ps(mult_ + n), next = N == 2 ? _mm512_loadu_ps(mult_ + n + kTileRows) : mult;
    const __m512i lo = lo_, hi = hi_, zp = zp_;
    const bool clamps = clamps_;
    const int64_t rows = rows_, dst_x = dst_x_;
    constexpr int kStep = N == 2 ? 2 : 4;
    const int32_t* row = sums[0];
    for (int64_t i = 0; i < rows; i += kStep, out += kStep * dst_x, row += kStep * kTileRows) {
      const int32_t* const beside = N == 2 ? row + kTileRows * kTileRows : row + kTileRows;
      constexpr int kBelow = kStep / 2 * kTileRows;
      const __m512i a = _mm512_packs_epi32(scaled(row, mult), scaled(beside, next));
      const __m512i b = _mm512_packs_epi32(scaled(row + kBelow, mult), scaled(beside + kBelow, next));
      __m512i codes = _mm512_packus_epi16(_mm512_adds_epi16(a, zp), _mm512_adds_epi16(b, zp));
      if (clamps) codes = _mm512_min_epu8(_mm512_max_epu8(codes, lo), hi);
      codes = _mm512_permutexvar_epi32(order, codes);
      if constexpr (N == 2) {
        write_row(out, _mm512_castsi512_si256(codes));
        if (i + 1 < rows) write_row(out + dst_x, _mm512_extracti64x4_epi64(codes, 1));
      } else {
        write_row(out, _mm512_castsi512_si128(codes));
        if (i + 1 < rows) write_row(out + dst_x, _mm512_extracti32x4_epi32(codes, 1));
        if (i + 2 < rows) write_row(out + 2 * dst_x, _mm512_extracti32x4_epi32(codes, 2));
        if (i + 3 < rows) write_row(out + 3 * dst_x, _mm512_extracti32x4_epi32(codes, 3));
      }
    }
  }

  static void write(uint8_t* to, __m256i codes) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), codes); }
  static void write(uint8_t* to, __m128i codes) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), codes); }
  static void write(uint8_t* to, __m256i codes, __mmask32 mask) { _mm256_mask_storeu_epi8(to, mask, codes); }
  static void write(uint8_t* to, __m128i codes, __mmask32 mask) {
    _mm_mask_storeu_epi8(to, static_cast<__mmask16>(mask), codes);
  }

  const octile_buffer& src_;
  const int8_t* wei_;
  int64_t panel_;  // bytes
  const int32_t* bias_;
  const float* mult_;
  __m512i lo_, hi_, zp_;
  bool clamps_;  // to less than what a byte holds
  bool sums_only_;
  uint8_t* dst_;
  int64_t dst_x_, dst_y_;  // bytes
  int64_t channels_, xs_, ys_;
  int64_t whole_, rest_;         // rows of 64 bytes in a segment, bytes left
  int64_t per_row_, rows_;       // tiles in a row of pixels, pixels of a tile
  const char* ahead_ = nullptr;  // weights to ask for, and how many lines at each step
  int64_t lines_ = 0;
  const int32_t* wzp_ = nullptr;  // null: none
  const int32_t* rowsum_ = nullptr;
  int64_t rowsum_y_ = 0;
  alignas(64) Sums sums_[4];  // of a block: pixels, then panels
};

}  // namespace octile::runtime
