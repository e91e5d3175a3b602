// Spec nodes, by the oracle of single ops; transposed convolutions, by scattering.
// In/out: see nodes.h.
// Not here: arithmetic of conv2d, dense and conversions (reference/).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "workload/graph/nodes.h"
#include "workload/reference/reference.h"

namespace octile::interpreter {
namespace {

Status bad(const NodeDesc& node, const std::string& what) {
  return {Code::invalid_argument, "node \"" + node.name + "\": " + what};
}

// [n, c, p] to [n, p, c].
std::vector<uint8_t> turn(const std::vector<uint8_t>& from, int64_t n, int64_t c, int64_t p, size_t size) {
  std::vector<uint8_t> out(from.size());
  for (int64_t b = 0; b < n; ++b)
    for (int64_t i = 0; i < c; ++i)
      for (int64_t j = 0; j < p; ++j) {
        std::memcpy(&out[static_cast<size_t>((b * p + j) * c + i) * size],
                    &from[static_cast<size_t>((b * c + i) * p + j) * size], size);
      }
  return out;
}

Status check_weights(const NodeDesc& node, int64_t elements) {
  if (std::ssize(node.weights()) == elements) return {};
  return bad(node,
             "has " + std::to_string(node.weights().size()) + " bytes of weights, wants " + std::to_string(elements));
}

Result<HostArray> run_conv(const NodeDesc& node, const HostArray& src, HostArray out) {
  OpSpec s = node.spec;
  OCTILE_ASSIGN_OR_RETURN(const std::vector<WindowAxis> axes, window_axes(node, src.dims));
  const WindowAxis rows = axes.size() == 2 ? axes[0] : WindowAxis(), columns = axes.back();
  s.mb = std::max<int64_t>(src.dims[0], 1);
  s.ih = rows.in, s.pt = rows.begin, s.pb = rows.end;
  s.iw = columns.in, s.pl = columns.begin, s.pr = columns.end;
  OCTILE_RETURN_IF_ERROR(validate(s));
  OCTILE_RETURN_IF_ERROR(check_weights(node, s.wei_elements()));
  if (out.count() == 0) return out;
  const std::vector<uint8_t> pixels = turn(src.bytes, s.mb, s.ic, s.ih * s.iw, 1);
  std::vector<uint8_t> result(out.bytes.size());
  OCTILE_RETURN_IF_ERROR(reference::run(s, node.quant, pixels.data(), node.weights().data(), result.data()));
  out.bytes = turn(result, s.mb, s.oh() * s.ow(), s.oc, static_cast<size_t>(size_of(s.dst)));
  return out;
}

// One matrix product per index of the broadcast leading axes.
Result<HostArray> run_dense(const NodeDesc& node, const Operands& in, HostArray out) {
  const HostArray& a = *in[0];
  OpSpec s = node.spec;
  const Shape wei = s.wei_var ? in[1]->dims : Shape{s.k, s.n};
  s.mb = 1;
  s.m = a.dims.size() > 1 ? a.dims[a.dims.size() - 2] : 1;
  s.k = wei[wei.size() - 2];
  s.n = wei.back();
  if (!s.wei_var) OCTILE_RETURN_IF_ERROR(check_weights(node, s.k * s.n));
  if (out.count() == 0) return out;
  const uint8_t* weights = s.wei_var ? in[1]->bytes.data() : node.weights().data();
  const auto leading = [](const Shape& dims) {
    return Shape(dims.begin(), dims.end() - std::min<int64_t>(2, std::ssize(dims)));
  };
  const Shape batch = leading(out.dims), a_batch = leading(a.dims), wei_batch = leading(wei);
  Status status;
  for_each_index(batch, [&](const Shape& index) {
    if (!status.ok()) return;
    const int64_t dst = offset(batch, index) * s.m * s.n * size_of(s.dst);
    status = reference::run(s, node.quant, a.bytes.data() + broadcast_offset(a_batch, index) * s.m * s.k,
                            weights + broadcast_offset(wei_batch, index) * s.k * s.n, out.bytes.data() + dst);
  });
  OCTILE_RETURN_IF_ERROR(std::move(status));
  return out;
}

Result<HostArray> run_conversion(const NodeDesc& node, const HostArray& src, HostArray out) {
  OpSpec s = node.spec;
  s.mb = 1;
  if (!s.mult_per_c) {
    if (out.count() == 0) return out;
    s.c = 1;
    s.m = src.count();
    OCTILE_RETURN_IF_ERROR(reference::run(s, node.quant, src.bytes.data(), nullptr, out.bytes.data()));
    return out;
  }
  OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, int_or(node, 0, 1), src.dims.size()));
  if (src.dims[axis] != s.c) return bad(node, "wants " + std::to_string(s.c) + " channels, got " + print(src.dims));
  if (out.count() == 0) return out;
  const auto at = src.dims.begin() + static_cast<int64_t>(axis);
  const int64_t outer = element_count(Shape(src.dims.begin(), at)),
                inner = element_count(Shape(at + 1, src.dims.end()));
  s.m = outer * inner;
  const std::vector<uint8_t> turned = turn(src.bytes, outer, s.c, inner, static_cast<size_t>(size_of(s.src)));
  std::vector<uint8_t> result(out.bytes.size());
  OCTILE_RETURN_IF_ERROR(reference::run(s, node.quant, turned.data(), nullptr, result.data()));
  out.bytes = turn(result, outer, inner, s.c, static_cast<size_t>(size_of(s.dst)));
  return out;
}

