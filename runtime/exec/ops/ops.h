// Ops: the kernels of the steps between convolutions: tables, sums and products of codes, pools, resizes, rows.
// In:  codes (u8; signed tensors with the top bit flipped and the zero point moved by 128), parameters made when a plan
//      is made.  Out: codes, or rows of floats.
// Not here: threads, memory, shapes, which step runs when.
//
// Every function is there once per instruction set, all with equal bytes; ops_for() picks. None allocates, none starts
// a thread: callers cut the work and pass ranges. About 8 KiB of output are enough for a task (kOpsGrain). Float
// arithmetic is that of workload/numerics and wants its mode (workload/numerics/float_mode.h).
// Nothing is read or written outside the elements named, whatever their number and alignment.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "runtime/exec/tensor.h"
#include "targets/desc/target.h"
#include "workload/graph/divisor.h"
#include "workload/numerics/unary.h"

namespace octile::runtime {

inline constexpr int64_t kOpsGrain = 8 * 1024;  // bytes of output worth a task of their own

// How floats become codes: rne(clamp(v / scale, lo, hi)) + zp, NaN to lo. lo and hi: the clamp minus the zero point.
struct QuantizeForm {
  float scale = 1.0F;
  float lo = 0.0F, hi = 255.0F;
  int32_t zp = 0;
};

// Functions of which float32 tells most codes, in any order of their operations and each rounded or all at once:
// x * sigmoid(x), x/2 * (1 + erf(x / sqrt 2)), x/2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))),
// x * clip(x + 3, 0, 6) / 6.
enum class Quick : uint8_t { none, silu, gelu, gelu_tanh, hard_swish };
inline constexpr int64_t kQuickMost = 4096;

// They fall up to here and rise from here.
constexpr float turn_of(Quick which) {
  constexpr float kTurns[] = {0, -1.2784645F, -0.7517916F, -0.7524614F, -1.5F};
  return kTurns[static_cast<int>(which)];
}

// What of some numbers decides between which their quick functions lie.
struct QuickRange {
  static constexpr float kNone = std::numeric_limits<float>::infinity();
  float greatest = 0, below = -kNone, above = kNone;  // the two next to where the function turns
  [[nodiscard]] bool none() const { return greatest == 0 && below == -kNone && above == kNone; }
  // So far from there on either side that rounding may put another function below theirs: it falls too slowly.
  [[nodiscard]] bool far(Quick which) const {
    constexpr float kFar = 0.2F;
    return below != -kNone && turn_of(which) - below > kFar && above - turn_of(which) > kFar;
  }
};

// What the codes of one tensor mean: float(q - zp) * scale, or 256 floats where they went through functions.
struct Meaning {
  float scale = 1.0F;
  int32_t zp = 0;
  const float* values = nullptr;  // not null: scale and zp are ignored
};

// A function of two codes as arithmetic. Which form equals a given function is proven by prove_binary().
//   affine       rne(clamp(fma(a, ka, fma(b, kb, k0))))     each fma rounded to float32 once
//   sum          rne(clamp(fma(a - za, ka, (b - zb) * kb)))
//   sum_div      rne(clamp(((a - za) * ka + (b - zb) * kb) / k))
//   product      rne(clamp(float((a - za) * (b - zb)) * k))
//   product_div  rne(clamp((((a - za) * ka) * ((b - zb) * kb)) / k))
//   pairs        pairs[a * 256 + b]; clamp and zp are ignored
// then + zp, then `after[...]` where it is not null. What is clamped is below 2^31 for every pair of codes.
enum class BinaryKind : uint8_t { affine, sum, sum_div, product, product_div, pairs };
struct BinaryForm {
  BinaryKind kind = BinaryKind::pairs;
  float ka = 0.0F, kb = 0.0F, k0 = 0.0F, k = 1.0F;
  int32_t za = 0, zb = 0;
  float lo = 0.0F, hi = 255.0F;  // minus zp
  int32_t zp = 0;
  const uint8_t* pairs = nullptr;
  const uint8_t* after = nullptr;
};

// A line per channel: rne(clamp(x * gain[channel] + offset[channel])) + zp, x = float(a - za); clamps minus zp.
// `offset` may be null: zeros. `below`, unless null: the gains where x is negative.
struct GateForm {
  int32_t za = 0;
  const float* gain = nullptr;
  const float* offset = nullptr;
  float lo = 0.0F, hi = 255.0F;
  int32_t zp = 0;
  const float* below = nullptr;
};

// What rows are divided by (NodeKind::normalize), or, of `times`, multiplied with: v + addend, with v the mean of
// squares, then its root and its inverse, so far as they are asked for, then, where `table` is not null, table[its
// code]. By the length: that, at least `addend`.
struct NormForm {
  Divisor::By by = Divisor::By::deviation;
  float addend = 0.0F;
  bool root = true, inverse = false, times = false;
  QuantizeForm to;
  const float* table = nullptr;
};

// Rows of bytes: row i at data + i * stride.
struct Rows {
  const uint8_t* data = nullptr;
  int64_t stride = 0;
};
struct RowsOut {
  uint8_t* data = nullptr;
  int64_t stride = 0;
};

// Windows of a pool over NHWC. `ph`, `pw`: how far the first window starts before the tensor; `ph_end`, `pw_end` matter
// to count_pads only. Elements outside the tensor are never read: halos may hold anything.
struct PoolForm {
  int64_t kh = 1, kw = 1, sh = 1, sw = 1, dh = 1, dw = 1;
  int64_t ph = 0, pw = 0, ph_end = 0, pw_end = 0;
  bool count_pads = false;  // average: as ONNX's count_include_pad
  bool lowest = false;      // max pool: takes the smallest code instead (functions that fall)
};

// Neighbours of an output index along one axis, at most one apart, and the share of the upper one; `hi` is null where
// the axis does not change (or for nearest).
struct ResizeTaps {
  const int64_t* lo = nullptr;
  const int64_t* hi = nullptr;
  const float* share = nullptr;
};

// Sums of a dynamically quantized product back to floats, per channel:
// (sum - zp * columns[c]) * (scale * factors[c]) + addends[c]; no addends: null. `counted`: addends count in the sum
// instead, as NodeKind::dynamic has it.
struct SumsForm {
  float scale = 1.0F;
  int32_t zp = 0;
  const int32_t* columns = nullptr;
  const float *factors = nullptr, *addends = nullptr;
  bool counted = false;
};

// Floats, or one float again and again.
struct FloatOperand {
  const float* data = nullptr;
  bool repeated = false;
};

// 32 bytes in another order, from two times 16: byte i of what is written at `to` is byte order[i] of what lies at
// `from` or byte second_order[i] of what lies at `second`, and 0 where both are kNoByte. `join` is not 0: what is there
// already stays.
constexpr uint8_t kNoByte = 0x80;
struct Reorder {
  int32_t from = 0, second = 0, to = 0;
  int32_t join = 0;
  uint8_t order[32] = {}, second_order[32] = {};
};

// Rows of weights look for neighbours in blocks (runtime/exec/pairing.h): a copy in their order then reads few places
// at a time.
constexpr int kPairRows = 32, kPairChannels = 256;
// Weights from one row of so many channels to the next.
constexpr int pair_stride(int64_t channels) { return channels <= 64 ? 64 : channels <= 128 ? 128 : kPairChannels; }

// Integer Winograd (runtime/exec/winograd.h). A window is (m + 2) x (m + 2) pixels, m the side of its output tile.
struct WinogradWindow {
  const uint8_t* rows[6];
  int64_t columns[6];  // byte offsets of pixels from the start of a row
};
struct WinogradTile {
  uint8_t* data = nullptr;  // first channel of its first pixel
  int64_t stride_y = 0, stride_x = 0;
  int ys = 1, xs = 1;  // at most m: what lies inside the tensor
};
struct WinogradPost {
  const int32_t* bias = nullptr;  // of the first channel; 15 entries more than channels can be read, here and of mult
  const float* mult = nullptr;    // null: dst takes the accumulators; else products with them are below 2^31
  float lo = 0.0F, hi = 255.0F;   // minus zp
  int32_t zp = 0;
};

struct Ops {
  // dst = t[src], `count` bytes; in place allowed.
  void (*table)(const uint8_t* t, const uint8_t* src, uint8_t* dst, int64_t count);
  // The same for `rows` rows of `c` bytes.
  void (*table_rows)(const uint8_t* t, Rows src, RowsOut dst, int64_t c, int64_t rows);
  // dst = t[src], floats.
  void (*table_f32)(const float* t, const uint8_t* src, float* dst, int64_t count);
  // dst row = form(a row, b row). A stride of 0 repeats that row: a gate per channel. dst may be a or b themselves.
  void (*binary)(const BinaryForm& form, Rows a, Rows b, RowsOut dst, int64_t c, int64_t rows);
  // dst row = form(a row); in place allowed.
  void (*gate)(const GateForm& form, Rows a, RowsOut dst, int64_t c, int64_t rows);
  // Rows [begin, end) of the output's n * h rows. Every window meets the tensor.
  void (*max_pool)(const PoolForm& form, const Tensor& src, const Tensor& dst, int64_t begin, int64_t end);
  void (*average_pool)(const PoolForm& form, const Meaning& meaning, const QuantizeForm& to, const Tensor& src,
                       const Tensor& dst, int64_t begin, int64_t end);
  // dst[c] = quantized mean over all pixels of one image, channels [begin, end): dst points to channel 0.
  void (*global_average)(const Meaning& meaning, const QuantizeForm& to, const Tensor& src, int64_t image, uint8_t* dst,
                         int64_t begin, int64_t end);
  // dst[c] = largest code of an image.
  void (*global_max)(bool lowest, const Tensor& src, int64_t image, uint8_t* dst, int64_t begin, int64_t end);
  // dst[row] = quantized mean of the `c` bytes of each row.
  void (*mean_rows)(const Meaning& meaning, const QuantizeForm& to, Rows src, uint8_t* dst, int64_t c, int64_t rows);
  // Rows [begin, end) of the output's n * h rows. Any element size: a Tensor's c counts bytes.
  void (*resize_nearest)(const int64_t* ys, const int64_t* xs, const Tensor& src, const Tensor& dst, int64_t begin,
                         int64_t end);
  void (*resize_linear)(const Meaning& meaning, const ResizeTaps& y, const ResizeTaps& x, const QuantizeForm& to,
                        const Tensor& src, const Tensor& dst, int64_t begin, int64_t end);
  // The same of floats: a Tensor's c counts them, strides are bytes.
  void (*resize_linear_floats)(const ResizeTaps& y, const ResizeTaps& x, const Tensor& src, const Tensor& dst,
                               int64_t begin, int64_t end);
  // Blocks of `bytes` bytes: concat, slice, pad, gather by strides.
  void (*copy)(Rows src, RowsOut dst, int64_t bytes, int64_t rows);
  void (*fill)(RowsOut dst, uint8_t code, int64_t bytes, int64_t rows);

