// Check: what must hold of a description before anything is built on it, shapes unknown.
// In:  RegionDesc, from a host or a file.  Out: ok, or a Status that names the node.
// Not here: shapes (workload/graph/infer.h), which say the rest for each run.
#pragma once

#include "runtime/region/region.h"

namespace octile::runtime {

[[nodiscard]] Status check(const RegionDesc& desc);
[[nodiscard]] Status check_node(const NodeDesc& node);

}  // namespace octile::runtime
