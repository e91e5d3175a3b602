// Reading of scales, zero points and bias.  In/out: see quant_params.h.  Not here: op recognition.
#include "plugin/partition/quant_params.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace octile::plugin {
namespace {

bool known_domain(const HostNode& node) { return node.domain.empty() || node.domain == "com.microsoft"; }

template <class T>
void copy_as(const HostValue& v, std::vector<int32_t>& out) {
  const size_t count = v.bytes / sizeof(T);
  out.resize(count);
  for (size_t i = 0; i < count; ++i) {
    T element;
    std::memcpy(&element, static_cast<const uint8_t*>(v.data) + i * sizeof(T), sizeof(T));
    out[i] = element;
  }
}

// One value for all channels, or one per channel along the last axis.
bool fits(const HostValue& bias, size_t elements, size_t channels) {
  return elements == 1 ||
         (elements == channels && !bias.dims.empty() && static_cast<size_t>(bias.dims.back()) == channels);
}

// Constant float bias -> codes, as the host's own bias quantization rounds it: float32 division, half to even.
Verdict quantize_bias(const std::vector<float>& values, const QParams& src, const QParams& wei,
                      std::vector<int32_t>& bias) {
  for (size_t c = 0; c < bias.size(); ++c) {
    const float scale = src.scale[0] * wei.scale[wei.per_channel() ? c : 0];
    const double code = std::nearbyint(static_cast<double>(values[values.size() == 1 ? 0 : c] / scale));
    if (!(std::fabs(code) <= static_cast<double>(std::numeric_limits<int32_t>::max()))) {
      return refuse(Reason::bias_range);
    }
    bias[c] = static_cast<int32_t>(code);
  }
  return {};
}

// Is a dequantized bias of the accumulator's scale, so that its codes can be added to it?
bool has_acc_scale(const QParams& params, const QParams& src, const QParams& wei, size_t channels) {
  constexpr float kTolerance = 1e-5F;
  if (params.type != DType::s32 || params.has_zp()) return false;
  for (size_t c = 0; c < channels; ++c) {
    const float want = src.scale[0] * wei.scale[wei.per_channel() ? c : 0];
    const float have = params.scale[params.per_channel() ? c : 0];
    if (!(std::fabs(have - want) <= kTolerance * want)) return false;
  }
  return true;
}

// The floats a constant's codes stand for.
std::vector<float> real_values(const std::vector<int32_t>& codes, const QParams& q) {
  std::vector<float> out;
  for (size_t i = 0; i < codes.size(); ++i) {
    const size_t c = q.per_channel() ? i : 0;
    out.push_back(dequantize(codes[i], q.scale[c], q.zp[c]));
  }
  return out;
}

}  // namespace

bool QParams::has_zp() const {
  return std::any_of(zp.begin(), zp.end(), [](int32_t z) { return z != 0; });
}

bool QParams::one_zp() const {
  return std::all_of(zp.begin(), zp.end(), [this](int32_t z) { return z == zp[0]; });
}

bool is_quantize(const HostNode& node) { return node.op == "QuantizeLinear" && known_domain(node); }
bool is_dequantize(const HostNode& node) { return node.op == "DequantizeLinear" && known_domain(node); }

Verdict check_quantize(const HostNode& q) {
  if (q.int_attribute("block_size", 0) != 0) return refuse(Reason::blocked_quantization, q.name);
  const int64_t precision = q.int_attribute("precision", 0);  // opset 23: the type of the division; 1 is float32
  if (precision != 0 && precision != 1) return refuse(Reason::attribute, "precision");
  return {};
}

bool read_dtype(ElemType from, DType& to) {
  switch (from) {
    case ElemType::u8: to = DType::u8; return true;
    case ElemType::s8: to = DType::s8; return true;
    case ElemType::s32: to = DType::s32; return true;
    case ElemType::f32: to = DType::f32; return true;
    case ElemType::s64: to = DType::s64; return true;
    default: return false;
  }
}

Verdict read_type(const HostGraph& graph, int value, DType& type) {
  if (value < 0) return refuse(Reason::malformed, "an input or output is missing");
  switch (graph.values[value].type) {
    case ElemType::u8: type = DType::u8; return {};
    case ElemType::s8: type = DType::s8; return {};
    default: return refuse(Reason::type_not_supported, graph.values[value].name);
  }
}

Verdict read_floats(const HostGraph& graph, int value, std::vector<float>& out) {
  if (value < 0) return refuse(Reason::malformed, "a constant is missing");
  const HostValue& v = graph.values[value];
  if (!v.constant || v.data == nullptr) return refuse(Reason::parameters_not_constant, v.name);
  if (v.type != ElemType::f32) return refuse(Reason::type_not_supported, v.name);
  out.resize(v.bytes / sizeof(float));
  if (!out.empty()) std::memcpy(out.data(), v.data, out.size() * sizeof(float));
  return {};
}

Verdict read_ints(const HostGraph& graph, int value, std::vector<int32_t>& out) {
  if (value < 0) return refuse(Reason::malformed, "a constant is missing");
  const HostValue& v = graph.values[value];
  if (!v.constant || v.data == nullptr) return refuse(Reason::parameters_not_constant, v.name);
  switch (v.type) {
    case ElemType::u8: copy_as<uint8_t>(v, out); return {};
    case ElemType::s8: copy_as<int8_t>(v, out); return {};
    case ElemType::s32: copy_as<int32_t>(v, out); return {};
    default: return refuse(Reason::type_not_supported, v.name);
  }
}