  // Rows of floats, all by the definitions of workload/graph/graph.h.
  void (*dequantize)(const uint8_t* src, float scale, int32_t zp, float* dst, int64_t count);
  void (*quantize)(const float* src, const QuantizeForm& to, uint8_t* dst, int64_t count);
  // The same of a function of them, as far as float32 tells: how many of the first are written for sure.
  int64_t (*quick_codes)(Quick which, const float* src, const QuantizeForm& to, uint8_t* dst, int64_t count);
  // Puts those of at most kQuickMost numbers into `found` whose functions may be the least or the greatest of all so
  // far, and of 0; how many. NaN is passed over. `found` has room for a block more.
  int64_t (*quick_range)(Quick which, const float* src, int64_t count, QuickRange& seen, float* found);
  // The same of the softmax of at most kQuickMost numbers; false, and anything in dst, if float32 does not tell them
  // all.
  bool (*quick_softmax)(const float* src, const QuantizeForm& to, uint8_t* dst, int64_t count);
  void (*softmax)(const float* src, float* dst, int64_t count);  // in place allowed
  // Rows of `count`, one behind the other. bias may be null; in place allowed.
  void (*layer_norm)(const float* src, const float* scale, const float* bias, float epsilon, float* dst, int64_t count,
                     int64_t rows);
  void (*normalize)(const NormForm& form, const float* src, float* dst, int64_t count, int64_t rows);
  // Softmax from codes to codes. `exps`: make_softmax_exps() of what the codes mean, which must not fall as codes rise.
  void (*softmax_codes)(const float* exps, const QuantizeForm& to, Rows src, RowsOut dst, int64_t c, int64_t rows);
  // Puts exps[m * 256 + q] for codes m and q, the greatest of a row and one of it, where softmax_codes() wants them.
  void (*arrange_exps)(float* exps);

