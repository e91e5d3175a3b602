// How a conversion is cut: into rows where both sides are interleaved, into blocks of 64 pixels (256 that are
// copied, 512 of few channels) by 64 channels where one side is planar.
// In:  ConvertOp, views.  Out: the destination, the same bytes for every number of threads and instruction set.
// Not here: the inner loops (convert_kernels).
#include "runtime/region/convert.h"

#include <algorithm>
#include <cstring>

#include "runtime/exec/tails.h"
#include "runtime/region/convert_kernels.h"
#include "targets/probe/probe.h"

namespace octile::runtime {
namespace {

constexpr int64_t kTaskElements = 8 * 1024;  // a task of fewer is not worth a thread

const ConvertKernels& kernels_for([[maybe_unused]] Isa best) {
#if defined(__x86_64__)
  if (convert_isa(best) == Isa::avx512vnni) return kConvertAvx512;
  if (convert_isa(best) == Isa::avx2) return kConvertAvx2;
#endif
  return kConvertPortable;
}

uint8_t* at(const View& v, int64_t n, int64_t y, int64_t x, int64_t c) {
  const int64_t element = n * v.stride_n + y * v.stride_y + x * v.stride_x + c * v.stride_c;
  return static_cast<uint8_t*>(v.data) + element * size_of(v.type);
}

// Strides of axes of extent 1 mean nothing; set so that what is contiguous looks it.
View tidy(View v) {
  if (v.c == 1) v.stride_c = 1;
  if (v.w == 1) v.stride_x = v.c;
  if (v.h == 1) v.stride_y = v.w * v.stride_x;
  if (v.n == 1) v.stride_n = v.h * v.stride_y;
  return v;
}

// Joins axes that are contiguous in both views into w, as far as it goes.
void join_axes(View& a, View& b) {
  const auto fits = [](const View& v) { return v.stride_y == v.w * v.stride_x; };
  if (fits(a) && fits(b)) {
    for (View* v : {&a, &b}) {
      v->w *= v->h;
      v->h = 1;
      v->stride_y = v->stride_n;
    }
    if (a.stride_n == a.w * a.stride_x && b.stride_n == b.w * b.stride_x) {
      for (View* v : {&a, &b}) {
        v->w *= v->n;
        v->n = 1;
      }
    }
  }
}

struct Job {
  const ConvertOp* op = nullptr;
  const ConvertKernels* kernels = nullptr;
  View src, dst;
  RowArgs args;
  RowFn row = nullptr;
  bool by_channel = false;  // requantize with a factor per channel
  int64_t pieces = 1;       // rows: pieces of one row; blocks: ranges of pixels of one image
  int64_t channel_pieces = 1;