int32_t code(const std::vector<uint8_t>& bytes, DType type, int64_t i) {
  const uint8_t byte = bytes[static_cast<size_t>(i)];
  return type == DType::s8 ? static_cast<int8_t>(byte) : byte;
}

template <class T>
T per_channel(const std::vector<T>& values, int64_t channel) {
  return values[values.size() == 1 ? 0 : static_cast<size_t>(channel)];
}

void store(const NodeDesc& node, uint32_t sum, int64_t channel, int64_t i, HostArray& out) {
  const OpQuant& q = node.quant;
  if (node.spec.bias) sum += static_cast<uint32_t>(q.bias[static_cast<size_t>(channel)]);
  const auto acc = static_cast<int32_t>(sum);
  if (out.type == DType::s32) {
    out.as<int32_t>()[i] = acc;
    return;
  }
  const float mult = multiplier(q.src_scale, per_channel(q.wei_scale, channel), q.dst_scale);
  out.bytes[static_cast<size_t>(i)] =
      static_cast<uint8_t>(requantize_f32_rne(acc, mult, q.dst_zp, q.clamp_lo, q.clamp_hi));
}

// What a bias comes to in accumulators.
uint32_t counted(float bias, float factor) {
  const float whole = std::floor(bias / factor);
  const bool fits = whole >= -0x1p31F && whole < 0x1p31F;
  return fits ? static_cast<uint32_t>(static_cast<int32_t>(whole)) : 0x80000000U;
}

// y = float(acc) * (scale * wei_scale[c]), and what the node adds.
void to_floats(const NodeDesc& node, const HostArray& acc, float scale, HostArray& out) {
  const int64_t channels = node.spec.channels() > 0 ? node.spec.channels() : 1;  // 0: of variable weights
  const bool conv = node.spec.kind == OpKind::conv2d;
  const int64_t inner = conv ? element_count(Shape(out.dims.begin() + 2, out.dims.end())) : int64_t{1};
  for (int64_t i = 0; i < out.count(); ++i) {
    const int64_t c = i / inner % channels;
    const float factor = scale * per_channel(node.quant.wei_scale, c);
    auto sum = static_cast<uint32_t>(acc.as<int32_t>()[i]);
    const bool biased = !node.floats.empty(), whole = biased && int_or(node, 0, 0) == 1;
    if (whole) sum += counted(per_channel(node.floats, c), factor);
    float y = static_cast<float>(static_cast<int32_t>(sum)) * factor;
    if (biased && !whole) y = y + per_channel(node.floats, c);
    out.as<float>()[i] = y;
  }
}

}  // namespace

