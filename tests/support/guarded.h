// Memory whose end touches an unmapped page and whose start carries a canary.
// In:  a size, optional contents.  Out: a pointer; a fault on the first byte past the end; a check of the bytes before.
// Not here: tensors, layouts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace octile::testing {

class Guarded {
 public:
  explicit Guarded(size_t bytes);
  explicit Guarded(const std::vector<uint8_t>& contents);
  ~Guarded();
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  [[nodiscard]] uint8_t* data() const { return data_; }
  [[nodiscard]] size_t size() const { return size_; }
  // False when something wrote before the start.
  [[nodiscard]] bool canary_intact() const;
  // Refuses writes from now on (for sources and weights).
  void freeze();

 private:
  uint8_t* pages_ = nullptr;
  size_t page_bytes_ = 0;  // usable pages, without the guard
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace octile::testing
