// run_op: one op from reference layouts to reference layouts, through the kernels a plan would use.
// In:  OpSpec, OpQuant, dense tensors.  Out: dst, decisions.
// Not here: speed (it packs and copies each time), regions.
#include <algorithm>
#include <vector>

#include "runtime/exec/aligned.h"
#include "runtime/exec/elementwise.h"
#include "runtime/exec/padded.h"
#include "runtime/exec/prepared_op.h"

namespace octile::runtime {
namespace {

uint8_t flip_of(DType t) { return t == DType::s8 ? 0x80 : 0; }
int32_t stored(int32_t v, DType t) { return t == DType::s8 ? v + 128 : v; }

Codes codes_of(const OpSpec& spec, const OpQuant& quant) {
  return {stored(quant.clamp_lo, spec.dst), stored(quant.clamp_hi, spec.dst), stored(quant.dst_zp, spec.dst)};
}

Status run_weighted(const KernelLibrary& library, Isa best, const OpSpec& spec, const OpQuant& quant, const void* src,
                    const void* wei, void* dst, const Parallel& parallel, std::vector<Decision>* decisions) {
  OCTILE_ASSIGN_OR_RETURN(const auto op, PreparedOp::prepare(library, best, spec, quant, spec.wei_var ? nullptr : wei));
  Tensor source;
  const AlignedBytes bytes = padded_source(spec, quant, src, &source);
  if (!bytes.ok()) return {Code::out_of_memory, "out of memory"};
  const Tensor out = dense_destination(spec, dst);
  OCTILE_ASSIGN_OR_RETURN(const auto choice, op->choose(spec, parallel.threads, contiguous(source)));
  if (decisions != nullptr) *decisions = op->explain(*choice);
  const AlignedBytes scratch(op->scratch_bytes(*choice));
  if (!scratch.ok()) return {Code::out_of_memory, "out of memory"};
  OCTILE_RETURN_IF_ERROR(op->run(*choice, source, out, scratch.data(), parallel, spec.wei_var ? wei : nullptr, 0));
  if (const uint8_t flip = flip_of(spec.dst); flip != 0) {
    const int64_t count = spec.dst_elements();
    for (int64_t i = 0; i < count; ++i) out.data[i] ^= flip;
  }
  return {};
}

Status run_elementwise(const KernelLibrary& library, Isa best, const OpSpec& s, const OpQuant& quant, const void* src,
                       void* dst, const Parallel& parallel, std::vector<Decision>* decisions) {
  const Elementwise ops(library, best);
  const int64_t p = s.mb * s.m, count = p * s.c;
  const Codes codes = codes_of(s, quant);
  const Plane from{const_cast<void*>(src), s.c, p, 1, s.c}, to{dst, s.c, p, 1, s.c};
  const bool narrow = size_of(s.src) == 1;
  // A signed source goes through a flipped copy.
  std::vector<uint8_t> copy;
  Plane stored_src = from;
  if (s.src == DType::s8) {
    copy.resize(static_cast<size_t>(count));
    stored_src.data = copy.data();
    OCTILE_RETURN_IF_ERROR(ops.transpose(from, 0x80, stored_src, parallel));
  }
  if (decisions != nullptr) {
    const char* type = s.src == DType::f32 ? "f32" : narrow ? "u8" : "s32";
    decisions->push_back(ops.explain(to_string(s.kind), type, s.c, p));
  }
  const int32_t src_zp = stored(quant.src_zp, s.src);
  if (s.kind == OpKind::quantize) {
    OCTILE_RETURN_IF_ERROR(ops.quantize(from, quant.dst_scale, codes, to, parallel));
  } else if (s.kind == OpKind::dequantize) {
    return ops.dequantize(stored_src, quant.src_scale, src_zp, to, parallel);
  } else {
    std::vector<float> mult(static_cast<size_t>(s.c));
    for (size_t c = 0; c < mult.size(); ++c) {
      const float own = quant.wei_scale.size() == 1 ? quant.wei_scale[0] : quant.wei_scale[c];
      mult[c] = multiplier(quant.src_scale, own, quant.dst_scale);
    }
    OCTILE_RETURN_IF_ERROR(ops.requantize(stored_src, !narrow, src_zp, mult.data(), codes, to, parallel));
  }
  return flip_of(s.dst) == 0 ? Status() : ops.transpose(to, flip_of(s.dst), to, parallel);
}

}  // namespace

Status run_op(const KernelLibrary& library, Isa best, const OpSpec& spec, const OpQuant& quant, const void* src,
              const void* wei, void* dst, const Parallel& parallel, std::vector<Decision>* decisions) {
  OCTILE_RETURN_IF_ERROR(validate(spec));
  OCTILE_RETURN_IF_ERROR(validate(spec, quant));
  if (spec.kind == OpKind::conv2d || spec.kind == OpKind::dense) {
    return run_weighted(library, best, spec, quant, src, wei, dst, parallel, decisions);
  }
  return run_elementwise(library, best, spec, quant, src, dst, parallel, decisions);
}

}  // namespace octile::runtime
