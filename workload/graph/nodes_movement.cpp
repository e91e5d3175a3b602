// Movements: every output element is an input element, or the value of a pad. Resize, which mixes neighbours.
// In/out: see nodes.h.
// Not here: coordinates of a resize (resize.cpp).
#include <algorithm>
#include <cstring>
#include <string>

#include "workload/graph/nodes.h"
#include "workload/graph/resize.h"

namespace octile::interpreter {
namespace {

constexpr int64_t kNowhere = -1;

// out[index] = src[source(index)], elements of any size; kNowhere leaves what is there.
template <class Source>
void move(const HostArray& src, HostArray& out, const Source& source) {
  const auto size = static_cast<size_t>(size_of(src.type));
  int64_t to = 0;
  for_each_index(out.dims, [&](const Shape& index) {
    const int64_t from = source(index);
    if (from != kNowhere) {
      std::memcpy(out.bytes.data() + static_cast<size_t>(to) * size,
                  src.bytes.data() + static_cast<size_t>(from) * size, size);
    }
    ++to;
  });
}

Result<HostArray> run_concat(const NodeDesc& node, const Operands& in, HostArray out) {
  OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, int_or(node, 0, 0), out.dims.size()));
  int64_t begin = 0;
  for (const HostArray* src : in) {
    move(*src, out, [&](Shape index) {
      index[axis] -= begin;
      const bool inside = index[axis] >= 0 && index[axis] < src->dims[axis];
      return inside ? offset(src->dims, index) : kNowhere;
    });
    begin += src->dims[axis];
  }
  return out;
}

Result<HostArray> run_slice(const NodeDesc& node, const HostArray& src, HostArray out) {
  OCTILE_ASSIGN_OR_RETURN(const std::vector<SliceAxis> axes, slice_axes(node, src.dims));
  move(src, out, [&](Shape index) {
    for (size_t i = 0; i < index.size(); ++i) index[i] = axes[i].start + index[i] * axes[i].step;
    return offset(src.dims, index);
  });
  return out;
}

Result<HostArray> run_gather(const NodeDesc& node, const Operands& in, HostArray out) {
  const HostArray &src = *in[0], &indices = *in[1];
  OCTILE_ASSIGN_OR_RETURN(const size_t axis, axis_of(node, int_or(node, 0, 0), src.dims.size()));
  const int64_t extent = src.dims[axis];
  for (int64_t i = 0; i < indices.count(); ++i) {
    const int32_t wanted = indices.as<int32_t>()[i];
    if (wanted < -extent || wanted >= extent) {
      return Status(Code::invalid_argument, "node \"" + node.name + "\": index " + std::to_string(wanted) + " of " +
                                                std::to_string(extent) + " does not exist");
    }
  }
  const auto at = static_cast<int64_t>(axis);
  const auto rank = static_cast<int64_t>(indices.dims.size());
  move(src, out, [&](const Shape& index) {
    const Shape which(index.begin() + at, index.begin() + at + rank);
    const int64_t wanted = indices.as<int32_t>()[offset(indices.dims, which)];
    Shape from(index.begin(), index.begin() + at);
    from.push_back(wanted < 0 ? wanted + extent : wanted);
    from.insert(from.end(), index.begin() + at + rank, index.end());
    return offset(src.dims, from);
  });
  return out;
}

// Where index i of a padded axis comes from.
int64_t pad_source(int64_t i, int64_t extent, int64_t mode) {
  if (i >= 0 && i < extent) return i;
  if (mode == 0) return kNowhere;
  if (mode == 2) return i < 0 ? 0 : extent - 1;
  return i < 0 ? -i : 2 * (extent - 1) - i;
}

Result<HostArray> run_pad(const NodeDesc& node, const HostArray& src, HostArray out) {
  const int64_t mode = int_or(node, 2 * src.dims.size(), 0);
  const float value = node.floats.empty() ? 0.0F : node.floats[0];
  for (int64_t i = 0; i < out.count(); ++i) {
    switch (out.type) {
      case DType::u8: out.as<uint8_t>()[i] = static_cast<uint8_t>(value); break;
      case DType::s8: out.as<int8_t>()[i] = static_cast<int8_t>(value); break;
      case DType::s32: out.as<int32_t>()[i] = static_cast<int32_t>(value); break;
      case DType::f32: out.as<float>()[i] = value; break;
      case DType::s64: break;  // no node reads those
    }
  }
  move(src, out, [&](Shape index) {
    for (size_t i = 0; i < index.size(); ++i) {
      index[i] = pad_source(index[i] - node.ints[i], src.dims[i], mode);
      if (index[i] == kNowhere) return kNowhere;
    }
    return offset(src.dims, index);
  });
  return out;
}

