// KernelLibrary; see library.h.
// In:  packs and members.  Out: the kernel table.  Not here: choosing, mapping (mapping.h), files (packs/format).
#include "runtime/loader/library.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "packs/format/pack_file.h"
#include "runtime/exec/portable.h"
#include "runtime/exec/tiles.h"
#include "runtime/loader/mapping.h"
#include "targets/desc/layout.h"
#include "targets/probe/probe.h"

namespace octile::runtime {
namespace {

bool one_of(const std::string& value, std::initializer_list<const char*> known) {
  for (const char* k : known) {
    if (value == k) return true;
  }
  return false;
}

// What dispatch and exec may rely on; a manifest is hashed but its maker may still have erred.
Status check_entry(const packs::KernelEntry& e, const std::string& what) {
  const auto bad = [&](const char* field) {
    return Status(Code::corrupt, what + ": kernel '" + e.name + "' has a " + field +
                                     " this version does not know; use a pack built by the same version");
  };
  const bool reduction = one_of(e.family, {"dot", "dotz"});
  if (!reduction && !one_of(e.family, {"depthwise", "quantize", "dequantize", "requantize", "transpose"})) {
    return bad("family");
  }
  const LayoutDesc* const layout = find_layout(e.layout);
  const bool depthwise = e.family == "depthwise";
  if ((reduction || depthwise) && (layout == nullptr || layout->depthwise != depthwise)) return bad("layout");
  if (!one_of(e.dst, {"u8", "s32", "f32"})) return bad("destination type");
  if (e.tile_x < 1 || e.tile_y < 1 || e.tile_n < 1) return bad("tile");
  if (e.acc16_group < 0 || e.acc16_group > 4 || (e.acc16_group > 0 && e.layout != "k4n8")) return bad("acc16 group");
  return {};
}

Result<std::vector<uint8_t>> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status(Code::not_found, path + ": cannot be opened");
  std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) return Status(Code::io_error, path + ": cannot be read");
  return bytes;
}

// Appends one kernel of a mapped member.
Status append(std::vector<Kernel>& out, const Mapping& mapping, const packs::KernelEntry& entry, Isa isa,
              const std::string& what) {
  OCTILE_RETURN_IF_ERROR(check_entry(entry, what));
  void* fn = mapping.find(entry.name);
  if (fn == nullptr) return {Code::corrupt, what + ": the member has no function '" + entry.name + "'"};
  out.emplace_back(entry, isa, fn);
  return {};
}

// What a kernel is for, on whatever instruction set: wide ones take weights beyond s8.
std::string purpose(const packs::KernelEntry& e) {
  const LayoutDesc* const layout = find_layout(e.layout);
  const bool wide = e.family == "dotz" || (layout != nullptr && layout->bytes == 2);
  const std::string family = e.family == "dotz" ? "dot" : e.family;
  return family + " " + e.dst + (e.layout.empty() ? " of " + e.src : wide ? " wide" : "");
}

// Do kernels of any shape, for better instruction sets, serve all that these are for? Dispatch would take none of them.
bool served(const std::vector<const packs::KernelEntry*>& entries, Isa isa,
            std::initializer_list<std::span<const Kernel>> tables) {
  std::set<std::string> purposes;
  for (const std::span<const Kernel> table : tables) {
    for (const Kernel& k : table) {
      if (k.isa > isa && k.entry.op == "*" && k.entry.kh == 0) purposes.insert(purpose(k.entry));
    }
  }
  return std::all_of(entries.begin(), entries.end(),
                     [&](const packs::KernelEntry* e) { return purposes.contains(purpose(*e)); });
}

std::vector<const packs::KernelEntry*> entries_of(const packs::Manifest& manifest, const std::string& member) {
  std::vector<const packs::KernelEntry*> out;
  for (const packs::KernelEntry& e : manifest.kernels) {
    if (e.member == member) out.push_back(&e);
  }
  return out;
}

// Adds a pack's kernels. Those it tuned for a workload replace what earlier packs tuned for it.
void merge(std::vector<Kernel>& all, std::vector<Kernel> added) {
  std::set<std::pair<std::string, Isa>> tuned;
  for (const Kernel& k : added) {
    if (k.entry.op != "*") tuned.emplace(k.entry.op, k.isa);
  }
  std::erase_if(all, [&](const Kernel& k) { return tuned.contains({k.entry.op, k.isa}); });
  all.insert(all.end(), std::make_move_iterator(added.begin()), std::make_move_iterator(added.end()));
}

}  // namespace

