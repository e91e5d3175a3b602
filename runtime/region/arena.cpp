// Placement and the pool of blocks.
// In/out: see arena.h.  Not here: plans.
#include "runtime/region/arena.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <numeric>

#include "runtime/exec/aligned.h"

namespace octile::runtime {
namespace {

// The offset of the tightest gap between `busy` (sorted by offset) that holds `bytes`; past them all when none does.
size_t tightest_gap(const std::vector<const Lifetime*>& busy, size_t bytes) {
  size_t best = 0, best_gap = std::numeric_limits<size_t>::max(), end = 0;
  for (const Lifetime* b : busy) {
    if (b->offset >= end + bytes && b->offset - end < best_gap) {
      best = end;
      best_gap = b->offset - end;
    }
    end = std::max(end, b->offset + align_up(b->bytes));
  }
  return best_gap == std::numeric_limits<size_t>::max() ? end : best;
}

}  // namespace

size_t place(std::vector<Lifetime>& items) {
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return items[a].bytes > items[b].bytes; });
  size_t total = 0;
  std::vector<const Lifetime*> busy;
  for (size_t i = 0; i < order.size(); ++i) {
    Lifetime& item = items[order[i]];
    busy.clear();
    for (size_t j = 0; j < i; ++j) {
      const Lifetime& other = items[order[j]];
      if (other.first <= item.last && item.first <= other.last) busy.push_back(&other);
    }
    std::sort(busy.begin(), busy.end(), [](const Lifetime* a, const Lifetime* b) { return a->offset < b->offset; });
    item.offset = tightest_gap(busy, align_up(item.bytes));
    total = std::max(total, item.offset + align_up(item.bytes));
  }
  return total;
}

std::shared_ptr<ArenaPool> ArenaPool::shared() {
  static std::mutex mutex;
  static std::weak_ptr<ArenaPool> pool;
  const std::lock_guard lock(mutex);
  std::shared_ptr<ArenaPool> alive = pool.lock();
  if (alive == nullptr) pool = alive = std::make_shared<ArenaPool>();
  return alive;
}

ArenaPool::~ArenaPool() {
  for (const Free& f : free_) release(f.data);
}

uint8_t* ArenaPool::allocate(size_t size) const {
  return static_cast<uint8_t*>(memory_.allocate == nullptr ? std::aligned_alloc(kAlignment, size)
                                                           : memory_.allocate(memory_.context, size, kAlignment));
}

void ArenaPool::release(uint8_t* data) const {
  if (memory_.release == nullptr) {
    std::free(data);
  } else if (data != nullptr) {
    memory_.release(memory_.context, data);
  }
}

ArenaPool::Block ArenaPool::take(size_t bytes) {
  const size_t size = align_up(std::max<size_t>(bytes, 1));
  Free found{nullptr, 0};
  {
    const std::lock_guard lock(mutex_);
    auto pick = std::find_if(free_.rbegin(), free_.rend(), [&](const Free& f) { return f.size >= size; });
    if (pick == free_.rend()) pick = free_.rbegin();
    if (pick != free_.rend()) {
      found = *pick;
      free_.erase(std::next(pick).base());
    } else {
      free_.reserve(blocks_ + 1);
      ++blocks_;
    }
  }
  if (found.size < size) {
    // Shapes that grow from run to run would leave a hole in the heap each time.
    const size_t ample = std::max(size, align_up(found.size + found.size / 2));
    release(found.data);
    found = {allocate(ample), ample};
    if (found.data == nullptr && ample > size) found = {allocate(size), size};
  }
  if (found.data == nullptr) found.size = 0;
  return {this, found.data, found.size};
}

void ArenaPool::give(uint8_t* data, size_t size) noexcept {
  const std::lock_guard lock(mutex_);
  if (data == nullptr) {
    --blocks_;
  } else {
    free_.push_back({data, size});
  }
}

ArenaPool::Block::Block(Block&& other) noexcept : pool_(other.pool_), data_(other.data_), size_(other.size_) {
  other.pool_ = nullptr;
}

ArenaPool::Block::~Block() {
  if (pool_ != nullptr) pool_->give(data_, size_);
}

}  // namespace octile::runtime
