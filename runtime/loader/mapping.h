// Mapping: one verified member, in memory of our own and executable.
// In:  the member's bytes, which parse_elf() accepts.  Out: addresses of its functions.
// Not here: files, hashes (packs/format), relocation: members need none.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "packs/format/elf_image.h"
#include "packs/format/pages.h"
#include "workload/base/status.h"

namespace octile::runtime {

class Mapping {
 public:
  // Code becomes read-execute, everything else read-only; nothing is ever writable and executable at once. Pages that
  // hold the member as it lies in memory, as our linker makes them, are taken as they are.
  [[nodiscard]] static Result<std::unique_ptr<Mapping>> create(packs::Pages member, const std::string& what);
  // Of a copy.
  [[nodiscard]] static Result<std::unique_ptr<Mapping>> create(std::span<const uint8_t> member,
                                                               const std::string& what);
  // Null when the member has no such function.
  [[nodiscard]] void* find(std::string_view function) const;

 private:
  Mapping(packs::ElfImage image, packs::Pages pages) : image_(std::move(image)), pages_(std::move(pages)) {}

  packs::ElfImage image_;
  packs::Pages pages_;
};

}  // namespace octile::runtime
