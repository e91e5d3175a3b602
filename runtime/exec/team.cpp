// Handing out, claiming, waiting.
// In/out: see team.h.  Not here: what is handed out.
#include "runtime/exec/team.h"

#include <algorithm>
#include <thread>

#include "workload/numerics/float_mode.h"

namespace octile::runtime {
namespace {

constexpr int kBits = 20;  // of an index in a ticket
constexpr uint64_t kMost = (uint64_t{1} << kBits) - 1;
constexpr uint64_t kOver = ~uint64_t{0};

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
  team.lead_(team.lead_arg_, {self, hand_out, team.threads_});
  team.ticket_.store(kOver, std::memory_order_release);
  team.ticket_.notify_all();
}

// The leader claims from the front and helpers from the back, so that each finds in its own cache what it wrote before.
void Team::hand_out(void* self, Parallel::Task task, void* arg, size_t count) {
  Team& team = *static_cast<Team*>(self);
  for (size_t base = 0; base < count; base += kMost) {
    const size_t size = std::min<size_t>(count - base, kMost);
    const uint64_t turn = (turn_of(team.ticket_.load(std::memory_order_relaxed)) + 1) % turn_of(kOver);
    team.task_ = task;
    team.arg_ = arg;
    team.base_ = base;
    team.reported_.store(0, std::memory_order_relaxed);
    team.ticket_.store(turn << 2 * kBits | size << kBits, std::memory_order_release);
    team.ticket_.notify_all();
    size_t done = 0, index = 0;
    for (; team.claim(false, turn, index); ++done) task(arg, base + index);
    Patience patience;
    while (team.reported_.load(std::memory_order_acquire) != size - done) patience.wait();
  }
}

void Team::help() {
  Patience patience;
  for (;;) {
    const uint64_t seen = ticket_.load(std::memory_order_acquire);
    if (seen == kOver) return;
    size_t done = 0, index = 0;
    for (; claim(true, turn_of(seen), index); ++done) task_(arg_, base_ + index);
    if (done > 0) {
      reported_.fetch_add(done, std::memory_order_release);
      patience = {};
    } else if (first_of(seen) == end_of(seen) && !patience.wait()) {
      ticket_.wait(seen, std::memory_order_relaxed);
      patience = {};
    }
  }
}

// An index of this turn, the last one or the first.
bool Team::claim(bool last, uint64_t turn, size_t& index) {
  uint64_t seen = ticket_.load(std::memory_order_relaxed);
  while (turn_of(seen) == turn && first_of(seen) != end_of(seen)) {
    const uint64_t rest = last ? seen - (uint64_t{1} << kBits) : seen + 1;
    if (!ticket_.compare_exchange_weak(seen, rest, std::memory_order_acquire, std::memory_order_relaxed)) continue;
    index = last ? end_of(rest) : first_of(seen);
    return true;
  }
  return false;
}

}  // namespace octile::runtime
