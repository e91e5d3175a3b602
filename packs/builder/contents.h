// Contents: what is inside a pack, in memory: built from kernels, loaded from a file, joined.
// In:  compiled kernels, other packs.  Out: a manifest and its members' bytes, ready for write_pack.
// Not here: compiling, command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "packs/builder/compile.h"
#include "packs/format/manifest.h"
#include "workload/base/status.h"

namespace octile::packs {

struct Contents {
  Manifest manifest;
  std::vector<std::vector<uint8_t>> members;  // in the manifest's order
};

// One member per target, linked and passed through the instruction gate. Order of kernels is that of `compiled`.
[[nodiscard]] Result<Contents> build_contents(const std::vector<Compiled>& compiled);

// Reads and verifies a whole pack: hashes and the members' contract.
[[nodiscard]] Result<Contents> load_contents(const std::string& path);
// Passes every member through the instruction gate.
[[nodiscard]] Status check_contents(const Contents& contents, const std::string& what);

// Adds `more` to `base`. Equal members are kept once; for the same workload the kernels of `more` win.
void merge_contents(Contents& base, Contents more);
// Drops what is not for one of the targets; no names keep all.
[[nodiscard]] Status keep_targets(Contents& contents, const std::vector<std::string>& names);

}  // namespace octile::packs