KernelLibrary::KernelLibrary() : kernels_(portable_kernels()) {
  if (!can_run(Isa::avx512amx)) return;
  const std::vector<Kernel> tiles = tile_kernels();
  kernels_.insert(kernels_.end(), tiles.begin(), tiles.end());
}
KernelLibrary::~KernelLibrary() = default;

std::shared_ptr<const std::vector<Kernel>> KernelLibrary::kernels_of(std::initializer_list<std::string_view> families,
                                                                     std::string_view dst,
                                                                     std::string_view layout) const {
  const auto asked = [&](const packs::KernelEntry& e) {
    return std::ranges::find(families, e.family) != families.end() && (dst.empty() || e.dst == dst) &&
           (layout.empty() || e.layout == layout);
  };
  const std::lock_guard lock(mutex_);
  for (const List& l : lists_) {
    if (std::ranges::equal(l.families, families) && l.dst == dst && l.layout == layout) return l.kernels;
  }
  auto made = std::make_shared<std::vector<Kernel>>();
  std::ranges::copy_if(kernels_, std::back_inserter(*made), [&](const Kernel& k) { return asked(k.entry); });
  lists_.push_back({{families.begin(), families.end()}, std::string(dst), std::string(layout), made});
  return made;
}

Status KernelLibrary::add_pack(const std::string& path, Isa best, Members which) {
  OCTILE_ASSIGN_OR_RETURN(const packs::PackFile pack, packs::open_pack(path));
  std::vector<std::pair<Isa, const packs::Member*>> members;  // the best first
  for (const packs::Member& m : pack.manifest().members) {
    const Result<const TargetDesc*> found = find_target(m.target);
    if (!found.ok()) continue;  // of a later version: what we do not know we cannot run
    const Isa isa = (*found)->isa;
    if (isa <= best && can_run(isa)) members.emplace_back(isa, &m);
  }
  std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::unique_ptr<Mapping>> mapped;
  std::vector<Kernel> kernels;
  for (const auto& [isa, m] : members) {
    const std::vector<const packs::KernelEntry*> entries = entries_of(pack.manifest(), m->id);
    if (which == Members::needed && served(entries, isa, {kernels_, kernels})) continue;
    OCTILE_ASSIGN_OR_RETURN(packs::Pages pages, pack.read_member(m->id));
    const std::string what = path + ", member " + m->id;
    OCTILE_ASSIGN_OR_RETURN(std::unique_ptr<Mapping> mapping, Mapping::create(std::move(pages), what));
    for (const packs::KernelEntry* e : entries) OCTILE_RETURN_IF_ERROR(append(kernels, *mapping, *e, isa, what));
    mapped.push_back(std::move(mapping));
  }
  // All or nothing: a pack with one bad member adds no kernel.
  for (auto& m : mapped) mappings_.push_back(std::move(m));
  merge(kernels_, std::move(kernels));
  if (!identity_.empty()) identity_ += pack.digest() + "\n";
  lists_.clear();
  return {};
}

Status KernelLibrary::add_member(const std::string& elf_path, const std::vector<packs::KernelEntry>& entries) {
  OCTILE_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, read_file(elf_path));
  OCTILE_ASSIGN_OR_RETURN(std::unique_ptr<Mapping> mapping, Mapping::create(bytes, elf_path));
  std::vector<Kernel> kernels;
  for (const packs::KernelEntry& e : entries) {
    OCTILE_ASSIGN_OR_RETURN(const TargetDesc* const desc, find_target(e.target));
    if (!can_run(desc->isa)) {
      return {Code::unsupported, elf_path + ": this CPU cannot run " + std::string(desc->name)};
    }
    OCTILE_RETURN_IF_ERROR(append(kernels, *mapping, e, desc->isa, elf_path));
  }
  mappings_.push_back(std::move(mapping));
  identity_.clear();
  kernels_.insert(kernels_.end(), kernels.begin(), kernels.end());
  lists_.clear();
  return {};
}

}  // namespace octile::runtime
