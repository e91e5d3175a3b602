// Reads shape files.
// In:  a path.  Out: OpSpecs, or the first broken line.
// Not here: the op line's grammar.
#include "workload/shapes/shapes.h"

#include <fstream>

namespace octile {

Result<std::vector<OpSpec>> load_shapes(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Status(Code::io_error, path + ": cannot be opened");
  std::vector<OpSpec> specs;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#' || line.find_first_not_of(" \t\r") == std::string::npos) continue;
    Result<OpSpec> spec = parse_op(line);
    if (!spec.ok()) {
      return Status(spec.status().code(), path + ":" + std::to_string(number) + ": " + spec.status().message());
    }
    specs.push_back(std::move(*spec));
  }
  return specs;
}

}  // namespace octile
