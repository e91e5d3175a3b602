// Reads the few ELF structures a member may have; see elf_image.h for the contract.
// In:  bytes, trusted for nothing.  Out: ElfImage or Status.
// Not here: sections; a member is read as a loader would, by its program headers and dynamic table.
#include "packs/format/elf_image.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

namespace octile::packs {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMaxMemory = uint64_t{1} << 31;

class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, const std::string& what) : bytes_(bytes), what_(what) {}

  Result<ElfImage> read() {
    OCTILE_RETURN_IF_ERROR(read_header());
    OCTILE_RETURN_IF_ERROR(read_segments());
    OCTILE_RETURN_IF_ERROR(read_dynamic());
    OCTILE_RETURN_IF_ERROR(read_symbols());
    return image_;
  }

 private:
  [[nodiscard]] Status broken(const std::string& why) const {
    return {Code::corrupt, what_ + ": not a valid pack member: " + why + "; build the pack again"};
  }

  // Copies a T from a file offset; false when it is not inside the file.
  template <class T>
  [[nodiscard]] bool load(uint64_t offset, T& value) const {
    if (offset > bytes_.size() || sizeof(T) > bytes_.size() - offset) return false;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return true;
  }
  // As load, but from an address inside one of the segments.
  template <class T>
  [[nodiscard]] bool load_at(uint64_t address, T& value) const {
    const ElfSegment* s = segment_of(address, sizeof(T));
    return s != nullptr && load(s->offset + (address - s->address), value);
  }
  [[nodiscard]] const ElfSegment* segment_of(uint64_t address, uint64_t size) const {
    for (const ElfSegment& s : image_.segments) {
      if (address >= s.address && address - s.address <= s.size && size <= s.size - (address - s.address)) return &s;
    }
    return nullptr;
  }

  Status read_header() {
    if (!load(0, header_) || std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0) return broken("it is not an ELF file");
    if (header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_ident[EI_DATA] != ELFDATA2LSB ||
        header_.e_machine != EM_X86_64) {
      return broken("it is not for 64-bit x86");
    }
    if (header_.e_type != ET_DYN) return broken("it is not a shared object");
    if (header_.e_phentsize != sizeof(Elf64_Phdr)) return broken("its program headers have an unknown size");
    return {};
  }

  Status read_segments() {
    for (unsigned i = 0; i < header_.e_phnum; ++i) {
      Elf64_Phdr p;
      if (header_.e_phoff > bytes_.size() || !load(header_.e_phoff + i * sizeof p, p)) {
        return broken("its program headers are outside the file");
      }
      switch (p.p_type) {
        case PT_LOAD: OCTILE_RETURN_IF_ERROR(add_segment(p)); break;
        case PT_DYNAMIC: dynamic_ = p; break;
        case PT_NULL:
        case PT_PHDR:
        case PT_NOTE: break;
        case PT_GNU_STACK:
          if ((p.p_flags & PF_X) != 0) return broken("it wants an executable stack");
          break;
        default: return broken("it has a program header of type " + std::to_string(p.p_type));
      }
    }
    if (image_.segments.empty()) return broken("it has no segments");
    return {};
  }

  Status add_segment(const Elf64_Phdr& p) {
    if ((p.p_flags & PF_W) != 0) return broken("it has a writable segment");
    if ((p.p_flags & PF_R) == 0) return broken("it has an unreadable segment");
    if (p.p_filesz != p.p_memsz || p.p_memsz == 0) return broken("a segment's size differs in file and memory");
    if (p.p_offset > bytes_.size() || p.p_filesz > bytes_.size() - p.p_offset) {
      return broken("a segment is outside the file");
    }
    if (p.p_vaddr > kMaxMemory || p.p_memsz > kMaxMemory) return broken("a segment is too large");
    if (p.p_vaddr % kPage != p.p_offset % kPage) return broken("a segment is misaligned");
    const uint64_t first_page = p.p_vaddr / kPage * kPage;
    if (!image_.segments.empty() && first_page < image_.memory_size) return broken("two segments share a page");
    image_.segments.push_back({p.p_offset, p.p_vaddr, p.p_memsz, (p.p_flags & PF_X) != 0});
    image_.memory_size = p.p_vaddr + p.p_memsz;
    return {};
  }

  Status read_dynamic() {
    if (dynamic_.p_type != PT_DYNAMIC) return broken("it has no dynamic table");
    for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic_.p_filesz; at += sizeof(Elf64_Dyn)) {
      Elf64_Dyn d;
      if (dynamic_.p_offset > bytes_.size() || !load(dynamic_.p_offset + at, d)) break;
      switch (d.d_tag) {
        case DT_NULL: return {};
        case DT_SYMTAB: symbols_ = d.d_un.d_ptr; break;
        case DT_STRTAB: strings_ = d.d_un.d_ptr; break;
        case DT_STRSZ: strings_size_ = d.d_un.d_val; break;
        case DT_HASH: hash_ = d.d_un.d_ptr; break;
        case DT_SYMENT:
          if (d.d_un.d_val != sizeof(Elf64_Sym)) return broken("its symbols have an unknown size");
          break;
        case DT_GNU_HASH:
        case DT_SONAME: break;
        case DT_NEEDED: return broken("it needs another library");
        default: return broken("it wants work at load time (dynamic tag " + std::to_string(d.d_tag) + ")");
      }
    }
    return broken("its dynamic table has no end");
  }

  Status read_symbols() {
    uint32_t counts[2];  // of the System V hash table: buckets, then chains, of which there is one per symbol
    if (hash_ == 0 || !load_at(hash_, counts)) return broken("it has no symbol hash table");
    const ElfSegment* strings = segment_of(strings_, strings_size_);
    if (strings == nullptr || strings_size_ == 0) return broken("its symbol names are outside its segments");
    const auto* names = reinterpret_cast<const char*>(bytes_.data() + strings->offset + (strings_ - strings->address));
    if (names[strings_size_ - 1] != '\0') return broken("its symbol names have no end");
    for (uint64_t i = 1; i < counts[1]; ++i) {
      Elf64_Sym s;
      if (!load_at(symbols_ + i * sizeof s, s)) return broken("its symbols are outside its segments");
      if (s.st_name >= strings_size_) return broken("a symbol's name is outside the table");
      const std::string name = names + s.st_name;
      if (s.st_shndx == SHN_UNDEF) return broken("it imports '" + name + "'");
      if (ELF64_ST_TYPE(s.st_info) != STT_FUNC) return broken("it exports '" + name + "', which is no function");
      const ElfSegment* home = segment_of(s.st_value, std::max<uint64_t>(s.st_size, 1));
      if (home == nullptr || !home->executable) return broken("function '" + name + "' is not in executable memory");
      image_.functions.push_back({name, s.st_value, s.st_size});
    }
    return {};
  }

  std::span<const uint8_t> bytes_;
  const std::string& what_;
  ElfImage image_;
  Elf64_Ehdr header_{};
  Elf64_Phdr dynamic_{};
  uint64_t symbols_ = 0, strings_ = 0, strings_size_ = 0, hash_ = 0;
};

}  // namespace

const ElfFunction* ElfImage::find(std::string_view name) const {
  const auto it =
      std::find_if(functions.begin(), functions.end(), [&](const ElfFunction& f) { return f.name == name; });
  return it == functions.end() ? nullptr : &*it;
}

Result<ElfImage> parse_elf(std::span<const uint8_t> bytes, const std::string& what) {
  return Reader(bytes, what).read();
}

}  // namespace octile::packs
