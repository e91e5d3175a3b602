// One function per family of nodes; the families are those of NodeKind.
// In:  a node, shapes.  Out: its shape, or what does not fit.
// Not here: values.
#include "workload/graph/infer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "workload/graph/resize.h"
#include "workload/numerics/unary.h"

namespace octile {
namespace {

constexpr int64_t kMaxExtent = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxElements = int64_t{1} << 40;

Status bad(const NodeDesc& node, const std::string& what) {
  return {Code::invalid_argument, "node \"" + node.name + "\" (" + std::string(to_string(node.kind)) + "): " + what};
}

bool same_padding(const NodeDesc& node) { return node.auto_pad.starts_with("SAME"); }

void split_padding(const NodeDesc& node, int64_t total, WindowAxis& axis) {
  total = std::max<int64_t>(total, 0);
  axis.begin = node.auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
  axis.end = total - axis.begin;
}

// What a convolution's spec, or a pool's ints, say of axis i; extents and automatic pads follow.
Result<WindowAxis> given_axis(const NodeDesc& node, size_t i, size_t rank) {
  const bool pool = node.kind == NodeKind::max_pool || node.kind == NodeKind::average_pool;
  WindowAxis axis;
  if (pool) {
    if (node.ints.size() < 4 * rank) return bad(node, "has " + std::to_string(node.ints.size()) + " ints");
    axis.kernel = node.ints[i];
    axis.stride = node.ints[rank + i];
    axis.begin = node.ints[2 * rank + i];
    axis.end = node.ints[3 * rank + i];
    axis.dilation = int_or(node, 4 * rank + 2 + i, 1);
  } else {
    const OpSpec& s = node.spec;
    const bool row = rank == 2 && i == 0;
    axis = row ? WindowAxis{1, 1, s.kh, s.sh, s.dh, s.pt, s.pb} : WindowAxis{1, 1, s.kw, s.sw, s.dw, s.pl, s.pr};
  }
  if (axis.kernel < 1 || axis.stride < 1 || axis.dilation < 1 || axis.begin < 0 || axis.end < 0) {
    return bad(node, "has a window that is none");
  }
  if (node.auto_pad == "VALID") axis.begin = axis.end = 0;
  return axis;
}

// Extent of the output of a convolution or pool.
Status slide(const NodeDesc& node, bool round_up, WindowAxis& axis) {
  const int64_t reach = axis.dilation * (axis.kernel - 1) + 1;
  if (same_padding(node)) {
    axis.out = (axis.in + axis.stride - 1) / axis.stride;
    split_padding(node, (axis.out - 1) * axis.stride + reach - axis.in, axis);
    return {};
  }
  const int64_t room = axis.in + axis.begin + axis.end - reach;
  if (room < 0) return bad(node, "its output would have no pixels for an extent of " + std::to_string(axis.in));
  axis.out = room / axis.stride + 1;
  if (round_up && room % axis.stride != 0) {
    ++axis.out;
    if ((axis.out - 1) * axis.stride >= axis.in + axis.begin) --axis.out;
  }
  return {};
}

Status spread(const NodeDesc& node, int64_t output_padding, WindowAxis& axis) {
  const int64_t full = axis.stride * (axis.in - 1) + output_padding + axis.dilation * (axis.kernel - 1) + 1;
  axis.out = full - axis.begin - axis.end;
  if (same_padding(node)) {
    axis.out =
        std::min(axis.in * axis.stride, full);  // a kernel shorter than its stride: nothing to pad away, as in ORT
    split_padding(node, full - axis.out, axis);
  }
  return axis.out > 0 ? Status() : bad(node, "its output would have no pixels");
}

Result<Shape> infer_image(const NodeDesc& node, const Shape& src) {
  OCTILE_ASSIGN_OR_RETURN(const std::vector<WindowAxis> axes, window_axes(node, src));
  Shape out(src.begin(), src.end() - static_cast<int64_t>(axes.size()));
  const bool conv = node.kind <= NodeKind::dynamic;
  if (conv && (out.size() != 2 || out[1] != node.spec.ic)) {
    return bad(node, "wants " + std::to_string(node.spec.ic) + " channels, got " + print(src));
  }
  if (conv) out[1] = node.spec.oc;
  for (const WindowAxis& axis : axes) out.push_back(axis.out);
  return out;
}

Result<Shape> broadcast(const NodeDesc& node, const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) return bad(node, "cannot broadcast " + print(a) + " with " + print(b));
    out[out.size() - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

// [..., m, k] with constant [k, n], or with [..., k, n], leading axes broadcast.
Result<Shape> infer_dense(const NodeDesc& node, const std::vector<Shape>& inputs) {
  const Shape& a = inputs[0];
  const Shape b = node.spec.wei_var ? inputs[1] : Shape{node.spec.k, node.spec.n};
  if (a.empty() || b.size() < 2) return bad(node, "wants matrices, got " + print(a) + " and " + print(b));
  const int64_t k = b[b.size() - 2], n = b.back();
  if (a.back() != k) return bad(node, "wants rows of " + std::to_string(k) + ", got " + print(a));
  if (a.size() == 1) {
    if (b.size() > 2) return bad(node, "wants a matrix, got " + print(a));
    return Shape{n};
  }
  OCTILE_ASSIGN_OR_RETURN(Shape out, broadcast(node, Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2)));
  out.push_back(a[a.size() - 2]);
  out.push_back(n);
  return out;
}

Result<Shape> infer_global_pool(const NodeDesc& node, const Shape& src) {
  if (src.size() < 3) return bad(node, "wants an image, got " + print(src));
  if (node.kind == NodeKind::global_max_pool && std::find(src.begin() + 2, src.end(), 0) != src.end()) {
    return bad(node, "nothing is the greatest of " + print(src));
  }
  Shape out(src.size(), 1);
  out[0] = src[0];
  out[1] = src[1];
  return out;
}

Result<Shape> infer_reduced(const NodeDesc& node, const Shape& src) {
  std::vector<bool> gone(src.size(), node.ints.size() < 2);
  for (size_t i = 1; i < node.ints.size(); ++i) {
    OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, node.ints[i], src.size()));
    gone[axis] = true;
  }
  for (size_t i = 0; i < src.size(); ++i) {
    if (gone[i] && src[i] == 0 && node.kind == NodeKind::reduce_max) {
      return bad(node, "nothing is the greatest of " + print(src));
    }
  }
  Shape out;
  for (size_t i = 0; i < src.size(); ++i) {
    if (gone[i] && int_or(node, 0, 1) != 0) out.push_back(1);
    if (!gone[i]) out.push_back(src[i]);
  }
  return out;
}

