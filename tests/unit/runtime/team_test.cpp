// The team: every index once, whatever the host does with its tasks.
// In:  hosts that are helpful, slow, late or alone.  Out: who did what.  Not here: speed.
#include "runtime/exec/team.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace octile::runtime {
namespace {

using Host = decltype(Parallel::run);

void each_its_thread(void*, Parallel::Task task, void* arg, size_t count) {
  std::vector<std::thread> all;
  for (size_t i = 0; i < count; ++i) all.emplace_back(task, arg, i);
  for (std::thread& t : all) t.join();
}

void one_after_the_other(void*, Parallel::Task task, void* arg, size_t count) {
  for (size_t i = 0; i < count; ++i) task(arg, i);
}

void last_first(void*, Parallel::Task task, void* arg, size_t count) {
  while (count-- > 0) task(arg, count);
}

// Some tasks begin while the leader is at work, some when it is done.
void some_late(void*, Parallel::Task task, void* arg, size_t count) {
  std::vector<std::thread> all;
  for (size_t i = 1; i < count; ++i) {
    all.emplace_back([=] {
      std::this_thread::sleep_for(std::chrono::microseconds(200 * i));
      task(arg, i);
    });
  }
  task(arg, 0);
  for (std::thread& t : all) t.join();
}

// Two threads for all tasks.
void fewer_threads(void*, Parallel::Task task, void* arg, size_t count) {
  std::thread other([=] {
    for (size_t i = 1; i < count; i += 2) task(arg, i);
  });
  for (size_t i = 0; i < count; i += 2) task(arg, i);
  other.join();
}

// Calls f(parallel) as the leader of a team.
template <class F>
void lead(const Parallel& host, F f) {
  Team::run(
      host, [](void* arg, const Parallel& parallel) { (*static_cast<F*>(arg))(parallel); }, &f);
}

// Pieces of many sizes, each reading what the one before it wrote.
void check_pieces(Host host, int threads, int rounds) {
  constexpr size_t kSizes[] = {0, 1, 2, 3, 7, 64, 1000};
  std::vector<int> seen(1000, 0), wanted(1000, 0);
  lead({nullptr, host, threads}, [&](const Parallel& parallel) {
    for (int r = 0; r < rounds; ++r) {
      for (const size_t size : kSizes) {
        spread(parallel, size, [&](size_t i) { ++seen[size - 1 - i]; });
        for (size_t i = 0; i < size; ++i) ++wanted[i];
      }
    }
    EXPECT_EQ(seen, wanted);  // all done before the leader goes on
  });
  EXPECT_EQ(seen, wanted);
  EXPECT_EQ(wanted[0], 6 * rounds);
}

TEST(Team, EveryIndexOnceOnAnyHost) {
  for (const Host host : {each_its_thread, one_after_the_other, last_first, some_late, fewer_threads}) {
    for (const int threads : {1, 2, 4, 33}) check_pieces(host, threads, 50);
  }
  check_pieces(nullptr, 4, 1);
}

TEST(Team, ManyQuickPieces) {
  std::vector<size_t> sums(4, 0);
  lead({nullptr, each_its_thread, 3}, [&](const Parallel& parallel) {
    for (size_t r = 0; r < 100'000; ++r) spread(parallel, sums.size(), [&](size_t i) { sums[i] += r + i; });
  });
  constexpr size_t kAll = 99'999ULL * 100'000 / 2;
  for (size_t i = 0; i < sums.size(); ++i) EXPECT_EQ(sums[i], kAll + i * 100'000);
}

// Every element becomes the sum of its neighbours, again and again, and no piece waits for the one before to end.
TEST(Team, PiecesThatOverlap) {
  constexpr size_t kTasks = Team::kMostTasks, kRounds = 2000;
  using Line = std::vector<uint32_t>;
  struct Piece {
    const Line* from;
    Line* to;
    const Team::Done* before;
  };
  const auto task = [](void* arg, size_t i) {
    const Piece& own = *static_cast<Piece*>(arg);
    const size_t first = i == 0 ? 0 : i - 1, last = std::min(i + 1, kTasks - 1);
    if (own.before != nullptr) Team::await(*own.before, uint64_t{1} << first | uint64_t{1} << last);
    (*own.to)[i] = (*own.from)[first] + (*own.from)[last] + static_cast<uint32_t>(i);
  };
  Line wanted(kTasks, 1);
  for (size_t r = 0; r < kRounds; ++r) {
    const Line old = wanted;
    Piece piece{&old, &wanted, nullptr};
    for (size_t i = 0; i < kTasks; ++i) task(&piece, i);
  }
  for (const Host host : {each_its_thread, one_after_the_other, last_first, some_late, fewer_threads}) {
    for (const int threads : {2, 3, 5}) {
      Line lines[3];
      for (Line& l : lines) l.assign(kTasks, 1);
      size_t others = 0;
      lead({nullptr, host, threads}, [&](const Parallel& parallel) {
        Piece pieces[2];
        for (size_t r = 0; r < kRounds; ++r) {
          const bool first = r % 100 == 0;  // now and then one that waits for all
          if (first) spread(parallel, 5, [&](size_t) { std::atomic_ref(others).fetch_add(1); });
          parallel.team->make_room();
          pieces[r % 2] = {&lines[r % 3], &lines[(r + 1) % 3], first ? nullptr : &parallel.team->last()};
          parallel.team->start(task, &pieces[r % 2], kTasks);
        }
        parallel.team->finish();
        EXPECT_EQ(lines[kRounds % 3], wanted);
      });
      EXPECT_EQ(others, 5 * kRounds / 100);
    }
  }
}

TEST(Team, MoreIndicesThanATicketCounts) {
  constexpr size_t kCount = (size_t{1} << 21) + 3;
  const auto seen = std::make_unique<uint8_t[]>(kCount);
  for (const Host host : {each_its_thread, one_after_the_other}) {
    lead({nullptr, host, 2}, [&](const Parallel& parallel) { spread(parallel, kCount, [&](size_t i) { ++seen[i]; }); });
  }
  size_t right = 0;
  for (size_t i = 0; i < kCount; ++i) right += seen[i] == 2 ? 1 : 0;
  EXPECT_EQ(right, kCount);
}

// Both tasks of a piece wait for one another, so two threads must have taken them.
TEST(Team, TheOthersHelpAlsoAfterALongPause) {
  lead({nullptr, each_its_thread, 2}, [&](const Parallel& parallel) {
    for (const int pause : {0, 0, 30, 0, 30}) {  // 30 ms: helpers sleep
      std::this_thread::sleep_for(std::chrono::milliseconds(pause));
      std::atomic<int> here{0};
      spread(parallel, 2, [&](size_t) {
        ++here;
        while (here < 2) std::this_thread::yield();
      });
    }
  });
}

// By what vectors and floats do; <cfenv> asks the x87.
bool rounds_to_nearest() {
  const volatile float one = 1.0F, tiny = 0x1p-30F;
  return one + tiny == one && one - tiny == one;
}

TEST(Team, EveryTaskInFloatMode) {
  constexpr auto kStrange = [](void*, Parallel::Task task, void* arg, size_t count) {
    std::vector<std::thread> all;
    for (size_t i = 0; i < count; ++i) {
      all.emplace_back([=] {
        std::fesetround(FE_DOWNWARD);
        task(arg, i);
        EXPECT_FALSE(rounds_to_nearest());
      });
    }
    for (std::thread& t : all) t.join();
  };
  std::atomic<int> wrong{0};
  lead({nullptr, kStrange, 4}, [&](const Parallel& parallel) {
    wrong += rounds_to_nearest() ? 0 : 1;
    for (int r = 0; r < 100; ++r) {
      spread(parallel, 64, [&](size_t) { wrong += rounds_to_nearest() ? 0 : 1; });
    }
  });
  EXPECT_EQ(wrong, 0);
}

TEST(Team, ManyTeamsAtOnce) {
  std::vector<std::thread> users;
  for (int u = 0; u < 4; ++u) users.emplace_back([] { check_pieces(each_its_thread, 3, 20); });
  for (std::thread& t : users) t.join();
}

}  // namespace
}  // namespace octile::runtime
