// Mapping a member; see mapping.h.
// In:  bytes.  Out: executable memory.  Not here: what the functions are.
#include "runtime/loader/mapping.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace octile::runtime {
namespace {

constexpr size_t kPage = 4096;  // x86-64

size_t page_up(size_t n) { return (n + kPage - 1) / kPage * kPage; }

bool lies_as_mapped(const packs::ElfImage& image) {
  return std::all_of(image.segments.begin(), image.segments.end(),
                     [](const packs::ElfSegment& s) { return s.offset == s.address; });
}

Status protect(uint8_t* begin, size_t size, int protection, const std::string& what) {
  if (mprotect(begin, size, protection) == 0) return {};
  return {Code::io_error,
          what + ": mprotect failed: " + std::strerror(errno) + "; does this system forbid executable memory?"};
}

// First all pages read-only, then code executable: gaps between segments stay read-only.
Status make_code(const packs::ElfImage& image, std::span<uint8_t> pages, const std::string& what) {
  OCTILE_RETURN_IF_ERROR(protect(pages.data(), page_up(pages.size()), PROT_READ, what));
  for (const packs::ElfSegment& s : image.segments) {
    if (!s.executable) continue;
    const size_t first = s.address / kPage * kPage;
    OCTILE_RETURN_IF_ERROR(
        protect(pages.data() + first, page_up(s.address + s.size) - first, PROT_READ | PROT_EXEC, what));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Mapping>> Mapping::create(packs::Pages member, const std::string& what) {
  OCTILE_ASSIGN_OR_RETURN(packs::ElfImage image, packs::parse_elf(member.bytes(), what));
  if (!lies_as_mapped(image)) {
    OCTILE_ASSIGN_OR_RETURN(packs::Pages laid, packs::Pages::make(image.memory_size, what));
    for (const packs::ElfSegment& s : image.segments) {
      std::memcpy(laid.bytes().data() + s.address, member.bytes().data() + s.offset, s.size);
    }
    member = std::move(laid);
  }
  OCTILE_RETURN_IF_ERROR(make_code(image, member.bytes(), what));
  return std::unique_ptr<Mapping>(new Mapping(std::move(image), std::move(member)));
}

Result<std::unique_ptr<Mapping>> Mapping::create(std::span<const uint8_t> member, const std::string& what) {
  OCTILE_ASSIGN_OR_RETURN(packs::Pages pages, packs::Pages::make(member.size(), what));
  std::copy(member.begin(), member.end(), pages.bytes().begin());
  return create(std::move(pages), what);
}

void* Mapping::find(std::string_view function) const {
  const packs::ElfFunction* f = image_.find(function);
  return f == nullptr ? nullptr : pages_.bytes().data() + f->address;
}

}  // namespace octile::runtime
