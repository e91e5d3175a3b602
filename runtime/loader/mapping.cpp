// Mapping a member; see mapping.h.
// In:  bytes.  Out: executable memory.  Not here: what the functions are.
#include "runtime/loader/mapping.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace octile::runtime {
namespace {

constexpr size_t kPage = 4096;  // x86-64

size_t page_up(size_t n) { return (n + kPage - 1) / kPage * kPage; }

Status failed(const std::string& what, const char* call) {
  return {Code::io_error,
          what + ": " + call + " failed: " + std::strerror(errno) + "; does this system forbid executable memory?"};
}

}  // namespace

Mapping::~Mapping() { munmap(base_, size_); }

Result<std::unique_ptr<Mapping>> Mapping::create(std::span<const uint8_t> member, const std::string& what) {
  OCTILE_ASSIGN_OR_RETURN(packs::ElfImage image, packs::parse_elf(member, what));
  const size_t size = page_up(image.memory_size);
  void* base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return failed(what, "mmap");
  std::unique_ptr<Mapping> mapping(new Mapping(std::move(image), static_cast<uint8_t*>(base), size));
  for (const packs::ElfSegment& s : mapping->image_.segments) {
    std::memcpy(mapping->base_ + s.address, member.data() + s.offset, s.size);
  }
  // First all pages read-only, then code executable: gaps between segments stay read-only.
  if (mprotect(base, size, PROT_READ) != 0) return failed(what, "mprotect");
  for (const packs::ElfSegment& s : mapping->image_.segments) {
    if (!s.executable) continue;
    const size_t first = s.address / kPage * kPage;
    const size_t length = page_up(s.address + s.size) - first;
    if (mprotect(mapping->base_ + first, length, PROT_READ | PROT_EXEC) != 0) return failed(what, "mprotect");
  }
  return mapping;
}

void* Mapping::find(std::string_view function) const {
  const packs::ElfFunction* f = image_.find(function);
  return f == nullptr ? nullptr : base_ + f->address;
}

}  // namespace octile::runtime
