// Pools and means.
// In/out: see lower.h.  Not here: resizes, softmax and normalizations (lower_rows.cpp).
#include <algorithm>
#include <numeric>

#include "runtime/region/lower.h"

namespace octile::runtime {
namespace {

PoolForm form_of(const std::vector<WindowAxis>& axes, bool count_pads) {
  const WindowAxis rows = axes.size() == 2 ? axes[0] : WindowAxis(), columns = axes.back();
  PoolForm f;
  f.kh = rows.kernel, f.sh = rows.stride, f.dh = rows.dilation, f.ph = rows.begin, f.ph_end = rows.end;
  f.kw = columns.kernel, f.sw = columns.stride, f.dw = columns.dilation, f.pw = columns.begin, f.pw_end = columns.end;
  f.count_pads = count_pads;
  return f;
}

// Positions of one axis inside the input, per output position; and how many lie inside input and pads.
struct Taps {
  std::vector<int64_t> inside;
  int64_t padded = 0;
};
Taps taps_of(const WindowAxis& axis, int64_t pixel) {
  Taps t;
  for (int64_t k = 0; k < axis.kernel; ++k) {
    const int64_t x = pixel * axis.stride + k * axis.dilation - axis.begin;
    if (x < axis.in + axis.end) ++t.padded;
    if (x >= 0 && x < axis.in) t.inside.push_back(x);
  }
  return t;
}

// The only axis that goes; -1: none or several do.
int64_t sole_axis(const std::vector<bool>& gone) {
  if (std::count(gone.begin(), gone.end(), true) != 1) return -1;
  return std::find(gone.begin(), gone.end(), true) - gone.begin();
}

bool meets_nothing(const std::vector<WindowAxis>& axes) {
  return std::any_of(axes.begin(), axes.end(), [](const WindowAxis& axis) {
    for (int64_t pixel = 0; pixel < axis.out; ++pixel) {
      if (taps_of(axis, pixel).inside.empty()) return true;
    }
    return false;
  });
}

}  // namespace

// Global ones: all but images and channels. A mean that names no axes: all.
Result<std::vector<bool>> Lowering::mean_axes(const NodeDesc& n, size_t rank) {
  const bool global = n.kind == NodeKind::global_average_pool || n.kind == NodeKind::global_max_pool;
  std::vector<bool> gone(rank, global || n.ints.size() < 2);
  if (global) gone[0] = gone[1] = false;
  for (size_t i = 1; !global && i < n.ints.size(); ++i) {
    OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(n, n.ints[i], rank));
    gone[axis] = true;
  }
  return gone;
}

Result<Window> Lowering::turned_along(const std::vector<int>& turns, Window window) {
  for (const int turn : turns) {
    OCTILE_ASSIGN_OR_RETURN(window, moved(node(turn), window, shape(out(turn)), 0, Order::flat));
    done_[static_cast<size_t>(turn)] = true;
  }
  return window;
}

void Lowering::quantized_along(int quantize, int made_codes) {
  set_codes(static_cast<size_t>(node(quantize).output), made_codes);
  done_[static_cast<size_t>(quantize)] = true;
  say(quantize, "part of the operation before it");
}

Status Lowering::lower_max_pool(int index) {
  const NodeDesc& n = node(index);
  const size_t src = in(index, 0), dst = out(index);
  const bool global = n.kind == NodeKind::global_max_pool;
  std::vector<WindowAxis> axes;
  if (!global) {
    OCTILE_ASSIGN_OR_RETURN(axes, window_axes(n, shape(src)));
    if (meets_nothing(axes)) return in_node(n, {Code::invalid_argument, "a window lies outside its input"});
  }
  const Value from = values_[src];
  const bool function = from.kind == Value::Kind::function;
  const int way = function ? direction(*from.function) : 1;
  const Shape dims = shape(src);
  const bool image = dims.size() == 3 || dims.size() == 4 || (global && element_count(dims) > 0);
  const bool of_codes = way == 0 || from.kind == Value::Kind::pair;
  if (const int floats = global ? -1 : floats_as_pixels(src, of_codes); floats >= 0) {
    const int made_store = add_store(shape(dst), Order::nhwc, DType::f32);
    add_step(StepKind::max_pool, {floats}, made_store).pool = form_of(axes, false);
    set_plain(dst, made_store);
    return {};
  }
  if ((from.kind != Value::Kind::codes && !function) || way == 0 || !image) {
    if (global) return lower_float_rows(index);
    return lower_float_window(index);
  }
  int read = from.codes;
  Shape made = shape(dst);
  if (dims.size() > 4) {  // all other axes are one
    const Window flat = window_of(codes_store(read, Order::flat));
    read =
        add_codes(reshaped(flat, {dims[0], dims[1], element_count(dims) / (dims[0] * dims[1])}), codes(read).is_signed);
    made = {dims[0], dims[1], 1};
  }
  const int pixels = codes_store(read, Order::nhwc);
  const int made_store = add_store(made, Order::nhwc, DType::u8);
  Step& step = add_step(global ? StepKind::global_max : StepKind::max_pool, {pixels}, made_store);
  if (!global) step.pool = form_of(axes, false);
  step.pool.lowest = way < 0;
  const Window window = window_of(made_store);
  set_like(dst, from, dims.size() > 4 ? reshaped(window, shape(dst)) : window);
  return {};
}