Verdict read_params(const HostGraph& graph, int scale, int zp, DType type, QParams& out) {
  out.type = type;
  out.scale = {1.0F};
  out.zp = {0};
  if (scale >= 0) OCTILE_RETURN_IF_REFUSED(read_floats(graph, scale, out.scale));
  if (zp >= 0) OCTILE_RETURN_IF_REFUSED(read_ints(graph, zp, out.zp));
  if (out.scale.empty() || out.zp.empty()) return refuse(Reason::malformed, "empty scale or zero point");
  const size_t count = std::max(out.scale.size(), out.zp.size());
  if (out.scale.size() == 1) out.scale.resize(count, out.scale[0]);
  if (out.zp.size() == 1) out.zp.resize(count, out.zp[0]);
  if (out.scale.size() != count || out.zp.size() != count) {
    return refuse(Reason::malformed, "scale and zero point differ in length");
  }
  for (const float s : out.scale) {
    if (!(s > 0.0F) || !std::isfinite(s)) return refuse(Reason::bad_scale);
  }
  if (type == DType::u8 || type == DType::s8) {
    for (const int32_t z : out.zp) {
      if (z < qmin_of(type) || z > qmax_of(type)) return refuse(Reason::malformed, "zero point out of range");
    }
  }
  return {};
}

Verdict read_source_params(const HostGraph& graph, int scale, int zp, DType type, QParams& out) {
  OCTILE_RETURN_IF_REFUSED(read_params(graph, scale, zp, type, out));
  if (out.per_channel()) return refuse(Reason::per_channel_source);
  return {};
}

Verdict find_dequantize(const HostGraph& graph, int value, int user, Dequantize& out) {
  if (value < 0) return refuse(Reason::malformed, "an input is missing");
  const int node = graph.values[value].producer;
  if (node < 0 || !is_dequantize(graph.nodes[node])) {
    return refuse(Reason::input_not_quantized, graph.values[value].name);
  }
  if (graph.nodes[node].taken_elsewhere) return refuse(Reason::assigned_elsewhere, graph.nodes[node].name);
  const HostNode& dq = graph.nodes[node];
  if (dq.int_attribute("block_size", 0) != 0) return refuse(Reason::blocked_quantization, dq.name);
  out.node = node;
  out.shared = graph.sole_consumer(value) != user;
  out.source = dq.input(0);
  if (out.source < 0) return refuse(Reason::malformed, dq.name);
  out.axis = dq.int_attribute("axis", 1);
  const ElemType type = graph.values[out.source].type;
  if (type == ElemType::s32) {
    out.params.type = DType::s32;
  } else {
    OCTILE_RETURN_IF_REFUSED(read_type(graph, out.source, out.params.type));
  }
  return read_params(graph, dq.input(1), dq.input(2), out.params.type, out.params);
}

Verdict read_reals(const HostGraph& graph, int value, int user, std::vector<float>& out, Dequantize& dq) {
  dq = Dequantize();
  if (value < 0) return refuse(Reason::malformed, "a constant is missing");
  if (graph.values[value].producer < 0) return read_floats(graph, value, out);
  OCTILE_RETURN_IF_REFUSED(find_dequantize(graph, value, user, dq));
  std::vector<int32_t> codes;
  OCTILE_RETURN_IF_REFUSED(read_ints(graph, dq.source, codes));
  if (dq.params.per_channel() && codes.size() != dq.params.scale.size()) return refuse(Reason::per_channel_axis);
  out = real_values(codes, dq.params);
  return {};
}

Verdict read_bias(const HostGraph& graph, int value, int user, const QParams& src, const QParams& wei, int64_t channels,
                  std::vector<int32_t>& bias, Dequantize& dq) {
  dq = Dequantize();
  bias.clear();
  if (value < 0) return {};
  const auto count = static_cast<size_t>(channels);
  dq.source = value;
  dq.params.type = DType::s32;
  const bool dequantized = graph.values[value].producer >= 0;
  if (dequantized) {
    if (!is_dequantize(graph.nodes[graph.values[value].producer])) {
      return refuse(Reason::bias_not_constant, graph.values[value].name);
    }
    OCTILE_RETURN_IF_REFUSED(find_dequantize(graph, value, user, dq));
  }
  const HostValue& v = graph.values[dq.source];
  if (!v.constant) return refuse(Reason::bias_not_constant, v.name);
  if (dq.params.per_channel() && dq.params.scale.size() != count) return refuse(Reason::malformed, "bias scales");
  std::vector<float> values;
  std::vector<int32_t> codes;
  if (v.type == ElemType::f32) {
    OCTILE_RETURN_IF_REFUSED(read_floats(graph, dq.source, values));
  } else {
    OCTILE_RETURN_IF_REFUSED(read_ints(graph, dq.source, codes));
  }
  if (!fits(v, codes.size() + values.size(), count)) return refuse(Reason::malformed, "bias length");
  if (dequantized && !has_acc_scale(dq.params, src, wei, count)) {
    if (dq.params.per_channel() && codes.size() == 1) codes.resize(count, codes[0]);
    values = real_values(codes, dq.params);
  }
  bias.resize(count);
  if (!values.empty()) OCTILE_RETURN_IF_REFUSED(quantize_bias(values, src, wei, bias));
  for (size_t c = 0; c < count && values.empty(); ++c) bias[c] = codes[codes.size() == 1 ? 0 : c];
  return {};
}

}  // namespace octile::plugin
