// Linking: kernel objects to one pack member.
// In:  object files, the kernels to export.  Out: the member's bytes, which keep the contract of format/elf_image.h.
// Not here: compiling, judging instructions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "workload/base/status.h"

namespace octile::packs {

// Same objects in the same order, same bytes. Everything `kernels` does not reach is dropped.
[[nodiscard]] Result<std::vector<uint8_t>> link_member(const std::vector<std::string>& objects,
                                                       const std::vector<std::string>& kernels);

// That the member keeps the contract and holds each of `kernels`.
[[nodiscard]] Status check_member(std::span<const uint8_t> bytes, const std::vector<std::string>& kernels,
                                  const std::string& what);

}  // namespace octile::packs