Result<Shape> infer_concat(const NodeDesc& node, const std::vector<Shape>& inputs) {
  Shape out = inputs[0];
  OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, int_or(node, 0, 0), out.size()));
  out[axis] = 0;
  for (const Shape& in : inputs) {
    bool fits = in.size() == out.size();
    for (size_t i = 0; fits && i < in.size(); ++i) fits = i == axis || in[i] == out[i];
    if (!fits) return bad(node, "cannot concatenate " + print(inputs[0]) + " and " + print(in));
    out[axis] += in[axis];
  }
  return out;
}

Result<Shape> infer_pad(const NodeDesc& node, const Shape& src) {
  const size_t rank = src.size();
  if (node.ints.size() < 2 * rank || node.ints.size() > 2 * rank + 1) return bad(node, "pads do not fit " + print(src));
  const int64_t mode = int_or(node, 2 * rank, 0);
  Shape out = src;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t begin = node.ints[i], end = node.ints[rank + i];
    out[i] += begin + end;
    if (out[i] < 0) return bad(node, "crops more than there is of " + print(src));
    const bool grows = begin > 0 || end > 0;
    if (mode == 2 && grows && src[i] == 0) return bad(node, "no edge to repeat in " + print(src));
    if (mode == 1 && std::max(begin, end) >= src[i] && grows) return bad(node, "reflects beyond " + print(src));
  }
  return out;
}

