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

// Whether forms give `pairs` everywhere, by the kernel itself. What one form got wrong the next are asked first: most
// of them fail there.
class Proof {
 public:
  explicit Proof(const uint8_t* pairs) : pairs_(pairs) {}

  bool holds(const BinaryForm& form) {
    uint8_t a[kCodes], b[kCodes], out[kCodes];
    ops_.binary(form, {a_, 0}, {b_, 0}, {out, 0}, known_, 1);
    if (std::memcmp(out, want_, static_cast<size_t>(known_)) != 0) return false;
    for (int q = 0; q < kCodes; ++q) b[q] = static_cast<uint8_t>(q);
    for (int q = 0; q < kCodes; ++q) {
      std::memset(a, q, sizeof a);
      ops_.binary(form, {a, 0}, {b, 0}, {out, 0}, kCodes, 1);
      const uint8_t* want = pairs_ + q * kCodes;
      const auto wrong = static_cast<int>(std::mismatch(out, out + kCodes, want).first - out);
      if (wrong < kCodes) {
        note(q, wrong);
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr int kNoted = 128;

  void note(int a, int b) {
    const int at = known_ < kNoted ? known_++ : 0;
    a_[at] = static_cast<uint8_t>(a);
    b_[at] = static_cast<uint8_t>(b);
    want_[at] = pairs_[a * kCodes + b];
  }

  const Ops& ops_ = ops_for(Isa::avx512vnni);
  const uint8_t* pairs_;
  uint8_t a_[kNoted] = {}, b_[kNoted] = {}, want_[kNoted] = {};
  int known_ = 0;
};

// v and its neighbours, the nearest first.
std::vector<float> around(float v, int steps) {
  std::vector<float> out{v};
  float up = v, down = v;
  for (int i = 0; i < steps; ++i) {
    out.push_back(up = std::nextafter(up, std::numeric_limits<float>::infinity()));
    out.push_back(down = std::nextafter(down, -std::numeric_limits<float>::infinity()));
  }
  return out;
}

// Makes `form` the first that holds, the cheapest tried first. Factors that are folded are rounded once more than the
// function behind the table, so their neighbours are tried as well.
bool search(Proof& proof, const BinaryHint& hint, BinaryForm& form) {
  const auto fits = [&](BinaryKind kind, float ka, float kb, float k0, float k) {
    form.kind = kind;
    form.ka = ka;
    form.kb = kb;
    form.k0 = k0;
    form.k = k;
    return proof.holds(form);
  };
  const double a = hint.scale_a, b = hint.scale_b, s = hint.scale;
  if (hint.product) {
    for (const float k : around(static_cast<float>(a * b / s), 1)) {
      if (fits(BinaryKind::product, 0, 0, 0, k)) return true;
    }
    return fits(BinaryKind::product, 0, 0, 0, hint.scale_a * hint.scale_b / hint.scale) ||
           fits(BinaryKind::product_div, hint.scale_a, hint.scale_b, 0, hint.scale);
  }
  const auto first = around(static_cast<float>(a / s), 2), second = around(static_cast<float>(b / s), 2);
  for (const float k0 : around(static_cast<float>(-(hint.za * (a / s) + hint.zb * (b / s))), 6)) {
    for (const float kb : second) {
      for (const float ka : first) {
        if (fits(BinaryKind::affine, ka, kb, k0, 1)) return true;
      }
    }
  }
  for (const float kb : second) {
    for (const float ka : first) {
      if (fits(BinaryKind::sum, ka, kb, 0, 1)) return true;
    }
  }
  return fits(BinaryKind::sum_div, hint.scale_a, hint.scale_b, 0, hint.scale);
}

}  // namespace

bool vector_kernel(NodeKind kind) {
  switch (kind) {
    case NodeKind::relu:
    case NodeKind::leaky_relu:
    case NodeKind::clip:
    case NodeKind::sigmoid:
    case NodeKind::tanh:
    case NodeKind::erf:
    case NodeKind::hard_sigmoid:
    case NodeKind::hard_swish:
    case NodeKind::neg:
    case NodeKind::reciprocal:
    case NodeKind::abs: return true;
    default: return is_binary(kind);
  }
}

const Ops& ops_for([[maybe_unused]] Isa best) {
#if defined(__x86_64__)
  if (best >= Isa::avx512vnni && can_run(Isa::avx512vnni)) {
    return cpu_info().avx512vbmi ? kOpsAvx512Vbmi : kOpsAvx512;
  }
  if (best >= Isa::avx2 && can_run(Isa::avx2)) return kOpsAvx2;
#endif
  return kOpsPortable;
}

void softmax_to_codes(const Ops& ops, const float* src, const QuantizeForm& to, uint8_t* dst, int64_t count) {
  if (ops.quick_softmax(src, to, dst, count)) return;
  alignas(64) float exact[kQuickMost];
  ops.softmax(src, exact, count);
  ops.quantize(exact, to, dst, count);
}

void make_softmax_exps(const Ops& ops, const float* values, float* exps) {
  const FloatMode mode;
  for (int m = 0; m < kCodes; ++m) {
    for (int q = 0; q < kCodes; ++q) exps[m * kCodes + q] = static_cast<float>(exp64(values[q] - values[m]));
  }
  ops.arrange_exps(exps);
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
  Proof proof(pairs);
  if (BinaryForm form = plain; search(proof, hint, form)) return form;
  plain.kind = BinaryKind::pairs;
  plain.pairs = pairs;
  return plain;
}

}  // namespace octile::runtime
