// A whole file, replaced at once or not at all.
// In:  a path and its new bytes.  Out: the file, or a Status and the old file untouched.
// Not here: appending (the tuning log).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "workload/base/status.h"

namespace octile::packs {

// Writes `pieces` one after another to a neighbour of `path`, flushes it to disk and renames it onto `path`.
[[nodiscard]] Status write_file_atomically(const std::string& path, std::span<const std::span<const uint8_t>> pieces);

}  // namespace octile::packs
