// Infer: shapes of values, by ONNX's rules.
// In:  a node, the shapes it reads.  Out: the shape it makes; the windows of convolutions and pools.
// Not here: whether types and operands fit (graph.cpp), values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workload/graph/graph.h"

namespace octile {

using Shape = std::vector<int64_t>;

[[nodiscard]] std::string print(const Shape& shape);  // [1,3,8,8]
[[nodiscard]] int64_t element_count(const Shape& shape);
// Does `mask`, broadcast, hold a row or a matrix for all matrices of `rows`, or one for those of each image (axis 0)?
// Extents are compared as they are: unknown ones may be -1.
[[nodiscard]] bool is_mask(const Shape& mask, const Shape& rows);
// `axis` of `rank` axes, negative ones counted from the end.
[[nodiscard]] Result<size_t> axis_of(const NodeDesc& node, int64_t axis, size_t rank);
// ints[i], or `fallback` where the list ends before.
[[nodiscard]] int64_t int_or(const NodeDesc& node, size_t i, int64_t fallback);

// One spatial axis of a convolution or pool, pads as auto_pad and ceil_mode make them.
struct WindowAxis {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1;
  int64_t begin = 0, end = 0;  // pads
};
// Of conv2d, conv_transpose, max_pool and average_pool nodes: spatial_rank axes.
[[nodiscard]] Result<std::vector<WindowAxis>> window_axes(const NodeDesc& node, const Shape& src);

// Start and step of a slice on one axis, and how many elements it takes; ONNX's clamping done.
struct SliceAxis {
  int64_t start = 0, step = 1, count = 0;
};
[[nodiscard]] Result<std::vector<SliceAxis>> slice_axes(const NodeDesc& node, const Shape& src);

[[nodiscard]] Result<Shape> infer_shape(const NodeDesc& node, const std::vector<Shape>& inputs);

}  // namespace octile
