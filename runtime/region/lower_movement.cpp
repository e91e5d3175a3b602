// Movements of elements: windows where that is enough, copies where it is not.
// In/out: see lower.h.  Not here: when a window becomes bytes (lower_stores.cpp).
#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "runtime/region/lower.h"

namespace octile::runtime {
namespace {

Shape without_ones(Shape dims) {
  std::erase(dims, 1);
  return dims;
}

// The window with its elements counted by other axes, where axes are only parted, or joined again that were. Without a
// shape: the elements would have to be copied.
Window regrouped(const Window& from, const Shape& dims) {
  Window to = from;
  to.shape.clear();
  to.axes.assign(dims.size(), {});
  size_t i = 0, k = 0;
  const size_t n = from.shape.size(), m = dims.size();
  for (;;) {
    while (i < n && from.shape[i] == 1) ++i;
    while (k < m && dims[k] == 1) ++k;
    if (i == n || k == m) break;
    // What the axes from i to i_end have is what those from k to k_end want.
    size_t i_end = i + 1, k_end = k + 1;
    int64_t have = from.shape[i], want = dims[k];
    while (have != want) {
      if (have < want && i_end < n) {
        have *= from.shape[i_end++];
      } else if (have > want && k_end < m) {
        want *= dims[k_end++];
      } else {
        return to;
      }
    }
    Window::Axis inner = from.axes[i];
    for (size_t next = i + 1; next < i_end; ++next) {
      if (from.shape[next] == 1) continue;
      const Window::Axis& axis = from.axes[next];
      if (axis.of != inner.of || inner.step != axis.step * from.shape[next]) return to;
      inner.step = axis.step;
    }
    for (size_t axis = k_end; axis-- > k;) {
      to.axes[axis] = inner;
      inner.step *= dims[axis];
    }
    i = i_end;
    k = k_end;
  }
  if (i == n && k == m) to.shape = dims;
  return to;
}

// Reflected and repeated positions of a pad; -1: what the pad adds.
int64_t pad_position(int64_t i, int64_t extent, int64_t mode) {
  if (i >= 0 && i < extent) return i;
  if (mode == 2) return std::clamp<int64_t>(i, 0, extent - 1);
  if (mode == 1) return i < 0 ? -i : 2 * (extent - 1) - i;
  return -1;
}

// Does b show what comes behind a along an axis, as the parts of a split do?
bool follows(const Window& a, const Window& b, size_t axis) {
  const Window::Axis& along = a.axes[axis];
  if (a.store != b.store || along.of < 0 || a.shape[axis] < 1) return false;
  Window next = a;
  next.start[static_cast<size_t>(along.of)] += a.shape[axis] * along.step;
  next.shape[axis] = b.shape[axis];
  return same_window(next, b) && b.axes[axis].of == along.of && b.axes[axis].step == along.step;
}

}  // namespace

Window turned(const Window& from, const std::vector<int64_t>& order) {
  Window w = from;
  for (size_t i = 0; i < order.size(); ++i) {
    w.shape[i] = from.shape[static_cast<size_t>(order[i])];
    w.axes[i] = from.axes[static_cast<size_t>(order[i])];
  }
  return w;
}

Window Lowering::reshaped(const Window& from, const Shape& dims) {
  const Window window = regrouped(from, dims);
  // Of an image it is its channels that are parted, and moved then: whole planes move faster.
  const Store& s = store(from.store);
  const bool alias = !s.bordered() && !s.raw_signed && lies_like(from, Order::flat);
  const bool part = s.order == Order::flat && !alias;
  if (window.shape == dims && (part || without_ones(dims) == without_ones(from.shape))) return window;
  if (const int rows = pixels_as_one_axis(from); rows >= 0) {
    const Window joined = regrouped(window_of(rows), dims);
    if (joined.shape == dims) return joined;
  }
  return window_of(read_as(whole(from, Order::flat), dims, Order::flat));
}

// All of an image of floats that lies as nhwc, which have no halo, with its pixels counted by one axis; -1: it is none.
int Lowering::pixels_as_one_axis(const Window& from) {
  const Store s = store(from.store);
  if (s.order != Order::nhwc || s.shape.size() != 4 || s.type != DType::f32 || s.alias >= 0) return -1;
  if (!same_window(from, window_of(from.store)) || from.shape != s.shape) return -1;
  return read_as(from.store, {s.shape[0], s.shape[1], s.shape[2] * s.shape[3]}, Order::nhwc);
}

// dst[i, j, ...] = src[at[0][i], at[1][j], ...]
Window Lowering::picked(const Window& from, const Shape& dims, std::vector<std::vector<int64_t>> at, Order order) {
  const int made_store = add_store(dims, order, store(from.store).type);
  Window source = from;
  source.shape = dims;
  Step& step = copy_into(source, window_of(made_store));
  step.move.at = std::move(at);
  return window_of(made_store);
}

Result<Window> Lowering::gathered(const NodeDesc& n, const Window& from, const Shape& dims, Order order) {
  OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(n, int_or(n, 0, 0), from.shape.size()));
  const ValueDesc& indices = recipe_.desc.values[static_cast<size_t>(n.inputs[1])];
  const auto* list = reinterpret_cast<const int32_t*>(indices.data.data());
  const int64_t extent = from.shape[axis];
  std::vector<int64_t> positions(static_cast<size_t>(element_count(indices.dims)));
  for (size_t i = 0; i < positions.size(); ++i) {
    if (list[i] < -extent || list[i] >= extent) {
      return in_node(n, {Code::invalid_argument,
                         "index " + std::to_string(list[i]) + " of " + std::to_string(extent) + " does not exist"});
    }
    positions[i] = list[i] < 0 ? list[i] + extent : list[i];
  }
  // All indices as one axis; one index is a window.
  Window one = from;
  one.shape[axis] = std::ssize(positions);
  Window made_window;
  if (positions.size() == 1) {
    made_window = from;
    made_window.shape[axis] = 1;
    const Window::Axis walked = from.axes[axis];
    if (walked.of >= 0) made_window.start[static_cast<size_t>(walked.of)] += positions[0] * walked.step;
    made_window.axes[axis] = {};
  } else {
    std::vector<std::vector<int64_t>> at(one.shape.size());
    at[axis] = std::move(positions);
    made_window = picked(from, one.shape, std::move(at), one.shape.size() == dims.size() ? order : Order::flat);
  }
  return made_window.shape == dims ? made_window : reshaped(made_window, dims);
}

