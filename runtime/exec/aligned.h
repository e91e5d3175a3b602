// AlignedBytes: zeroed bytes at a cache line, for packed weights and scratch.
// In:  a size.  Out: memory that frees itself, or null when there is none.
// Not here: arenas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace octile::runtime {

inline constexpr size_t kAlignment = 64;

[[nodiscard]] constexpr size_t align_up(size_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(size_t size) : size_(align_up(size == 0 ? 1 : size)) {
    data_.reset(static_cast<uint8_t*>(std::aligned_alloc(kAlignment, size_)));
    if (data_ != nullptr) std::memset(data_.get(), 0, size_);
  }
  [[nodiscard]] bool ok() const { return data_ != nullptr; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] uint8_t* data() const { return data_.get(); }
  template <class T>
  [[nodiscard]] T* as(size_t offset = 0) const {
    return reinterpret_cast<T*>(data_.get() + offset);
  }

 private:
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  std::unique_ptr<uint8_t, Free> data_;
  size_t size_ = 0;
};

}  // namespace octile::runtime
