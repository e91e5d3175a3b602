// A member for the Bochs guest that compares variants of Ops with the portable one, on random cases made on the spot.
// In:  the number of cases (ops_check.h, as the zero point of a quantize).  Out: 0, or which function differed first;
//      then the quantize that was asked for, so that the harness sees the call through.
// Not here: whether the portable variant is right (tests/unit/runtime/ops_*_test.cpp). Freestanding: no library.
#include <elf.h>

#include "packs/format/pack_abi.h"
#include "runtime/exec/ops/variants.h"

extern "C" {
void* memcpy(void* to, const void* from, size_t bytes) {
  void* const result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
  return result;
}
void* memset(void* to, int value, size_t bytes) {
  void* const result = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
  return result;
}
extern __attribute__((visibility("hidden"))) const Elf64_Ehdr __ehdr_start;
extern __attribute__((visibility("hidden"))) const Elf64_Dyn _DYNAMIC[];
}

namespace octile::runtime {
namespace {

// The guest maps segments and no more; tables of functions want their addresses.
void relocate() {
  const auto base = reinterpret_cast<uintptr_t>(&__ehdr_start);
  uintptr_t at = 0, bytes = 0;
  for (const Elf64_Dyn* d = _DYNAMIC; d->d_tag != DT_NULL; ++d) {
    if (d->d_tag == DT_RELA) at = base + d->d_un.d_ptr;
    if (d->d_tag == DT_RELASZ) bytes = d->d_un.d_val;
  }
  const auto* r = reinterpret_cast<const Elf64_Rela*>(at);
  for (uintptr_t i = 0; i < bytes / sizeof *r; ++i) {
    if (ELF64_R_TYPE(r[i].r_info) != R_X86_64_RELATIVE) continue;
    *reinterpret_cast<uintptr_t*>(base + r[i].r_offset) = base + static_cast<uintptr_t>(r[i].r_addend);
  }
}

constexpr int64_t kBytes = 16 * 1024, kFloats = 2048;
uint64_t state = 1;
uint8_t first[kBytes], second[kBytes], want[kBytes], got[kBytes], codes[256], pairs[65536];
float reals[kFloats], factors[kFloats], offsets[kFloats], want_reals[kFloats], got_reals[kFloats], exps[65536],
    arranged[65536];
int64_t lower[64], upper[64];
float shares[64];

uint64_t next() {
  uint64_t x = state += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}
int64_t below(int64_t n) { return static_cast<int64_t>(next() % static_cast<uint64_t>(n)); }
float real() { return static_cast<float>(static_cast<int64_t>(next() >> 40) - (1 << 23)) * 0x1p-20F; }
float scale() { return below(2) == 0 ? 0.25F : static_cast<float>(below(1000) + 1) * 0.001F; }
int64_t length() { return below(3) == 0 ? 64 + below(200) : below(70); }

void refill() {
  for (int64_t i = 0; i < kBytes; ++i) {
    first[i] = static_cast<uint8_t>(next());
    second[i] = static_cast<uint8_t>(next() >> 8);
    want[i] = got[i] = static_cast<uint8_t>(next() >> 16);
  }
  for (uint8_t& c : codes) c = static_cast<uint8_t>(next());
  for (int64_t i = 0; i < kFloats; ++i) {
    reals[i] = real();
    factors[i] = real() * 0.1F;
    offsets[i] = real();
    want_reals[i] = got_reals[i] = 0.0F;
  }
}

bool equal() {
  bool same = true;
  for (int64_t i = 0; i < kBytes; ++i) same = same && want[i] == got[i];
  for (int64_t i = 0; i < kFloats; ++i) {
    same = same && (want_reals[i] == got_reals[i] || (want_reals[i] != want_reals[i] && got_reals[i] != got_reals[i]));
  }
  return same;
}

QuantizeForm form() {
  QuantizeForm q;
  q.scale = scale();
  q.zp = static_cast<int32_t>(below(256));
  q.lo = static_cast<float>(-q.zp);
  q.hi = static_cast<float>(255 - q.zp);
  return q;
}
Meaning meaning(int64_t draw) {
  return {scale(), static_cast<int32_t>(draw & 255), (draw & 256) == 0 ? nullptr : reals};
}
Tensor tensor(uint8_t* data, int64_t h, int64_t w, int64_t c, int64_t gap = 1) {
  Tensor t;
  t.data = data;
  t.h = h;
  t.w = w;
  t.c = c;
  t.stride_x = c + gap;
  t.stride_y = w * t.stride_x;
  t.stride_n = h * t.stride_y;
  return t;
}

// Of floats, which lie at multiples of their size.
Tensor float_image(float* data, int64_t side, int64_t channels) {
  Tensor t = tensor(reinterpret_cast<uint8_t*>(data), side, side, 4 * channels, 0);
  t.c = channels;
  return t;
}

// Runs one random case of function `which`; false when it does not exist. The same draws serve both variants.
bool run(const Ops& ops, int which, uint64_t seed, uint8_t* out, float* out_reals) {
  state = seed;
  const int64_t c = length(), rows = 1 + below(4), gap = below(3);
  const QuantizeForm to = form();
  const Meaning m = meaning(below(512));
  const Rows a{first + below(3), c + gap}, b{second, below(3) == 0 ? 0 : c + gap};
  const RowsOut dst{out + below(3), c + gap};
  const int64_t h = 2 + below(6), w = 2 + below(6), few = 1 + below(99);
  const Tensor src = tensor(first, h, w, few);
  switch (which) {
    case 0: ops.table(codes, a.data, dst.data, c * rows); return true;
    case 1: ops.table_rows(codes, a, dst, c, rows); return true;
    case 2: ops.table_f32(reals, a.data, out_reals, c); return true;
    case 3: {
      BinaryForm f;
      f.kind = static_cast<BinaryKind>(below(6));
      f.ka = scale();
      f.kb = scale();
      f.k = scale();
      f.k0 = real();
      f.za = static_cast<int32_t>(below(256));
      f.zb = static_cast<int32_t>(below(256));
      f.zp = to.zp;
      f.lo = to.lo;
      f.hi = to.hi;
      f.pairs = pairs;
      f.after = below(2) == 0 ? codes : nullptr;
      ops.binary(f, a, b, dst, c, rows);
      return true;
    }
    case 4: {
      const float* const shifts = below(2) == 0 ? reals : nullptr;
      const float* const under = below(2) == 0 ? offsets : nullptr;
      ops.gate({m.zp, factors, shifts, to.lo, to.hi, to.zp, under}, a, dst, c, rows);
      return true;
    }
    case 5:
    case 6: {
      PoolForm p;
      p.kh = p.kw = 2 + below(2);
      p.sh = p.sw = 1 + below(2);
      p.ph = p.pw = p.ph_end = p.pw_end = below(2);
      p.count_pads = below(2) == 0;
      p.lowest = below(2) == 0;
      if (h + 2 * p.ph < p.kh || w + 2 * p.pw < p.kw) return true;
      const Tensor to_tensor = tensor(out, (h + 2 * p.ph - p.kh) / p.sh + 1, (w + 2 * p.pw - p.kw) / p.sw + 1, few);
      if (which == 5) {
        ops.max_pool(p, src, to_tensor, 0, to_tensor.h);
      } else {
        ops.average_pool(p, m, to, src, to_tensor, 0, to_tensor.h);
      }
      return true;
    }
    case 7: ops.global_average(m, to, src, 0, out, 0, few); return true;
    case 8: ops.global_max(below(2) == 0, src, 0, out, below(few), few); return true;
    case 9: ops.mean_rows(m, to, {a.data, c + 1}, out, c + 1, rows); return true;
    case 10:
    case 11: {
      const int64_t oh = 1 + below(9), ow = 1 + below(9);
      for (int64_t i = 0; i < 64; ++i) {
        lower[i] = i % 2 == 0 ? 0 : 1;
        upper[i] = lower[i] == 0 ? 1 : 0;
        shares[i] = static_cast<float>(below(64)) * 0x1p-6F;
      }
      if (which == 10) {
        ops.resize_nearest(lower, upper, src, tensor(out, oh, ow, few), 0, oh);
      } else {
        ops.resize_linear(m, {lower, upper, shares}, {lower, upper, shares}, to, src, tensor(out, oh, ow, few), 0, oh);
      }
      return true;
    }
    case 12: ops.copy(a, dst, c, rows); return true;
    case 13: ops.fill(dst, 9, c, rows); return true;
    case 14: ops.dequantize(a.data, m.scale, m.zp, out_reals, c); return true;
    case 15:
      if (const int64_t which = below(3); which == 0) {
        ops.quantize(reals, to, out, c);
      } else {
        constexpr Quick kOthers[] = {Quick::gelu, Quick::gelu_tanh, Quick::hard_swish};
        ops.quick_codes(which == 1 ? Quick::silu : kOthers[below(3)], reals, to, out, c);
      }
      return true;
    case 16:
      below(2) == 0 ? ops.softmax(reals, out_reals, c + 1) : (void)ops.quick_softmax(reals, to, out, c + 1);
      return true;
    case 17:
      ops.layer_norm(reals, factors, below(2) == 0 ? offsets : nullptr, 1e-5F, out_reals, c / 4 + 1, 4);
      return true;
    case 18:
      ops.softmax_codes(&ops == &kOpsPortable ? exps : arranged, to, {a.data, c + 1}, {out, c + 1}, c + 1, rows);
      return true;
    case 19: {
      const int side = below(2) == 0 ? 4 : 6;
      WinogradWindow window{};
      for (int64_t k = 0; k < side; ++k) {
        window.rows[k] = first + k * side * few;
        window.columns[k] = k * few;
      }
      ops.winograd_read(side - 2, window, few, reinterpret_cast<int16_t*>(out), few + 15);
      return true;
    }
    case 20: {
      const int tile = below(2) == 0 ? 2 : 4;
      const bool codes_out = below(2) == 0;
      const int64_t pixel = codes_out ? few : 4 * few;
      const WinogradPost post{reinterpret_cast<const int32_t*>(second), codes_out ? factors : nullptr, to.lo, to.hi,
                              to.zp};
      const WinogradTile at{out, tile * pixel, pixel, 1 + static_cast<int>(below(tile)),
                            1 + static_cast<int>(below(tile))};
      ops.winograd_write(tile, post, reinterpret_cast<const int32_t*>(first), few + 12, few, at);
      return true;
    }
    case 21: {
      Reorder moves[3];
      for (int k = 0; k < 3; ++k) {
        moves[k].from = 8 * k;
        moves[k].second = 4 * k;
        moves[k].to = 12 * k;
        moves[k].join = below(2) == 0;
        for (uint8_t& place : moves[k].order) place = static_cast<uint8_t>(below(2) == 0 ? kNoByte : below(16));
        for (uint8_t& place : moves[k].second_order) place = static_cast<uint8_t>(below(2) == 0 ? kNoByte : below(16));
      }
      ops.reorder(moves, 3, {first, few}, 6, {out, 40});
      return true;
    }
    case 22: {
      out_reals[0] = out_reals[1] = 0;
      ops.range({reinterpret_cast<const uint8_t*>(reals), 4 * (few + below(3))}, few, 1 + below(5), out_reals,
                out_reals + 1);
      return true;
    }
    case 23: {
      const auto* const columns = reinterpret_cast<const int32_t*>(second) + 7;
      const bool add = below(2) == 0;
      const SumsForm sums{m.scale, m.zp, columns, factors, add ? offsets : nullptr, add && below(2) == 0};
      ops.scale_sums(sums, {second, 4 * few}, {reinterpret_cast<uint8_t*>(out_reals), 4 * few}, few, 2);
      return true;
    }
    case 24: {
      // Small weights, so that some pairs fit.
      const auto count = static_cast<int>(1 + below(kPairRows));
      for (int64_t i = 0; i < kPairRows * kPairChannels; ++i) first[i] = static_cast<uint8_t>(below(140) - 70);
      ops.match_rows(reinterpret_cast<const int8_t*>(first), count, kPairChannels, reinterpret_cast<int8_t*>(out));
      return true;
    }
    case 25: {
      const int tile = below(2) == 0 ? 2 : 4, elements = below(2) == 0 ? 16 : 32;
      const int64_t words = 1 + below(3);
      int16_t zero[32];
      for (int16_t& z : zero) z = static_cast<int16_t>(below(256) - 128);
      ops.winograd_filter(tile, reinterpret_cast<const int8_t*>(first), zero, words, elements,
                          reinterpret_cast<int16_t*>(out), words * elements + few);
      return true;
    }
    case 26: {
      constexpr NodeKind kKinds[] = {NodeKind::relu,       NodeKind::leaky_relu, NodeKind::clip, NodeKind::hard_sigmoid,
                                     NodeKind::hard_swish, NodeKind::neg,        NodeKind::abs,  NodeKind::reciprocal,
                                     NodeKind::sigmoid,    NodeKind::tanh,       NodeKind::erf};
      const Unary f{kKinds[below(11)], real() * 0.1F, real()};
      ops.float_unary(f, reals + below(3), out_reals, c);
      return true;
    }
    case 27: {
      constexpr NodeKind kKinds[] = {NodeKind::add, NodeKind::sub, NodeKind::mul,   NodeKind::div,
                                     NodeKind::min, NodeKind::max, NodeKind::prelu, NodeKind::pow};
      const NodeKind kind = kKinds[below(8)];
      ops.float_binary(kind, {reals + below(3), below(3) == 0}, {factors, below(3) == 0}, out_reals, c);
      return true;
    }
    case 28: ops.average_floats(reals, 1 + below(19), few, out_reals, few); return true;
    case 29: {
      PoolForm p;
      p.kh = p.kw = p.sh = p.sw = 2;
      const int64_t channels = 1 + below(40);
      const auto pool = below(2) == 0 ? ops.max_pool_floats : ops.average_pool_floats;
      if (below(2) == 0) p.kh = p.kw = 3, p.ph = p.pw = 1;
      pool(p, float_image(reals, 6, channels), float_image(out_reals, 3, channels), 0, 3);
      return true;
    }
    case 30:
      ops.arg_max(below(2) == 0, {first, c + 1 + below(3)}, c + 1, rows, reinterpret_cast<int64_t*>(out_reals));
      return true;
    case 31: {
      const bool last = below(2) == 0;
      const int64_t floats = 1 + below(40);
      ops.arg_max_floats(last, {reinterpret_cast<const uint8_t*>(reals), 4 * floats}, floats, 5,
                         reinterpret_cast<int64_t*>(out_reals));
      return true;
    }
    case 32: {
      const int64_t channels = 1 + below(20);
      for (int64_t i = 0; i < 64; ++i) {
        lower[i] = below(3);
        upper[i] = below(3);
        shares[i] = static_cast<float>(below(64)) * 0x1p-6F;
      }
      ops.resize_linear_floats({lower, upper, shares}, {lower, upper, shares}, float_image(reals, 3, channels),
                               float_image(out_reals, 5, channels), 0, 5);
      return true;
    }
    case 33: ops.max_rows(below(2) == 0, {first, c + 1 + below(3)}, out, c + 1, rows); return true;
    case 34: {
      NormForm form;
      form.by = static_cast<Divisor::By>(below(3));
      form.root = below(3) != 0;
      form.inverse = below(2) == 0;
      form.times = below(2) == 0;
      form.addend = 1e-5F;
      form.to = to;
      if (below(2) == 0) form.table = factors;
      ops.normalize(form, reals, out_reals, c / 4 + 1, 4);
      return true;
    }
    case 35: {
      auto* const sums = reinterpret_cast<uint32_t*>(out_reals);
      for (int64_t r = 0; r < rows; ++r) sums[r] = 0;
      ops.add_codes({first, 1 + below(2) * c}, c + 1, rows, sums);
      return true;
    }
    case 36: ops.mean_floats(reals, c / 4 + 1, out_reals, 4); return true;
    default: return false;
  }
}

int compare(const Ops& ops, int cases) {
  for (uint8_t& p : pairs) p = static_cast<uint8_t>(next());
  for (int64_t i = 0; i < 65536; ++i) exps[i] = arranged[i] = real();
  ops.arrange_exps(arranged);
  for (int which = 0;; ++which) {
    for (int i = 0; i < cases; ++i) {
      state = static_cast<uint64_t>(which * 1000 + i);
      refill();
      const uint64_t seed = next();
      if (!run(kOpsPortable, which, seed, want, want_reals)) return 0;
      if (!run(ops, which, seed, got, got_reals) || !equal()) return 1000 * (which + 1) + i;
    }
  }
}

int answer(const Ops& ops, octile_buffer* src, float scale_of, float lo, float hi, int32_t zp, octile_buffer* dst) {
  relocate();
  const int wrong = compare(ops, zp);
  if (wrong != 0) return wrong;
  ops.quantize(reinterpret_cast<const float*>(src->host), {scale_of, lo, hi, zp}, dst->host, src->dim[0].extent);
  return 0;
}

}  // namespace
}  // namespace octile::runtime

extern "C" {
#define OCTILE_OPS_MEMBER(name, ops)                                                                               \
  __attribute__((visibility("default"))) int name(octile_buffer* src, float scale, float lo, float hi, int32_t zp, \
                                                  octile_buffer* dst) {                                            \
    return octile::runtime::answer(octile::runtime::ops, src, scale, lo, hi, zp, dst);                             \
  }
OCTILE_OPS_MEMBER(ops_avx2, kOpsAvx2)
OCTILE_OPS_MEMBER(ops_avx512, kOpsAvx512)
OCTILE_OPS_MEMBER(ops_avx512vbmi, kOpsAvx512Vbmi)
}
