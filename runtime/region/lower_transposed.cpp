// Transposed convolutions as convolutions of stride 1: one group of channels per output phase, then those channels
// spread over pixels.
// In/out: see lower.h.  Not here: the definition, by scattering (workload/graph/nodes_spec.cpp).
//
// Output row u - pad, u = stride * q + r, gets tap t of source row i where t * dilation = stride * (q - i) + r. So
// phase r is a convolution over q with taps j = q - i = 0, 1, ..., its weight the tap stride * j + r, or none (then the
// weights' zero point, which adds nothing). Read forward: tap m of the convolution is j = taps - 1 - m.
#include <algorithm>

#include "runtime/region/lower.h"

namespace octile::runtime {
namespace {

int64_t taps_of(int64_t kernel, int64_t dilation, int64_t stride) { return (dilation * (kernel - 1)) / stride + 1; }

// Tap t of the given filter at position stride * j + r, or -1.
int64_t tap_at(int64_t position, int64_t kernel, int64_t dilation) {
  const int64_t t = position / dilation;
  return position % dilation == 0 && t < kernel ? t : -1;
}

template <class T>
T channel_of(const std::vector<T>& values, int64_t channel) {
  return values[values.size() == 1 ? 0 : static_cast<size_t>(channel)];
}

// Values per channel, per channel of phases.
template <class T>
std::vector<T> spread(const std::vector<T>& values, const std::vector<int64_t>& channels) {
  if (values.size() < 2) return values;
  std::vector<T> out;
  for (int64_t c : channels) out.push_back(channel_of(values, c));
  return out;
}

}  // namespace

Phases phases_of(const NodeDesc& n) {
  const OpSpec& s = n.spec;
  Phases p;
  p.spec = s;
  p.quant = n.quant;
  p.phase_major = s.g == 1;
  const int64_t phases = s.sh * s.sw, ocg = s.oc / s.g, icg = s.ic / s.g;
  OpSpec& c = p.spec;
  c.oc = s.oc * phases;
  c.kh = taps_of(s.kh, s.dh, s.sh);
  c.kw = taps_of(s.kw, s.dw, s.sw);
  c.sh = c.sw = c.dh = c.dw = 1;
  c.pt = c.pl = c.pb = c.pr = 0;
  // Which output channel and phase each channel is.
  std::vector<int64_t> channels, phase;
  for (int64_t i = 0; i < c.oc; ++i) {
    channels.push_back(p.phase_major ? i % s.oc : i / phases);
    phase.push_back(p.phase_major ? i / s.oc : i % phases);
  }
  p.quant.wei_scale = spread(n.quant.wei_scale, channels);
  p.quant.wei_zp = spread(n.quant.wei_zp, channels);
  p.quant.bias = spread(n.quant.bias, channels);
  if (s.bias && n.quant.bias.size() == 1) p.quant.bias.assign(static_cast<size_t>(c.oc), n.quant.bias[0]);
  if (p.quant.wei_scale.size() > 1 || p.quant.wei_zp.size() > 1) c.wei_per_oc = true;
  const std::span<const uint8_t> from = n.weights();
  p.wei.resize(static_cast<size_t>(c.oc * icg * c.kh * c.kw));
  size_t to = 0;
  for (int64_t i = 0; i < c.oc; ++i) {
    const int64_t oc = channels[static_cast<size_t>(i)], group = oc / ocg;
    const int64_t ry = phase[static_cast<size_t>(i)] / s.sw, rx = phase[static_cast<size_t>(i)] % s.sw;
    const auto nothing = static_cast<uint8_t>(channel_of(n.quant.wei_zp, oc));
    for (int64_t ic = 0; ic < icg; ++ic) {
      for (int64_t my = 0; my < c.kh; ++my) {
        for (int64_t mx = 0; mx < c.kw; ++mx) {
          const int64_t ty = tap_at(s.sh * (c.kh - 1 - my) + ry, s.kh, s.dh);
          const int64_t tx = tap_at(s.sw * (c.kw - 1 - mx) + rx, s.kw, s.dw);
          const int64_t at = (((group * icg + ic) * ocg + oc % ocg) * s.kh + ty) * s.kw + tx;
          p.wei[to++] = ty < 0 || tx < 0 ? nothing : from[static_cast<size_t>(at)];
        }
      }
    }
  }
  return p;
}

namespace {

// One axis: which q are needed, and what that asks of the source.
struct Span {
  int64_t q0 = 0, count = 1;
  int64_t before = 0, after = 0;  // pads; negative: source rows nobody reads
};
Span span_of(const WindowAxis& axis, int64_t taps) {
  Span s;
  s.q0 = axis.begin / axis.stride;
  const int64_t q1 = (axis.begin + axis.out - 1) / axis.stride;
  s.count = q1 - s.q0 + 1;
  s.before = taps - 1 - s.q0;
  s.after = q1 - (axis.in - 1);
  return s;
}

}  // namespace

Status Lowering::lower_transposed(int index) {
  const NodeDesc& n = node(index);
  const Shape src_shape = shape(in(index, 0)), dims = shape(out(index));
  OCTILE_ASSIGN_OR_RETURN(const std::vector<WindowAxis> axes, window_axes(n, src_shape));
  const bool two = axes.size() == 2;
  WindowAxis rows = two ? axes[0] : WindowAxis(), columns = axes.back();
  const OpSpec& given = n.spec;
  const int64_t taps_y = taps_of(rows.kernel, rows.dilation, rows.stride);
  const int64_t taps_x = taps_of(columns.kernel, columns.dilation, columns.stride);
  const Span y = span_of(rows, taps_y), x = span_of(columns, taps_x);
  // Rows and columns before or behind what is read are cut away first.
  const int code = values_[in(index, 0)].codes;
  Window window = stored(code);
  const auto cut = [&](size_t axis, const Span& span) {
    const int64_t first = std::max<int64_t>(0, -span.before), last = std::max<int64_t>(0, -span.after);
    window.shape[axis] -= first + last;
    const Window::Axis& walked = window.axes[axis];
    if (walked.of >= 0) window.start[static_cast<size_t>(walked.of)] += first * walked.step;
  };
  if (two) cut(2, y);
  cut(window.shape.size() - 1, x);
  OpSpec s = given;
  s.mb = src_shape[0];
  s.ih = two ? window.shape[2] : 1;
  s.iw = window.shape.back();
  s.pt = std::max<int64_t>(0, y.before), s.pb = std::max<int64_t>(0, y.after);
  s.pl = std::max<int64_t>(0, x.before), s.pr = std::max<int64_t>(0, x.after);
  s.oc = given.oc * given.sh * given.sw;
  s.kh = taps_y, s.kw = taps_x;
  s.sh = s.sw = s.dh = s.dw = 1;
  s.wei_per_oc = given.wei_per_oc;
  const bool pads = s.pt + s.pl + s.pb + s.pr > 0;
  const auto border = static_cast<uint8_t>(n.quant.src_zp + (s.src == DType::s8 ? 128 : 0));
  int src = bordered(window, {s.pt, s.pl, s.pb, s.pr}, border);
  src = readable(src, s.g == 1 && s.kh * s.kw == 1 && s.ic % 4 == 0 && !pads);
  const Shape deep_shape = two ? Shape{s.mb, s.oc, y.count, x.count} : Shape{s.mb, s.oc, x.count};
  const int deep = add_store(deep_shape, Order::nhwc, s.dst);
  Step& step = add_step(StepKind::dot, {src}, deep);
  step.dot.op = recipe_.ops[static_cast<size_t>(index)];
  OCTILE_RETURN_IF_ERROR(finish_dot(index, step, s, deep));
  // Channel (phase, c) of pixel q is channel c of pixel stride * q + r - pad.
  const bool phase_major = given.g == 1;
  const int64_t phases = given.sh * given.sw, oc = given.oc;
  const int64_t c_step = phase_major ? 1 : phases, p_step = phase_major ? oc : 1;
  const auto up = [&](int64_t extent, int64_t stride) { return extent * stride; };
  const Shape full =
      two ? Shape{s.mb, oc, up(y.count, given.sh), up(x.count, given.sw)} : Shape{s.mb, oc, up(x.count, given.sw)};
  const int wide = add_store(full, Order::nhwc, s.dst);
  Shape extents{s.mb, two ? y.count : 1, given.sh, x.count, given.sw, oc};
  const int w_axis = two ? 3 : 2;
  const Window from{deep,
                    extents,
                    {{0, 1},
                     two ? Window::Axis{2, 1} : Window::Axis{},
                     {1, p_step * given.sw},
                     {w_axis, 1},
                     {1, p_step},
                     {1, c_step}},
                    Shape(deep_shape.size(), 0)};
  const Window to{wide,
                  extents,
                  {{0, 1},
                   two ? Window::Axis{2, given.sh} : Window::Axis{},
                   two ? Window::Axis{2, 1} : Window::Axis{},
                   {w_axis, given.sw},
                   {w_axis, 1},
                   {1, 1}},
                  Shape(full.size(), 0)};
  (void)copy_into(from, to);
  Window result = window_of(wide);
  result.shape = dims;
  if (two) result.start[2] = rows.begin - y.q0 * given.sh;
  result.start.back() = columns.begin - x.q0 * given.sw;
  const size_t value = out(index);
  if (s.dst == DType::s32) {
    values_[value].kind = Value::Kind::plain;
    values_[value].plain = result;
  } else {
    set_codes(value, add_codes(result, s.dst == DType::s8));
  }
  return {};
}

}  // namespace octile::runtime
