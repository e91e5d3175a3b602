// Movements: on codes as they are, or between a dequantize and a quantize with the parameters kept or changed.
// In/out: see random_blocks.h.  Not here: resizes that interpolate.
#include <algorithm>

#include "tests/support/random_blocks.h"

namespace octile::testing {
namespace {

using Values = const std::vector<int>&;
using Ints = std::vector<int64_t>;

// One movement of x, in one of the three styles.
int moved(GraphBuilder& b, int x, NodeKind kind, const Ints& ints, const std::vector<float>& floats = {}) {
  if (!b.quantized(x) || b.rng.chance(0.65)) return b.add(kind, {x}, ints, floats);
  const int f = b.add(kind, {b.dequantize(x)}, ints, floats);
  if (f == kNone) return kNone;
  return b.rng.chance(0.7) ? b.quantize(f, {b.type(x), b.desc(x).scale, b.desc(x).zp}) : settle(b, f);
}

// Values of one shape but for the axis; types and parameters may differ: then through floats.
int draw_concat(GraphBuilder& b, int x, Values others) {
  const Shape shape = b.shape(x);
  if (b.type(x) == DType::s32 || shape.empty()) return kNone;
  const auto rank = std::ssize(shape);
  const int64_t axis = rank > 1 && b.rng.chance(0.7) ? 1 : b.rng.below(rank);
  std::vector<int> parts{x};
  for (int tries = 0; tries < 8 && !others.empty() && parts.size() < 4; ++tries) {
    const int o = others[static_cast<size_t>(b.rng.below(std::ssize(others)))];
    if (o == x || b.type(o) == DType::s32 || std::ssize(b.shape(o)) != rank) continue;
    Shape like = b.shape(o);
    like[static_cast<size_t>(axis)] = shape[static_cast<size_t>(axis)];
    if (like == shape) parts.push_back(o);
  }
  if (parts.size() == 1 && b.quantized(x) && rank > 2) parts.push_back(add_pointwise(b, x, b.rng.range(1, 20)));
  if (parts.size() == 1 || parts[1] == kNone) parts.resize(1), parts.push_back(x);
  for (size_t i = parts.size(); i-- > 1;)
    std::swap(parts[i], parts[static_cast<size_t>(b.rng.below(std::ssize(parts)))]);
  bool same = true;
  for (int p : parts) {
    const ValueDesc &a = b.desc(p), &first = b.desc(parts[0]);
    same = same && a.type == first.type && a.scale == first.scale && a.zp == first.zp;
  }
  const Ints ints{b.rng.chance(0.5) ? axis : axis - rank};
  if (same && b.rng.chance(0.7)) return b.add(NodeKind::concat, parts, ints);
  for (int& p : parts) p = b.floats(p);
  return settle(b, b.add(NodeKind::concat, parts, ints));
}

// Slices that together are the whole; the parts are joined again, or the last goes on.
int draw_split(GraphBuilder& b, int x, Values) {
  const Shape shape = b.shape(x);
  if (shape.empty()) return kNone;
  const auto axis = static_cast<size_t>(shape.size() > 1 && b.rng.chance(0.7) ? 1 : b.rng.below(std::ssize(shape)));
  const int64_t extent = shape[axis], count = b.rng.range(2, 3);
  if (extent < count) return kNone;
  std::vector<int> parts;
  for (int64_t i = 0; i < count; ++i) {
    parts.push_back(add_slice(b, x, axis, i * extent / count, (i + 1) * extent / count));
  }
  if (b.rng.chance(0.4)) std::reverse(parts.begin(), parts.end());
  if (!b.rng.chance(0.5)) return parts.back();
  return b.add(NodeKind::concat, parts, {static_cast<int64_t>(axis)});
}

int draw_slice(GraphBuilder& b, int x, Values) {
  const Shape& shape = b.shape(x);
  if (shape.empty()) return kNone;
  Ints ints;
  const size_t axes = static_cast<size_t>(b.rng.range(1, std::ssize(shape)));
  for (size_t i = 0; i < axes; ++i) {
    const int64_t extent = shape[i];
    if (i == 0 || b.rng.chance(0.4)) {
      ints.insert(ints.end(), {0, INT64_MAX, 1});
    } else if (b.rng.chance(0.2)) {
      ints.insert(ints.end(), {-1, INT64_MIN, -b.rng.range(1, 2)});
    } else {
      const int64_t start = b.rng.range(0, std::max<int64_t>(extent / 2, 0));
      ints.insert(ints.end(),
                  {b.rng.chance(0.3) ? start - extent : start, b.rng.chance(0.5) ? INT64_MAX : -b.rng.range(0, 1) - 1,
                   b.rng.pick<int64_t>({1, 1, 2, 3})});
    }
  }
  const int y = moved(b, x, NodeKind::slice, ints);
  return y != kNone && b.array(y).count() > 0 ? y : kNone;
}

int draw_gather(GraphBuilder& b, int x, Values) {
  const Shape& shape = b.shape(x);
  if (shape.empty()) return kNone;
  const auto rank = std::ssize(shape);
  const int64_t axis = b.rng.below(rank), extent = shape[static_cast<size_t>(axis)];
  if (extent < 1) return kNone;
  Shape dims;
  if (b.rng.chance(0.7) || rank == 1) dims.push_back(b.rng.range(1, 4));
  if (b.rng.chance(0.1)) dims.push_back(b.rng.range(1, 2));
  std::vector<int32_t> which;
  for (int64_t i = element_count(dims); i > 0; --i) {
    which.push_back(b.rng.code(static_cast<int32_t>(-extent), static_cast<int32_t>(extent - 1)));
  }
  const int indices = b.indices(dims, which);
  return b.add(NodeKind::gather, {x, indices}, {b.rng.chance(0.5) ? axis : axis - rank});
}

int draw_pad(GraphBuilder& b, int x, Values) {
  const Shape& shape = b.shape(x);
  const size_t rank = shape.size();
  if (rank < 2) return kNone;
  Ints ints(2 * rank, 0);
  for (size_t i = rank > 2 && b.rng.chance(0.9) ? 2 : 1; i < rank; ++i) {
    ints[i] = b.rng.range(-1, 3);
    ints[rank + i] = b.rng.range(0, 3);
  }
  const int64_t mode = b.rng.pick<int64_t>({0, 0, 1, 2});
  if (mode != 0 || b.rng.chance(0.7)) ints.push_back(mode);
  std::vector<float> value;
  if (mode == 0 && b.rng.chance(0.7)) {
    const int zp = b.desc(x).zp;
    value = {static_cast<float>(b.quantized(x) ? b.rng.pick({zp, zp, qmin_of(b.type(x)), qmax_of(b.type(x))})
                                               : b.rng.pick({0, 1, -3}))};
  }
  const int y = b.add(NodeKind::pad, {x}, ints, value);
  return y != kNone && b.array(y).count() > 0 ? y : kNone;
}

// Axes of 1 repeated, axes in front.
int draw_expand(GraphBuilder& b, int x, Values) {
  Ints extents(b.shape(x).begin(), b.shape(x).end());
  int64_t more = 1;
  for (int64_t& extent : extents) {
    if (extent == 1 && b.rng.chance(0.6)) {
      extent = b.rng.range(1, 4);
      more *= extent;
    } else if (b.rng.chance(0.5)) {
      extent = 1;
    }
  }
  if (extents.size() < 4 && (more == 1 || b.rng.chance(0.2))) extents.insert(extents.begin(), b.rng.range(2, 3));
  return moved(b, x, NodeKind::expand, extents);
}

int draw_transpose(GraphBuilder& b, int x, Values) {
  const auto rank = std::ssize(b.shape(x));
  if (rank < 2) return kNone;
  Ints perm;
  for (int64_t i = 0; i < rank; ++i) perm.push_back(i);
  if (rank == 4 && b.rng.chance(0.5)) {
    perm = b.rng.chance(0.5) ? Ints{0, 2, 3, 1} : Ints{0, 3, 1, 2};
  } else if (rank == 3 && b.rng.chance(0.6)) {
    perm = {0, 2, 1};
  } else if (b.rng.chance(0.2)) {
    perm.clear();
  } else {
    for (size_t i = perm.size(); i-- > 1;) std::swap(perm[i], perm[static_cast<size_t>(b.rng.below(rank))]);
  }
  return moved(b, x, NodeKind::transpose, perm);
}

// Image to tokens or to one row, tokens to image, factors of an axis split off, axes of 1 added and removed.
int draw_reshape(GraphBuilder& b, int x, Values others) {
  const Shape shape = b.shape(x);
  const auto rank = std::ssize(shape);
  for (int other : others) {  // to the shape another value has
    const bool fits = b.shape(other) != shape && b.array(other).count() == b.array(x).count();
    if (fits && b.rng.chance(0.3)) return b.add(NodeKind::reshape, {x, other});
  }
  switch (b.rng.below(6)) {
    case 0: return moved(b, x, NodeKind::flatten, {b.rng.chance(0.7) ? 1 : b.rng.range(-rank, rank)});
    case 1: {
      Ints axes;
      for (int64_t i = 0; i < rank; ++i) {
        if (shape[static_cast<size_t>(i)] == 1 && b.rng.chance(0.7)) axes.push_back(b.rng.chance(0.5) ? i : i - rank);
      }
      if (!axes.empty() && std::ssize(axes) < rank) return moved(b, x, NodeKind::squeeze, axes);
      return rank < 4 ? moved(b, x, NodeKind::unsqueeze, {b.rng.range(-rank - 1, rank)}) : kNone;
    }
    case 2: {  // one axis in two
      if (rank < 1 || rank > 3) return kNone;
      const auto axis = static_cast<size_t>(b.rng.below(rank));
      for (int64_t f : {b.rng.range(2, 4), int64_t{2}, int64_t{3}}) {
        if (shape[axis] % f != 0) continue;
        Ints to;
        for (size_t i = 0; i < shape.size(); ++i) {
          if (i == axis)
            to.insert(to.end(), {f, axis == 0 ? shape[axis] / f : -1});
          else
            to.push_back(i < axis ? 0 : shape[i]);
        }
        return moved(b, x, NodeKind::reshape, to);
      }
      return kNone;
    }
    case 3:  // tokens to image
      if (rank != 3 || shape[2] % 2 != 0) return kNone;
      return moved(b, x, NodeKind::reshape, {0, 0, -1, 2});
    case 4:  // all but the batch
      return rank > 1 ? moved(b, x, NodeKind::reshape, {0, -1}) : kNone;
    default: {  // image to tokens
      if (rank != 4) return kNone;
      const int tokens = moved(b, x, NodeKind::reshape, {0, 0, -1});
      if (tokens == kNone || b.rng.chance(0.2)) return tokens;
      return moved(b, tokens, NodeKind::transpose, {0, 2, 1});
    }
  }
}

int draw_blocks(GraphBuilder& b, int x, Values) {
  if (b.shape(x).size() != 4) return kNone;
  const int64_t block = b.rng.range(2, 3);
  if (b.rng.chance(0.4)) return moved(b, x, NodeKind::space_to_depth, {block});
  // A convolution that makes pixels, as networks that enlarge images have it.
  if (b.shape(x)[1] % (block * block) != 0) x = add_pointwise(b, x, block * block * b.rng.range(1, 3));
  return x == kNone ? kNone : moved(b, x, NodeKind::depth_to_space, {block, b.rng.below(2)});
}

int draw_identity(GraphBuilder& b, int x, Values) { return moved(b, x, NodeKind::identity, {}); }

}  // namespace

int add_slice(GraphBuilder& b, int x, size_t axis, int64_t first, int64_t last) {
  Ints ints;
  for (size_t a = 0; a < axis; ++a) ints.insert(ints.end(), {0, INT64_MAX, 1});
  ints.insert(ints.end(), {first, last, 1});
  return b.add(NodeKind::slice, {x}, ints);
}

const std::vector<NamedBlock>& movement_blocks() {
  static const std::vector<NamedBlock> kBlocks{
      {draw_concat, 5},  {draw_split, 2},     {draw_slice, 2},  {draw_gather, 1.5}, {draw_pad, 2},
      {draw_reshape, 6}, {draw_transpose, 4}, {draw_expand, 1}, {draw_blocks, 2.5}, {draw_identity, 0.5}};
  return kBlocks;
}

}  // namespace octile::testing
