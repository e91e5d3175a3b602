// Build: from kernel lists and tuning logs to the contents of a pack.
// In:  file names, options.  Out: contents, and what was left out and why.
// Not here: writing the pack, command line.
//
// A list is ours: one kernel that does not build fails the whole. A log is a record of the past: a candidate that no
// longer builds is left out with a warning, since the any-shape kernels still serve its workload.
#pragma once

#include <string>
#include <vector>

#include "packs/builder/compile.h"
#include "packs/builder/contents.h"
#include "workload/base/status.h"

namespace octile::packs {

struct BuildOptions {
  std::vector<std::string> lists, logs;
  std::string default_pack;          // joined with the kernels of `logs`; empty: none
  bool join_default = true;          // whether the program may look for one by itself
  std::vector<std::string> targets;  // empty: all
  CompileOptions compile;
};

struct Built {
  Contents contents;
  size_t compiled = 0;
  std::vector<std::string> warnings;
};

[[nodiscard]] Result<Built> build_pack(const BuildOptions& options);

}  // namespace octile::packs