Window Lowering::padded(const NodeDesc& n, const Window& from, const Shape& dims, uint32_t code, Order order) {
  const size_t rank = dims.size();
  const int64_t mode = int_or(n, 2 * rank, 0);
  if (mode != 0) {
    std::vector<std::vector<int64_t>> at(rank);
    for (size_t i = 0; i < rank; ++i) {
      for (int64_t k = 0; k < dims[i]; ++k) at[i].push_back(pad_position(k - n.ints[i], from.shape[i], mode));
    }
    return picked(from, dims, std::move(at), order);
  }
  const DType type = store(from.store).type;
  const int made_store = add_store(dims, order, type);
  Step& fill = add_step(StepKind::fill, {}, made_store);
  fill.fill_word = code;
  // The part that both have.
  Window source = from, target = window_of(made_store);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t begin = n.ints[i];
    const int64_t first = std::max<int64_t>(begin, 0), last = std::min<int64_t>(begin + from.shape[i], dims[i]);
    const int64_t count = std::max<int64_t>(last - first, 0);
    source.shape[i] = target.shape[i] = count;
    target.start[i] = first;
    const Window::Axis& axis = from.axes[i];
    if (axis.of >= 0) source.start[static_cast<size_t>(axis.of)] += (first - begin) * axis.step;
  }
  if (element_count(source.shape) > 0) (void)copy_into(source, target);
  return window_of(made_store);
}

// Blocks of pixels to channels and back: the axes split on both sides.
Window Lowering::blocked(const NodeDesc& n, const Window& from, const Shape& dims, Order order) {
  const int64_t b = int_or(n, 0, 1);
  const bool to_depth = n.kind == NodeKind::space_to_depth;
  const bool crd = !to_depth && int_or(n, 1, 0) == 1;
  const int made_store = add_store(dims, order, store(from.store).type);
  const Window target = window_of(made_store);
  const Window& deep = to_depth ? target : from;
  const Window& wide = to_depth ? from : target;
  const int64_t c = wide.shape[1];
  const auto split = [](const Window& w, size_t axis, int64_t step) {
    return Window::Axis{w.axes[axis].of, w.axes[axis].step * step};
  };
  const auto six = [](const Window& w, std::vector<Window::Axis> axes, const Shape& extents) {
    return Window{w.store, extents, std::move(axes), w.start};
  };
  // Image, row, row in block, column, column in block, channel.
  const Shape extents{deep.shape[0], deep.shape[2], b, deep.shape[3], b, c};
  const int64_t y_step = crd ? b : b * c, x_step = crd ? 1 : c, c_step = crd ? b * b : 1;
  const Window deep_six = six(deep,
                              {deep.axes[0], deep.axes[2], split(deep, 1, y_step), deep.axes[3], split(deep, 1, x_step),
                               split(deep, 1, c_step)},
                              extents);
  const Window wide_six = six(
      wide, {wide.axes[0], split(wide, 2, b), wide.axes[2], split(wide, 3, b), wide.axes[3], wide.axes[1]}, extents);
  (void)copy_into(to_depth ? wide_six : deep_six, to_depth ? deep_six : wide_six);
  return target;
}

