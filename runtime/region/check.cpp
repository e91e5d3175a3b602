// Weights, quantization numbers and attributes of single nodes; the graph by workload/graph.
// In/out: see check.h.  Not here: shapes.
#include "runtime/region/check.h"

#include <cmath>
#include <iterator>

#include "runtime/region/lower.h"
#include "runtime/region/supported.h"
#include "workload/graph/divisor.h"

namespace octile::runtime {
namespace {

Status bad(const NodeDesc& node, const std::string& what) {
  return {Code::invalid_argument, "node \"" + node.name + "\": " + what};
}

Status check_spec(const NodeDesc& node) {
  const OpSpec& s = node.spec;
  const bool image = s.kind == OpKind::conv2d, weighted = image || s.kind == OpKind::dense;
  const bool variable = s.kind == OpKind::dense && s.wei_var;
  const OpSpec plain = shapeless(node);
  if (Status st = validate(plain); !st.ok()) return bad(node, st.message());
  if (!variable || s.n > 0) {
    if (Status st = validate(plain, node.quant); !st.ok()) return bad(node, st.message());
  }
  const int64_t wei_bytes = weighted && !variable ? plain.wei_elements() : 0;
  if (std::ssize(node.weights()) != wei_bytes) {
    return bad(node, "has " + std::to_string(node.weights().size()) + " bytes of weights, its op " +
                         std::to_string(wei_bytes));
  }
  if (!weighted && s.bias) return bad(node, "a conversion with a bias is not supported");
  if (!image) return {};
  if (node.spatial_rank != 1 && node.spatial_rank != 2) return bad(node, "has neither 1 nor 2 spatial axes");
  if (node.spatial_rank == 1 && (s.kh != 1 || s.pt != 0 || s.pb != 0)) {
    return bad(node, "is 1-D but pads or filters rows");
  }
  return {};
}

Status check_transposed(const NodeDesc& node) {
  const OpSpec& s = node.spec;
  if (s.g < 1 || s.ic < 1 || s.oc < 1 || s.ic % s.g != 0 || s.oc % s.g != 0) {
    return bad(node, "groups do not divide its channels");
  }
  if (s.kh < 1 || s.kw < 1 || s.sh < 1 || s.sw < 1 || s.dh < 1 || s.dw < 1)
    return bad(node, "has a window that is none");
  constexpr int64_t kMost = int64_t{1} << 31;
  if (s.kh > 1024 || s.kw > 1024 || s.sh > 64 || s.sw > 64 || s.ic > kMost || s.oc > kMost) {
    return bad(node, "is too large");
  }
  if (std::ssize(node.weights()) != s.ic * (s.oc / s.g) * s.kh * s.kw) {
    return bad(node, "has " + std::to_string(node.weights().size()) + " bytes of weights");
  }
  OpSpec plain = s;
  plain.ih = s.dh * (s.kh - 1) + 1;
  plain.iw = s.dw * (s.kw - 1) + 1;
  plain.pt = plain.pl = plain.pb = plain.pr = 0;
  plain.sh = plain.sw = 1;
  if (Status st = validate(plain); !st.ok()) return bad(node, st.message());
  if (Status st = validate(plain, node.quant); !st.ok()) return bad(node, st.message());
  return {};
}

}  // namespace

Status check_node(const NodeDesc& node) {
  const auto& pad = node.auto_pad;
  if (pad != "NOTSET" && pad != "VALID" && pad != "SAME_UPPER" && pad != "SAME_LOWER") {
    return bad(node, "unknown auto_pad " + pad);
  }
  if (node.kind == NodeKind::spec) return check_spec(node);
  if (node.kind == NodeKind::scaled) {
    const bool product = node.spec.kind == OpKind::conv2d || node.spec.kind == OpKind::dense;
    return product ? check_spec(node) : bad(node, "is no product");
  }
  if (node.kind == NodeKind::dynamic) {
    const OpSpec& s = node.spec;
    if ((s.kind != OpKind::conv2d && s.kind != OpKind::dense) || s.bias || node.quant.src_zp != 0) {
      return bad(node, "is no product without bias and zero point");
    }
    if (!node.floats.empty() && node.floats.size() != 1 && std::ssize(node.floats) != s.channels()) {
      return bad(node, "has " + std::to_string(node.floats.size()) + " values to add");
    }
    return check_spec(node);
  }
  if (node.kind == NodeKind::conv_transpose) return check_transposed(node);
  if (node.kind == NodeKind::normalize) {
    if (const int64_t by = int_or(node, 1, 0); by < 0 || by > 2) return bad(node, "normalizes by no known measure");
    const Divisor divisor = divisor_of(node);
    for (const Divisor::Stage& s : divisor.stages) {
      const int32_t lowest = s.type == DType::s8 ? -128 : 0;
      if (!(s.scale > 0) || !std::isfinite(s.scale)) return bad(node, "scale is not positive and finite");
      if (s.zp < lowest || s.zp > lowest + 255) return bad(node, "zero point " + std::to_string(s.zp) + " is no code");
    }
  }
  if (is_unary(node.kind)) {
    Result<Unary> f = unary_of(node);
    return f.ok() ? Status() : f.status();
  }
  return {};
}

Status check(const RegionDesc& desc) {
  OCTILE_RETURN_IF_ERROR(validate(desc));
  for (const NodeDesc& node : desc.nodes) {
    OCTILE_RETURN_IF_ERROR(check_node(node));
    OCTILE_RETURN_IF_ERROR(supported(node, desc.values));
  }
  return {};
}

}  // namespace octile::runtime
