// Inspect: what is in a plan, for people and for programs.
// In:  a plan read and verified.  Out: text, JSON.
// Not here: which kernels would run it (that is decided where it runs).
#pragma once

#include <string>

#include "runtime/plan_file/plan_file.h"

namespace octile::runtime {

struct InspectedFile {
  std::string path;
  size_t bytes = 0;
  std::string sha256;
};
[[nodiscard]] std::string inspect_text(const InspectedFile& file, const PlanFile& plan);
[[nodiscard]] std::string inspect_json(const InspectedFile& file, const PlanFile& plan);

}  // namespace octile::runtime
