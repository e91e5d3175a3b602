// Elementwise nodes, pools, means, softmax and layer normalization.
// In/out: see nodes.h.
// Not here: the functions themselves and the order of sums (numerics/).
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "workload/graph/divisor.h"
#include "workload/graph/nodes.h"
#include "workload/numerics/sums.h"
#include "workload/numerics/unary.h"

namespace octile::interpreter {
namespace {

// An element of any type; float64 holds them all.
double element(const HostArray& a, int64_t i) {
  switch (a.type) {
    case DType::u8: return a.as<uint8_t>()[i];
    case DType::s8: return a.as<int8_t>()[i];
    case DType::s32: return a.as<int32_t>()[i];
    case DType::f32: return a.as<float>()[i];
    case DType::s64: break;  // no node reads those
  }
  return 0;
}

void set_element(HostArray& a, int64_t i, double v) {
  switch (a.type) {
    case DType::u8: a.as<uint8_t>()[i] = static_cast<uint8_t>(v); break;
    case DType::s8: a.as<int8_t>()[i] = static_cast<int8_t>(v); break;
    case DType::s32: a.as<int32_t>()[i] = static_cast<int32_t>(v); break;
    case DType::f32: a.as<float>()[i] = static_cast<float>(v); break;
    case DType::s64: a.as<int64_t>()[i] = static_cast<int64_t>(v); break;
  }
}

// The greater of both; NaN wins, and of equals the first.
double greater(double best, double v) { return v > best || v != v ? v : best; }

float mean(const HostArray& src, const std::vector<int64_t>& at, int64_t count) {
  const double sum =
      sum_in_order(std::ssize(at), [&](int64_t i) { return src.as<float>()[at[static_cast<size_t>(i)]]; });
  return static_cast<float>(sum / static_cast<double>(count));
}

// What one window sees: the elements inside the input, in row-major order, and how many count.
struct View {
  std::vector<int64_t> at;  // offsets in one channel
  int64_t padded = 1;       // elements of the window inside the input and its pads
};

View view(const std::vector<WindowAxis>& axes, const Shape& pixel) {
  View v;
  v.at.push_back(0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const WindowAxis& axis = axes[i];
    std::vector<int64_t> inside;
    int64_t in_pads = 0;
    for (int64_t k = 0; k < axis.kernel; ++k) {
      const int64_t x = pixel[i] * axis.stride + k * axis.dilation - axis.begin;
      if (x < axis.in + axis.end) ++in_pads;
      if (x >= 0 && x < axis.in) inside.push_back(x);
    }
    std::vector<int64_t> next;
    for (int64_t row : v.at) {
      for (int64_t x : inside) next.push_back(row * axis.in + x);
    }
    v.at = std::move(next);
    v.padded *= in_pads;
  }
  return v;
}

}  // namespace

Result<HostArray> run_elementwise(const NodeDesc& node, const Operands& in, HostArray out) {
  if (is_binary(node.kind)) {
    for_each_index(out.dims, [&](const Shape& index) {
      const float a = in[0]->as<float>()[broadcast_offset(in[0]->dims, index)];
      const float b = in[1]->as<float>()[broadcast_offset(in[1]->dims, index)];
      out.as<float>()[offset(out.dims, index)] = binary(node.kind, a, b);
    });
    return out;
  }
  if (node.kind == NodeKind::cast) {
    for (int64_t i = 0; i < out.count(); ++i) set_element(out, i, element(*in[0], i));
    return out;
  }
  OCTILE_ASSIGN_OR_RETURN(const Unary f, unary_of(node));
  for (int64_t i = 0; i < out.count(); ++i) out.as<float>()[i] = f(in[0]->as<float>()[i]);
  return out;
}

Result<HostArray> run_window(const NodeDesc& node, const Operands& in, HostArray out) {
  const HostArray& src = *in[0];
  std::vector<WindowAxis> axes;
  if (node.kind == NodeKind::global_max_pool) {
    for (size_t i = 2; i < src.dims.size(); ++i) axes.push_back({src.dims[i], 1, src.dims[i]});
  } else {
    OCTILE_ASSIGN_OR_RETURN(axes, window_axes(node, src.dims));
  }
  Shape pixels, extents;
  for (const WindowAxis& axis : axes) {
    pixels.push_back(axis.out);
    extents.push_back(axis.in);
  }
  const int64_t planes = src.dims[0] * src.dims[1], in_plane = element_count(extents),
                out_plane = element_count(pixels);
  const bool count_pads = node.kind == NodeKind::average_pool && int_or(node, 4 * axes.size() + 1, 0) != 0;
  bool empty = false;
  for_each_index(pixels, [&](const Shape& pixel) {
    const View v = view(axes, pixel);
    empty = empty || v.at.empty();
    if (empty) return;
    for (int64_t plane = 0; plane < planes; ++plane) {
      const int64_t to = plane * out_plane + offset(pixels, pixel);
      std::vector<int64_t> at = v.at;
      for (int64_t& i : at) i += plane * in_plane;
      if (node.kind == NodeKind::average_pool) {
        out.as<float>()[to] = mean(src, at, count_pads ? v.padded : std::ssize(at));
        continue;
      }
      double best = element(src, at[0]);
      for (int64_t i : at) best = greater(best, element(src, i));
      set_element(out, to, best);
    }
  });
  if (empty) return Status(Code::invalid_argument, "node \"" + node.name + "\": a window lies outside its input");
  return out;
}

Result<HostArray> run_reduced(const NodeDesc& node, const Operands& in, HostArray out) {
  const HostArray& src = *in[0];
  // The axes that remain, as an output that kept the others as 1 has them.
  Shape kept = src.dims;
  if (node.kind == NodeKind::global_average_pool) {
    for (size_t i = 2; i < kept.size(); ++i) kept[i] = 1;
  } else {
    if (node.ints.size() < 2) kept.assign(kept.size(), 1);
    for (size_t i = 1; i < node.ints.size(); ++i) {
      OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, node.ints[i], kept.size()));
      kept[axis] = 1;
    }
  }
  std::vector<std::vector<int64_t>> members(static_cast<size_t>(element_count(kept)));
  for_each_index(src.dims, [&](const Shape& index) {
    members[static_cast<size_t>(broadcast_offset(kept, index))].push_back(offset(src.dims, index));
  });
  for (size_t i = 0; i < members.size(); ++i) {
    if (node.kind != NodeKind::reduce_max) {
      out.as<float>()[i] = mean(src, members[i], std::ssize(members[i]));
      continue;
    }
    double best = element(src, members[i][0]);
    for (const int64_t m : members[i]) best = greater(best, element(src, m));
    set_element(out, static_cast<int64_t>(i), best);
  }
  return out;
}