Status Lowering::lower_average(int index) {
  const NodeDesc& n = node(index);
  const size_t src = in(index, 0), dst = out(index);
  const Shape dims = shape(src);
  const Value from = values_[src];
  std::vector<int> turns;
  const int quantize = sole_quantize(dst, &turns);
  const bool pool = n.kind == NodeKind::average_pool;
  std::vector<WindowAxis> axes;
  if (pool) {
    OCTILE_ASSIGN_OR_RETURN(axes, window_axes(n, dims));
    if (meets_nothing(axes)) return in_node(n, {Code::invalid_argument, "a window lies outside its input"});
  }
  // A mean over all pixels, or along one axis.
  std::vector<bool> gone(dims.size(), false);
  if (!pool) {
    OCTILE_ASSIGN_OR_RETURN(gone, mean_axes(n, dims.size()));
  }
  const bool image = dims.size() == 3 || dims.size() == 4;
  bool pixels = image && !pool && !gone[0] && !gone[1];
  for (size_t i = 2; i < dims.size(); ++i) pixels = pixels && gone[i];
  const int64_t one = sole_axis(gone);
  if (pixels && one >= 0 && from.kind == Value::Kind::function) pixels = order_of(made(from.codes)) == Order::nhwc;
  const bool rows = one >= 0 && !pixels;
  const auto axis = static_cast<size_t>(one);
  const bool known = from.kind == Value::Kind::function && quantize >= 0 && element_count(dims) > 0;
  const bool count_pads = pool && int_or(n, 4 * axes.size() + 1, 0) != 0;
  const int floats = pixels || (pool && image) ? floats_as_pixels(src, !known && element_count(dims) > 0) : -1;
  if (floats >= 0 && pool) {
    const int made_store = add_store(shape(dst), Order::nhwc, DType::f32);
    add_step(StepKind::average_pool, {floats}, made_store).pool = form_of(axes, count_pads);
    set_plain(dst, made_store);
    return {};
  }
  if (floats >= 0) {
    const int made_store = add_store(Shape{dims[0], dims[1], 1}, Order::nhwc, DType::f32);
    (void)add_step(StepKind::float_average, {floats}, made_store);
    values_[dst].kind = Value::Kind::plain;
    values_[dst].plain = reshaped(window_of(made_store), shape(dst));
    return {};
  }
  if (!known || !((pool && image) || pixels || rows)) {
    return pool ? lower_float_window(index) : lower_float_rows(index);
  }
  const NodeDesc& q = node(quantize);
  const QuantizeTo to = quantize_to(q.spec, q.quant);
  const int bytes = rows ? whole(to_end(made(from.codes), axis), Order::flat) : codes_store(from.codes, Order::nhwc);
  Shape made_shape = shape(dst);
  if (pixels) made_shape = dims.size() == 4 ? Shape{dims[0], dims[1], 1, 1} : Shape{dims[0], dims[1], 1};
  const int made_store = add_store(made_shape, rows ? Order::flat : Order::nhwc, DType::u8);
  const StepKind kind = pool ? StepKind::average_pool : pixels ? StepKind::global_average : StepKind::mean_rows;
  Step& step = add_step(kind, {bytes}, made_store);
  if (pool) step.pool = form_of(axes, count_pads);
  step.meaning = meaning_of(*from.function, step.values);
  step.to = to.form();
  if (rows) step.row = dims[axis];
  Window window = window_of(made_store);
  if (made_shape != shape(dst)) window = reshaped(window, shape(dst));
  OCTILE_ASSIGN_OR_RETURN(window, turned_along(turns, window));
  quantized_along(quantize, add_codes(window, to.is_signed));
  return {};
}

