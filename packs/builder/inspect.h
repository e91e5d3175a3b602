// Inspect: a pack described for people and for programs.
// In:  a path.  Out: text or JSON, after every hash was checked.
// Not here: the instruction gate (octile-pack verify runs it).
#pragma once

#include <string>

#include "workload/base/status.h"

namespace octile::packs {

[[nodiscard]] Result<std::string> inspect_text(const std::string& path);
// The manifest's fields, and for each member "kernels" and "verified"; "file" and "bytes" of the whole.
[[nodiscard]] Result<std::string> inspect_json(const std::string& path);

}  // namespace octile::packs
