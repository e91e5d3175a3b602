// Resize of every opset and Upsample.
// In:  a site.  Out: a resize step.  Not here: cubic interpolation, cropping, extents computed at run time (declined).
#include <algorithm>
#include <array>

#include "plugin/partition/constants.h"
#include "plugin/partition/quant_params.h"
#include "plugin/partition/translate.h"

namespace octile::plugin {
namespace {

constexpr int64_t kHalfPixel = 0, kAsymmetric = 1;
constexpr int64_t kPreferFloor = 0, kFloor = 2, kCeil = 3;

// The position of the attribute's value in the list of what the region's graph knows.
template <size_t N>
Verdict read_choice(const HostNode& node, std::string_view name, const std::array<std::string_view, N>& known,
                    int64_t& choice) {
  const HostAttribute* a = node.attribute(name);
  if (a == nullptr || a->s.empty()) return {};
  const auto at = std::find(known.begin(), known.end(), a->s);
  if (at == known.end()) return refuse(Reason::attribute, std::string(name) + " " + a->s);
  choice = at - known.begin();
  return {};
}

constexpr std::array<std::string_view, 6> kCoordinates = {
    "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric", "tf_half_pixel_for_nn"};
constexpr std::array<std::string_view, 4> kRoundings = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

Verdict read_modes(const HostNode& node, bool old, std::vector<int64_t>& ints) {
  const HostAttribute* mode = node.attribute("mode");
  const std::string how = mode == nullptr || mode->s.empty() ? "nearest" : mode->s;
  if (how != "nearest" && how != "linear") return refuse(Reason::attribute, "mode " + how);
  ints = {how == "linear" ? 1 : 0, old ? kAsymmetric : kHalfPixel, old ? kFloor : kPreferFloor};
  if (old) return {};
  if (node.int_attribute("antialias", 0) != 0) return refuse(Reason::attribute, "antialias");
  OCTILE_RETURN_IF_REFUSED(read_choice(node, "coordinate_transformation_mode", kCoordinates, ints[1]));
  return read_choice(node, "nearest_mode", kRoundings, ints[2]);
}

// Entries for the named axes, spread over all of them.
template <class T>
Verdict spread(const Site& site, T otherwise, std::vector<T>& list) {
  const HostAttribute* axes = site.node.attribute("axes");
  if (axes == nullptr || axes->ints.empty()) return {};
  int64_t rank = 0;
  OCTILE_RETURN_IF_REFUSED(read_rank(site.graph, site.node.input(0), rank));
  if (axes->ints.size() != list.size()) return refuse(Reason::malformed, "axes");
  std::vector<T> all(static_cast<size_t>(rank), otherwise);
  for (size_t i = 0; i < list.size(); ++i) {
    int64_t axis = axes->ints[i];
    OCTILE_RETURN_IF_REFUSED(read_axis(site.graph, site.node.input(0), axis));
    if (axis >= rank) return refuse(Reason::malformed, "axes");
    all[static_cast<size_t>(axis)] = list[i];
  }
  list = std::move(all);
  return {};
}

}  // namespace

Verdict write_resize(const Site& site) {
  const HostNode& n = site.node;
  const bool old = n.op == "Upsample" || n.older_than(11);  // no coordinates, no sizes
  std::vector<int64_t> ints, sizes;
  OCTILE_RETURN_IF_REFUSED(read_modes(n, old, ints));
  std::vector<float> scales;
  bool found = false;
  if (!old && n.input(3) >= 0) {
    OCTILE_RETURN_IF_REFUSED(read_int64s(site.graph, n.input(3), sizes));
    const HostAttribute* policy = n.attribute("keep_aspect_ratio_policy");
    if (policy != nullptr && !policy->s.empty() && policy->s != "stretch") return refuse(Reason::attribute, policy->s);
    OCTILE_RETURN_IF_REFUSED(spread<int64_t>(site, 0, sizes));
  }
  if (sizes.empty()) {
    OCTILE_RETURN_IF_REFUSED(read_float_list(site.graph, n, "scales", old ? 1 : 2, scales, found));
    OCTILE_RETURN_IF_REFUSED(spread<float>(site, 1.0F, scales));
    if (scales.empty()) return refuse(Reason::malformed, "neither scales nor sizes");
  }
  // Before opset 11 an axis that shrinks takes the element above.
  if (old && ints[0] == 0 && std::any_of(scales.begin(), scales.end(), [](float s) { return s < 1.0F; })) {
    if (std::any_of(scales.begin(), scales.end(), [](float s) { return s > 1.0F; })) {
      return refuse(Reason::attribute, "scales below and above 1");
    }
    ints[2] = kCeil;
  }
  // A mixture of codes is a code, rounded: numbers of scale 1.
  const bool mixes_codes = ints[0] == 1 && site.type != DType::f32;
  if (mixes_codes && size_of(site.type) != 1) return refuse(Reason::type_not_supported, "linear");
  QParams numbers;
  numbers.type = site.type;
  const int from = mixes_codes ? site.writer.dequantize(site.in[0], numbers) : site.in[0];
  const int to = mixes_codes ? site.writer.inner(DType::f32) : site.out;
  ints.insert(ints.end(), sizes.begin(), sizes.end());
  NodeDesc& d = site.writer.main(NodeKind::resize, {from}, to);
  d.ints = std::move(ints);
  d.floats = std::move(scales);
  if (mixes_codes) site.writer.quantize(to, numbers, site.out, false);
  return {};
}

}  // namespace octile::plugin
