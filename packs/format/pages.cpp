// Anonymous mappings.  In/out: see pages.h.  Not here: what may be done with them (runtime/loader/mapping.h).
#include "packs/format/pages.h"

#include <sys/mman.h>

namespace octile::packs {

Pages::~Pages() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Result<Pages> Pages::make(size_t size, const std::string& what) {
  Pages pages;
  if (size == 0) return pages;
  void* const data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (data == MAP_FAILED) {
    return Status(Code::out_of_memory, what + ": no memory for " + std::to_string(size) + " bytes");
  }
  pages.data_ = data;
  pages.size_ = size;
  return pages;
}

}  // namespace octile::packs
