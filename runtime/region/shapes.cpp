// Shape inference with ONNX's rules: explicit and automatic padding, matmul broadcasting.
// In:  RegionDesc, input shapes.  Out: RegionShapes.
// Not here: memory.  A batch of nothing is fine, an image without pixels is not.
#include "runtime/region/shapes.h"

#include <algorithm>
#include <limits>
#include <string>

namespace octile::runtime {
namespace {

constexpr int64_t kMaxExtent = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxElements = int64_t{1} << 40;

std::string print(const Shape& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i > 0 ? "," : "") + std::to_string(shape[i]);
  return out + "]";
}

Status bad(const NodeDesc& node, const std::string& what) {
  return {Code::invalid_argument, "node " + node_label(node) + ": " + what};
}

Status check_size(const std::string& what, const Shape& shape) {
  int64_t elements = 1;
  for (int64_t extent : shape) {
    if (extent < 0 || extent > kMaxExtent) return {Code::invalid_argument, what + ": bad shape " + print(shape)};
    elements *= extent;
    if (elements > kMaxElements) return {Code::invalid_argument, what + ": too large: " + print(shape)};
  }
  return {};
}

struct Pads {
  int64_t before = 0, after = 0;
};

// Pads of one axis as auto_pad says; explicit ones are passed in.
Pads pads_of(const std::string& auto_pad, int64_t in, int64_t kernel, int64_t stride, int64_t dilation, Pads given) {
  if (auto_pad == "NOTSET") return given;
  if (auto_pad == "VALID") return {};
  const int64_t out = (in + stride - 1) / stride;
  const int64_t total = std::max<int64_t>(0, (out - 1) * stride + dilation * (kernel - 1) + 1 - in);
  const int64_t less = total / 2;
  return auto_pad == "SAME_UPPER" ? Pads{less, total - less} : Pads{total - less, less};
}

Status shape_conv(const NodeDesc& node, const Shape& src, ShapedNode& out, Shape& dst) {
  OpSpec& s = out.spec;
  if (src.size() != static_cast<size_t>(node.spatial_rank) + 2) {
    return bad(node, "wants rank " + std::to_string(node.spatial_rank + 2) + ", got " + print(src));
  }
  if (src[1] != s.ic) return bad(node, "wants " + std::to_string(s.ic) + " channels, got " + print(src));
  s.mb = src[0];
  s.ih = node.spatial_rank == 2 ? src[2] : 1;
  s.iw = src.back();
  const Pads rows = node.spatial_rank == 2 ? pads_of(node.auto_pad, s.ih, s.kh, s.sh, s.dh, {s.pt, s.pb}) : Pads{};
  const Pads columns = pads_of(node.auto_pad, s.iw, s.kw, s.sw, s.dw, {s.pl, s.pr});
  s.pt = rows.before;
  s.pb = rows.after;
  s.pl = columns.before;
  s.pr = columns.after;
  const bool fits = s.ih > 0 && s.iw > 0 && s.ih + s.pt + s.pb >= s.dh * (s.kh - 1) + 1 &&
                    s.iw + s.pl + s.pr >= s.dw * (s.kw - 1) + 1;
  if (!fits) return bad(node, "its output would have no pixels for source " + print(src));
  dst = {s.mb, s.oc};
  if (node.spatial_rank == 2) dst.push_back(s.oh());
  dst.push_back(s.ow());
  out.products.emplace_back();
  return {};
}

// Broadcasts the leading axes of both operands and lists the products in row-major order.
Status shape_batches(const NodeDesc& node, const Shape& a, const Shape& b, ShapedNode& out, Shape& dst) {
  const size_t rank = std::max(a.size(), b.size());
  Shape batch(rank - 2, 1);
  const auto at = [&](const Shape& s, size_t axis) {  // axis counted in the broadcast shape
    const size_t missing = rank - s.size();
    return axis < missing ? int64_t{1} : s[axis - missing];
  };
  for (size_t i = 0; i + 2 < rank; ++i) {
    const int64_t x = at(a, i), y = at(b, i);
    if (x != y && x != 1 && y != 1) return bad(node, "cannot broadcast " + print(a) + " with " + print(b));
    batch[i] = x == 1 ? y : x;
  }
  if (Status st = check_size("node " + node_label(node), batch); !st.ok()) return st;
  const int64_t count = element_count(batch);
  if (count > (int64_t{1} << 20)) return bad(node, "has too many products: " + std::to_string(count));
  for (int64_t p = 0; p < count; ++p) {
    Product product;
    product.dst = p;
    int64_t rest = p, a_step = 1, b_step = 1;
    for (size_t i = rank - 2; i-- > 0;) {
      const int64_t index = rest % batch[i];
      rest /= batch[i];
      product.src += at(a, i) == 1 ? 0 : index * a_step;
      product.wei += at(b, i) == 1 ? 0 : index * b_step;
      a_step *= at(a, i);
      b_step *= at(b, i);
    }
    out.products.push_back(product);
  }
  dst = batch;
  dst.push_back(out.spec.m);
  dst.push_back(out.spec.n);
  return {};
}

Status shape_dense(const NodeDesc& node, const Shape& src, const Shape* wei, ShapedNode& out, Shape& dst) {
  OpSpec& s = out.spec;
  s.mb = 1;
  if (src.empty()) return bad(node, "wants a matrix, got a scalar");
  if (wei != nullptr) {
    if (wei->size() < 2) return bad(node, "wants weights of rank 2 or more, got " + print(*wei));
    s.k = (*wei)[wei->size() - 2];
    s.n = wei->back();
    if (node.spec.wei_per_oc && node.spec.n != s.n) {
      return bad(node, "has per-channel values for " + std::to_string(node.spec.n) + " columns, got " + print(*wei));
    }
  }
  if (src.back() != s.k) return bad(node, "wants rows of " + std::to_string(s.k) + ", got " + print(src));
  const bool batched = wei != nullptr && element_count(*wei) != s.k * s.n;
  if (batched && src.size() < 2) return bad(node, "wants a matrix, got " + print(src));
  if (batched) {
    s.m = src[src.size() - 2];
    return shape_batches(node, src, *wei, out, dst);
  }
  s.m = element_count(Shape(src.begin(), src.end() - 1));
  dst = src;
  dst.back() = s.n;
  while (wei != nullptr && dst.size() < wei->size()) dst.insert(dst.begin(), 1);
  out.products.emplace_back();
  return {};
}

Status shape_elementwise(const NodeDesc& node, Order order, const Shape& src, ShapedNode& out, Shape& dst) {
  OpSpec& s = out.spec;
  if (order == Order::nhwc && src.size() != 3 && src.size() != 4) {
    return bad(node, "wants an image of rank 3 or 4, got " + print(src));
  }
  const int64_t channels = src.empty() ? 1 : order == Order::nhwc ? src[1] : src.back();
  if (s.mult_per_c && channels != s.c) {
    return bad(node, "wants " + std::to_string(s.c) + " channels, got " + print(src));
  }
  s.mb = 1;
  s.c = channels;
  s.m = channels > 0 ? element_count(src) / channels : 0;
  dst = src;
  out.products.emplace_back();
  return {};
}

}  // namespace

