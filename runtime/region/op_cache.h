// OpCache: packed weights shared by all regions of the process that hold the same op.
// In:  what PreparedOp::prepare takes.  Out: a shared PreparedOp, an existing one where the content is the same.
// Not here: packing.  An op lives as long as a region uses it.
#pragma once

#include <memory>

#include "runtime/exec/prepared_op.h"

namespace octile::runtime {

class WeightsCache;

// `library` must outlive the op; `wei` has `wei_bytes` bytes. `files`: where packed weights may come from and go to, or
// null.
[[nodiscard]] Result<std::shared_ptr<const PreparedOp>> shared_op(const KernelLibrary& library, Isa best,
                                                                  const OpSpec& spec, const OpQuant& quant,
                                                                  const uint8_t* wei, size_t wei_bytes,
                                                                  WeightsCache* files = nullptr);

}  // namespace octile::runtime