Result<Shape> infer_reshape(const NodeDesc& node, const Shape& src) {
  Shape out = node.ints;
  int64_t known = 1;
  size_t open = out.size();
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i] == 0) {
      if (i >= src.size()) return bad(node, "copies an axis that " + print(src) + " does not have");
      out[i] = src[i];
    }
    if (out[i] < -1 || (out[i] == -1 && open < out.size())) return bad(node, "bad target " + print(node.ints));
    if (out[i] == -1) open = i;
    known *= out[i] == -1 ? 1 : out[i];
  }
  const int64_t count = element_count(src);
  if (open < out.size()) {
    if (known == 0 || count % known != 0) return bad(node, print(src) + " does not become " + print(node.ints));
    out[open] = count / known;
  } else if (known != count) {
    return bad(node, print(src) + " does not become " + print(node.ints));
  }
  return out;
}

Result<Shape> infer_squeeze(const NodeDesc& node, const Shape& src) {
  std::vector<bool> gone(src.size(), false);
  for (size_t i = 0; i < src.size(); ++i) gone[i] = node.ints.empty() && src[i] == 1;
  for (int64_t a : node.ints) {
    OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, a, src.size()));
    if (src[axis] != 1) return bad(node, "axis " + std::to_string(a) + " of " + print(src) + " is not 1");
    gone[axis] = true;
  }
  Shape out;
  for (size_t i = 0; i < src.size(); ++i) {
    if (!gone[i]) out.push_back(src[i]);
  }
  return out;
}

Result<Shape> infer_unsqueeze(const NodeDesc& node, const Shape& src) {
  const size_t rank = src.size() + node.ints.size();
  std::vector<bool> added(rank, false);
  for (int64_t a : node.ints) {
    OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, a, rank));
    if (added[axis]) return bad(node, "names an axis twice");
    added[axis] = true;
  }
  Shape out;
  size_t next = 0;
  for (size_t i = 0; i < rank; ++i) out.push_back(added[i] ? 1 : src[next++]);
  return out;
}

Result<Shape> infer_transpose(const NodeDesc& node, const Shape& src) {
  if (!node.ints.empty() && node.ints.size() != src.size()) return bad(node, "perm does not fit " + print(src));
  Shape out;
  std::vector<bool> seen(src.size(), false);
  for (size_t i = 0; i < src.size(); ++i) {
    OCTILE_ASSIGN_OR_RETURN(const size_t from,
                            axis_of(node, int_or(node, i, static_cast<int64_t>(src.size() - 1 - i)), src.size()));
    if (seen[from]) return bad(node, "perm names an axis twice");
    seen[from] = true;
    out.push_back(src[from]);
  }
  return out;
}

Result<Shape> infer_blocks(const NodeDesc& node, const Shape& src) {
  const int64_t block = int_or(node, 0, 0);
  if (src.size() != 4 || block < 1) return bad(node, "wants an image and a block, got " + print(src));
  const bool to_depth = node.kind == NodeKind::space_to_depth;
  const bool fits = to_depth ? src[2] % block == 0 && src[3] % block == 0 : src[1] % (block * block) == 0;
  if (!fits) return bad(node, "blocks of " + std::to_string(block) + " do not divide " + print(src));
  if (to_depth) return Shape{src[0], src[1] * block * block, src[2] / block, src[3] / block};
  return Shape{src[0], src[1] / (block * block), src[2] * block, src[3] * block};
}

