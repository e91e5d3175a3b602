// Guard pages by mmap.
// In:  a size.  Out: mapped pages, the last of them without access.
// Not here: anything outside tests.
#include "tests/support/guarded.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "workload/base/status.h"

namespace octile::testing {
namespace {

constexpr uint8_t kCanary = 0xA5;

}  // namespace

Guarded::Guarded(size_t bytes) : size_(bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  page_bytes_ = (bytes + page - 1) / page * page + page;  // at least one page of canary
  void* p = mmap(nullptr, page_bytes_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  OCTILE_CHECK(p != MAP_FAILED);
  pages_ = static_cast<uint8_t*>(p);
  OCTILE_CHECK(mprotect(pages_ + page_bytes_, page, PROT_NONE) == 0);
  data_ = pages_ + page_bytes_ - bytes;
  std::memset(pages_, kCanary, page_bytes_);
}

Guarded::Guarded(const std::vector<uint8_t>& contents) : Guarded(contents.size()) {
  if (!contents.empty()) std::memcpy(data_, contents.data(), contents.size());
}

Guarded::~Guarded() { munmap(pages_, page_bytes_ + static_cast<size_t>(sysconf(_SC_PAGESIZE))); }

bool Guarded::canary_intact() const {
  return std::all_of(pages_, data_, [](uint8_t b) { return b == kCanary; });
}

void Guarded::freeze() { OCTILE_CHECK(mprotect(pages_, page_bytes_, PROT_READ) == 0); }

}  // namespace octile::testing
