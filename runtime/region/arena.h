// Arena: one block of memory for all tensors of a run, and where each lies in it.
// In:  sizes and lifetimes; a wish for bytes.  Out: offsets; a block that goes back to the pool by itself.
// Not here: what the bytes mean.
// Blocks are shared by all regions of the process, last used first: the next region finds them warm in the cache, and
// a model of many regions holds one block per concurrent run, not one per region.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace octile::runtime {

// One tensor that lives from step `first` to step `last`, both included.
struct Lifetime {
  size_t bytes = 0;
  int first = 0, last = 0;
  size_t offset = 0;  // set by place()
};
// Gives every lifetime an offset (a multiple of 64) such that no two that overlap in time overlap in memory: largest
// first, each into the tightest gap. Returns the bytes needed in all.
[[nodiscard]] size_t place(std::vector<Lifetime>& items);

// Where blocks come from; null functions mean the C library.
struct Memory {
  void* context = nullptr;
  void* (*allocate)(void* context, size_t bytes, size_t alignment) = nullptr;
  void (*release)(void* context, void* memory) = nullptr;
};

class ArenaPool {
 public:
  // The pool of the process; it goes when its last owner goes.
  [[nodiscard]] static std::shared_ptr<ArenaPool> shared();

  class Block {
   public:
    Block(Block&& other) noexcept;
    Block& operator=(Block&&) = delete;
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block();
    [[nodiscard]] uint8_t* data() const { return data_; }  // 64-byte aligned; null: no memory

   private:
    friend class ArenaPool;
    Block(ArenaPool* pool, uint8_t* data, size_t size) : pool_(pool), data_(data), size_(size) {}
    ArenaPool* pool_;
    uint8_t* data_;
    size_t size_;
  };

  ArenaPool() = default;
  explicit ArenaPool(Memory memory) : memory_(memory) {}
  ~ArenaPool();
  ArenaPool(const ArenaPool&) = delete;
  ArenaPool& operator=(const ArenaPool&) = delete;
  // A block of at least `bytes`. No allocation when a free one is large enough.
  [[nodiscard]] Block take(size_t bytes);

 private:
  struct Free {
    uint8_t* data;
    size_t size;
  };
  void give(uint8_t* data, size_t size) noexcept;
  [[nodiscard]] uint8_t* allocate(size_t size) const;
  void release(uint8_t* data) const;

  Memory memory_;
  std::mutex mutex_;
  std::vector<Free> free_;  // capacity for every block there is
  size_t blocks_ = 0;
};

}  // namespace octile::runtime
