// The tuner's ld.lld call (what ships is linked as it was measured), and the proof that its result is what was asked
// for. In:  objects.  Out: bytes. Not here: other linkers: lld links for every ELF target on any host and can make the
// dynamic table read-only.
#include "packs/builder/link.h"

#include "packs/builder/tools.h"
#include "packs/format/elf_image.h"
#include "tuner/build/kernelc_builder.h"

namespace octile::packs {

Result<std::vector<uint8_t>> link_member(const std::vector<std::string>& objects,
                                         const std::vector<std::string>& kernels) {
  OCTILE_ASSIGN_OR_RETURN(const std::string lld, find_tool({"ld.lld-19", "ld.lld"}, "lld-19"));
  OCTILE_ASSIGN_OR_RETURN(const ScratchDir scratch, ScratchDir::make());
  OCTILE_RETURN_IF_ERROR(tuner::link_member(lld, objects, kernels, scratch / "member.so"));
  OCTILE_ASSIGN_OR_RETURN(std::vector<uint8_t> bytes, read_file(scratch / "member.so"));
  OCTILE_RETURN_IF_ERROR(check_member(bytes, kernels, "the linked member"));
  return bytes;
}

Status check_member(std::span<const uint8_t> bytes, const std::vector<std::string>& kernels, const std::string& what) {
  OCTILE_ASSIGN_OR_RETURN(const ElfImage image, parse_elf(bytes, what));
  for (const std::string& kernel : kernels) {
    if (image.find(kernel) == nullptr) return {Code::corrupt, what + ": lacks the kernel '" + kernel + "'"};
  }
  return {};
}

}  // namespace octile::packs