Result<Shape> infer_movement(const NodeDesc& node, const std::vector<Shape>& inputs) {
  const Shape& src = inputs[0];
  switch (node.kind) {
    case NodeKind::concat: return infer_concat(node, inputs);
    case NodeKind::slice: {
      OCTILE_ASSIGN_OR_RETURN(const std::vector<SliceAxis> axes, slice_axes(node, src));
      Shape out;
      for (const SliceAxis& axis : axes) out.push_back(axis.count);
      return out;
    }
    case NodeKind::gather: {
      OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, int_or(node, 0, 0), src.size()));
      Shape out = src;
      out.erase(out.begin() + static_cast<int64_t>(axis));
      out.insert(out.begin() + static_cast<int64_t>(axis), inputs[1].begin(), inputs[1].end());
      return out;
    }
    case NodeKind::pad: return infer_pad(node, src);
    case NodeKind::reshape:
      if (inputs.size() == 1) return infer_reshape(node, src);
      if (element_count(src) == element_count(inputs[1])) return inputs[1];
      return bad(node, print(src) + " does not become " + print(inputs[1]));
    case NodeKind::flatten: {
      const auto rank = static_cast<int64_t>(src.size());
      int64_t axis = int_or(node, 0, 1);
      if (axis < -rank || axis > rank) return bad(node, "axis does not fit " + print(src));
      axis += axis < 0 ? rank : 0;
      return Shape{element_count(Shape(src.begin(), src.begin() + axis)),
                   element_count(Shape(src.begin() + axis, src.end()))};
    }
    case NodeKind::squeeze: return infer_squeeze(node, src);
    case NodeKind::unsqueeze: return infer_unsqueeze(node, src);
    case NodeKind::expand: return broadcast(node, src, node.ints);
    case NodeKind::transpose: return infer_transpose(node, src);
    case NodeKind::space_to_depth:
    case NodeKind::depth_to_space: return infer_blocks(node, src);
    default: return bad(node, "moves nothing");
  }
}

Result<Shape> infer(const NodeDesc& node, const std::vector<Shape>& inputs) {
  if (node.kind <= NodeKind::dynamic && node.kind != NodeKind::conv_transpose) {
    if (node.spec.kind == OpKind::conv2d) return infer_image(node, inputs[0]);
    return node.spec.kind == OpKind::dense ? infer_dense(node, inputs) : Result<Shape>(inputs[0]);
  }
  if (is_unary(node.kind) || node.kind == NodeKind::cast) return inputs[0];
  if (is_binary(node.kind)) return broadcast(node, inputs[0], inputs[1]);
  switch (node.kind) {
    case NodeKind::conv_transpose:
    case NodeKind::max_pool:
    case NodeKind::average_pool: return infer_image(node, inputs[0]);
    case NodeKind::global_average_pool:
    case NodeKind::global_max_pool: return infer_global_pool(node, inputs[0]);
    case NodeKind::reduce_mean:
    case NodeKind::reduce_max: return infer_reduced(node, inputs[0]);
    case NodeKind::softmax:
    case NodeKind::normalize:
    case NodeKind::layer_norm: {
      OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, int_or(node, 0, -1), inputs[0].size()));
      for (size_t i = 1; i < inputs.size(); ++i) {
        const Shape row(inputs[0].begin() + static_cast<int64_t>(axis), inputs[0].end());
        OCTILE_ASSIGN_OR_RETURN(const Shape both, broadcast(node, row, inputs[i]));
        if (both != row) return bad(node, "operand " + print(inputs[i]) + " does not fit rows of " + print(row));
      }
      return inputs[0];
    }
    case NodeKind::arg_max: {
      OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, int_or(node, 0, 0), inputs[0].size()));
      Shape out = inputs[0];
      if (out[axis] == 0) return bad(node, "nothing is the greatest of " + print(out));
      out[axis] = 1;
      if (int_or(node, 1, 1) == 0) out.erase(out.begin() + static_cast<int64_t>(axis));
      return out;
    }
    case NodeKind::resize: {
      OCTILE_ASSIGN_OR_RETURN(const Resize r, resize_of(node, inputs[0]));
      Shape out;
      for (const ResizeAxis& axis : r.axes) out.push_back(axis.out);
      return out;
    }
    default: return infer_movement(node, inputs);
  }
}

}  // namespace

std::string print(const Shape& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i > 0 ? "," : "") + std::to_string(shape[i]);
  return out + "]";
}

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return count;
}

