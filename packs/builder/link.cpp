// One ld.lld call, and the proof that its result is what was asked for.
// In:  objects.  Out: bytes.
// Not here: other linkers: lld links for every ELF target on any host and can make the dynamic table read-only.
#include "packs/builder/link.h"

#include <span>

#include "packs/builder/tools.h"
#include "packs/format/elf_image.h"

namespace octile::packs {
namespace {

constexpr double kLinkSeconds = 60;

}  // namespace

Result<std::vector<uint8_t>> link_member(const std::vector<std::string>& objects,
                                         const std::vector<std::string>& kernels) {
  OCTILE_ASSIGN_OR_RETURN(const std::string lld, find_tool({"ld.lld-19", "ld.lld"}, "lld-19"));
  OCTILE_ASSIGN_OR_RETURN(const ScratchDir scratch, ScratchDir::make());
  std::string exports = "{ global:";
  for (const std::string& kernel : kernels) exports += " " + kernel + ";";
  OCTILE_RETURN_IF_ERROR(write_text_file(scratch / "exports.ld", exports + " local: *; };\n"));
  std::vector<std::string> argv{
      lld, "-shared", "--gc-sections", "--hash-style=both", "--build-id=none", "--strip-all", "-z", "defs", "-z",
      "text",
      // Read-only and read-execute segments on pages of their own, and nothing a loader would have to write to.
      "-z", "separate-code", "-z", "norelro", "-z", "rodynamic", "-z", "noexecstack",
      "--version-script=" + (scratch / "exports.ld"), "-o", scratch / "member.so"};
  argv.insert(argv.end(), objects.begin(), objects.end());
  const ToolResult linked = run_tool(argv, kLinkSeconds);
  if (!linked.ok) return Status(Code::internal, "linking a member failed: " + linked.how_it_ended + "\n" + linked.err);
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