  // The arguments for one channel of a planar row.
  [[nodiscard]] RowArgs for_channel(int64_t c) const {
    RowArgs a = args;
    if (by_channel) a.scale = op->mult[static_cast<size_t>(c)];
    return a;
  }
};

// A piece of a line: index counts (image, line, piece).
struct LinePiece {
  LinePiece(const Job& job, size_t index) {
    const auto i = static_cast<int64_t>(index);
    const int64_t piece = i % job.pieces, line = i / job.pieces;
    n = line / job.src.h;
    y = line % job.src.h;
    first = job.src.w * piece / job.pieces;
    last = job.src.w * (piece + 1) / job.pieces;
  }
  int64_t n, y, first, last;
};

// Interleaved on both sides.
void rows_task(void* arg, size_t index) {
  const Job& job = *static_cast<const Job*>(arg);
  const auto [n, y, first, last] = LinePiece(job, index);
  const int64_t c = job.src.c;
  const bool joined = job.src.stride_x == c && job.dst.stride_x == c && !job.by_channel;
  if (joined) {
    job.row(at(job.src, n, y, first, 0), at(job.dst, n, y, first, 0), (last - first) * c, job.args);
    return;
  }
  for (int64_t x = first; x < last; ++x) job.row(at(job.src, n, y, x, 0), at(job.dst, n, y, x, 0), c, job.args);
}

// Planes this many bytes apart share few sets of the first cache, too few for a line of each channel of a block: they
// go through a tile as what is computed does.
constexpr int64_t kCrowdedPlane = 1024;

// Whether a block is turned where it lies.
bool in_place(const Job& job, const View& planes) {
  return job.op->copy && (planes.c <= kFewChannels || planes.stride_c % kCrowdedPlane != 0);
}

int block_pixels(const Job& job, const View& planes) {
  if (planes.c <= kFewChannels) return kLongBlock;
  return in_place(job, planes) ? kCopyPixels : kBlockPixels;
}

// One block: pixels [first, first + pixels) of image n in raster order, channels [c, c + channels).
void block_to_pixels(const Job& job, int64_t n, int64_t first, int pixels, int64_t c, int channels, uint8_t* dst,
                     const int64_t* offsets) {
  const uint8_t* src = at(job.src, n, 0, 0, c) + first * size_of(job.src.type);
  const int64_t plane = job.src.stride_c * size_of(job.src.type);
  if (in_place(job, job.src)) {
    job.kernels->planes_to_pixels(src, plane, channels, pixels, job.args.flip, dst + c, offsets);
    return;
  }
  alignas(64) uint8_t tile[kBlockChannels * kBlockPixels];
  const int row = block_pixels(job, job.src);
  for (int i = 0; i < channels; ++i) job.row(src + i * plane, tile + i * row, pixels, job.for_channel(c + i));
  job.kernels->planes_to_pixels(tile, row, channels, pixels, 0, dst + c, offsets);
}

void block_to_planes(const Job& job, int64_t n, int64_t first, int pixels, int64_t c, int channels, const uint8_t* src,
                     const int64_t* offsets) {
  uint8_t* dst = at(job.dst, n, 0, 0, c) + first * size_of(job.dst.type);
  const int64_t plane = job.dst.stride_c * size_of(job.dst.type);
  if (in_place(job, job.dst)) {
    job.kernels->pixels_to_planes(src + c, offsets, channels, pixels, job.args.flip, dst, plane);
    return;
  }
  alignas(64) uint8_t tile[kBlockChannels * kBlockPixels];
  const int row = block_pixels(job, job.dst);
  job.kernels->pixels_to_planes(src + c, offsets, channels, pixels, 0, tile, row);
  for (int i = 0; i < channels; ++i) job.row(tile + i * row, dst + i * plane, pixels, job.for_channel(c + i));
}

// Calls f(first channel, count) for blocks that cover [first, last): whole ones, whole vectors, an exact small rest, or
// a last vector moved back. Fewer than 16 channels are one block.
template <class F>
void each_channel_block(int64_t first, int64_t last, F f) {
  for (int64_t c = first; c < last;) {
    int64_t count = std::min<int64_t>(kBlockChannels, last - c);
    if (count >= kVectorChannels) {
      count -= count % kVectorChannels;
    } else if (count != 2 && count != 4 && count != 8 && last - first >= kVectorChannels) {
      count = kVectorChannels;
      c = last - count;
    }
    f(c, static_cast<int>(count));
    c += count;
  }
}

// Where pixels [first, first + count) of an image lie, in raster order.
void set_offsets(const View& v, int64_t first, int count, int64_t* offsets) {
  int64_t x = first % v.w, line = first / v.w * v.stride_y;
  for (int k = 0; k < count; x = 0, line += v.stride_y) {
    const int run = static_cast<int>(std::min<int64_t>(v.w - x, count - k));
    for (int i = 0; i < run; ++i) offsets[k + i] = line + (x + i) * v.stride_x;
    k += run;
  }
}

// One side planar: index counts (image, range of pixels, range of channels).
template <bool ToPixels>
void blocks_task(void* arg, size_t index) {
  const Job& job = *static_cast<const Job*>(arg);
  const auto i = static_cast<int64_t>(index);
  const int64_t channel_piece = i % job.channel_pieces, piece = i / job.channel_pieces % job.pieces;
  const int64_t n = i / job.channel_pieces / job.pieces;
  const View& pixel_side = ToPixels ? job.dst : job.src;
  const bool joined = pixel_side.stride_y == pixel_side.w * pixel_side.stride_x;  // rows follow each other
  const int64_t count = pixel_side.h * pixel_side.w, w = joined ? count : pixel_side.w, c = pixel_side.c;
  const auto cut = [](int64_t total, int64_t part, int64_t parts, int64_t unit) {
    return part == parts ? total : total * part / parts / unit * unit;
  };
  const int64_t first = cut(count, piece, job.pieces, kBlockPixels);
  const int64_t last = cut(count, piece + 1, job.pieces, kBlockPixels);
  const int64_t c_first = cut(c, channel_piece, job.channel_pieces, kBlockChannels);
  const int64_t c_last = cut(c, channel_piece + 1, job.channel_pieces, kBlockChannels);
  uint8_t* const image = at(pixel_side, n, 0, 0, 0);
  const int most = block_pixels(job, ToPixels ? job.src : job.dst);
  int64_t in_row[kLongBlock], across[kLongBlock];
  for (int k = 0; k < most; ++k) in_row[k] = k * pixel_side.stride_x;
  for (int64_t p = first; p < last;) {
    if (last - p < 16 && last - first >= 16) p = last - 16;
    const int64_t x = p % w;
    int pixels = static_cast<int>(std::min<int64_t>(most, last - p));
    // A long block ends with its row, unless that leaves little.
    if (pixels > kBlockPixels && w - x >= kBlockPixels) pixels = static_cast<int>(std::min<int64_t>(pixels, w - x));
    const bool one_row = x + pixels <= w;
    if (!one_row) set_offsets(pixel_side, p, pixels, across);
    const int64_t* const offsets = one_row ? in_row : across;
    uint8_t* const base = one_row ? image + p / w * pixel_side.stride_y + x * pixel_side.stride_x : image;
    each_channel_block(c_first, c_last, [&](int64_t channel, int channels) {
      if (ToPixels) {
        block_to_pixels(job, n, p, pixels, channel, channels, base, offsets);
      } else {
        block_to_planes(job, n, p, pixels, channel, channels, base, offsets);
      }
    });
    p += pixels;
  }
}

// int32 and float tensors that change their layout and nothing else.
void words_task(void* arg, size_t index) {
  const Job& job = *static_cast<const Job*>(arg);
  const auto [n, y, first, last] = LinePiece(job, index);
  const int64_t c = job.src.c, element = size_of(job.src.type);
  const uint8_t* const src = at(job.src, n, y, first, 0);
  uint8_t* const dst = at(job.dst, n, y, first, 0);
  if (job.src.stride_c == 1) {
    job.kernels->turn_words(src, job.src.stride_x * element, last - first, c, dst, job.dst.stride_c * element);
  } else {
    job.kernels->turn_words(src, job.src.stride_c * element, c, last - first, dst, job.dst.stride_x * element);
  }
}

// Whatever no faster way fits: planar on both sides, and int32 tensors that become codes in another layout.
void slow_task(void* arg, size_t index) {
  const Job& job = *static_cast<const Job*>(arg);
  const auto i = static_cast<int64_t>(index);
  const int64_t n = i / job.src.h, y = i % job.src.h;
  const bool lines = job.src.stride_x == 1 && job.dst.stride_x == 1;
  const int64_t step = lines ? job.src.w : 1;
  for (int64_t c = 0; c < job.src.c; ++c) {
    const RowArgs args = job.for_channel(c);
    for (int64_t x = 0; x < job.src.w; x += step) {
      job.row(at(job.src, n, y, x, c), at(job.dst, n, y, x, c), step, args);
    }
  }
}

template <class T>
void copy_numbers(const void* src, void* dst, int64_t count, const RowArgs&) {
  std::memcpy(dst, src, static_cast<size_t>(count) * sizeof(T));
}

void quantize_codes(const void* src, void* dst, int64_t count, const RowArgs& args) {
  const QuantizeForm form{args.scale, args.lo, args.hi, args.dst_zp};
  const auto* floats = static_cast<const float*>(src);
  auto* codes = static_cast<uint8_t*>(dst);
  args.function != nullptr ? args.function->to_codes(*args.ops, floats, form, codes, count)
                           : args.ops->quantize(floats, form, codes, count);
}
void dequantize_codes(const void* src, void* dst, int64_t count, const RowArgs& args) {
  args.ops->dequantize(static_cast<const uint8_t*>(src), args.scale, args.src_zp, static_cast<float*>(dst), count);
}

RowFn row_function(const Job& job, bool interleaved) {
  const ConvertOp& op = *job.op;
  const bool words = size_of(job.src.type) == 4;
  if (op.copy && job.src.type == DType::s64) return copy_numbers<int64_t>;
  if (op.copy) return words ? copy_numbers<int32_t> : job.kernels->copy_u8;
  // The host's signed codes are no codes as stored: plain loops turn them on the way.
  if (op.kind == OpKind::quantize) return job.dst.type == DType::u8 ? quantize_codes : job.kernels->quantize;
  if (op.kind == OpKind::dequantize) return job.src.type == DType::u8 ? dequantize_codes : job.kernels->dequantize;
  if (job.by_channel && interleaved)
    return words ? job.kernels->requantize_s32_by_channel : job.kernels->requantize_u8_by_channel;
  return words ? job.kernels->requantize_s32 : job.kernels->requantize_u8;
}

RowArgs row_args(const ConvertOp& op, const View& src, const View& dst) {
  RowArgs args;
  const auto flip = [](DType type) { return static_cast<uint8_t>(type == DType::s8 ? 0x80 : 0); };
  if (op.copy) {
    args.flip = static_cast<uint8_t>(flip(src.type) ^ flip(dst.type));
    return args;
  }
  args.function = op.function;
  args.scale = op.scale;
  args.flip = flip(src.type);
  args.src_zp = op.src_zp + (op.src == DType::s8 ? 128 : 0);
  args.lo = static_cast<float>(op.lo - op.dst_zp);
  args.hi = static_cast<float>(op.hi - op.dst_zp);
  // Only the low byte is stored, so signed codes need no flip of their own.
  args.dst_zp = op.dst_zp + (op.dst == DType::s8 && dst.type == DType::u8 ? 128 : 0);
  return args;
}

// Requantize by channel takes its factors from the row; rows are then single pixels.
void set_channel_factors(Job& job) {
  if (job.op->copy || job.op->kind != OpKind::requantize) return;
  job.by_channel = job.op->mult.size() > 1;
  if (!job.by_channel) job.args.scale = job.op->mult[0];
  if (job.by_channel) job.args.mult = job.op->mult.data();
}

// `least`: pixels that pieces have.
void run_lines(Job& job, void (*task)(void*, size_t), int64_t least, const Parallel& parallel) {
  join_axes(job.src, job.dst);
  const int64_t lines = job.src.n * job.src.h, row = job.src.w * job.src.c;
  if (parallel.threads > 1) {
    const int64_t most = std::max<int64_t>(1, std::min<int64_t>(int64_t{4} * parallel.threads, job.src.w / least));
    job.pieces = std::clamp<int64_t>(row / kTaskElements, 1, most);
  }
  const bool small = lines * row < 2 * kTaskElements;
  (small ? Parallel{} : parallel)(static_cast<size_t>(lines * job.pieces), task, &job);
}

void run_blocks(Job& job, bool to_pixels, const Parallel& parallel) {
  const int64_t pixels = job.src.h * job.src.w, channels = job.src.c, images = job.src.n;
  const bool small = images * pixels * channels < 2 * kTaskElements;
  if (parallel.threads > 1 && !small) {
    const int64_t wanted = std::min<int64_t>(int64_t{4} * parallel.threads, pixels * channels / kTaskElements + 1);
    job.pieces = std::clamp<int64_t>(wanted / images, 1, std::max<int64_t>(1, pixels / kBlockPixels));
    if (job.pieces == 1)
      job.channel_pieces = std::clamp<int64_t>(wanted / images, 1, std::max<int64_t>(1, channels / 64));
  }
  const auto tasks = static_cast<size_t>(images * job.pieces * job.channel_pieces);
  (small ? Parallel{} : parallel)(tasks, to_pixels ? blocks_task<true> : blocks_task<false>, &job);
}

}  // namespace

View planar_view(int64_t n, int64_t c, int64_t h, int64_t w, DType type) {
  return {nullptr, n, h, w, c, c * h * w, w, 1, h * w, type};
}

View row_view(int64_t rows, int64_t c, DType type) { return {nullptr, 1, 1, rows, c, rows * c, rows * c, c, 1, type}; }

Isa convert_isa(Isa best) {
  for (const Isa isa : {Isa::avx512vnni, Isa::avx2}) {
    if (best >= isa && can_run(isa)) return isa;
  }
  return Isa::portable;
}

ConvertOp convert_op(const OpSpec& spec, const OpQuant& quant) {
  ConvertOp op;
  op.kind = spec.kind;
  op.copy = false;
  op.src = spec.src;
  op.dst = spec.dst;
  op.src_zp = quant.src_zp;
  op.dst_zp = quant.dst_zp;
  op.scale = spec.kind == OpKind::quantize ? quant.dst_scale : quant.src_scale;
  op.lo = quant.clamp_lo;
  op.hi = quant.clamp_hi;
  if (spec.kind == OpKind::requantize) {
    for (float s : quant.wei_scale) op.mult.push_back(multiplier(quant.src_scale, s, quant.dst_scale));
  }
  return op;
}

void convert(const ConvertOp& op, const View& src, const View& dst, Isa best, const Parallel& parallel) {
  Job job;
  job.op = &op;
  job.kernels = &kernels_for(best);
  job.src = tidy(src);
  job.dst = tidy(dst);
  job.args = row_args(op, src, dst);
  job.args.ops = &ops_for(best);
  set_channel_factors(job);
  const bool src_rows = job.src.stride_c == 1, dst_rows = job.dst.stride_c == 1;
  job.row = row_function(job, src_rows && dst_rows);
  if (src_rows && dst_rows) {
    run_lines(job, rows_task, 1, parallel);
  } else if (!src_rows && dst_rows && size_of(job.dst.type) == 1) {
    run_blocks(job, true, parallel);
  } else if (src_rows && !dst_rows && size_of(job.src.type) == 1) {
    run_blocks(job, false, parallel);
  } else if (op.copy && src_rows != dst_rows && (src_rows ? job.dst : job.src).stride_x == 1) {
    run_lines(job, words_task, kBlockPixels, parallel);
  } else {
    parallel(static_cast<size_t>(job.src.n * job.src.h), slow_task, &job);
  }
}

void fill_border(const Tensor& tensor, uint8_t code, const Parallel& parallel) {
  Tensor t = tensor;
  t.border = code;
  const int64_t filled = (t.pad_t + t.pad_b) * t.stride_y + t.h * (t.pad_l + t.pad_r) * t.stride_x;
  const bool small = t.n * filled < kTaskElements;
  const int64_t bands = small ? 1 : std::clamp<int64_t>(parallel.threads, 1, std::max<int64_t>(t.h, 1));
  spread(small ? Parallel{} : parallel, t.n * bands, [&](int64_t index) {
    const int64_t first = t.h * (index % bands) / bands, last = t.h * (index % bands + 1) / bands;
    fill_halo(t, {index / bands, first, 0, last - first, t.w, 0, t.stride_x});
  });
}

}  // namespace octile::runtime
