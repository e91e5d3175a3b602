// The contract of choose() and run(), checked; see check.h.
// In:  specs, tensors.  Out: a Status.  Not here: kernels.
#include "runtime/exec/check.h"

#include <algorithm>

#include "runtime/exec/prepared_op.h"

namespace octile::runtime {
namespace {

// The spec with extents that may differ between shapes set alike.
OpSpec unshaped(OpSpec s) {
  s.mb = s.ih = s.iw = s.m = 1;
  s.pt = s.pl = s.pb = s.pr = 0;  // auto_pad changes pads with the shape
  s.name.clear();
  s.count = 1;
  return s;
}

Status refuse(const std::string& what) { return {Code::invalid_argument, what}; }

}  // namespace

Status check_shape(const OpSpec& shaped, const OpSpec& spec) {
  OCTILE_RETURN_IF_ERROR(validate(shaped));
  if (to_key(unshaped(shaped)) != to_key(unshaped(spec))) return refuse("shape of another op: " + to_key(shaped));
  return {};
}

unsigned tuned_groups(std::span<const Kernel> kernels, Isa isa, const OpSpec& s) {
  // As keys spell it; most kernels of other ops are told by it without parsing.
  const std::string sizes = s.kind == OpKind::dense ? "k" + std::to_string(s.k) + "n" + std::to_string(s.n)
                                                    : "oc" + std::to_string(s.oc) + "kh" + std::to_string(s.kh);
  unsigned groups = 0;
  for (const Kernel& k : kernels) {
    if (k.isa != isa || k.entry.op.find(sizes) == std::string::npos) continue;
    const Result<OpSpec> other = parse_op(k.entry.op);
    if (other.ok() && check_shape(*other, s).ok()) groups |= 1U << k.entry.acc16_group;
  }
  return groups;
}

Status check_tensors(const Choice& c, const Tensor& src, const Tensor& dst) {
  const OpSpec& s = c.shaped;
  const bool dense = s.kind == OpKind::dense;
  const int64_t element = size_of(s.dst);
  if (src.data == nullptr || dst.data == nullptr) return refuse("tensor without data");
  if (src.n != s.mb || src.h != (dense ? 1 : s.ih) || src.w != (dense ? s.m : s.iw) || src.c != (dense ? s.k : s.ic)) {
    return refuse("source shape differs from " + to_key(s));
  }
  if (dst.n != s.mb || dst.h != (dense ? 1 : s.oh()) || dst.w != (dense ? s.m : s.ow()) || dst.c != s.channels()) {
    return refuse("destination shape differs from " + to_key(s));
  }
  if (!c.pitched && (pitched(src) || pitched(dst, element))) return refuse("pixels must be dense");
  if (src.stride_x < src.c || dst.stride_x < dst.c * element || dst.stride_x % element != 0) {
    return refuse("distance of pixels");
  }
  if (!dense && (src.pad_t < s.pt || src.pad_l < s.pl || src.pad_b < s.pb || src.pad_r < s.pr)) {
    return refuse("source halo smaller than the pads");
  }
  if (c.fused && !(contiguous(src) && contiguous(dst))) return refuse("tensors were promised to have no gaps");
  if (src.slack < 16) return refuse("source needs 16 readable bytes of slack");
  return {};
}

}  // namespace octile::runtime