Result<HostArray> run_transpose(const NodeDesc& node, const HostArray& src, HostArray out) {
  const size_t rank = src.dims.size();
  std::vector<size_t> perm;
  for (size_t i = 0; i < rank; ++i) {
    OCTILE_ASSIGN_OR_RETURN(const size_t from,
                            axis_of(node, int_or(node, i, static_cast<int64_t>(rank - 1 - i)), rank));
    perm.push_back(from);
  }
  Shape from(rank, 0);
  move(src, out, [&](const Shape& index) {
    for (size_t i = 0; i < rank; ++i) from[perm[i]] = index[i];
    return offset(src.dims, from);
  });
  return out;
}

Result<HostArray> run_blocks(const NodeDesc& node, const HostArray& src, HostArray out) {
  const int64_t b = int_or(node, 0, 0);
  if (node.kind == NodeKind::space_to_depth) {
    const int64_t c = src.dims[1];
    move(src, out, [&](const Shape& at) {
      const int64_t block = at[1] / c;
      return offset(src.dims, {at[0], at[1] % c, at[2] * b + block / b, at[3] * b + block % b});
    });
    return out;
  }
  const int64_t c = out.dims[1];
  const bool crd = int_or(node, 1, 0) == 1;
  move(src, out, [&](const Shape& at) {
    const int64_t block = at[2] % b * b + at[3] % b;
    const int64_t channel = crd ? at[1] * b * b + block : block * c + at[1];
    return offset(src.dims, {at[0], channel, at[2] / b, at[3] / b});
  });
  return out;
}

// Linear interpolation of one axis.
HostArray stretch(const HostArray& src, size_t axis, const ResizeAxis& plan) {
  HostArray out(src.type, src.dims);
  out.dims[axis] = plan.out;
  out.bytes.resize(static_cast<size_t>(out.count()) * sizeof(float));
  for_each_index(out.dims, [&](const Shape& index) {
    const auto i = static_cast<size_t>(index[axis]);
    Shape from = index;
    from[axis] = plan.lo[i];
    const float lo = src.as<float>()[offset(src.dims, from)];
    from[axis] = plan.hi[i];
    const float hi = src.as<float>()[offset(src.dims, from)];
    const float rest = 1.0F - plan.f[i];
    const float a = lo * rest, b = hi * plan.f[i];
    out.as<float>()[offset(out.dims, index)] = a + b;
  });
  return out;
}

}  // namespace

Result<HostArray> run_resize(const NodeDesc& node, const Operands& in, HostArray out) {
  const HostArray& src = *in[0];
  OCTILE_ASSIGN_OR_RETURN(const Resize r, resize_of(node, src.dims));
  if (!r.linear) {
    move(src, out, [&](Shape index) {
      for (size_t i = 0; i < index.size(); ++i) index[i] = r.axes[i].lo[static_cast<size_t>(index[i])];
      return offset(src.dims, index);
    });
    return out;
  }
  out = src;
  for (size_t i = r.axes.size(); i-- > 0;) {
    if (r.axes[i].changes()) out = stretch(out, i, r.axes[i]);
  }
  return out;
}

Result<HostArray> run_movement(const NodeDesc& node, const Operands& in, HostArray out) {
  const HostArray& src = *in[0];
  switch (node.kind) {
    case NodeKind::concat: return run_concat(node, in, std::move(out));
    case NodeKind::slice: return run_slice(node, src, std::move(out));
    case NodeKind::gather: return run_gather(node, in, std::move(out));
    case NodeKind::pad: return run_pad(node, src, std::move(out));
    case NodeKind::transpose: return run_transpose(node, src, std::move(out));
    case NodeKind::expand: move(src, out, [&](const Shape& at) { return broadcast_offset(src.dims, at); }); return out;
    case NodeKind::space_to_depth:
    case NodeKind::depth_to_space: return run_blocks(node, src, std::move(out));
    default: out.bytes = src.bytes; return out;  // the same elements in the same order
  }
}

}  // namespace octile::interpreter