  // Element (y, x) of a window's transform goes to to + (y * (m + 2) + x) * step: `c` channels, as whole 16s; up to 15
  // bytes after the last channel are read.
  void (*winograd_read)(int m, const WinogradWindow& window, int64_t c, int16_t* to, int64_t step);
  // Filters of `words` pairs of input channels, each nine rows (ky, kx) of `elements` bytes, 16 or 32: a pair for each
  // output channel, less zero[i]. Element p of a word's transform goes to to + p * step + word * elements, within
  // int16: the rows of the filters' matrix are scaled until they are whole.
  void (*winograd_filter)(int m, const int8_t* taps, const int16_t* zero, int64_t words, int elements, int16_t* to,
                          int64_t step);
  // A tile from sums laid out like that; up to 15 sums after the last channel are read.
  void (*winograd_write)(int m, const WinogradPost& post, const int32_t* sums, int64_t step, int64_t c,
                         const WinogradTile& tile);

  // The least and the greatest of `rows` rows of `count` floats and of what lo and hi hold; NaN is passed over.
  void (*range)(Rows src, int64_t count, int64_t rows, float* lo, float* hi);
  // Rows of `c` int32 to rows of as many floats; in place allowed.
  void (*scale_sums)(const SumsForm& form, Rows sums, RowsOut dst, int64_t c, int64_t rows);