// Along one axis of codes; else of floats.
Status Lowering::lower_reduce_max(int index) {
  const NodeDesc& n = node(index);
  const size_t src = in(index, 0), dst = out(index);
  const Value from = values_[src];
  OCTILE_ASSIGN_OR_RETURN(const std::vector<bool> gone, mean_axes(n, shape(src).size()));
  const bool function = from.kind == Value::Kind::function;
  const int64_t one = sole_axis(gone);
  const int way = function ? direction(*from.function) : 1;
  if ((from.kind != Value::Kind::codes && !function) || way == 0 || one < 0) return lower_float_rows(index);
  const auto axis = static_cast<size_t>(one);
  const int made_store = add_store(shape(dst), Order::flat, DType::u8);
  Step& step = add_step(StepKind::max_rows, {whole(to_end(stored(from.codes), axis), Order::flat)}, made_store);
  step.row = shape(src)[axis];
  step.pool.lowest = way < 0;
  set_like(dst, from, window_of(made_store));
  return {};
}

Status Lowering::lower_float_window(int index) {
  const NodeDesc& n = node(index);
  const size_t src = in(index, 0), dst = out(index);
  if (recipe_.desc.values[src].type != DType::f32) {
    return in_node(n, {Code::unsupported, "pools of this type and rank"});
  }
  OCTILE_ASSIGN_OR_RETURN(const std::vector<WindowAxis> axes, window_axes(n, shape(src)));
  const WindowAxis rows = axes.size() == 2 ? axes[0] : WindowAxis(), columns = axes.back();
  const bool count_pads = n.kind == NodeKind::average_pool && int_or(n, 4 * axes.size() + 1, 0) != 0;
  const int floats = floats_store(src);
  const int made_store = add_store(shape(dst), Order::flat, DType::f32);
  Step& step = add_step(StepKind::float_members, {floats}, made_store);
  step.float_kind = n.kind;
  const int64_t planes = shape(src)[0] * shape(src)[1];
  for (int64_t plane = 0; plane < planes; ++plane) {
    for (int64_t y = 0; y < rows.out; ++y) {
      const Taps ty = taps_of(rows, y);
      for (int64_t x = 0; x < columns.out; ++x) {
        const Taps tx = taps_of(columns, x);
        step.starts.push_back(std::ssize(step.members));
        for (int64_t i : ty.inside) {
          for (int64_t j : tx.inside) step.members.push_back((plane * rows.in + i) * columns.in + j);
        }
        const int64_t seen = std::ssize(ty.inside) * std::ssize(tx.inside);
        step.counts.push_back(count_pads ? ty.padded * tx.padded : seen);
      }
    }
  }
  step.starts.push_back(std::ssize(step.members));
  set_plain(dst, made_store);
  return {};
}

// Means and maxima over any axes, which become rows.
Status Lowering::lower_float_rows(int index) {
  const NodeDesc& n = node(index);
  const size_t src = in(index, 0), dst = out(index);
  if (recipe_.desc.values[src].type != DType::f32) {
    return in_node(n, {Code::unsupported, "means and maxima of this type"});
  }
  OCTILE_ASSIGN_OR_RETURN(const std::vector<bool> gone, mean_axes(n, shape(src).size()));
  Window window = floats_window(src);
  int64_t row = 1;
  for (size_t axis = 0, moved = 0; axis < gone.size(); ++axis) {
    if (!gone[axis]) continue;
    row *= shape(src)[axis];
    window = to_end(std::move(window), axis - moved++);
  }
  const int rows = whole(window, Order::flat);
  const int made_store = add_store(shape(dst), Order::flat, DType::f32);
  const bool most = n.kind == NodeKind::global_max_pool || n.kind == NodeKind::reduce_max;
  Step& step = add_step(most ? StepKind::float_members : StepKind::float_mean_rows, {rows}, made_store);
  step.row = row;
  if (most) {
    step.float_kind = n.kind;
    step.members.resize(static_cast<size_t>(element_count(store(rows).shape)));
    std::iota(step.members.begin(), step.members.end(), 0);
    for (int64_t r = 0; r <= element_count(shape(dst)); ++r) step.starts.push_back(r * row);
  }
  set_plain(dst, made_store);
  return {};
}

}  // namespace octile::runtime
