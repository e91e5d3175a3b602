// A host that gives every thread an equal share of the tasks, so that neighbours run at once.
// In:  a piece of work.  Out: all of it done.
// Not here: hosts that are late or too few (team_test.cpp).
#pragma once

#include <cstddef>
#include <thread>
#include <vector>

#include "runtime/exec/parallel.h"

namespace octile::test {

template <size_t kThreads>
void run_striped(void* /*context*/, runtime::Parallel::Task task, void* arg, size_t count) {
  std::vector<std::thread> pool;
  for (size_t t = 0; t < kThreads; ++t) {
    pool.emplace_back([=] {
      for (size_t i = t; i < count; i += kThreads) task(arg, i);
    });
  }
  for (std::thread& t : pool) t.join();
}

}  // namespace octile::test
