// Portable dot, dotz and depthwise: the reductions of the pack ABI as plain loops over its buffers.
// In:  buffers as in packs/format/pack_abi.h.  Out: dst.
// Not here: elementwise families (portable_elementwise.cpp), instruction sets.
// Sums are unsigned so that they wrap modulo 2^32 as every kernel's do.
#include <array>

#include "runtime/exec/portable.h"
#include "runtime/exec/portable_math.h"

namespace octile::runtime {
namespace {

struct Post {
  const int32_t* bias;
  const float* mult;
  float lo, hi;
  int32_t zp;
  const int32_t* wzp;     // null: none
  const int32_t* rowsum;  // [x, y]
  int64_t rowsum_y;       // stride of y
};

// Stores `count` channels of one pixel, from channel `n`. acc is overwritten.
void store(const Post& post, uint32_t* acc, int64_t n, int64_t count, int64_t x, int64_t y, octile_buffer* dst) {
  const int64_t at = n + x * dst->dim[1].stride + y * dst->dim[2].stride;
  if (post.wzp != nullptr) {
    const auto sum = static_cast<uint32_t>(post.rowsum[x + y * post.rowsum_y]);
    for (int64_t j = 0; j < count; ++j) acc[j] -= static_cast<uint32_t>(post.wzp[n + j]) * sum;
  }
  if (dst->type.bits == 32) {
    for (int64_t j = 0; j < count; ++j) host<int32_t>(dst)[at + j] = static_cast<int32_t>(acc[j]);
    return;
  }
  uint8_t* out = host<uint8_t>(dst) + at;
  const float* mult = post.mult + n;
  for (int64_t j = 0; j < count; ++j) {
    const float product = static_cast<float>(static_cast<int32_t>(acc[j])) * mult[j];
    out[j] = static_cast<uint8_t>(clamp_round(product, post.lo, post.hi, post.zp));
  }
}

// Source S, weight W, K elements per word, N channels per panel.
template <class S, class W, int K, int N>
void dot_pixel(const octile_buffer* src, const octile_buffer* wei, int64_t panel, const S* pixel, uint32_t* acc) {
  const int64_t words = src->dim[0].extent / K, word_stride = wei->dim[2].stride;
  const W* w = host<const W>(wei) + panel * wei->dim[3].stride;
  for (int64_t sy = 0; sy < src->dim[2].extent; ++sy) {
    for (int64_t sx = 0; sx < src->dim[1].extent; ++sx) {
      const S* s = pixel + sx * src->dim[1].stride + sy * src->dim[2].stride;
      for (int64_t k = 0; k < words; ++k, s += K, w += word_stride) {
        for (int j = 0; j < N; ++j) {
          int32_t sum = 0;
          for (int i = 0; i < K; ++i) sum += static_cast<int32_t>(s[i]) * static_cast<int32_t>(w[j * K + i]);
          acc[j] += static_cast<uint32_t>(sum);
        }
      }
    }
  }
}

template <class S, class W, int K, int N>
int dot_all(const octile_buffer* src, const octile_buffer* wei, const Post& post, octile_buffer* dst) {
  const int64_t channels = dst->dim[0].extent;
  for (int64_t n = 0; n < channels; n += N) {
    const int64_t count = channels - n < N ? channels - n : N;
    for (int64_t y = 0; y < dst->dim[2].extent; ++y) {
      for (int64_t x = 0; x < dst->dim[1].extent; ++x) {
        std::array<uint32_t, N> acc{};
        for (int64_t j = 0; j < count; ++j) acc[j] = static_cast<uint32_t>(post.bias[n + j]);
        const S* pixel = host<const S>(src) + x * src->dim[3].stride + y * src->dim[4].stride;
        dot_pixel<S, W, K, N>(src, wei, n / N, pixel, acc.data());
        store(post, acc.data(), n, count, x, y, dst);
      }
    }
  }
  return 0;
}

// Depthwise: T taps of a row share a word.
template <class W, int T>
int depthwise_all(const octile_buffer* src, const octile_buffer* wei, const Post& post, octile_buffer* dst) {
  const int64_t kw = src->dim[1].extent, kh = src->dim[2].extent, channels = dst->dim[0].extent;
  // t1c is [c, kx, ky]; the others [T, c, kx / T, ky].
  const octile_dim* d = wei->dim;
  const int64_t at_g = T == 1 ? d[1].stride : d[2].stride;
  const int64_t at_y = T == 1 ? d[2].stride : d[3].stride;
  for (int64_t y = 0; y < dst->dim[2].extent; ++y) {
    for (int64_t x = 0; x < dst->dim[1].extent; ++x) {
      const uint8_t* pixel = host<const uint8_t>(src) + x * src->dim[3].stride + y * src->dim[4].stride;
      constexpr int64_t kBlock = 64;
      for (int64_t c0 = 0; c0 < channels; c0 += kBlock) {
        const int64_t count = channels - c0 < kBlock ? channels - c0 : kBlock;
        std::array<uint32_t, kBlock> acc{};
        for (int64_t c = 0; c < count; ++c) acc[c] = static_cast<uint32_t>(post.bias[c0 + c]);
        for (int64_t ky = 0; ky < kh; ++ky) {
          for (int64_t kx = 0; kx < kw; ++kx) {
            const uint8_t* s = pixel + kx * src->dim[1].stride + ky * src->dim[2].stride + c0;
            const W* w = host<const W>(wei) + c0 * T + kx / T * at_g + kx % T + ky * at_y;
            for (int64_t c = 0; c < count; ++c) {
              acc[c] += static_cast<uint32_t>(static_cast<int32_t>(s[c]) * static_cast<int32_t>(w[c * T]));
            }
          }
        }
        store(post, acc.data(), c0, count, x, y, dst);
      }
    }
  }
  return 0;
}

Post make_post(const octile_buffer* bias, const octile_buffer* mult, float lo, float hi, int32_t zp,
               const octile_buffer* wzp = nullptr, const octile_buffer* rowsum = nullptr) {
  Post p{host<const int32_t>(bias), host<const float>(mult), lo, hi, zp, nullptr, nullptr, 0};
  if (wzp != nullptr) {
    p.wzp = host<const int32_t>(wzp);
    p.rowsum = host<const int32_t>(rowsum);
    p.rowsum_y = rowsum->dim[1].stride;
  }
  return p;
}

}  // namespace

int portable_dot_k4n16(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                       float hi, int32_t zp, octile_buffer* dst) {
  return dot_all<uint8_t, int8_t, 4, 16>(src, wei, make_post(bias, mult, lo, hi, zp), dst);
}
int portable_dot_k4n8(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                      float hi, int32_t zp, octile_buffer* dst) {
  return dot_all<uint8_t, int8_t, 4, 8>(src, wei, make_post(bias, mult, lo, hi, zp), dst);
}
int portable_dot_k2n8w(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                       float hi, int32_t zp, octile_buffer* dst) {
  return dot_all<int16_t, int16_t, 2, 8>(src, wei, make_post(bias, mult, lo, hi, zp), dst);
}
int portable_dot_k2n16w(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                        float hi, int32_t zp, octile_buffer* dst) {
  return dot_all<int16_t, int16_t, 2, 16>(src, wei, make_post(bias, mult, lo, hi, zp), dst);
}
int portable_dotz_k4n16(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                        float hi, int32_t zp, octile_buffer* wzp, octile_buffer* rowsum, octile_buffer* dst) {
  return dot_all<uint8_t, int8_t, 4, 16>(src, wei, make_post(bias, mult, lo, hi, zp, wzp, rowsum), dst);
}
int portable_dotz_k4n8(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                       float hi, int32_t zp, octile_buffer* wzp, octile_buffer* rowsum, octile_buffer* dst) {
  return dot_all<uint8_t, int8_t, 4, 8>(src, wei, make_post(bias, mult, lo, hi, zp, wzp, rowsum), dst);
}
int portable_dotz_k2n8w(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                        float hi, int32_t zp, octile_buffer* wzp, octile_buffer* rowsum, octile_buffer* dst) {
  return dot_all<int16_t, int16_t, 2, 8>(src, wei, make_post(bias, mult, lo, hi, zp, wzp, rowsum), dst);
}
int portable_depthwise_t1c(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                           float hi, int32_t zp, octile_buffer* dst) {
  return depthwise_all<int8_t, 1>(src, wei, make_post(bias, mult, lo, hi, zp), dst);
}
int portable_depthwise_t4c(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                           float hi, int32_t zp, octile_buffer* dst) {
  return depthwise_all<int8_t, 4>(src, wei, make_post(bias, mult, lo, hi, zp), dst);
}
int portable_depthwise_t2cw(octile_buffer* src, octile_buffer* wei, octile_buffer* bias, octile_buffer* mult, float lo,
                            float hi, int32_t zp, octile_buffer* dst) {
  return depthwise_all<int16_t, 2>(src, wei, make_post(bias, mult, lo, hi, zp), dst);
}

}  // namespace octile::runtime