int64_t element_count(const Shape& shape) {
  int64_t elements = 1;
  for (int64_t extent : shape) elements *= extent;
  return elements;
}

Result<RegionShapes> infer_shapes(const RegionDesc& desc, const Graph& graph, const std::vector<Shape>& inputs) {
  if (inputs.size() != desc.inputs.size()) {
    return Status(Code::invalid_argument, "region " + desc.name + " has " + std::to_string(desc.inputs.size()) +
                                              " inputs, got " + std::to_string(inputs.size()));
  }
  RegionShapes out;
  out.values.resize(desc.values.size());
  out.nodes.resize(desc.nodes.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto v = static_cast<size_t>(desc.inputs[i]);
    OCTILE_RETURN_IF_ERROR(check_size("input " + desc.values[v].name, inputs[i]));
    out.values[v] = inputs[i];
    out.empty = out.empty || element_count(inputs[i]) == 0;
  }
  for (size_t i = 0; i < desc.nodes.size(); ++i) {
    const NodeDesc& node = desc.nodes[i];
    ShapedNode& shaped = out.nodes[i];
    shaped.spec = node.spec;
    const Shape& src = out.values[static_cast<size_t>(node.inputs[0])];
    Shape& dst = out.values[static_cast<size_t>(node.output)];
    const Shape* wei = node.inputs.size() > 1 ? &out.values[static_cast<size_t>(node.inputs[1])] : nullptr;
    Status st;
    switch (node.spec.kind) {
      case OpKind::conv2d: st = shape_conv(node, src, shaped, dst); break;
      case OpKind::dense: st = shape_dense(node, src, wei, shaped, dst); break;
      default: {
        const Order order = graph.values[static_cast<size_t>(node.output)].order;
        st = shape_elementwise(node, order, src, shaped, dst);
      }
    }
    OCTILE_RETURN_IF_ERROR(std::move(st));
    OCTILE_RETURN_IF_ERROR(check_size("node " + node_label(node), dst));
    out.empty = out.empty || element_count(dst) == 0;
    if (!out.empty) {
      if (Status valid = validate(shaped.spec); !valid.ok()) return bad(node, valid.message());
    }
  }
  return out;
}

}  // namespace octile::runtime
