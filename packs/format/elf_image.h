// ElfImage: a pack member as the contract wants it, or the clause it breaks.
// In:  the bytes of a member.  Out: its segments and its functions.
// Not here: mapping it (runtime/loader), linking it (builder/), judging its instructions (builder/gate).
//
// The contract: ELF64, x86-64, position independent; only read-only and read-execute segments; nothing imported,
// nothing to relocate, nothing to run at load; no thread storage. So a member can be copied into place by anybody: a
// plugin, a static program on a board, a bare-metal test.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "workload/base/status.h"

namespace octile::packs {

struct ElfSegment {
  uint64_t offset = 0, address = 0, size = 0;  // file and memory size are equal: there is no .bss
  bool executable = false;
};

struct ElfFunction {
  std::string name;
  uint64_t address = 0, size = 0;
};

struct ElfImage {
  std::vector<ElfSegment> segments;    // ascending, on different pages
  std::vector<ElfFunction> functions;  // every exported function, all inside executable segments
  uint64_t memory_size = 0;            // from address 0 to the end of the last segment

  [[nodiscard]] const ElfFunction* find(std::string_view name) const;
};

// `what` names the member in errors. Never reads outside `bytes`, whatever they are.
[[nodiscard]] Result<ElfImage> parse_elf(std::span<const uint8_t> bytes, const std::string& what);

}  // namespace octile::packs