bool is_mask(const Shape& mask, const Shape& rows) {
  const size_t rank = mask.size();
  if (rank == 0 || rank > rows.size() || mask.back() != rows.back()) return false;
  if (rank == 1) return true;
  const int64_t height = mask[rank - 2];
  if (height != 1 && height != rows[rows.size() - 2]) return false;
  const bool images = rank == rows.size() && rank > 2 && mask[0] == rows[0];
  return std::all_of(mask.begin() + (images ? 1 : 0), mask.end() - 2, [](int64_t d) { return d == 1; });
}

Result<size_t> axis_of(const NodeDesc& node, int64_t axis, size_t rank) {
  const auto axes = static_cast<int64_t>(rank);
  if (axis < -axes || axis >= axes) {
    return bad(node, "axis " + std::to_string(axis) + " of " + std::to_string(rank) + " does not exist");
  }
  return static_cast<size_t>(axis < 0 ? axis + axes : axis);
}

int64_t int_or(const NodeDesc& node, size_t i, int64_t fallback) {
  return i < node.ints.size() ? node.ints[i] : fallback;
}

Result<std::vector<WindowAxis>> window_axes(const NodeDesc& node, const Shape& src) {
  const auto rank = static_cast<size_t>(node.spatial_rank);
  if (node.spatial_rank < 1 || node.spatial_rank > 2 || src.size() != rank + 2) {
    return bad(node, "wants " + std::to_string(node.spatial_rank) + " spatial axes, got " + print(src));
  }
  const bool transposed = node.kind == NodeKind::conv_transpose;
  const bool pool = node.kind == NodeKind::max_pool || node.kind == NodeKind::average_pool;
  const bool round_up = pool && int_or(node, 4 * rank, 0) != 0;
  std::vector<WindowAxis> axes;
  for (size_t i = 0; i < rank; ++i) {
    OCTILE_ASSIGN_OR_RETURN(WindowAxis axis, given_axis(node, i, rank));
    axis.in = src[2 + i];
    if (axis.in < 1) return bad(node, "wants pixels, got " + print(src));
    OCTILE_RETURN_IF_ERROR(transposed ? spread(node, int_or(node, i, 0), axis) : slide(node, round_up, axis));
    axes.push_back(axis);
  }
  return axes;
}

Result<std::vector<SliceAxis>> slice_axes(const NodeDesc& node, const Shape& src) {
  if (node.ints.size() % 3 != 0 || node.ints.size() > 3 * src.size()) return bad(node, "does not fit " + print(src));
  std::vector<SliceAxis> axes;
  for (size_t i = 0; i < src.size(); ++i) {
    const int64_t extent = src[i], step = int_or(node, 3 * i + 2, 1);
    int64_t start = int_or(node, 3 * i, 0), end = int_or(node, 3 * i + 1, std::numeric_limits<int64_t>::max());
    if (step == 0) return bad(node, "steps of 0");
    if (extent == 0) {
      axes.push_back({0, step, 0});
      continue;
    }
    const bool forward = step > 0;
    start = std::clamp<int64_t>(start < 0 ? start + extent : start, 0, forward ? extent : extent - 1);
    end = std::clamp<int64_t>(end < 0 ? end + extent : end, forward ? 0 : -1, forward ? extent : extent - 1);
    const int64_t span = forward ? end - start : start - end;
    // In steps of INT64_MIN too: the size of a step is taken without overflow.
    const uint64_t size = forward ? static_cast<uint64_t>(step) : uint64_t{0} - static_cast<uint64_t>(step);
    const int64_t count = span <= 0 ? 0 : static_cast<int64_t>(static_cast<uint64_t>(span - 1) / size) + 1;
    axes.push_back({start, step, count});
  }
  return axes;
}

Result<Shape> infer_shape(const NodeDesc& node, const std::vector<Shape>& inputs) {
  OCTILE_ASSIGN_OR_RETURN(Shape out, infer(node, inputs));
  int64_t elements = 1;
  for (int64_t extent : out) {
    if (extent < 0 || extent > kMaxExtent) return bad(node, "makes a shape out of range: " + print(out));
    elements *= extent;
    if (elements > kMaxElements) return bad(node, "makes too large a value: " + print(out));
  }
  return out;
}

}  // namespace octile
