// Plain kernels: every family of packs/format/pack_abi.h as obvious loops over its buffers, for any layout.
// In:  buffers as a kernel gets them.  Out: the destination a kernel must write.
// Not here: speed; the shipped portable kernels (runtime/), which these are independent of.
#pragma once

#include <cstdint>
#include <span>

#include "packs/format/pack_abi.h"
#include "tests/support/bochs/replay.h"

namespace octile::testing {

// `call` holds family and scalars. Buffers in the order of the family's function; returns false if they make no sense.
[[nodiscard]] bool run_plain(const replay_call& call, std::span<const octile_buffer> buffers);

}  // namespace octile::testing