Window Lowering::repeated(const Window& from, const Shape& dims, Order order) {
  const size_t missing = dims.size() - from.shape.size();
  Window wide{from.store, dims, std::vector<Window::Axis>(dims.size()), from.start};
  for (size_t i = 0; i < from.shape.size(); ++i) {
    if (from.shape[i] == dims[missing + i]) wide.axes[missing + i] = from.axes[i];
  }
  const Window target = window_of(add_store(dims, order, store(from.store).type));
  if (element_count(dims) > 0) (void)copy_into(wide, target);
  return target;
}

Result<Window> Lowering::moved(const NodeDesc& n, const Window& from, const Shape& dims, uint32_t code, Order order) {
  switch (n.kind) {
    case NodeKind::slice: {
      OCTILE_ASSIGN_OR_RETURN(const std::vector<SliceAxis> axes, slice_axes(n, from.shape));
      Window w = from;
      w.shape = dims;
      for (size_t i = 0; i < axes.size(); ++i) {
        Window::Axis& axis = w.axes[i];
        if (axis.of >= 0 && axes[i].count > 0) w.start[static_cast<size_t>(axis.of)] += axes[i].start * axis.step;
        axis.step *= axes[i].count > 1 ? axes[i].step : 1;
      }
      return w;
    }
    case NodeKind::transpose: {
      const size_t rank = from.shape.size();
      std::vector<int64_t> axes;
      for (size_t i = 0; i < rank; ++i) {
        OCTILE_ASSIGN_OR_RETURN(const size_t of, axis_of(n, int_or(n, i, static_cast<int64_t>(rank - 1 - i)), rank));
        axes.push_back(static_cast<int64_t>(of));
      }
      return turned(from, axes);
    }
    case NodeKind::gather: return gathered(n, from, dims, order);
    case NodeKind::expand: return repeated(from, dims, order);
    case NodeKind::pad: return padded(n, from, dims, code, order);
    case NodeKind::space_to_depth:
    case NodeKind::depth_to_space: return blocked(n, from, dims, order);
    case NodeKind::identity: return from;
    default: return reshaped(from, dims);
  }
}

Window Lowering::concatenated(const NodeDesc& n, const std::vector<Window>& from, const Shape& dims, Order order) {
  const int64_t given = int_or(n, 0, 0);
  const auto axis = static_cast<size_t>(given < 0 ? given + std::ssize(dims) : given);
  const int made_store = add_store(dims, order, store(from[0].store).type);
  int64_t begin = 0;
  for (size_t i = 0; i < from.size();) {
    Window source = from[i++];
    while (i < from.size() && follows(source, from[i], axis)) source.shape[axis] += from[i++].shape[axis];
    Window target = window_of(made_store);
    target.shape = source.shape;
    target.start[axis] = begin;
    begin += source.shape[axis];
    if (element_count(source.shape) > 0) (void)copy_into(source, target);
  }
  return window_of(made_store);
}

// The byte whose meaning a pad adds; -1: none has it.
int Lowering::pad_code(const NodeDesc& n, const Value& value) const {
  const float want = n.floats.empty() ? 0.0F : n.floats[0];
  if (value.kind == Value::Kind::codes) {
    const bool is_signed = codes_[static_cast<size_t>(value.codes)].is_signed;
    return is_signed ? static_cast<uint8_t>(static_cast<int8_t>(want)) ^ 0x80 : static_cast<uint8_t>(want);
  }
  for (int b = 0; b < 256; ++b) {
    const float has = value.function->at[static_cast<size_t>(b)];
    if (has == want && std::signbit(has) == std::signbit(want)) return b;
  }
  return -1;
}

