// Padded copies; see padded.h.
// In:  reference tensors.  Out: tensors with halo.  Not here: anything per layer.
#include "runtime/exec/padded.h"

#include <algorithm>

namespace octile::runtime {
namespace {

constexpr int kSlack = 64;

}  // namespace

AlignedBytes padded_source(const OpSpec& s, const OpQuant& quant, const void* src, Tensor* tensor) {
  const bool dense = s.kind == OpKind::dense, is_signed = s.src == DType::s8;
  Tensor t;
  t.n = s.mb;
  t.h = dense ? 1 : s.ih;
  t.w = dense ? s.m : s.iw;
  t.c = dense ? s.k : s.ic;
  if (!dense) {
    t.pad_t = static_cast<int>(s.pt);
    t.pad_l = static_cast<int>(s.pl);
    t.pad_b = static_cast<int>(s.pb);
    t.pad_r = static_cast<int>(s.pr);
  }
  t.stride_x = t.c;
  t.stride_y = (t.w + t.pad_l + t.pad_r) * t.c;
  t.stride_n = (t.h + t.pad_t + t.pad_b) * t.stride_y;
  t.slack = kSlack;
  AlignedBytes bytes(static_cast<size_t>(t.n * t.stride_n + kSlack));
  if (!bytes.ok()) return bytes;
  std::fill_n(bytes.data(), bytes.size(), static_cast<uint8_t>(is_signed ? quant.src_zp + 128 : quant.src_zp));
  t.data = bytes.data() + t.pad_t * t.stride_y + t.pad_l * t.stride_x;
  const auto* from = static_cast<const uint8_t*>(src);
  const uint8_t flip = is_signed ? 0x80 : 0;
  for (int64_t row = 0; row < t.n * t.h; ++row, from += t.w * t.c) {
    uint8_t* to = t.data + row / t.h * t.stride_n + row % t.h * t.stride_y;
    for (int64_t i = 0; i < t.w * t.c; ++i) to[i] = from[i] ^ flip;
  }
  *tensor = t;
  return bytes;
}

Tensor dense_destination(const OpSpec& s, void* dst) {
  const bool dense = s.kind == OpKind::dense;
  Tensor t;
  t.data = static_cast<uint8_t*>(dst);
  t.n = s.mb;
  t.h = dense ? 1 : s.oh();
  t.w = dense ? s.m : s.ow();
  t.c = s.channels();
  t.stride_x = t.c * size_of(s.dst);
  t.stride_y = t.w * t.stride_x;
  t.stride_n = t.h * t.stride_y;
  return t;
}

}  // namespace octile::runtime
