// Portable elementwise kernels, and the table of all portable kernels.
// In:  buffers as in packs/format/pack_abi.h.  Out: dst; the entries of the library's last resort.
// Not here: reductions (portable_dot.cpp).
#include "runtime/exec/portable.h"
#include "runtime/exec/portable_math.h"

namespace octile::runtime {
namespace {

// Calls f(c, source offset, destination offset) for every element of a [c, p] pair of buffers.
template <class F>
int each(const octile_buffer* src, const octile_buffer* dst, F f) {
  const int64_t sc = src->dim[0].stride, sp = src->dim[1].stride, dc = dst->dim[0].stride, dp = dst->dim[1].stride;
  for (int64_t p = 0; p < dst->dim[1].extent; ++p) {
    for (int64_t c = 0; c < dst->dim[0].extent; ++c) f(c, c * sc + p * sp, c * dc + p * dp);
  }
  return 0;
}

Kernel entry(const char* family, const char* layout, const char* src, const char* dst, void* fn) {
  packs::KernelEntry e;
  e.name = std::string("portable:") + family;
  e.family = family;
  e.op = "*";
  e.target = std::string(target(Isa::portable).name);
  e.layout = layout;
  e.src = src;
  e.dst = dst;
  e.tail_n = true;
  return {std::move(e), Isa::portable, fn};
}

template <class F>
void* address(F* fn) {
  return reinterpret_cast<void*>(fn);
}

}  // namespace

int portable_quantize(octile_buffer* src, float scale, float lo, float hi, int32_t zp, octile_buffer* dst) {
  return each(src, dst, [&](int64_t, int64_t s, int64_t d) {
    host<uint8_t>(dst)[d] = static_cast<uint8_t>(clamp_round(host<const float>(src)[s] / scale, lo, hi, zp));
  });
}

int portable_dequantize(octile_buffer* src, float scale, int32_t zp, octile_buffer* dst) {
  return each(src, dst, [&](int64_t, int64_t s, int64_t d) {
    host<float>(dst)[d] = static_cast<float>(host<const uint8_t>(src)[s] - zp) * scale;
  });
}

int portable_requantize(octile_buffer* src, int32_t src_zp, octile_buffer* mult, float lo, float hi, int32_t zp,
                        octile_buffer* dst) {
  const bool wide = src->type.bits == 32;
  return each(src, dst, [&](int64_t c, int64_t s, int64_t d) {
    const int32_t q = wide ? host<const int32_t>(src)[s] : host<const uint8_t>(src)[s];
    const auto acc = static_cast<int32_t>(static_cast<uint32_t>(q) - static_cast<uint32_t>(src_zp));
    const float product = static_cast<float>(acc) * host<const float>(mult)[c];
    host<uint8_t>(dst)[d] = static_cast<uint8_t>(clamp_round(product, lo, hi, zp));
  });
}

int portable_transpose(octile_buffer* src, uint8_t flip, octile_buffer* dst) {
  return each(src, dst, [&](int64_t, int64_t s, int64_t d) {
    host<uint8_t>(dst)[d] = static_cast<uint8_t>(host<const uint8_t>(src)[s] ^ flip);
  });
}

std::vector<Kernel> portable_kernels() {
  std::vector<Kernel> all;
  for (const char* dst : {"u8", "s32"}) {
    all.push_back(entry("dot", "k4n16", "u8", dst, address(portable_dot_k4n16)));
    all.push_back(entry("dot", "k4n8", "u8", dst, address(portable_dot_k4n8)));
    all.push_back(entry("dot", "k2n8w", "s16", dst, address(portable_dot_k2n8w)));
    all.push_back(entry("dot", "k2n16w", "s16", dst, address(portable_dot_k2n16w)));
    all.push_back(entry("dotz", "k4n16", "u8", dst, address(portable_dotz_k4n16)));
    all.push_back(entry("dotz", "k4n8", "u8", dst, address(portable_dotz_k4n8)));
    all.push_back(entry("dotz", "k2n8w", "s16", dst, address(portable_dotz_k2n8w)));
    // t1c last: of equals the last one wins, and its loop is the quickest.
    all.push_back(entry("depthwise", "t2cw", "u8", dst, address(portable_depthwise_t2cw)));
    all.push_back(entry("depthwise", "t4c", "u8", dst, address(portable_depthwise_t4c)));
    all.push_back(entry("depthwise", "t1c", "u8", dst, address(portable_depthwise_t1c)));
  }
  all.push_back(entry("quantize", "", "f32", "u8", address(portable_quantize)));
  all.push_back(entry("dequantize", "", "u8", "f32", address(portable_dequantize)));
  all.push_back(entry("requantize", "", "s32", "u8", address(portable_requantize)));
  all.push_back(entry("requantize", "", "u8", "u8", address(portable_requantize)));
  all.push_back(entry("transpose", "", "u8", "u8", address(portable_transpose)));
  return all;
}

}  // namespace octile::runtime
