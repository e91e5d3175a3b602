// Shape files: the ops of known networks, one line each, shared by tests, benchmarks and the tuner.
// In:  a text file: op lines, blank lines, comments starting with '#'.  Out: OpSpecs with name and count.
// Not here: the op line's grammar (spec/).
#pragma once

#include <string>
#include <vector>

#include "workload/spec/op_spec.h"

namespace octile {

// Errors read "FILE:LINE: ...".
[[nodiscard]] Result<std::vector<OpSpec>> load_shapes(const std::string& path);

}  // namespace octile