Result<HostArray> run_softmax(const NodeDesc& node, const Operands& in, HostArray out) {
  const HostArray& src = *in[0];
  OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, int_or(node, 0, -1), src.dims.size()));
  NodeDesc exp_node;
  exp_node.kind = NodeKind::exp;
  OCTILE_ASSIGN_OR_RETURN(const Unary exp, unary_of(exp_node));
  const int64_t n = src.dims[axis];
  const int64_t step = element_count(Shape(src.dims.begin() + static_cast<int64_t>(axis) + 1, src.dims.end()));
  for (int64_t i = 0; i < src.count(); ++i) {
    if (i / step % n != 0) continue;  // not the first of its row
    const float* x = src.as<float>() + i;
    float* y = out.as<float>() + i;
    double most = x[0];
    for (int64_t j = 0; j < n; ++j) most = greater(most, x[j * step]);
    for (int64_t j = 0; j < n; ++j) y[j * step] = exp(x[j * step] - static_cast<float>(most));
    const auto sum = static_cast<float>(sum_in_order(n, [&](int64_t j) { return y[j * step]; }));
    for (int64_t j = 0; j < n; ++j) y[j * step] = y[j * step] / sum;
  }
  return out;
}

Result<HostArray> run_arg_max(const NodeDesc& node, const Operands& in, HostArray out) {
  const HostArray& src = *in[0];
  OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, int_or(node, 0, 0), src.dims.size()));
  const bool last = int_or(node, 2, 0) != 0;
  const int64_t n = src.dims[axis];
  const int64_t step = element_count(Shape(src.dims.begin() + static_cast<int64_t>(axis) + 1, src.dims.end()));
  for (int64_t i = 0; i < out.count(); ++i) {
    const int64_t first = i / step * n * step + i % step;
    int64_t best = 0;
    for (int64_t j = 1; j < n; ++j) {
      const double most = element(src, first + best * step), v = element(src, first + j * step);
      const bool equal = v == most || (v != v && most != most);
      if (equal ? last : v > most || v != v) best = j;
    }
    set_element(out, i, static_cast<double>(best));
  }
  return out;
}

