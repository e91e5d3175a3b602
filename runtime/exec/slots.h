// Slots: scratch of one run, cut into as many pieces as tasks run at a time; a task borrows one.
// In:  how many pieces.  Out: the index of a free one.
// Not here: the bytes.  More tasks at a time than slots wait for one another, so no host can break it.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <thread>

namespace octile::runtime {

class Slots {
 public:
  static constexpr int kMost = 64;
  explicit Slots(int count) : free_(~uint64_t{0} >> (kMost - std::clamp(count, 1, kMost))) {}

  [[nodiscard]] int take() {
    for (;;) {
      for (uint64_t seen = free_.load(std::memory_order_relaxed); seen != 0;) {
        if (free_.compare_exchange_weak(seen, seen & (seen - 1), std::memory_order_acquire)) {
          return std::countr_zero(seen);
        }
      }
      std::this_thread::yield();
    }
  }
  void give(int slot) { free_.fetch_or(uint64_t{1} << slot, std::memory_order_release); }

 private:
  std::atomic<uint64_t> free_;
};

}  // namespace octile::runtime
