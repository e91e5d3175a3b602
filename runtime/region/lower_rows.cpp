// Softmax, layer normalization, resize.
// In/out: see lower.h.  Not here: pools.
#include <algorithm>
#include <cmath>

#include "runtime/region/lower.h"
#include "workload/graph/divisor.h"
#include "workload/numerics/requantize.h"

namespace octile::runtime {
namespace {

// What a row is divided by: up to the first stage of codes the kernel works it out, what is behind it is a table.
void set_divisor(Step& step, const Divisor& divisor) {
  step.float_kind = NodeKind::normalize;
  step.norm.by = divisor.by;
  step.norm.addend = divisor.epsilon;
  step.norm.times = divisor.times;
  const auto* const coded = std::find_if(divisor.stages.begin(), divisor.stages.end(),
                                         [](const Divisor::Stage& s) { return s.type != DType::f32; });
  const auto stage = static_cast<size_t>(coded - divisor.stages.begin());
  step.norm.root = stage > 1;
  step.norm.inverse = divisor.times && stage > 2;
  const bool none = stage == divisor.stages.size() || (stage == 3 && !divisor.times);
  if (divisor.by == Divisor::By::length || none) return;
  const bool is_signed = coded->type == DType::s8;
  const int32_t lowest = is_signed ? -128 : 0;
  step.norm.to = QuantizeTo{coded->scale, coded->zp, lowest, lowest + 255, is_signed}.form();
  if (stage == 0) step.norm.addend = 0;
  auto table = std::make_shared<std::vector<float>>();
  for (int32_t q = lowest; q < lowest + 256; ++q) {
    table->push_back(divisor.after(stage, dequantize(q, coded->scale, coded->zp)));
  }
  step.norm.table = table->data();
  step.divisors = std::move(table);
}

}  // namespace

Window to_end(Window w, size_t axis) {
  const auto at = static_cast<int64_t>(axis);
  std::rotate(w.shape.begin() + at, w.shape.begin() + at + 1, w.shape.end());
  std::rotate(w.axes.begin() + at, w.axes.begin() + at + 1, w.axes.end());
  return w;
}

Window from_end(Window w, size_t axis) {
  const auto at = static_cast<int64_t>(axis);
  std::rotate(w.shape.begin() + at, w.shape.end() - 1, w.shape.end());
  std::rotate(w.axes.begin() + at, w.axes.end() - 1, w.axes.end());
  return w;
}

Status Lowering::lower_softmax(int index) {
  const NodeDesc& n = node(index);
  const size_t src = in(index, 0), dst = out(index);
  OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(n, int_or(n, 0, -1), shape(src).size()));
  const Value from = values_[src];
  const int quantize = sole_quantize(dst);
  const bool codes_in = from.kind == Value::Kind::function;
  if (codes_in && quantize >= 0 && direction(*from.function) > 0) {
    const NodeDesc& q = node(quantize);
    const QuantizeTo to = quantize_to(q.spec, q.quant);
    const int rows = whole(to_end(made(from.codes), axis), Order::flat);
    const int made_store = add_store(store(rows).shape, Order::flat, DType::u8);
    Step& step = add_step(StepKind::softmax_codes, {rows}, made_store);
    step.values = recipe_.forms.exps(ops_for(recipe_.best), *from.function);
    step.to = to.form();
    step.row = shape(src)[axis];
    quantized_along(quantize, add_codes(from_end(window_of(made_store), axis), to.is_signed));
    return {};
  }
  int rows = -1;
  if (codes_in && !from.floats) {
    const int bytes = whole(to_end(made(from.codes), axis), Order::flat);
    rows = add_store(store(bytes).shape, Order::flat, DType::f32);
    Step& floats = add_step(StepKind::table_f32, {bytes}, rows);
    floats.meaning = meaning_of(*from.function, floats.values);
  } else {
    const int floats = floats_store(src);
    Window window = window_of(floats);
    rows = whole(to_end(window, axis), Order::flat);
  }
  const int made_store = add_store(store(rows).shape, Order::flat, DType::f32);
  Step& step = add_step(StepKind::softmax_rows, {rows}, made_store);
  step.row = shape(src)[axis];
  values_[dst].kind = Value::Kind::plain;
  values_[dst].plain = from_end(window_of(made_store), axis);
  return {};
}

