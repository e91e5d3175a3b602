// Layouts: how kernels find their weights packed, by name. packs/format/pack_abi.h says what lies where.
// In:  a name ("k4n16").  Out: its numbers.
// Not here: packing (runtime/exec), which layouts a target has kernels for (schedules/space), which one an op gets.
#pragma once

#include <cstdint>
#include <string_view>

namespace octile {

enum class Layout : uint8_t { k4n16, k4n8, k2n8w, k2n16w, t1c, t4c, t2cw };

struct LayoutDesc {
  Layout layout = Layout::k4n16;
  std::string_view name;
  bool depthwise = false;  // taps of a filter for each channel, instead of panels for a reduction
  int lanes = 0;           // channels of a panel; depthwise: 0, they lie side by side
  int quantum = 0;         // weights of a channel side by side, which an instruction sums up
  int bytes = 0;           // of a weight; what has two takes weights beyond s8
  // Whether kernels read int16 sources.
  [[nodiscard]] bool widens() const { return !depthwise && bytes == 2; }
};

[[nodiscard]] const LayoutDesc& layout_desc(Layout layout);
// Null: there is none of that name.
[[nodiscard]] const LayoutDesc* find_layout(std::string_view name);

}  // namespace octile
