// Placement and the pool: no two living tensors overlap, blocks are used again.
// In:  drawn lifetimes.  Out: verdicts.  Not here: plans.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "runtime/region/arena.h"

namespace octile::runtime {
namespace {

TEST(Place, LivingTensorsNeverOverlap) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    std::vector<Lifetime> items(1 + random() % 30);
    for (Lifetime& i : items) {
      i.bytes = random() % 1000;
      i.first = static_cast<int>(random() % 20);
      i.last = i.first + static_cast<int>(random() % 5);
    }
    const size_t total = place(items);
    for (size_t a = 0; a < items.size(); ++a) {
      EXPECT_EQ(items[a].offset % 64, 0U);
      EXPECT_LE(items[a].offset + items[a].bytes, total);
      for (size_t b = 0; b < a; ++b) {
        if (items[a].first > items[b].last || items[b].first > items[a].last) continue;
        EXPECT_TRUE(items[a].offset + items[a].bytes <= items[b].offset ||
                    items[b].offset + items[b].bytes <= items[a].offset);
      }
    }
  }
}

TEST(Place, AChainNeedsTwoTensors) {
  std::vector<Lifetime> items;
  for (int i = 0; i < 50; ++i) items.push_back({640, i, i + 1, 0});
  EXPECT_EQ(place(items), 1280U);
}

TEST(ArenaPool, GivesTheBlockUsedLast) {
  ArenaPool pool;
  const uint8_t* first = nullptr;
  {
    const ArenaPool::Block a = pool.take(1000);
    const ArenaPool::Block b = pool.take(1000);
    EXPECT_NE(a.data(), b.data());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data()) % 64, 0U);
    first = a.data();  // goes back last
  }
  EXPECT_EQ(pool.take(500).data(), first);
}

TEST(ArenaPool, NoMemoryIsNull) {
  ArenaPool pool;
  EXPECT_EQ(pool.take(SIZE_MAX / 2).data(), nullptr);
  EXPECT_NE(pool.take(64).data(), nullptr);
}

// What a host with a limit was asked for and holds.
struct Limited {
  size_t most = 0;
  std::vector<size_t> asked;
  static void* allocate(void* context, size_t bytes, size_t alignment) {
    auto& self = *static_cast<Limited*>(context);
    self.asked.push_back(bytes);
    return bytes <= self.most ? std::aligned_alloc(alignment, bytes) : nullptr;
  }
  static void release(void* /*context*/, void* memory) { std::free(memory); }
};

TEST(ArenaPool, GrowsByHalfUnlessMemoryEnds) {
  Limited host{20000, {}};
  ArenaPool pool(Memory{&host, Limited::allocate, Limited::release});
  for (const size_t bytes : {6400, 6464, 9600, 12800}) EXPECT_NE(pool.take(bytes).data(), nullptr) << bytes;
  EXPECT_EQ(host.asked, (std::vector<size_t>{6400, 9600, 14400}));
  EXPECT_NE(pool.take(19200).data(), nullptr);
  EXPECT_EQ(host.asked, (std::vector<size_t>{6400, 9600, 14400, 21632, 19200}));
}

TEST(ArenaPool, OnePoolPerProcess) { EXPECT_EQ(ArenaPool::shared(), ArenaPool::shared() /* both alive */); }

}  // namespace
}  // namespace octile::runtime