Status Lowering::lower_layer_norm(int index) {
  const NodeDesc& n = node(index);
  const size_t src = in(index, 0), dst = out(index);
  const Shape dims = shape(src);
  OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(n, int_or(n, 0, -1), dims.size()));
  const Shape row(dims.begin() + static_cast<int64_t>(axis), dims.end());
  const Value from = values_[src];
  const int quantize = sole_quantize(dst);
  const bool coded = from.kind == Value::Kind::function && quantize >= 0 && element_count(row) <= kMostCoded;
  std::vector<int> sources{coded ? codes_store(from.codes, Order::flat) : floats_store(src)};
  for (size_t i = 1; i < n.inputs.size(); ++i) {
    // As long as a row, extents of 1 repeated.
    const Window have = window_of(floats_store(in(index, i)));
    Window wide = have;
    wide.shape = row;
    wide.axes.clear();
    const size_t missing = row.size() - std::min(row.size(), have.shape.size());
    const size_t extra = have.shape.size() - (row.size() - missing);
    for (size_t k = 0; k < row.size(); ++k) {
      const bool repeat = k < missing || have.shape[extra + k - missing] != row[k];
      wide.axes.push_back(repeat ? Window::Axis{} : have.axes[extra + k - missing]);
    }
    sources.push_back(whole(wide, Order::flat));
  }
  const int made_store = add_store(dims, Order::flat, coded ? DType::u8 : DType::f32);
  Step& step = add_step(coded ? StepKind::layer_norm_codes : StepKind::layer_norm_rows, std::move(sources), made_store);
  step.row = element_count(row);
  step.epsilon = n.floats.empty() ? 1e-5F : n.floats[0];
  if (!coded) {
    set_plain(dst, made_store);
    return {};
  }
  const NodeDesc& q = node(quantize);
  const QuantizeTo to = quantize_to(q.spec, q.quant);
  step.meaning = meaning_of(*from.function, step.values);
  step.to = to.form();
  quantized_along(quantize, add_codes(made_store, to.is_signed));
  return {};
}

Status Lowering::lower_normalize(int index) {
  const NodeDesc& n = node(index);
  const size_t src = in(index, 0), dst = out(index);
  OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(n, int_or(n, 0, -1), shape(src).size()));
  const int64_t row = shape(src)[axis];
  const Value from = values_[src];
  std::vector<int> turns;
  const int quantize = sole_quantize(dst, &turns);
  const bool coded = from.kind == Value::Kind::function && quantize >= 0 && row <= kMostCoded;
  const Window elements = coded ? made(from.codes) : floats_window(src);
  const int rows = whole(to_end(elements, axis), Order::flat);
  const int made_store = add_store(store(rows).shape, Order::flat, coded ? DType::u8 : DType::f32);
  Step& step = add_step(coded ? StepKind::layer_norm_codes : StepKind::layer_norm_rows, {rows}, made_store);
  step.row = row;
  set_divisor(step, divisor_of(n));
  Window window = from_end(window_of(made_store), axis);
  if (!coded) {
    values_[dst].kind = Value::Kind::plain;
    values_[dst].plain = window;
    return {};
  }
  const NodeDesc& q = node(quantize);
  const QuantizeTo to = quantize_to(q.spec, q.quant);
  step.meaning = meaning_of(*from.function, step.values);
  step.to = to.form();
  OCTILE_ASSIGN_OR_RETURN(window, turned_along(turns, window));
  quantized_along(quantize, add_codes(window, to.is_signed));
  return {};
}

// Codes tell where the greatest is as well as what they mean, once equal ones are one code.
Status Lowering::lower_arg_max(int index) {
  const NodeDesc& n = node(index);
  const size_t src = in(index, 0), dst = out(index);
  OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(n, int_or(n, 0, 0), shape(src).size()));
  const Value from = values_[src];
  Window elements;
  if (from.kind == Value::Kind::codes) {
    elements = stored(from.codes);
  } else if (from.kind == Value::Kind::function) {
    int c = from.codes;
    if (const ByteFn places = ranks(*from.function); places != nullptr) {
      const Codes of = codes(c);
      c = add_codes(of.root, of.is_signed);
      codes(c).map = compose(of.map, places);
    }
    elements = stored(c);
  } else {
    elements = floats_window(src);
  }
  const int made_store = add_store(shape(dst), Order::flat, DType::s64);
  Step& step = add_step(StepKind::arg_max, {whole(to_end(elements, axis), Order::flat)}, made_store);
  step.row = shape(src)[axis];
  step.last = int_or(n, 2, 0) != 0;
  set_plain(dst, made_store);
  return {};
}

