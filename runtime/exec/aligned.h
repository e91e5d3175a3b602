// AlignedBytes: bytes at a cache line, zeroed unless asked otherwise, for packed weights and scratch.
// In:  a size, or bytes of somebody else.  Out: memory that frees itself, or null when there is none.
// Not here: arenas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

namespace octile::runtime {

inline constexpr size_t kAlignment = 64;

[[nodiscard]] constexpr size_t align_up(size_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(size_t size) : AlignedBytes(uninitialized(size)) {
    if (data_ != nullptr) std::memset(data_.get(), 0, size_);
  }
  // For who writes all of `size` bytes; what rounding adds is zero.
  [[nodiscard]] static AlignedBytes uninitialized(size_t size) {
    AlignedBytes out;
    out.size_ = align_up(size == 0 ? 1 : size);
    out.data_.reset(static_cast<uint8_t*>(std::aligned_alloc(kAlignment, out.size_)), [](uint8_t* p) { std::free(p); });
    if (out.data_ != nullptr) std::memset(out.data_.get() + size, 0, out.size_ - size);
    return out;
  }
  // Read alone, and kept by `owner`; at a cache line.
  [[nodiscard]] static AlignedBytes borrowed(std::span<const uint8_t> bytes, const std::shared_ptr<const void>& owner) {
    AlignedBytes out;
    out.size_ = bytes.size();
    out.data_ = std::shared_ptr<uint8_t>(owner, const_cast<uint8_t*>(bytes.data()));
    return out;
  }
  AlignedBytes(AlignedBytes&&) noexcept = default;
  AlignedBytes& operator=(AlignedBytes&&) noexcept = default;
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;
  ~AlignedBytes() = default;
  // Asks for the pages of what is written next, all at once: that takes two thirds of the time of a fault for each.
  void expect_writes(size_t from, size_t size) const;
  [[nodiscard]] bool ok() const { return data_ != nullptr; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] uint8_t* data() const { return data_.get(); }
  template <class T>
  [[nodiscard]] T* as(size_t offset = 0) const {
    return reinterpret_cast<T*>(data_.get() + offset);
  }

 private:
  std::shared_ptr<uint8_t> data_;
  size_t size_ = 0;
};

}  // namespace octile::runtime