Status Lowering::lower_concat(int index) {
  const NodeDesc& n = node(index);
  const size_t dst = out(index);
  const Order order = order_for(dst, shape(dst).size());
  const DType type = recipe_.desc.values[dst].type;
  std::vector<Window> parts;
  const auto values_of = [&](size_t i) -> Value& { return values_[in(index, i)]; };
  if (size_of(type) == 1) {
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      parts.push_back(stored(values_of(i).codes));
    }
    set_codes(dst, add_codes(concatenated(n, parts, shape(dst), order), type == DType::s8));
    return {};
  }
  const int quantize = type == DType::f32 ? sole_quantize(dst) : -1;
  if (quantize >= 0) {
    // Concatenation and quantization commute: then it is bytes that move.
    const NodeDesc& q = node(quantize);
    const QuantizeTo to = quantize_to(q.spec, q.quant);
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      OCTILE_ASSIGN_OR_RETURN(const int c, quantize_value(in(index, i), to, order));
      parts.push_back(stored(c));
    }
    quantized_along(quantize, add_codes(concatenated(n, parts, shape(dst), order), to.is_signed));
    return {};
  }
  const auto same_function = [&](size_t i) {
    const Value& v = values_of(i);
    return v.kind == Value::Kind::function && v.function->at == values_of(0).function->at;
  };
  bool alike = values_of(0).kind == Value::Kind::function;
  for (size_t i = 1; alike && i < n.inputs.size(); ++i) alike = same_function(i);
  if (alike) {
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      parts.push_back(stored(values_of(i).codes));
    }
    Value to = values_of(0);
    to.floats.reset();
    to.scalar.reset();
    to.codes = add_codes(concatenated(n, parts, shape(dst), order), codes(values_of(0).codes).is_signed);
    values_[dst] = std::move(to);
    return {};
  }
  if (join_channels(index)) return {};
  Order floats = Order::nhwc;
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    parts.push_back(floats_window(in(index, i)));
    if (order_of(parts.back()) == Order::flat) floats = Order::flat;
  }
  values_[dst].kind = Value::Kind::plain;
  values_[dst].plain = concatenated(n, parts, shape(dst), floats);
  return {};
}

Status Lowering::lower_movement(int index) {
  const NodeDesc& n = node(index);
  if (n.kind == NodeKind::concat) return lower_concat(index);
  const size_t src = in(index, 0), dst = out(index);
  const Order order = order_for(dst, shape(dst).size());
  const Value from = values_[src];
  const bool coded = from.kind == Value::Kind::codes || from.kind == Value::Kind::function;
  const int code = n.kind == NodeKind::pad && coded ? pad_code(n, from) : 0;
  if (coded && code >= 0) {
    const Window source = stored(from.codes);
    OCTILE_ASSIGN_OR_RETURN(const Window window, moved(n, source, shape(dst), static_cast<uint32_t>(code), order));
    set_like(dst, from, window);
    return {};
  }
  const int quantize = recipe_.desc.values[dst].type == DType::f32 ? sole_quantize(dst) : -1;
  if (quantize >= 0 && from.kind != Value::Kind::plain) {
    const NodeDesc& q = node(quantize);
    const QuantizeTo to = quantize_to(q.spec, q.quant);
    OCTILE_ASSIGN_OR_RETURN(const int c, quantize_value(src, to, order_for(src, shape(src).size())));
    const uint8_t fill = to(n.kind == NodeKind::pad && !n.floats.empty() ? n.floats[0] : 0.0F);
    OCTILE_ASSIGN_OR_RETURN(const Window window, moved(n, stored(c), shape(dst), fill, order));
    quantized_along(quantize, add_codes(window, to.is_signed));
    return {};
  }
  const Window floats = floats_window(src);
  const Order lies = shape(dst).size() == shape(src).size() ? order_of(floats) : Order::flat;
  uint32_t word = 0;
  if (n.kind == NodeKind::pad && !n.floats.empty()) {
    word = recipe_.desc.values[dst].type == DType::s32 ? static_cast<uint32_t>(static_cast<int32_t>(n.floats[0]))
                                                       : std::bit_cast<uint32_t>(n.floats[0]);
  }
  OCTILE_ASSIGN_OR_RETURN(const Window window, moved(n, floats, shape(dst), word, lies));
  values_[dst].kind = Value::Kind::plain;
  values_[dst].plain = window;
  if (from.scalar && element_count(shape(dst)) == 1 && n.kind != NodeKind::pad) values_[dst].scalar = from.scalar;
  return {};
}

}  // namespace octile::runtime
