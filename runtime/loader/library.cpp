// KernelLibrary; see library.h.
// In:  packs and members.  Out: the kernel table.  Not here: choosing.
#include "runtime/loader/library.h"

#include "runtime/exec/portable.h"

namespace octile::runtime {

struct KernelLibrary::Mapping {};

KernelLibrary::KernelLibrary() : kernels_(portable_kernels()) {}
KernelLibrary::~KernelLibrary() = default;

Status KernelLibrary::add_pack(const std::string& path, Isa) {
  return {Code::unsupported, path + ": packs cannot be read yet"};
}

Status KernelLibrary::add_member(const std::string& elf_path, const std::vector<packs::KernelEntry>&) {
  return {Code::unsupported, elf_path + ": members cannot be read yet"};
}

}  // namespace octile::runtime
