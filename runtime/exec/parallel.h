// Threads come from the host: a Parallel is the host's parallel_for, or none (the calling thread).
// In:  a task function.  Out: all tasks done.  Not here: thread pools.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octile::runtime {

class Team;

struct Parallel {
  using Task = void (*)(void* arg, size_t index);
  void* context = nullptr;
  void (*run)(void* context, Task task, void* arg, size_t count) = nullptr;  // null: run in the calling thread
  int threads = 1;                                                           // how many the host is likely to give
  int64_t least = 1024 * 1024;  // multiply-adds worth waking them for; about 10 microseconds of one thread
  Team* team = nullptr;         // a leader's (team.h): for pieces that overlap

  void operator()(size_t count, Task task, void* arg) const {
    if (run != nullptr && threads > 1 && count > 1) {
      run(context, task, arg, count);
    } else {
      for (size_t i = 0; i < count; ++i) task(arg, i);
    }
  }
};

// Runs f(index) for count indices on the host's threads.
template <class F>
void spread(const Parallel& parallel, int64_t count, const F& f) {
  parallel(
      static_cast<size_t>(count), [](void* arg, size_t i) { (*static_cast<const F*>(arg))(static_cast<int64_t>(i)); },
      const_cast<F*>(&f));
}

}  // namespace octile::runtime
