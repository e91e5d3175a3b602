// Functions of a code and its channel: what a constant per channel makes of a function, batch normalization above all.
// In/out: see lower.h.  Not here: functions of the code alone (lower_pointwise.cpp).
#include <algorithm>

#include "runtime/region/lower.h"

namespace octile::runtime {

Value map_channels(const Value& from, const std::function<float(float, size_t)>& f) {
  Value to = from;
  to.scalar.reset();
  auto tables = std::make_shared<std::vector<FloatTable>>(*from.per_channel);
  for (size_t c = 0; c < tables->size(); ++c) {
    for (float& v : (*tables)[c].at) v = f(v, c);
    (*tables)[c].affine = false;
  }
  to.per_channel = std::move(tables);
  return to;
}

// Do readers make codes of a value, be it after functions of one number or with constants? Floats are made sooner
// without a table per channel.
bool Lowering::coded_in_the_end(size_t value) const {
  constexpr size_t kMost = 64;  // values looked at
  const auto constant = [&](int operand) { return recipe_.desc.values[static_cast<size_t>(operand)].constant; };
  std::vector<size_t> values{value};
  for (size_t i = 0; i < values.size(); ++i) {
    if (recipe_.outputs[values[i]] > 0 || values.size() > kMost) return false;
    for (const int reader : recipe_.consumers[values[i]]) {
      const NodeDesc& n = node(reader);
      if (n.kind == NodeKind::spec && n.spec.kind == OpKind::quantize) continue;
      const bool with_constant = is_binary(n.kind) && std::any_of(n.inputs.begin(), n.inputs.end(), constant);
      if (!is_unary(n.kind) && !with_constant) return false;
      values.push_back(static_cast<size_t>(n.output));
    }
  }
  return true;
}

// A constant with one number per channel: a function of the code for each. The axis must be the one that lies
// innermost.
bool Lowering::lower_channels(int index, size_t of, size_t constant, bool constant_first) {
  const size_t dst = out(index);
  const Value from = values_[of];
  const Value& other = values_[constant];
  const bool coded = from.kind == Value::Kind::function || (from.kind == Value::Kind::channels && !from.floats);
  const Shape& dims = shape(dst);
  if (!coded || other.kind != Value::Kind::plain || shape(of) != dims || dims.empty()) return false;
  if (!coded_in_the_end(dst)) return false;
  const Store& numbers = store(other.plain.store);
  if (numbers.home != Home::constant || numbers.type != DType::f32 || numbers.shape != other.plain.shape) return false;
  const size_t axis = order_for(dst, dims.size()) == Order::nhwc ? 1 : dims.size() - 1;
  Shape full(dims.size() - numbers.shape.size(), 1);
  full.insert(full.end(), numbers.shape.begin(), numbers.shape.end());
  if (full[axis] != dims[axis] || element_count(full) != dims[axis]) return false;
  if (from.kind == Value::Kind::channels && from.axis != axis) return false;
  Value start = from;
  if (from.kind == Value::Kind::function) {
    start.kind = Value::Kind::channels;
    start.per_channel =
        std::make_shared<const std::vector<FloatTable>>(static_cast<size_t>(dims[axis]), *from.function);
    start.axis = axis;
    start.function = nullptr;
  }
  const auto* list = reinterpret_cast<const float*>(numbers.constant);
  const NodeKind kind = node(index).kind;
  Value made_value = map_channels(
      start, [&](float v, size_t c) { return constant_first ? binary(kind, list[c], v) : binary(kind, v, list[c]); });
  forget_channels(of);
  made_value.floats.reset();
  values_[dst] = std::move(made_value);
  say(index, "table per channel");
  return true;
}

// What was handed on to the only reader; a kilobyte for each channel.
void Lowering::forget_channels(size_t v) {
  const size_t readers = recipe_.consumers[v].size() + static_cast<size_t>(recipe_.outputs[v]);
  if (values_[v].kind == Value::Kind::channels && readers == 1) values_[v].per_channel.reset();
}

// Functions side by side along the axis that lies innermost: what they are functions of is joined, for readers that go
// on with functions per channel.
bool Lowering::join_channels(int index) {
  const NodeDesc& n = node(index);
  const size_t dst = out(index);
  const Shape& dims = shape(dst);
  const Order order = order_for(dst, dims.size());
  const int64_t given = int_or(n, 0, 0), rank = std::ssize(dims);
  const auto axis = static_cast<size_t>(given < 0 ? given + rank : given);
  if (axis != (order == Order::nhwc ? 1 : dims.size() - 1) || !coded_in_the_end(dst)) return false;
  auto tables = std::make_shared<std::vector<FloatTable>>();
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    const Value& v = values_[in(index, i)];
    if (v.kind == Value::Kind::function) {
      tables->insert(tables->end(), static_cast<size_t>(shape(in(index, i))[axis]), *v.function);
    } else if (v.kind == Value::Kind::channels && !v.floats && v.axis == axis) {
      tables->insert(tables->end(), v.per_channel->begin(), v.per_channel->end());
    } else {
      return false;
    }
  }
  std::vector<Window> parts;
  for (size_t i = 0; i < n.inputs.size(); ++i) parts.push_back(stored(values_[in(index, i)].codes));
  Value to;
  to.kind = Value::Kind::channels;
  to.axis = axis;
  to.codes = add_codes(concatenated(n, parts, dims, order), false);
  to.per_channel = std::move(tables);
  values_[dst] = std::move(to);
  say(index, "table per channel");
  return true;
}

int Lowering::quantize_channels(const Value& value, const Shape& dims, const QuantizeTo& to) {
  const Order order = value.axis + 1 == dims.size() ? Order::flat : Order::nhwc;
  const int src = codes_store(value.codes, order);
  const int dst = add_store(dims, order, DType::u8);
  auto tables = std::make_shared<std::vector<uint8_t>>(256 * value.per_channel->size());
  for (size_t c = 0; c < value.per_channel->size(); ++c) to.row((*value.per_channel)[c].at, tables->data() + 256 * c);
  Step& step = add_step(StepKind::channel_table, {src}, dst);
  step.lines = lines_of(*value.per_channel, *tables, to);
  if (step.lines == nullptr) step.tables = std::move(tables);
  return add_codes(dst, to.is_signed);
}

int Lowering::channels_store(const Value& value, const Shape& dims) {
  const int src = codes_store(value.codes, Order::flat);
  const int dst = add_store(dims, Order::flat, DType::f32);
  auto floats = std::make_shared<std::vector<float>>();
  for (const FloatTable& f : *value.per_channel) floats->insert(floats->end(), f.at.begin(), f.at.end());
  Step& step = add_step(StepKind::channel_floats, {src}, dst);
  step.values = std::move(floats);
  step.row = element_count(Shape(dims.begin() + static_cast<int64_t>(value.axis) + 1, dims.end()));
  return dst;
}

}  // namespace octile::runtime
