// From a request to an object file.
// In:  Request, output directory.  Out: <name>.o, and on demand .ll, .s, .stmt.
// Not here: parsing, packs, linking.
#pragma once

#include <string>

#include "schedules/kernelc/request.h"

namespace octile::kernelc {

struct CodegenOptions {
  std::string out_dir = ".";
  bool keep_ir = false;    // keep <name>.ll
  bool emit_asm = false;   // <name>.s of the final code
  bool emit_stmt = false;  // <name>.stmt, Halide's lowered loops
};

[[nodiscard]] Status build_kernel(const Request& request, const CodegenOptions& options);
// "halide 21.0.0 clang 22.1.2": goes into logs and manifests.
[[nodiscard]] std::string generator_version();

}  // namespace octile::kernelc
