// MappedFile: a file's bytes without a copy.
// In:  a path.  Out: bytes to read, as long as somebody holds the file.
// Not here: what they mean; executable members, which are copied (pack_file.h).
//
// Replacing or deleting the file is safe. Whoever cuts it short while it is mapped ends the process that reads it, as
// with every mapped file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "workload/base/status.h"

namespace octile::packs {

class MappedFile {
 public:
  // not_found where there is no such file; errors name the path and what failed, the cure is the caller's to add.
  [[nodiscard]] static Result<std::shared_ptr<const MappedFile>> open(const std::string& path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const uint8_t> bytes() const { return {static_cast<const uint8_t*>(data_), size_}; }

 private:
  MappedFile(void* data, size_t size) : data_(data), size_(size) {}

  void* data_;  // null: the file is empty
  size_t size_;
};

}  // namespace octile::packs
