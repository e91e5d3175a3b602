// What jobs of all ops share; see job.h.
// In:  what run() is given, crops, what kernels returned.  Out: jobs, patches, a Status.  Not here: tasks.
#include "runtime/exec/job.h"

#include "runtime/exec/check.h"
#include "runtime/exec/prepared_op.h"

namespace octile::runtime {

Patch patch_of(const Crop& crop, int64_t columns, int64_t rows) {
  Patch p{0, 0, 0, columns, crop.channel, crop.channel + crop.channels};
  if (crop.row || crop.ys == 1) {
    p.first = (crop.n * rows + crop.y) * columns + crop.x;
    p.last = p.first + crop.xs;
  } else {
    p.first = (crop.n * rows + crop.y) * columns;
    p.last = p.first + crop.ys * columns;
    p.x = crop.x;
    p.x_end = crop.x + crop.xs;
  }
  return p;
}

Status PreparedOp::begin(const Choice& choice, const Tensor& src, const Tensor& dst, void* scratch,
                         std::span<const Tail> tails, Job& job) const {
  OCTILE_RETURN_IF_ERROR(check_tensors(choice, src, dst));
  OCTILE_RETURN_IF_ERROR(check(choice, src, dst));
  OCTILE_RETURN_IF_ERROR(check_tails(tails, dst, choice.shaped.dst, choice.cuts.size() == 2));
  job.choice = &choice;
  job.src = src;
  job.dst = dst;
  job.tails = tails;
  job.scratch = static_cast<uint8_t*>(scratch);
  bind(job);
  return {};
}

Status PreparedOp::ended(const Job& job) {
  const int rc = job.rc.load(std::memory_order_relaxed);
  if (rc == 0) return {};
  return {Code::internal, "a kernel returned " + std::to_string(rc) + " for " + to_key(job.choice->shaped)};
}

}  // namespace octile::runtime