  // dst = f(src), dst = a op b, of kinds with a kernel; dst may be an operand.
  void (*float_unary)(const Unary& f, const float* src, float* dst, int64_t count);
  void (*float_binary)(NodeKind kind, FloatOperand a, FloatOperand b, float* dst, int64_t count);

  // dst[c] = mean of channel c over pixels `step` floats apart, summed in the order of workload/numerics/sums.h.
  void (*average_floats)(const float* src, int64_t pixels, int64_t step, float* dst, int64_t channels);
  // dst[r] = mean of row r, summed in the same order.
  void (*mean_floats)(const float* src, int64_t count, float* dst, int64_t rows);
  // As max_pool, of floats: c counts them, strides are bytes. NaN is larger than any number.
  void (*max_pool_floats)(const PoolForm& form, const Tensor& src, const Tensor& dst, int64_t begin, int64_t end);
  void (*average_pool_floats)(const PoolForm& form, const Tensor& src, const Tensor& dst, int64_t begin, int64_t end);

  // All moves, in order, for each of `rows` rows.
  void (*reorder)(const Reorder* moves, int64_t count, Rows from, int64_t rows, RowsOut to);

  // Of `count` rows, pair_stride(channels) weights apart, at most kPairRows and at least one: with which other each
  // shares a word, or -1. Weights from `channels` on are zeros. Rows choose in turn, the largest by fourth powers
  // first, the largest that is free and fits; then pairs are parted while that makes two.
  void (*match_rows)(const int8_t* rows, int count, int channels, int8_t* mates);
  // sums[c] += the codes of channel c, over the pixels of one image.
  void (*add_pixels)(const Tensor& src, uint32_t* sums);
  // sums[row] += the `c` codes of each row, fewer than 2^24.
  void (*add_codes)(Rows src, int64_t c, int64_t rows, uint32_t* sums);
  // global_average() of one image, all channels, whose sums are `rows` rows of such; fewer than 2^24 pixels.
  void (*average_of_sums)(const Meaning& meaning, const QuantizeForm& to, const uint32_t* sums, int64_t rows,
                          const Tensor& src, uint8_t* dst);

  // dst[row] = the largest code of the `c` of each row, or the smallest; at least one.
  void (*max_rows)(bool lowest, Rows src, uint8_t* dst, int64_t c, int64_t rows);
  // dst[row] = the index of the first, or `last`, of the greatest of the `c` elements of each row; at least one. NaN is
  // greater than any number. Floats: stride is of bytes.
  void (*arg_max)(bool last, Rows src, int64_t c, int64_t rows, int64_t* dst);
  void (*arg_max_floats)(bool last, Rows src, int64_t c, int64_t rows, int64_t* dst);
};

// Whether float_unary or float_binary has this kind.
[[nodiscard]] bool vector_kernel(NodeKind kind);

// The best variant this machine runs that asks for no more than `best`.
[[nodiscard]] const Ops& ops_for(Isa best);

// What codes mean, as floats.
inline void to_floats(const Ops& ops, const Meaning& m, const uint8_t* codes, float* dst, int64_t count) {
  m.values == nullptr ? ops.dequantize(codes, m.scale, m.zp, dst, count) : ops.table_f32(m.values, codes, dst, count);
}

// The codes of the softmax of at most kQuickMost floats.
void softmax_to_codes(const Ops& ops, const float* src, const QuantizeForm& to, uint8_t* dst, int64_t count);

// exps[m * 256 + q] = float(exp(float(values[q] - values[m]))): 65,536 floats, arranged for `ops`.
void make_softmax_exps(const Ops& ops, const float* values, float* exps);

// What is known of the function behind a table of pairs: sum or product of two dequantized tensors, quantized.
struct BinaryHint {
  bool product = false;
  float scale_a = 1.0F, scale_b = 1.0F, scale = 1.0F;  // a difference: scale_b negative
  int32_t za = 0, zb = 0, zp = 0;
};
// The cheapest form that equals pairs[a * 256 + b] for all codes, proven by trying them all; kind pairs (with `pairs`
// set) where none does. Whatever Ops variant runs it, the answer is the same. Takes well below a millisecond.
[[nodiscard]] BinaryForm prove_binary(const uint8_t* pairs, const BinaryHint& hint);

}  // namespace octile::runtime
