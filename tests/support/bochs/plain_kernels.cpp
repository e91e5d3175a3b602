// Plain kernels: every family of packs/format/pack_abi.h as obvious loops over its buffers, for any layout.
// In:  see plain_kernels.h.  Out: see plain_kernels.h.  Not here: speed.
#include "tests/support/bochs/plain_kernels.h"

#include <array>
#include <cmath>
#include <cstring>

#include "workload/numerics/requantize.h"

namespace octile::testing {
namespace {

using Index = std::array<int64_t, REPLAY_DIMS>;

template <class T>
T& at(const octile_buffer& b, const Index& index) {
  int64_t offset = 0;
  for (int d = 0; d < b.dimensions; ++d) offset += index[static_cast<size_t>(d)] * b.dim[d].stride;
  return reinterpret_cast<T*>(b.host)[offset];
}

int64_t extent(const octile_buffer& b, int d) { return b.dim[d].extent; }

// An integer element of whatever type the buffer has.
int32_t integer(const octile_buffer& b, const Index& index) {
  if (b.type.bits == 8) return b.type.code == 0 ? at<int8_t>(b, index) : at<uint8_t>(b, index);
  if (b.type.bits == 16) return at<int16_t>(b, index);
  return at<int32_t>(b, index);
}

uint32_t product(int32_t a, int32_t b) { return static_cast<uint32_t>(a) * static_cast<uint32_t>(b); }

void finish(const replay_call& call, const octile_buffer& mult, const octile_buffer& dst, const Index& index,
            uint32_t acc) {
  const auto sum = static_cast<int32_t>(acc);
  if (dst.type.bits == 32) {
    at<int32_t>(dst, index) = sum;
    return;
  }
  const int32_t lo = static_cast<int32_t>(call.lo) + call.zp;
  const int32_t hi = static_cast<int32_t>(call.hi) + call.zp;
  at<uint8_t>(dst, index) = static_cast<uint8_t>(requantize_f32_rne(sum, at<float>(mult, {index[0]}), call.zp, lo, hi));
}

// src [k, sx, sy, x, y], wei [quantum, panel, K, panels], dst [n, x, y]; dotz adds wzp [n] and rowsum [x, y].
bool dot(const replay_call& call, std::span<const octile_buffer> b) {
  const octile_buffer& src = b[0];
  const octile_buffer& wei = b[1];
  const octile_buffer& dst = b.back();
  const int64_t quantum = extent(wei, 0);
  const int64_t panel = extent(wei, 1);
  const int64_t words = (extent(src, 0) + quantum - 1) / quantum;  // per segment
  for (int64_t y = 0; y < extent(dst, 2); ++y) {
    for (int64_t x = 0; x < extent(dst, 1); ++x) {
      for (int64_t n = 0; n < extent(dst, 0); ++n) {
        auto acc = static_cast<uint32_t>(at<int32_t>(b[2], {n}));
        for (int64_t sy = 0; sy < extent(src, 2); ++sy) {
          for (int64_t sx = 0; sx < extent(src, 1); ++sx) {
            for (int64_t k = 0; k < extent(src, 0); ++k) {
              const int64_t word = k / quantum + words * (sx + extent(src, 1) * sy);
              acc += product(integer(src, {k, sx, sy, x, y}), integer(wei, {k % quantum, n % panel, word, n / panel}));
            }
          }
        }
        if (call.family == REPLAY_DOTZ) acc -= product(at<int32_t>(b[4], {n}), at<int32_t>(b[5], {x, y}));
        finish(call, b[3], dst, {n, x, y}, acc);
      }
    }
  }
  return true;
}

// src [c, kx, ky, x, y], wei [c, kx, ky] or [taps, c, groups, ky], dst [c, x, y].
bool depthwise(const replay_call& call, std::span<const octile_buffer> b) {
  const octile_buffer& src = b[0];
  const octile_buffer& wei = b[1];
  const octile_buffer& dst = b[4];
  const int64_t taps = wei.dimensions == 4 ? extent(wei, 0) : 0;
  for (int64_t y = 0; y < extent(dst, 2); ++y) {
    for (int64_t x = 0; x < extent(dst, 1); ++x) {
      for (int64_t c = 0; c < extent(dst, 0); ++c) {
        auto acc = static_cast<uint32_t>(at<int32_t>(b[2], {c}));
        for (int64_t ky = 0; ky < extent(src, 2); ++ky) {
          for (int64_t kx = 0; kx < extent(src, 1); ++kx) {
            const Index at_wei = taps == 0 ? Index{c, kx, ky} : Index{kx % taps, c, kx / taps, ky};
            acc += product(integer(src, {c, kx, ky, x, y}), integer(wei, at_wei));
          }
        }
        finish(call, b[3], dst, {c, x, y}, acc);
      }
    }
  }
  return true;
}

bool elementwise(const replay_call& call, std::span<const octile_buffer> b) {
  const octile_buffer& src = b[0];
  const octile_buffer& dst = b.back();
  const int32_t lo = static_cast<int32_t>(call.lo) + call.zp;
  const int32_t hi = static_cast<int32_t>(call.hi) + call.zp;
  for (int64_t p = 0; p < extent(dst, 1); ++p) {
    for (int64_t c = 0; c < extent(dst, 0); ++c) {
      const Index i{c, p};
      switch (call.family) {
        case REPLAY_QUANTIZE:
          at<uint8_t>(dst, i) = static_cast<uint8_t>(quantize_onnx_rne(at<float>(src, i), call.scale, call.zp, lo, hi));
          break;
        case REPLAY_DEQUANTIZE: at<float>(dst, i) = dequantize(at<uint8_t>(src, i), call.scale, call.zp); break;
        case REPLAY_REQUANTIZE:
          finish(call, b[1], dst, i, static_cast<uint32_t>(integer(src, i)) - static_cast<uint32_t>(call.src_zp));
          break;
        default: at<uint8_t>(dst, i) = static_cast<uint8_t>(at<uint8_t>(src, i) ^ call.flip);
      }
    }
  }
  return true;
}

}  // namespace

bool run_plain(const replay_call& call, std::span<const octile_buffer> buffers) {
  const int rank = buffers.empty() ? 0 : buffers.back().dimensions;
  switch (call.family) {
    case REPLAY_DOT: return buffers.size() == 5 && rank == 3 && dot(call, buffers);
    case REPLAY_DOTZ: return buffers.size() == 7 && rank == 3 && dot(call, buffers);
    case REPLAY_DEPTHWISE: return buffers.size() == 5 && rank == 3 && depthwise(call, buffers);
    default: return buffers.size() >= 2 && rank == 2 && elementwise(call, buffers);
  }
}

}  // namespace octile::testing