// One axis after the other, last first, floats lying flat.
void Lowering::lower_float_linear(int index, const Resize& resize) {
  const size_t dst = out(index);
  int floats = floats_store(in(index, 0));
  Shape dims = shape(in(index, 0));
  for (size_t i = resize.axes.size(); i-- > 0;) {
    const ResizeAxis& axis = resize.axes[i];
    if (!axis.changes()) continue;
    dims[i] = axis.out;
    const int next = add_store(dims, Order::flat, DType::f32);
    Step& step = add_step(StepKind::float_linear, {floats}, next);
    step.lo = {axis.lo};
    step.hi = {axis.hi};
    step.share = {axis.f};
    step.row = element_count(Shape(dims.begin() + static_cast<int64_t>(i) + 1, dims.end()));
    step.counts = {axis.in, axis.out};
    floats = next;
  }
  set_plain(dst, floats);
}

Status Lowering::lower_resize(int index) {
  const NodeDesc& n = node(index);
  const size_t src = in(index, 0), dst = out(index);
  const Shape dims = shape(src);
  OCTILE_ASSIGN_OR_RETURN(const Resize resize, resize_of(n, dims));
  const auto still = [&](size_t axis) { return axis >= dims.size() || !resize.axes[axis].changes(); };
  const bool last = dims.size() == 4 && still(0) && !still(1) && still(3);  // channels
  const bool spatial = last || ((dims.size() == 3 || dims.size() == 4) && still(0) && still(1));
  const Value from = values_[src];
  const bool coded = from.kind == Value::Kind::codes || from.kind == Value::Kind::function;
  const int quantize = sole_quantize(dst);
  // Rows, then columns, as the ops want them; a row of one for 1-D images.
  const auto set_axes = [&](Step& step) {
    const ResizeAxis one{1, 1, 1.0F, {0}, {0}, {0.0F}};
    const ResizeAxis& y = dims.size() == 4 ? resize.axes[last ? 1 : 2] : one;
    for (const ResizeAxis* axis : {&y, last ? &resize.axes[2] : &resize.axes.back()}) {
      const bool copied = resize.linear && !axis->changes();
      step.lo.push_back(axis->lo);
      step.hi.push_back(copied ? std::vector<int64_t>() : axis->hi);
      step.share.push_back(copied ? std::vector<float>() : axis->f);
    }
  };
  const auto image = [&](const Window& w) { return last ? turned(w, kLastToFirst) : w; };
  const auto make_step = [&](StepKind kind, const Window& elements) -> Step& {
    const int pixels = whole(image(elements), Order::nhwc);
    const Shape& d = shape(dst);
    const int made_store = add_store(last ? Shape{d[0], d[3], d[1], d[2]} : d, Order::nhwc, store(pixels).type);
    Step& step = add_step(kind, {pixels}, made_store);
    set_axes(step);
    return step;
  };
  const auto made_window = [&](const Step& step) {
    return last ? turned(window_of(step.dst), kFirstToLast) : window_of(step.dst);
  };
  if (!resize.linear) {
    if (!coded) {  // floats, s32
      const Window floats = floats_window(src);
      values_[dst].kind = Value::Kind::plain;
      if (spatial && !last && order_of(floats) == Order::nhwc) {
        values_[dst].plain = window_of(make_step(StepKind::resize_nearest, floats).dst);
        return {};
      }
      std::vector<std::vector<int64_t>> at;
      for (const ResizeAxis& axis : resize.axes) at.push_back(axis.lo);
      values_[dst].plain = picked(floats, shape(dst), std::move(at), Order::flat);
      return {};
    }
    if (spatial) {
      set_like(dst, from, made_window(make_step(StepKind::resize_nearest, made(from.codes))));
    } else {
      std::vector<std::vector<int64_t>> at;
      for (const ResizeAxis& axis : resize.axes) at.push_back(axis.lo);
      set_like(dst, from, picked(stored(from.codes), shape(dst), std::move(at), order_for(dst, dims.size())));
    }
    return {};
  }
  if (from.kind != Value::Kind::function || quantize < 0 || !spatial) {
    if (const int floats = spatial && !last ? floats_as_pixels(src, true) : -1; floats >= 0) {
      values_[dst].plain = window_of(make_step(StepKind::resize_linear, window_of(floats)).dst);
      values_[dst].kind = Value::Kind::plain;
    } else {
      lower_float_linear(index, resize);
    }
    return {};
  }
  const NodeDesc& q = node(quantize);
  const QuantizeTo to = quantize_to(q.spec, q.quant);
  Step& step = make_step(StepKind::resize_linear, made(from.codes));
  step.meaning = meaning_of(*from.function, step.values);
  step.to = to.form();
  quantized_along(quantize, add_codes(made_window(step), to.is_signed));
  return {};
}

}  // namespace octile::runtime
