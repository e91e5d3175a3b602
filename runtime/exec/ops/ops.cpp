// Which variant runs, and what is worked out when a plan is made.
// In:  the best instruction set allowed; tables, values.  Out: Ops; exponentials; forms of functions of two codes.
// Not here: the kernels (kernels_*.inc).
#include "runtime/exec/ops/ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "runtime/exec/ops/variants.h"
#include "targets/probe/probe.h"
#include "workload/numerics/float64.h"
#include "workload/numerics/float_mode.h"

namespace octile::runtime {
namespace {

constexpr int kCodes = 256;

// Whether the form gives `pairs` everywhere, by the kernel itself.
bool holds(const Ops& ops, const uint8_t* pairs, const BinaryForm& form) {
  uint8_t a[kCodes], b[kCodes], out[kCodes];
  for (int q = 0; q < kCodes; ++q) b[q] = static_cast<uint8_t>(q);
  for (int q = 0; q < kCodes; ++q) {
    std::memset(a, q, sizeof a);
    ops.binary(form, {a, 0}, {b, 0}, {out, 0}, kCodes, 1);
    if (std::memcmp(out, pairs + q * kCodes, sizeof out) != 0) return false;
  }
  return true;
}

float up(float v) { return std::nextafter(v, std::numeric_limits<float>::infinity()); }
float down(float v) { return std::nextafter(v, -std::numeric_limits<float>::infinity()); }

// Forms to try, the cheapest first. Factors that are folded are rounded once more than the function behind the table,
// so their neighbours are tried as well.
std::vector<BinaryForm> candidates(const BinaryHint& hint, const BinaryForm& plain) {
  std::vector<BinaryForm> forms;
  const auto add = [&](BinaryKind kind, float ka, float kb, float k0, float k) {
    BinaryForm f = plain;
    f.kind = kind;
    f.ka = ka;
    f.kb = kb;
    f.k0 = k0;
    f.k = k;
    forms.push_back(f);
  };
  const double a = hint.scale_a, b = hint.scale_b, s = hint.scale;
  const float inverse = 1.0F / hint.scale;
  if (hint.product) {
    const auto k = static_cast<float>(a * b / s);
    for (float v : {k, up(k), down(k), hint.scale_a * hint.scale_b / hint.scale}) {
      add(BinaryKind::product, 0, 0, 0, v);
    }
    add(BinaryKind::product_div, hint.scale_a, hint.scale_b, 0, hint.scale);
    return forms;
  }
  const auto ka = static_cast<float>(a / s), kb = static_cast<float>(b / s);
  const auto k0 = static_cast<float>(-(hint.za * (a / s) + hint.zb * (b / s)));
  const auto folded = -(static_cast<float>(hint.za) * ka + static_cast<float>(hint.zb) * kb);
  for (float v : {k0, folded, up(k0), down(k0)}) {
    for (float w : {ka, up(ka), down(ka)}) add(BinaryKind::affine, w, kb, v, 1.0F);
  }
  for (float v : {inverse, up(inverse), down(inverse)}) add(BinaryKind::sum, hint.scale_a, hint.scale_b, 0, v);
  add(BinaryKind::sum_div, hint.scale_a, hint.scale_b, 0, hint.scale);
  return forms;
}

}  // namespace

const Ops& ops_for([[maybe_unused]] Isa best) {
#if defined(__x86_64__)
  if (best >= Isa::avx512vnni && can_run(Isa::avx512vnni)) {
    return cpu_info().avx512vbmi ? kOpsAvx512Vbmi : kOpsAvx512;
  }
  if (best >= Isa::avx2 && can_run(Isa::avx2)) return kOpsAvx2;
#endif
  return kOpsPortable;
}

void make_softmax_exps(const float* values, float* exps) {
  const FloatMode mode;
  for (int m = 0; m < kCodes; ++m) {
    for (int q = 0; q < kCodes; ++q) exps[m * kCodes + q] = static_cast<float>(exp64(values[q] - values[m]));
  }
}

BinaryForm prove_binary(const uint8_t* pairs, const BinaryHint& hint) {
  const FloatMode mode;
  const auto [least, most] = std::minmax_element(pairs, pairs + kCodes * kCodes);
  BinaryForm plain;
  plain.za = hint.za;
  plain.zb = hint.zb;
  plain.zp = hint.zp;
  plain.lo = static_cast<float>(*least - hint.zp);
  plain.hi = static_cast<float>(*most - hint.zp);
  const Ops& ops = ops_for(Isa::avx512vnni);
  for (const BinaryForm& form : candidates(hint, plain)) {
    if (holds(ops, pairs, form)) return form;
  }
  plain.kind = BinaryKind::pairs;
  plain.pairs = pairs;
  return plain;
}

}  // namespace octile::runtime
