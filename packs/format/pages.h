// Pages: memory of its own, in whole pages, for what goes back to the system at once or becomes code.
// In:  a size.  Out: bytes, zeroed.
// Not here: memory that is allocated and freed all the time (the C++ library's).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "workload/base/status.h"

namespace octile::packs {

class Pages {
 public:
  Pages() = default;
  Pages(Pages&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Pages& operator=(Pages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Pages();
  // All of them in memory already. `what` they are for is named in errors.
  [[nodiscard]] static Result<Pages> make(size_t size, const std::string& what);

  [[nodiscard]] std::span<uint8_t> bytes() const { return {static_cast<uint8_t*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;  // as asked; the last page may go on
};

}  // namespace octile::packs
