// The instruction gate: no kernel leaves with an instruction its target does not promise.
// In:  a linked member, its target.  Out: ok, or every foreign instruction with kernel and offset.
// Not here: whether the code is right or fast.
//
// How: disassemble with GNU objdump, write each instruction down again with the encoding it really had ({vex}, {evex}),
// and let GNU as assemble that text for a machine with exactly the target's features. See docs/packs.md for why.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "workload/base/status.h"

namespace octile::packs {

[[nodiscard]] Status check_instructions(std::span<const uint8_t> member, std::string_view target,
                                        const std::string& what);

// One line of `objdump -d -w` as assembler text with its encoding spelled out; empty for lines without an instruction.
// Exposed for its unit test.
[[nodiscard]] std::string normalize_instruction(std::string_view line);

}  // namespace octile::packs