Result<HostArray> run_layer_norm(const NodeDesc& node, const Operands& in, HostArray out) {
  const HostArray& src = *in[0];
  OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, int_or(node, 0, -1), src.dims.size()));
  const Shape row(src.dims.begin() + static_cast<int64_t>(axis), src.dims.end());
  const int64_t n = element_count(row);
  const double epsilon = node.floats.empty() ? 1e-5F : node.floats[0];
  for (int64_t i = 0; i < src.count(); i += n) {
    const float* x = src.as<float>() + i;
    float* y = out.as<float>() + i;
    const auto size = static_cast<double>(n);
    const double middle = sum_in_order(n, [&](int64_t j) { return x[j]; }) / size;
    const auto square = [&](int64_t j) {
      const double d = x[j] - middle;
      return d * d;
    };
    const double r = 1.0 / std::sqrt(sum_in_order(n, square) / size + epsilon);
    for_each_index(row, [&](const Shape& index) {
      const int64_t j = offset(row, index);
      float v = static_cast<float>((x[j] - middle) * r);
      v = v * in[1]->as<float>()[broadcast_offset(in[1]->dims, index)];
      if (in.size() > 2) v = v + in[2]->as<float>()[broadcast_offset(in[2]->dims, index)];
      y[j] = v;
    });
  }
  return out;
}

Result<HostArray> run_normalize(const NodeDesc& node, const Operands& in, HostArray out) {
  const HostArray& src = *in[0];
  OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, int_or(node, 0, -1), src.dims.size()));
  const Divisor divisor = divisor_of(node);
  const int64_t n = src.dims[axis];
  const auto count = static_cast<double>(n);
  const int64_t step = element_count(Shape(src.dims.begin() + static_cast<int64_t>(axis) + 1, src.dims.end()));
  for (int64_t i = 0; i < src.count(); ++i) {
    if (i / step % n != 0) continue;  // not the first of its row
    const float* x = src.as<float>() + i;
    float* y = out.as<float>() + i;
    float middle = 0, spread = 0;
    if (divisor.by == Divisor::By::length) {
      const auto square = [&](int64_t j) { return static_cast<double>(x[j * step]) * x[j * step]; };
      spread = static_cast<float>(std::sqrt(sum_in_order(n, square)));
    } else {
      if (divisor.by == Divisor::By::deviation) {
        middle = static_cast<float>(sum_in_order(n, [&](int64_t j) { return x[j * step]; }) / count);
      }
      const auto square = [&](int64_t j) { return (x[j * step] - middle) * (x[j * step] - middle); };
      spread = static_cast<float>(sum_in_order(n, square) / count);
    }
    const float by = divisor(spread);
    for (int64_t j = 0; j < n; ++j) {
      const float d = divisor.by == Divisor::By::deviation ? x[j * step] - middle : x[j * step];
      y[j * step] = divisor.times ? d * by : d / by;
    }
  }
  return out;
}

}  // namespace octile::interpreter