Result<HostArray> run_conv_transpose(const NodeDesc& node, const Operands& in, HostArray out) {
  const HostArray& src = *in[0];
  const OpSpec& s = node.spec;
  const OpQuant& q = node.quant;
  OCTILE_ASSIGN_OR_RETURN(const std::vector<WindowAxis> axes, window_axes(node, src.dims));
  const WindowAxis rows = axes.size() == 2 ? axes[0] : WindowAxis(), columns = axes.back();
  if (s.g < 1 || s.ic % s.g != 0 || s.oc % s.g != 0) return bad(node, "groups do not divide its channels");
  OCTILE_RETURN_IF_ERROR(check_weights(node, s.ic * (s.oc / s.g) * rows.kernel * columns.kernel));
  OCTILE_RETURN_IF_ERROR(validate(s, q));
  const int64_t icg = s.ic / s.g, ocg = s.oc / s.g;
  std::vector<uint32_t> sums(static_cast<size_t>(out.count()));
  for_each_index({src.dims[0], s.ic, rows.in, columns.in}, [&](const Shape& at) {
    const int32_t x = code(src.bytes, src.type, offset({src.dims[0], s.ic, rows.in, columns.in}, at)) - q.src_zp;
    for_each_index({ocg, rows.kernel, columns.kernel}, [&](const Shape& tap) {
      const int64_t y = at[2] * rows.stride + tap[1] * rows.dilation - rows.begin;
      const int64_t z = at[3] * columns.stride + tap[2] * columns.dilation - columns.begin;
      if (y < 0 || y >= rows.out || z < 0 || z >= columns.out) return;
      const int64_t oc = at[1] / icg * ocg + tap[0];
      const int64_t w_at = ((at[1] * ocg + tap[0]) * rows.kernel + tap[1]) * columns.kernel + tap[2];
      const int32_t w = code(node.wei, s.wei, w_at) - per_channel(q.wei_zp, oc);
      sums[static_cast<size_t>(((at[0] * s.oc + oc) * rows.out + y) * columns.out + z)] += static_cast<uint32_t>(x * w);
    });
  });
  const int64_t pixels = rows.out * columns.out;
  for (int64_t i = 0; i < out.count(); ++i) store(node, sums[static_cast<size_t>(i)], i / pixels % s.oc, i, out);
  return out;
}

Result<HostArray> run_spec(const NodeDesc& node, const Operands& in, HostArray out) {
  if (node.spec.kind == OpKind::conv2d) return run_conv(node, *in[0], std::move(out));
  if (node.spec.kind == OpKind::dense) return run_dense(node, in, std::move(out));
  return run_conversion(node, *in[0], std::move(out));
}

Result<HostArray> run_scaled(const NodeDesc& node, const Operands& in, HostArray out) {
  OCTILE_ASSIGN_OR_RETURN(const HostArray acc, run_spec(node, in, HostArray(DType::s32, out.dims)));
  to_floats(node, acc, node.quant.src_scale, out);
  return out;
}

Result<HostArray> run_dynamic(const NodeDesc& node, const Operands& in, HostArray out) {
  const HostArray& src = *in[0];
  const int64_t channels = node.spec.channels();
  if (!node.floats.empty() && node.floats.size() != 1 && std::ssize(node.floats) != channels) {
    return bad(node, "has " + std::to_string(node.floats.size()) + " values to add");
  }
  float lo = 0.0F, hi = 0.0F;
  for (int64_t i = 0; i < src.count(); ++i) {
    lo = std::min(lo, src.as<float>()[i]);
    hi = std::max(hi, src.as<float>()[i]);
  }
  const float scale = lo == hi ? 1.0F : (hi - lo) / 255.0F;
  const int32_t zp = quantize_onnx_rne(0.0F - lo / scale, 1.0F, 0, 0, 255);
  HostArray codes(DType::u8, src.dims);
  for (int64_t i = 0; i < src.count(); ++i) {
    codes.bytes[static_cast<size_t>(i)] =
        static_cast<uint8_t>(quantize_onnx_rne(src.as<float>()[i], scale, zp, 0, 255));
  }
  NodeDesc product = node;
  product.kind = NodeKind::spec;
  product.quant.src_zp = zp;
  product.spec.src_zp = true;
  OCTILE_ASSIGN_OR_RETURN(const HostArray acc, run_spec(product, {&codes}, HostArray(DType::s32, out.dims)));
  to_floats(node, acc, scale, out);
  return out;
}

}  // namespace octile::interpreter
