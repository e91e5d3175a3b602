// Mapping: one verified member, copied into memory of our own and made executable.
// In:  the member's bytes, which parse_elf() accepts.  Out: addresses of its functions.
// Not here: files, hashes (packs/format), relocation: members need none.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "packs/format/elf_image.h"
#include "workload/base/status.h"

namespace octile::runtime {

class Mapping {
 public:
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  // Code becomes read-execute, everything else read-only; nothing is ever writable and executable at once.
  [[nodiscard]] static Result<std::unique_ptr<Mapping>> create(std::span<const uint8_t> member,
                                                               const std::string& what);
  // Null when the member has no such function.
  [[nodiscard]] void* find(std::string_view function) const;

 private:
  Mapping(packs::ElfImage image, uint8_t* base, size_t size) : image_(std::move(image)), base_(base), size_(size) {}

  packs::ElfImage image_;
  uint8_t* base_;
  size_t size_;
};

}  // namespace octile::runtime
