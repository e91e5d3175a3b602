// Slots: scratch of one run, cut into as many pieces as tasks run at a time; a task borrows one.
// In:  how many pieces.  Out: the index of a free one.
// Not here: the bytes.  More tasks at a time than slots wait for one another, so no host can break it.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <thread>

#include "runtime/exec/parallel.h"

namespace octile::runtime {

class Slots {
 public:
  static constexpr int kMost = 64;
  // How many are of use.
  [[nodiscard]] static int useful(int threads, int64_t tasks) {
    return static_cast<int>(std::min<int64_t>({std::max(threads, 1), kMost, tasks}));
  }
  explicit Slots(int count) : count_(std::clamp(count, 1, kMost)), free_(~uint64_t{0} >> (kMost - count_)) {}

  // For task `index` of `count`. Neighbours mostly run on one thread, whose cache holds what it wrote to its slot
  // before.
  [[nodiscard]] int take(int64_t index, int64_t count) {
    const uint64_t own = uint64_t{1} << (index * count_ / count);
    for (;;) {
      for (uint64_t seen = free_.load(std::memory_order_relaxed); seen != 0;) {
        const uint64_t slot = (seen & own) != 0 ? own : seen & -seen;
        if (free_.compare_exchange_weak(seen, seen ^ slot, std::memory_order_acquire)) return std::countr_zero(slot);
      }
      std::this_thread::yield();
    }
  }
  void give(int slot) { free_.fetch_or(uint64_t{1} << slot, std::memory_order_release); }

 private:
  int count_;
  std::atomic<uint64_t> free_;
};

// Runs f(index, slot) for count indices on the host's threads, no two of which have one of the `slots` at a time.
template <class F>
void spread_slots(const Parallel& parallel, int slots, int64_t count, const F& f) {
  Slots all(slots);
  spread(parallel, count, [&](int64_t index) {
    const int slot = all.take(index, count);
    f(index, static_cast<size_t>(slot));
    all.give(slot);
  });
}

}  // namespace octile::runtime
