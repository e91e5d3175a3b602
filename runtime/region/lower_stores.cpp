// Stores and windows: numpy's views, with axes named instead of strides, because halos are known last.
// In/out: see lower.h.  Not here: which node reads what.
#include <algorithm>

#include "runtime/region/lower.h"

namespace octile::runtime {

bool same_window(const Window& a, const Window& b) {
  if (a.store != b.store || a.shape != b.shape || a.start != b.start) return false;
  for (size_t i = 0; i < a.axes.size(); ++i) {
    const bool one = a.shape[i] == 1;
    if (!one && (a.axes[i].of != b.axes[i].of || a.axes[i].step != b.axes[i].step)) return false;
  }
  return true;
}

bool same_bytes(const Shape& shape) {
  return shape.size() < 3 || shape[1] == 1 || element_count(shape) == shape[0] * shape[1];
}

Extents extents_of(const Shape& shape, Order order) {
  if (order == Order::nhwc) return {shape[0], shape.size() == 4 ? shape[2] : 1, shape.back(), shape[1]};
  const int64_t c = shape.empty() ? 1 : shape.back();
  return {1, 1, c == 0 ? 0 : element_count(shape) / c, c};
}

int Lowering::add_store(Shape shape, Order order, DType type) {
  Store& s = program_.stores.emplace_back();
  s.shape = std::move(shape);
  s.order = order;
  s.type = type == DType::s8 ? DType::u8 : type;
  return static_cast<int>(program_.stores.size()) - 1;
}

Step& Lowering::add_step(StepKind kind, std::vector<int> src, int dst) {
  Step& step = program_.steps.emplace_back();
  step.kind = kind;
  step.node = at_;
  step.src = std::move(src);
  step.dst = dst;
  return step;
}

Window Lowering::window_of(int s) const {
  Window w;
  w.store = s;
  w.shape = store(s).shape;
  w.axes.resize(w.shape.size());
  for (size_t i = 0; i < w.axes.size(); ++i) w.axes[i].of = static_cast<int>(i);
  w.start.assign(w.shape.size(), 0);
  return w;
}

Order Lowering::order_for(size_t value, size_t rank) const {
  return rank == 3 || rank == 4 ? recipe_.orders[value] : Order::flat;
}

std::vector<int64_t> Lowering::strides_of(const Store& s) const {
  std::vector<int64_t> strides(s.shape.size(), 1);
  if (s.order == Order::flat) {
    for (size_t i = s.shape.size(); i-- > 1;) strides[i - 1] = strides[i] * s.shape[i];
    return strides;
  }
  const Extents e = extents_of(s.shape, s.order);
  strides[0] = e.h * e.w * e.c;
  strides[1] = 1;
  if (s.shape.size() == 4) strides[2] = e.w * e.c;
  strides.back() = e.c;
  return strides;
}

// Do the window's elements lie, one after the other, as a whole store of its shape in this order would have them?
bool Lowering::lies_like(const Window& window, Order order) const {
  const Store& s = store(window.store);
  if (element_count(window.shape) != element_count(s.shape)) return false;
  Store want;
  want.shape = window.shape;
  want.order = order;
  const std::vector<int64_t> have = strides_of(s), wanted = strides_of(want);
  for (size_t i = 0; i < window.shape.size(); ++i) {
    if (window.shape[i] == 1) continue;
    const Window::Axis& axis = window.axes[i];
    if (axis.of < 0 || axis.step * have[static_cast<size_t>(axis.of)] != wanted[i]) return false;
  }
  return true;
}

// The bytes of a store in another shape or order; they stay where they are.
int Lowering::read_as(int s, const Shape& shape, Order order) {
  const int of = store(s).alias >= 0 ? store(s).alias : s;
  const int made = add_store(shape, order, store(s).type);
  for (const int pinned : {of, made}) store(pinned).pinned = true;
  store(made).alias = of;
  return made;
}

int Lowering::whole(const Window& window, Order order, bool may_border) {
  const Store& s = store(window.store);
  if (s.order == order && s.shape == window.shape && same_window(window, window_of(window.store)) && !s.raw_signed &&
      !(may_border && (s.home != Home::arena || s.pinned || s.alias >= 0))) {
    return window.store;
  }
  for (const Copy& copy : copies_) {
    if (copy.order == order && same_window(copy.window, window) &&
        !(may_border && (store(copy.store).pinned || store(copy.store).alias >= 0))) {
      return copy.store;
    }
  }
  // Another reading of the same bytes, where nobody has put a halo around them.
  const bool plain = s.home != Home::arena || !s.bordered();
  if (!may_border && plain && !s.raw_signed && lies_like(window, order)) {
    const int made = read_as(window.store, window.shape, order);
    copies_.push_back({window, order, made});
    return made;
  }
  const int made = copied(window, order);
  copies_.push_back({window, order, made});
  return made;
}

// Would a whole store of the window's shape, in this order, have its elements in another order than they lie now?
bool Lowering::reordered(const Window& window, Order order) const {
  Store want;
  want.shape = window.shape;
  want.order = order;
  const std::vector<int64_t> have = strides_of(store(window.store)), wanted = strides_of(want);
  std::vector<std::pair<int64_t, int64_t>> strides;  // of the axes that count
  for (size_t i = 0; i < window.shape.size(); ++i) {
    const Window::Axis& axis = window.axes[i];
    if (window.shape[i] > 1 && axis.of >= 0) strides.emplace_back(have[static_cast<size_t>(axis.of)], wanted[i]);
  }
  std::sort(strides.begin(), strides.end());
  return !std::is_sorted(strides.begin(), strides.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
}

int Lowering::copied(const Window& window, Order order) {
  const bool is_whole = same_window(window, window_of(window.store));
  Window from = window;
  // Only all of a tensor can be turned from the host's signed codes.
  if (store(window.store).raw_signed && !is_whole) from.store = whole(window_of(window.store), Order::flat);
  const int made = add_store(window.shape, order, store(from.store).type);
  const bool image = window.shape.size() == 3 || window.shape.size() == 4;
  if (store(from.store).raw_signed || (is_whole && image)) {
    (void)add_step(StepKind::convert, {from.store}, made);
  } else {
    (void)copy_into(from, window_of(made));
  }
  program_.steps.back().reorders = reordered(from, order);
  return made;
}

Step& Lowering::copy_into(const Window& from, const Window& to) {
  Step& step = add_step(StepKind::move, {from.store}, to.store);
  step.move.from = from;
  step.move.to = to;
  return step;
}

// Does the window show all elements of its store, their axes in another order?
bool Lowering::permuted(const Window& window) const {
  const Store& s = store(window.store);
  if (s.raw_signed || element_count(window.shape) != element_count(s.shape)) return false;
  std::vector<bool> seen(s.shape.size(), false);
  for (size_t i = 0; i < window.axes.size(); ++i) {
    const Window::Axis& axis = window.axes[i];
    if (window.shape[i] == 1) continue;
    if (axis.of < 0 || axis.step != 1 || seen[static_cast<size_t>(axis.of)]) return false;
    if (window.shape[i] != s.shape[static_cast<size_t>(axis.of)]) return false;
    seen[static_cast<size_t>(axis.of)] = true;
  }
  return true;
}

const Window& Lowering::made(int c) {
  Codes& code = codes(c);
  if (code.map == nullptr) return code.root;
  if (!code.made) {
    Window root = code.root;
    if (permuted(root)) {  // where they lie is as good a place for the table, and needs no copy
      const Store of = store(root.store);
      const int dst = add_store(of.shape, of.order, DType::u8);
      add_step(StepKind::table, {root.store}, dst).table = codes(c).map;
      root.store = dst;
      codes(c).made = root;
      return *codes(c).made;
    }
    const bool image = store(root.store).order == Order::nhwc && (root.shape.size() == 3 || root.shape.size() == 4);
    const Order order = image && !reordered(root, Order::nhwc) ? Order::nhwc : Order::flat;
    const int src = whole(root, order);
    const int dst = add_store(root.shape, order, DType::u8);
    Step& step = add_step(StepKind::table, {src}, dst);
    step.table = codes(c).map;
    codes(c).made = window_of(dst);
  }
  return *codes(c).made;
}

Window Lowering::stored(int c) {
  const Window window = made(c);
  return store(window.store).raw_signed ? window_of(whole(window, Order::flat)) : window;
}

int Lowering::codes_store(int c, Order order, bool may_border) {
  const Window window = made(c);
  return whole(window, order, may_border);
}

int Lowering::add_codes(Window window, bool is_signed) {
  Codes c;
  c.root = std::move(window);
  c.is_signed = is_signed;
  codes_.push_back(std::move(c));
  return static_cast<int>(codes_.size()) - 1;
}

int Lowering::add_codes(int s, bool is_signed) { return add_codes(window_of(s), is_signed); }

void Lowering::set_codes(size_t value, int c) {
  values_[value].kind = Value::Kind::codes;
  values_[value].codes = c;
}

void Lowering::set_plain(size_t value, int s) {
  values_[value].kind = Value::Kind::plain;
  values_[value].plain = window_of(s);
}

void Lowering::set_like(size_t value, Value from, Window window) {
  from.codes = add_codes(std::move(window), codes(from.codes).is_signed);
  from.floats.reset();
  if (element_count(shape(value)) != 1) from.scalar.reset();
  values_[value] = std::move(from);
}

int Lowering::floats_store(size_t v) { return whole(floats_window(v), Order::flat); }

Window Lowering::floats_window(size_t v) {
  if (values_[v].kind == Value::Kind::chain) settle(v);
  const Value value = values_[v];
  if (value.kind == Value::Kind::plain) return value.plain;
  if (value.floats) return *value.floats;
  const Shape dims = shape(v);
  int dst = -1;
  if (value.kind == Value::Kind::function) {
    dst = floats_of_codes(value.codes, value.function);
  } else if (value.kind == Value::Kind::channels) {
    dst = channels_store(value, dims);
  } else {
    dst = pair_store(*value.pair, dims);
  }
  values_[v].floats = window_of(dst);
  return window_of(dst);
}

int Lowering::known_floats(int c, const FloatFn& means) const {
  for (const Dequantized& known : dequantized_) {
    if (known.codes == c && (known.means == means || same_floats(*known.means, *means))) return known.floats;
  }
  return -1;
}

// As the codes lie; once for all who want them.
int Lowering::floats_of_codes(int c, const FloatFn& means) {
  if (const int known = known_floats(c, means); known >= 0) return known;
  const Window window = made(c);
  const Order order = order_of(window);
  const int src = whole(window, order), dst = add_store(window.shape, order, DType::f32);
  Step& step = add_step(StepKind::table_f32, {src}, dst);
  step.meaning = meaning_of(*means, step.values);
  dequantized_.push_back({c, means, dst});
  return dst;
}

Order Lowering::order_of(const Window& window) const {
  if (window.shape.size() != 3 && window.shape.size() != 4) return Order::flat;
  const bool pixels = store(window.store).order == Order::nhwc
                          ? !reordered(window, Order::nhwc)
                          : lies_like(window, Order::nhwc) && !lies_like(window, Order::flat);
  return pixels ? Order::nhwc : Order::flat;
}

int Lowering::raw_store(int c) {
  const int flat = codes_store(c, Order::flat);
  if (!codes(c).is_signed) return flat;
  const int raw = add_store(store(flat).shape, Order::flat, DType::u8);
  store(raw).raw_signed = true;
  store(raw).pinned = true;
  (void)add_step(StepKind::convert, {flat}, raw);
  return raw;
}

Status Lowering::in_node(const NodeDesc& node, const Status& status) {
  return {status.code(), "node \"" + node.name + "\": " + status.message()};
}

}  // namespace octile::runtime
