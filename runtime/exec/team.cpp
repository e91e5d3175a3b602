// Handing out, claiming, waiting.
// In/out: see team.h.  Not here: what is handed out.
#include "runtime/exec/team.h"

#include <algorithm>
#include <thread>

#include "workload/numerics/float_mode.h"

namespace octile::runtime {
namespace {

constexpr int kBits = 16;  // of an index in a ticket
constexpr uint64_t kMost = (uint64_t{1} << kBits) - 1;
constexpr uint64_t kOver = ~uint64_t{0};  // instead of a ticket: no more turns

uint64_t turn_of(uint64_t ticket) { return ticket >> 2 * kBits; }
uint64_t end_of(uint64_t ticket) { return ticket >> kBits & kMost; }
uint64_t first_of(uint64_t ticket) { return ticket & kMost; }

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Waits a little longer each time: steps follow one another within microseconds, but cores may be fewer than threads.
class Patience {
 public:
  // False: that was long enough to sleep.
  bool wait() {
    ++waited_;
    if (waited_ < kPauses) {
      pause();
    } else {
      std::this_thread::yield();
    }
    return waited_ < kPauses + kYields;
  }

 private:
  static constexpr int kPauses = 500, kYields = 500;  // about 20 and 200 microseconds
  int waited_ = 0;
};

}  // namespace

void Team::run(const Parallel& host, Lead lead, void* arg) {
  if (host.run == nullptr || host.threads <= 1) {
    const FloatMode mode;
    lead(arg, {});
    return;
  }
  Team team(lead, arg, host.threads);
  host.run(host.context, begin, &team, static_cast<size_t>(host.threads));
}

void Team::begin(void* self, size_t) {
  Team& team = *static_cast<Team*>(self);
  const FloatMode mode;
  if (team.led_.exchange(true, std::memory_order_relaxed)) {
    team.help();
    return;
  }
  team.lead_(team.lead_arg_, {.context = self, .run = hand_out, .threads = team.threads_, .team = &team});
  team.finish();
  for (Piece& piece : team.pieces_) {
    piece.ticket.store(kOver, std::memory_order_release);
    piece.ticket.notify_all();
  }
}

void Team::publish(Parallel::Task task, void* arg, size_t base, size_t count, uint64_t all) {
  Piece& p = piece(++last_);
  p.task = task;
  p.arg = arg;
  p.base = base;
  p.reported.store(0, std::memory_order_relaxed);
  p.done.store(0, std::memory_order_relaxed);
  p.all = all;
  p.ticket.store(last_ << 2 * kBits | count << kBits, std::memory_order_release);
  p.ticket.notify_all();
}

// The leader claims from the front and helpers from the back, so that each finds in its own cache what it wrote before.
void Team::hand_out(void* self, Parallel::Task task, void* arg, size_t count) {
  Team& team = *static_cast<Team*>(self);
  team.finish();
  for (size_t base = 0; base < count; base += kMost) {
    const size_t size = std::min<size_t>(count - base, kMost);
    team.publish(task, arg, base, size, 0);
    Piece& p = team.piece(team.last_);
    size_t done = 0, index = 0;
    for (; claim(p, false, team.last_, index); ++done) (void)work(p, index);
    Patience patience;
    while (p.reported.load(std::memory_order_acquire) != size - done) patience.wait();
  }
}

void Team::make_room() {
  Patience patience;
  while (!done(last_ - 1)) {
    if (!work_on_one(last_ - 1) && !work_on_one(last_)) patience.wait();
  }
}

void Team::start(Parallel::Task task, void* arg, size_t count) {
  publish(task, arg, 0, count, ~uint64_t{0} >> (kMostTasks - count));
}

void Team::await(const Done& done, uint64_t needs) {
  Patience patience;
  while ((done.load(std::memory_order_acquire) & needs) != needs) patience.wait();
}

void Team::finish() {
  make_room();
  Patience patience;
  while (!done(last_)) {
    if (!work_on_one(last_)) patience.wait();
  }
}

void Team::help() {
  Patience patience;
  for (uint64_t turn = 1;;) {
    Piece& p = piece(turn);
    const uint64_t seen = p.ticket.load(std::memory_order_acquire);
    if (seen == kOver) return;
    if (turn_of(seen) < turn) {  // not published yet
      if (!patience.wait()) {
        p.ticket.wait(seen, std::memory_order_relaxed);
        patience = {};
      }
      continue;
    }
    turn = turn_of(seen);  // where it overslept some
    size_t count = 0, index = 0;
    while (claim(p, true, turn, index)) count += work(p, index) ? 0 : 1;
    if (count > 0) {
      p.reported.fetch_add(count, std::memory_order_release);
      patience = {};
    }
    ++turn;
  }
}

// An index of this turn, the last one or the first.
bool Team::claim(Piece& p, bool last, uint64_t turn, size_t& index) {
  uint64_t seen = p.ticket.load(std::memory_order_relaxed);
  while (turn_of(seen) == turn && first_of(seen) != end_of(seen)) {
    const uint64_t rest = last ? seen - (uint64_t{1} << kBits) : seen + 1;
    if (!p.ticket.compare_exchange_weak(seen, rest, std::memory_order_acquire, std::memory_order_relaxed)) continue;
    index = last ? end_of(rest) : first_of(seen);
    return true;
  }
  return false;
}

// Whether that was reported.
bool Team::work(Piece& p, size_t index) {
  const bool started = p.all != 0;
  p.task(p.arg, p.base + index);
  if (started) p.done.fetch_or(uint64_t{1} << index, std::memory_order_release);
  return started;
}

bool Team::work_on_one(uint64_t turn) {
  size_t index = 0;
  if (!claim(piece(turn), false, turn, index)) return false;
  (void)work(piece(turn), index);
  return true;
}

bool Team::done(uint64_t turn) const {
  const Piece& p = piece(turn);
  return p.done.load(std::memory_order_acquire) == p.all;
}

}  // namespace octile::runtime
