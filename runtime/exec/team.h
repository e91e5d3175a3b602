// Team: the host's threads for one whole run. One task of the host leads; the others help with each piece it hands out.
// In:  the host's Parallel, what to lead.  Out: the same Parallel for the leader, at a hundredth of the price of a
// call, and pieces that overlap. Not here: thread pools, what a piece is.  Nothing is allocated.
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

  // For the leader, at `parallel.team`: pieces that overlap, two at a time. Nobody waits at the end of a piece; each
  // task waits for those tasks of the piece before that it needs.
  static constexpr size_t kMostTasks = 64;  // of such a piece
  using Done = std::atomic<uint64_t>;       // a bit per task
  // Until the piece before the last one started is done: its `arg` may then serve the next.
  void make_room();
  // After make_room(). At least one task, at most kMostTasks.
  void start(Parallel::Task task, void* arg, size_t count);
  // The last piece started, for tasks of the next: valid while they run.
  [[nodiscard]] const Done& last() const { return piece(last_).done; }
  // For a task: until those of `needs` are done.
  static void await(const Done& done, uint64_t needs);
  // Until all that was started is done.
  void finish();

 private:
  // Once an index is claimed, the turn, and with it what follows here, stands until the claimer has reported it.
  struct alignas(64) Piece {
    std::atomic<uint64_t> ticket{0};  // the turn, then the first and the end of the indices nobody has claimed
    Parallel::Task task = nullptr;
    void* arg = nullptr;
    size_t base = 0;
    alignas(64) std::atomic<size_t> reported{0};  // what helpers have done of a piece nobody overlaps
    Done done{0};                                 // of one that was started
    uint64_t all = 0;                             // what `done` will be; 0: it was not started
  };
  static constexpr uint64_t kPieces = 4;  // turns take them in order; who waits for the one before finds it unchanged

  Team(Lead lead, void* arg, int threads) : lead_(lead), lead_arg_(arg), threads_(threads) {}
  static void begin(void* self, size_t);
  static void hand_out(void* self, Parallel::Task task, void* arg, size_t count);
  void help();
  void publish(Parallel::Task task, void* arg, size_t base, size_t count, uint64_t all);
  [[nodiscard]] static bool claim(Piece& piece, bool last, uint64_t turn, size_t& index);
  [[nodiscard]] static bool work(Piece& piece, size_t index);
  [[nodiscard]] bool work_on_one(uint64_t turn);
  [[nodiscard]] bool done(uint64_t turn) const;
  [[nodiscard]] Piece& piece(uint64_t turn) { return pieces_[turn % kPieces]; }
  [[nodiscard]] const Piece& piece(uint64_t turn) const { return pieces_[turn % kPieces]; }

  Piece pieces_[kPieces];
  alignas(64) std::atomic<bool> led_{false};
  uint64_t last_ = 0;  // the leader's: the turn published last
  Lead lead_;
  void* lead_arg_;
  int threads_;
};

}  // namespace octile::runtime
