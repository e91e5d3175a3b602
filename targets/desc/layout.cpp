// The layouts there are; see layout.h.
#include "targets/desc/layout.h"

#include <algorithm>
#include <array>

namespace octile {
namespace {

constexpr std::array<LayoutDesc, 7> kLayouts{{{Layout::k4n16, "k4n16", false, 16, 4, 1},
                                              {Layout::k4n8, "k4n8", false, 8, 4, 1},
                                              {Layout::k2n8w, "k2n8w", false, 8, 2, 2},
                                              {Layout::k2n16w, "k2n16w", false, 16, 2, 2},
                                              {Layout::t1c, "t1c", true, 0, 1, 1},
                                              {Layout::t4c, "t4c", true, 0, 4, 1},
                                              {Layout::t2cw, "t2cw", true, 0, 2, 2}}};

}  // namespace

const LayoutDesc& layout_desc(Layout layout) { return kLayouts[static_cast<size_t>(layout)]; }

const LayoutDesc* find_layout(std::string_view name) {
  const auto* const at = std::ranges::find(kLayouts, name, &LayoutDesc::name);
  return at == kLayouts.end() ? nullptr : at;
}

}  // namespace octile
