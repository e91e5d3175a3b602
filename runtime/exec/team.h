// Team: the host's threads for one whole run. One task of the host leads; the others help with each piece it hands out.
// In:  the host's Parallel, what to lead.  Out: the same Parallel for the leader, at a hundredth of the price of a
// call. Not here: thread pools.  Nothing is allocated.
//
// No answer waits for a task that has not begun: the first to begin leads, and does what nobody else takes. So a host
// that runs its tasks one after the other, some of them late, or fewer at a time than it said, is only slower.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/exec/parallel.h"

namespace octile::runtime {

class Team {
 public:
  // Runs lead(arg, parallel) in one task of the host (here, if it gives one thread), every task in FloatMode. Tasks
  // that the leader hands to `parallel` must hand out none themselves; nothing may throw.
  using Lead = void (*)(void* arg, const Parallel& parallel);
  static void run(const Parallel& host, Lead lead, void* arg);

 private:
  Team(Lead lead, void* arg, int threads) : lead_(lead), lead_arg_(arg), threads_(threads) {}
  static void begin(void* self, size_t);
  static void hand_out(void* self, Parallel::Task task, void* arg, size_t count);
  void help();
  bool claim(bool last, uint64_t turn, size_t& index);

  // The turn, then the first and the end of the indices nobody has claimed; kOver: no more turns. Once an index is
  // claimed, the turn, and with it what follows here, stands until the claimer has reported it.
  alignas(64) std::atomic<uint64_t> ticket_{0};
  Parallel::Task task_ = nullptr;
  void* arg_ = nullptr;
  size_t base_ = 0;
  alignas(64) std::atomic<size_t> reported_{0};  // what helpers have done of this turn
  alignas(64) std::atomic<bool> led_{false};
  Lead lead_;
  void* lead_arg_;
  int threads_;
};

}  // namespace octile::runtime
