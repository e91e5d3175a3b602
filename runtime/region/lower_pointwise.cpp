// Functions of codes: conversions, functions of one, functions of two.
// In/out: see lower.h.  Not here: pools, rows, movements.
#include <algorithm>

#include "runtime/region/lower.h"

namespace octile::runtime {

int Lowering::sole_quantize(size_t value, std::vector<int>* turns) const {
  const std::vector<int>& readers = recipe_.consumers[value];
  if (readers.size() != 1 || recipe_.outputs[value] > 0) return -1;
  const NodeDesc& reader = node(readers[0]);
  if (turns != nullptr && reader.kind == NodeKind::transpose) {
    turns->push_back(readers[0]);
    return sole_quantize(static_cast<size_t>(reader.output), turns);
  }
  return reader.kind == NodeKind::spec && reader.spec.kind == OpKind::quantize ? readers[0] : -1;
}

bool Lowering::needs_bytes(size_t value) const {
  if (recipe_.outputs[value] > 0) return true;
  // The store a float value is a function of, also where its dequantize comes later; -1: unknown.
  const auto root = [&](size_t v) {
    const int producer = values_[v].kind == Value::Kind::none ? recipe_.producers[v] : -1;
    if (producer >= 0 && node(producer).kind == NodeKind::spec && node(producer).spec.kind == OpKind::dequantize) {
      const Value& source = values_[in(producer, 0)];
      return source.kind == Value::Kind::codes ? codes_[static_cast<size_t>(source.codes)].root.store : -1;
    }
    const Value& known = values_[v];
    return known.kind == Value::Kind::function ? codes_[static_cast<size_t>(known.codes)].root.store : -1;
  };
  const int own = codes_[static_cast<size_t>(values_[value].codes)].root.store;
  for (int reader : recipe_.consumers[value]) {
    const NodeDesc& dq = node(reader);
    if (dq.kind != NodeKind::spec || dq.spec.kind != OpKind::dequantize) return true;
    const auto wide = static_cast<size_t>(dq.output);
    if (recipe_.outputs[wide] > 0) return true;
    for (int next : recipe_.consumers[wide]) {
      const NodeDesc& user = node(next);
      if (user.kind == NodeKind::spec || is_unary(user.kind)) continue;
      if (!is_binary(user.kind)) return true;
      const size_t a = static_cast<size_t>(user.inputs[0]), b = static_cast<size_t>(user.inputs[1]);
      const size_t other = a == wide ? b : a;
      if (other != wide && !values_[other].scalar && root(other) != own) return true;
    }
  }
  return false;
}

Result<int> Lowering::quantize_value(size_t v, const QuantizeTo& to, Order order) {
  const Value& value = values_[v];
  if (value.kind == Value::Kind::function) {
    const FloatFn f = value.function;
    const Codes& of = codes(value.codes);
    Codes made;
    made.root = of.root;
    made.map = compose(of.map, quantize_table(*f, to));
    made.is_signed = to.is_signed;
    codes_.push_back(std::move(made));
    return static_cast<int>(codes_.size()) - 1;
  }
  if (value.kind == Value::Kind::channels && !value.floats) {
    const Value channels = value;
    forget_channels(v);
    return quantize_channels(channels, shape(v), to);
  }
  if (value.kind == Value::Kind::pair && !value.floats) {
    const Pair pair = *value.pair;
    return quantize_pair(pair, shape(v), to, order);
  }
  const int src = order == Order::nhwc ? floats_in_place(v) : floats_store(v);
  const int dst = add_store(shape(v), order, DType::u8);
  Step& step = add_step(StepKind::convert, {src}, dst);
  step.convert.kind = OpKind::quantize;
  step.convert.copy = false;
  step.convert.src = DType::f32;
  step.convert.dst = to.is_signed ? DType::s8 : DType::u8;
  step.convert.scale = to.scale;
  step.convert.dst_zp = to.zp;
  step.convert.lo = to.lo;
  step.convert.hi = to.hi;
  return add_codes(dst, to.is_signed);
}

// The codes as a store of this shape, extents of 1 repeated.
int Lowering::expanded(int c, const Shape& dims, Order order) {
  Window window = made(c);
  Window wide;
  wide.store = window.store;
  wide.start = window.start;
  wide.shape = dims;
  const size_t missing = dims.size() - window.shape.size();
  for (size_t i = 0; i < dims.size(); ++i) {
    const bool repeat = i < missing || window.shape[i - missing] != dims[i];
    wide.axes.push_back(repeat ? Window::Axis{} : window.axes[i - missing]);
  }
  return whole(wide, order);
}

// One pixel per image, or one row for all: what a binary step repeats by itself.
bool is_gate(const Shape& gate, const Shape& dims, Order order) {
  const Extents e = extents_of(dims, order);
  Shape full(dims.size() - gate.size(), 1);
  full.insert(full.end(), gate.begin(), gate.end());
  if (order == Order::flat) {
    return !dims.empty() && full.back() == e.c && element_count(full) == e.c;
  }
  for (size_t i = 2; i < full.size(); ++i) {
    if (full[i] != 1) return false;
  }
  return full[1] == dims[1] && (full[0] == 1 || full[0] == dims[0]);
}

Result<int> Lowering::quantize_pair(const Pair& pair, const Shape& dims, const QuantizeTo& to, Order order) {
  const FormCache::Entry entry = recipe_.forms.find(pair.function, to);
  const Shape a = made(pair.a).shape, b = made(pair.b).shape;
  const bool gate_b = b != dims && a == dims && is_gate(b, dims, order);
  const bool gate_a = a != dims && b == dims && is_gate(a, dims, order);
  int first = -1, second = -1;
  const auto operand = [&](int c, const Shape& have, bool gate) {
    if (gate) return codes_store(c, Order::flat);
    return have == dims ? codes_store(c, order) : expanded(c, dims, order);
  };
  first = operand(pair.a, a, gate_a);
  second = operand(pair.b, b, gate_b);
  const int dst = add_store(dims, order, DType::u8);
  Step& step = add_step(StepKind::binary, {first, second}, dst);
  step.form = entry.form;
  step.pairs = entry.pairs;
  step.gate = gate_a || gate_b;
  step.gate_first = gate_a;
  return add_codes(dst, to.is_signed);
}

Status Lowering::lower_quantize(int index) {
  const NodeDesc& n = node(index);
  const size_t dst = out(index);
  if (done_[static_cast<size_t>(index)]) return {};
  const QuantizeTo to = quantize_to(n.spec, n.quant);
  OCTILE_ASSIGN_OR_RETURN(const int made_codes, quantize_value(in(index, 0), to, order_for(dst, shape(dst).size())));
  set_codes(dst, made_codes);
  if (codes(made_codes).map != nullptr) {
    say(index, "table");
    if (needs_bytes(dst)) {
      const Window window = made(made_codes);
      const bool is_signed = codes(made_codes).is_signed;
      set_codes(dst, add_codes(window, is_signed));
    }
  }
  return {};
}

Status Lowering::lower_dequantize(int index) {
  const NodeDesc& n = node(index);
  const size_t src = in(index, 0), dst = out(index);
  const Value& from = values_[src];
  if (from.kind == Value::Kind::plain) {  // s32
    const int wide = add_store(shape(dst), Order::flat, DType::f32);
    const int ints = whole(from.plain, Order::flat);
    Step& step = add_step(StepKind::convert, {ints}, wide);
    step.convert = convert_op(n.spec, n.quant);
    set_plain(dst, wide);
    return {};
  }
  Value& to = values_[dst];
  to.kind = Value::Kind::function;
  to.codes = from.codes;
  to.function = dequantize_table(n.spec.src, n.quant.src_scale, n.quant.src_zp);
  // A constant of one element is known as a number.
  const Codes& c = codes(from.codes);
  const Store& s = store(c.root.store);
  if (s.home == Home::constant && element_count(c.root.shape) == 1 && element_count(s.shape) == 1 && c.map == nullptr) {
    to.scalar = to.function->at[*s.constant];
  }
  say(index, "function of its codes");
  return {};
}

Status Lowering::lower_requantize(int index) {
  const NodeDesc& n = node(index);
  const size_t src = in(index, 0), dst = out(index);
  const Value from = values_[src];
  const OpSpec& s = n.spec;
  const OpQuant& q = n.quant;
  const bool is_signed = s.dst == DType::s8;
  if (from.kind == Value::Kind::codes && !s.mult_per_c) {
    const float mult = multiplier(q.src_scale, q.wei_scale[0], q.dst_scale);
    const int32_t offset = s.src == DType::s8 ? 128 : 0;
    Codes made_codes;
    const Codes& of = codes(from.codes);
    made_codes.root = of.root;
    made_codes.is_signed = is_signed;
    ByteTable bytes;
    for (int b = 0; b < 256; ++b) {
      const int32_t v = requantize_f32_rne(b - offset - q.src_zp, mult, q.dst_zp, q.clamp_lo, q.clamp_hi);
      bytes[static_cast<size_t>(b)] = static_cast<uint8_t>(v + (is_signed ? 128 : 0));
    }
    made_codes.map = compose(of.map, byte_table(bytes));
    codes_.push_back(std::move(made_codes));
    set_codes(dst, static_cast<int>(codes_.size()) - 1);
    return {};
  }
  // Channels innermost on both sides: as rows, the axis of the channels moved to the end.
  const Shape dims = shape(dst);
  size_t axis = 0;
  if (s.mult_per_c) {
    OCTILE_ASSIGN_OR_RETURN(axis, axis_of(n, int_or(n, 0, 1), dims.size()));
    if (dims[axis] != s.c) return in_node(n, {Code::invalid_argument, "wants " + std::to_string(s.c) + " channels"});
  }
  Window window = from.kind == Value::Kind::codes ? made(from.codes) : from.plain;
  const auto to_end = [&](Window w) {
    if (!s.mult_per_c) return w;
    const auto at = static_cast<int64_t>(axis);
    std::rotate(w.shape.begin() + at, w.shape.begin() + at + 1, w.shape.end());
    std::rotate(w.axes.begin() + at, w.axes.begin() + at + 1, w.axes.end());
    return w;
  };
  const int rows = whole(to_end(window), Order::flat);
  const int made_store = add_store(store(rows).shape, Order::flat, DType::u8);
  Step& step = add_step(StepKind::convert, {rows}, made_store);
  step.convert = convert_op(s, q);
  Window back = window_of(made_store);
  if (s.mult_per_c) {
    const auto at = static_cast<int64_t>(axis);
    std::rotate(back.shape.begin() + at, back.shape.end() - 1, back.shape.end());
    std::rotate(back.axes.begin() + at, back.axes.end() - 1, back.axes.end());
  }
  set_codes(dst, add_codes(back, is_signed));
  return {};
}

Status Lowering::lower_unary(int index) {
  const NodeDesc& n = node(index);
  const size_t src = in(index, 0), dst = out(index);
  OCTILE_ASSIGN_OR_RETURN(const Unary f, unary_of(n));
  const Value from = values_[src];
  Value& to = values_[dst];
  if (from.scalar) to.scalar = f(*from.scalar);
  if (from.kind == Value::Kind::function) {
    to.kind = Value::Kind::function;
    to.codes = from.codes;
    to.function = map_table(*from.function, f);
    say(index, "table");
    return {};
  }
  if (from.kind == Value::Kind::channels && !from.floats) {
    to = map_channels(from, [&](float v, size_t) { return f(v); });
    forget_channels(src);
    say(index, "table per channel");
    return {};
  }
  if (from.kind == Value::Kind::pair && !from.floats) {
    to.kind = Value::Kind::pair;
    to.pair = std::make_shared<Pair>(*from.pair);
    to.pair->function.then.push_back(f);
    say(index, "part of the operation before it");
    return {};
  }
  lower_float_unary(index, f);
  return {};
}

// The value `from` as one of more axes: ONNX puts leading ones.
void Lowering::reshape_leading(size_t value, const Value& from) {
  const Shape& dims = shape(value);
  const auto widen = [&](Window w) {
    while (w.shape.size() < dims.size()) {
      w.shape.insert(w.shape.begin(), 1);
      w.axes.insert(w.axes.begin(), Window::Axis{});
    }
    return w;
  };
  Value to = from;
  if (from.kind == Value::Kind::plain) {
    to.plain = widen(from.plain);
  } else {
    Codes c = codes(from.codes);
    c.root = widen(c.root);
    if (c.made) c.made = widen(*c.made);
    codes_.push_back(std::move(c));
    to.codes = static_cast<int>(codes_.size()) - 1;
  }
  to.floats.reset();
  values_[value] = std::move(to);
}

void Lowering::lower_binary_scalar(int index, size_t of, float scalar, bool scalar_first) {
  const NodeKind kind = node(index).kind;
  const size_t dst = out(index);
  const Value from = values_[of];
  const auto f = [=](float v) { return scalar_first ? binary(kind, scalar, v) : binary(kind, v, scalar); };
  Value made_value = from;
  if (from.kind == Value::Kind::channels) {
    made_value = map_channels(from, [&](float v, size_t) { return f(v); });
    forget_channels(of);
  } else {
    made_value.function = map_table(*from.function, kind, scalar, scalar_first);
  }
  made_value.floats.reset();
  if (from.scalar) made_value.scalar = f(*from.scalar);
  say(index, "table");
  if (shape(of).size() < shape(dst).size()) {
    reshape_leading(dst, made_value);
  } else {
    values_[dst] = std::move(made_value);
  }
}

Status Lowering::lower_binary(int index) {
  const size_t a = in(index, 0), b = in(index, 1), dst = out(index);
  const NodeKind kind = node(index).kind;
  const Value left = values_[a], right = values_[b];
  const bool one_a = left.scalar.has_value(), one_b = right.scalar.has_value();
  using Kind = Value::Kind;
  const auto coded = [&](const Value& v, size_t value) {
    return v.kind == Kind::function || (v.kind == Kind::channels && !v.floats && shape(value) == shape(dst));
  };
  if (one_b && coded(left, a)) {
    lower_binary_scalar(index, a, *right.scalar, false);
    return {};
  }
  if (one_a && coded(right, b)) {
    lower_binary_scalar(index, b, *left.scalar, true);
    return {};
  }
  if (left.kind == Kind::function && right.kind == Kind::function) {
    const Codes &x = codes(left.codes), &y = codes(right.codes);
    if (same_window(x.root, y.root)) {
      const FloatFn f = through(x.map, left.function), g = through(y.map, right.function);
      auto h = std::make_shared<FloatTable>();
      for (size_t i = 0; i < 256; ++i) h->at[i] = binary(kind, f->at[i], g->at[i]);
      const Window root = codes(left.codes).root;
      Value to;
      to.kind = Kind::function;
      to.function = std::move(h);
      to.codes = add_codes(root, codes(left.codes).is_signed);
      values_[dst] = std::move(to);
      say(index, "table");
      return {};
    }
    Value to;
    to.kind = Kind::pair;
    to.pair = std::make_shared<Pair>();
    to.pair->a = left.codes;
    to.pair->b = right.codes;
    to.pair->function = {kind, left.function, right.function, {}};
    values_[dst] = std::move(to);
    return {};
  }
  if (lower_channels(index, a, b, false) || lower_channels(index, b, a, true)) return {};
  lower_float_binary(index);
  return {};
}

void Lowering::lower_cast(int index) {
  const size_t src = in(index, 0), dst = out(index);
  const Value& from = values_[src];
  if (from.kind == Value::Kind::codes) {
    Value to;
    to.kind = Value::Kind::function;
    to.codes = from.codes;
    to.function = dequantize_table(codes(from.codes).is_signed ? DType::s8 : DType::u8, 1.0F, 0);
    values_[dst] = std::move(to);
    return;
  }
  const int ints = whole(from.plain, Order::flat);
  const int made_store = add_store(shape(dst), Order::flat, DType::f32);
  (void)add_step(StepKind::float_cast, {ints}, made_store);
  set_plain(dst, made_store);
}

}  // namespace octile::runtime
