// Coordinates in float32, one operation per line or parenthesis, as ONNX's formulas have them.
// In:  a resize node, the shape it reads.  Out: Resize.
// Not here: values, cubic interpolation, cropping.
#include "workload/graph/resize.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "workload/graph/infer.h"

namespace octile {
namespace {

enum class Coordinates : uint8_t {
  half_pixel,
  asymmetric,
  align_corners,
  pytorch_half_pixel,
  half_pixel_symmetric,
  tf_half_pixel_for_nn
};
enum class Rounding : uint8_t { prefer_floor, prefer_ceil, floor, ceil };

Status bad(const NodeDesc& node, const std::string& what) {
  return {Code::invalid_argument, "node \"" + node.name + "\" (resize): " + what};
}

float half_pixel(float x, float scale) { return (x + 0.5F) / scale - 0.5F; }

float coordinate(Coordinates mode, float x, const ResizeAxis& axis) {
  const auto in = static_cast<float>(axis.in), out = static_cast<float>(axis.out);
  if (axis.scale == 1.0F) return x;  // tf_half_pixel_for_nn would move batch and channels by a half
  switch (mode) {
    case Coordinates::half_pixel: return half_pixel(x, axis.scale);
    case Coordinates::asymmetric: return x / axis.scale;
    case Coordinates::align_corners: return axis.out == 1 ? 0.0F : x * (in - 1.0F) / (out - 1.0F);
    case Coordinates::pytorch_half_pixel: return axis.out > 1 ? half_pixel(x, axis.scale) : 0.0F;
    case Coordinates::half_pixel_symmetric: {
      const float adjustment = out / (axis.scale * in);
      const float offset = (in / 2.0F) * (1.0F - adjustment);
      return offset + half_pixel(x, axis.scale);
    }
    case Coordinates::tf_half_pixel_for_nn: return (x + 0.5F) / axis.scale;
  }
  return 0.0F;
}

float round_to(Rounding mode, float x) {
  const float below = std::floor(x);
  const float rest = x - below;
  switch (mode) {
    case Rounding::prefer_floor: return rest > 0.5F ? below + 1.0F : below;
    case Rounding::prefer_ceil: return rest >= 0.5F ? below + 1.0F : below;
    case Rounding::floor: return below;
    case Rounding::ceil: return std::ceil(x);
  }
  return 0.0F;
}

void place(Coordinates mode, Rounding rounding, bool linear, ResizeAxis& axis) {
  const auto last = static_cast<float>(axis.in - 1);
  for (int64_t i = 0; i < axis.out; ++i) {
    const float x = coordinate(mode, static_cast<float>(i), axis);
    if (!linear) {
      axis.lo.push_back(static_cast<int64_t>(std::clamp(round_to(rounding, x), 0.0F, last)));
      continue;
    }
    const float inside = std::clamp(x, 0.0F, last);
    const float below = std::floor(inside);
    axis.lo.push_back(static_cast<int64_t>(below));
    axis.hi.push_back(std::min(axis.lo.back() + 1, axis.in - 1));
    axis.f.push_back(inside - below);
  }
}

}  // namespace

bool ResizeAxis::changes() const {
  if (in != out) return true;
  for (size_t i = 0; i < lo.size(); ++i) {
    if (lo[i] != static_cast<int64_t>(i) || (!f.empty() && f[i] != 0)) return true;
  }
  return false;
}

Result<Resize> resize_of(const NodeDesc& node, const std::vector<int64_t>& src) {
  const bool by_size = node.ints.size() > 3, by_scale = !node.floats.empty();
  if (node.ints.size() < 3 || by_size == by_scale) return bad(node, "wants either scales or sizes");
  if ((by_size ? node.ints.size() - 3 : node.floats.size()) != src.size()) {
    return bad(node, "its scales or sizes do not fit " + print(src));
  }
  if (node.ints[0] < 0 || node.ints[0] > 1 || node.ints[1] < 0 || node.ints[1] > 5 || node.ints[2] < 0 ||
      node.ints[2] > 3) {
    return bad(node, "unknown mode");
  }
  Resize r;
  r.linear = node.ints[0] == 1;
  for (size_t i = 0; i < src.size(); ++i) {
    ResizeAxis axis;
    axis.in = axis.out = src[i];
    if (by_size && node.ints[3 + i] != 0) {
      axis.out = node.ints[3 + i];
      axis.scale = static_cast<float>(axis.out) / static_cast<float>(axis.in);
    } else if (by_scale) {
      const float extent = static_cast<float>(axis.in) * node.floats[i];
      axis.scale = node.floats[i];
      axis.out = extent >= 0 && extent <= 0x1p24F ? static_cast<int64_t>(std::floor(extent)) : -1;
    }
    if (axis.out < 0 || axis.out > (int64_t{1} << 24) || (axis.out > 0 && !(axis.in > 0 && axis.scale > 0))) {
      return bad(node, "an extent of " + std::to_string(axis.in) + " cannot be resized so");
    }
    place(static_cast<Coordinates>(node.ints[1]), static_cast<Rounding>(node.ints[2]), r.linear, axis);
    r.axes.push_back(std::move(axis));
  }
  return r;
}

}  // namespace octile
