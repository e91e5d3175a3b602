// OwnThreads: threads for what happens before there is a run to lend some; they live as long as one call.
// In:  how many.  Out: a Parallel.
// Not here: runs, which have the host's threads (compute.cpp).
#pragma once

#include "runtime/exec/parallel.h"

namespace octile::ort {

class OwnThreads {
 public:
  // `threads` counts the calling one, which works as well; where no more can be had, fewer share the tasks.
  explicit OwnThreads(int threads) : threads_(threads) {}
  // Lives as long as this object.
  [[nodiscard]] runtime::Parallel parallel() { return {this, run, threads_}; }

 private:
  static void run(void* self, runtime::Parallel::Task task, void* arg, size_t count);
  int threads_;
};

}  // namespace octile::ort
