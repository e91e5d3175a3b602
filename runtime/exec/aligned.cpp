// Pages ahead of time.  In/out: see aligned.h.  Not here: allocation.
#include "runtime/exec/aligned.h"

#include <sys/mman.h>

namespace octile::runtime {

void AlignedBytes::expect_writes(size_t from, size_t size) const {
#ifdef MADV_POPULATE_WRITE
  constexpr uintptr_t kPage = 4096;
  constexpr size_t kLeast = 16 * kPage;  // below it a call costs what it saves
  if (size < kLeast) return;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data_.get()) + from) / kPage * kPage;
  const uintptr_t end = reinterpret_cast<uintptr_t>(data_.get()) + from + size;
  // Kernels before 5.14 refuse it, and pages come as they are touched.
  auto* const at = reinterpret_cast<void*>(begin);  // NOLINT(performance-no-int-to-ptr)
  (void)::madvise(at, end - begin, MADV_POPULATE_WRITE);
#else
  (void)from;
  (void)size;
#endif
}

}  // namespace octile::runtime
