// KernelLibrary: packs opened, verified and mapped; kernels as callable symbols.
// In:  pack files.  Out: entries with function pointers, best target first.
// Not here: choosing a kernel for a workload (dispatch/), building packs.
// Member bytes are hashed before anything is mapped executable; a wrong hash refuses the member, not the process.
#pragma once

#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "packs/format/manifest.h"
#include "packs/format/pack_abi.h"
#include "targets/desc/layout.h"
#include "targets/desc/target.h"
#include "targets/probe/probe.h"

namespace octile::runtime {

class Mapping;

struct Kernel {
  Kernel(packs::KernelEntry what, Isa on, void* function)
      : entry(std::move(what)),
        isa(on),
        fn(function),
        layout(find_layout(entry.layout)),
        whole_blocks(entry.cand.find("unpack=lane") != std::string::npos) {}

  packs::KernelEntry entry;
  Isa isa;
  void* fn;
  const LayoutDesc* layout;  // of packed weights; null: it has none
  bool whole_blocks;         // depthwise, in lane order: blocks of channels are whole, the last one shifts inwards
};

class KernelLibrary {
 public:
  KernelLibrary();  // holds the portable C kernels only, and those of tiles where this CPU runs them
  ~KernelLibrary();
  KernelLibrary(const KernelLibrary&) = delete;
  KernelLibrary& operator=(const KernelLibrary&) = delete;

  // Which members of a pack are read, of those this CPU can run: all; or, for who always asks for the best kernels, of
  // lower instruction sets only those with kernels for something that better ones do not serve.
  enum class Members : uint8_t { all, needed };
  // Opens a pack; reads and maps members up to `best`. Kernels of later packs win over earlier ones for the same
  // workload.
  [[nodiscard]] Status add_pack(const std::string& path, Isa best, Members members = Members::all);
  // Adds one linked member (what the tuner's runner gets) under the given entries.
  [[nodiscard]] Status add_member(const std::string& elf_path, const std::vector<packs::KernelEntry>& entries);
  // Adds one kernel whose function lies in this process already; not checked against this CPU (tests hand in functions
  // that record their calls).
  [[nodiscard]] Status add_kernel(const packs::KernelEntry& entry, void* fn) {
    OCTILE_ASSIGN_OR_RETURN(const TargetDesc* const desc, find_target(entry.target));
    kernels_.emplace_back(entry, desc->isa, fn);
    identity_.clear();
    lists_.clear();
    return {};
  }
  // CpuInfo::whole_vectors of the CPU they run on, which decides between kernels; tests ask for the other.
  [[nodiscard]] bool whole_vectors() const { return whole_vectors_; }
  void assume_whole_vectors(bool whole) { whole_vectors_ = whole; }
  [[nodiscard]] const std::vector<Kernel>& kernels() const { return kernels_; }
  // What all kernels are: the hashes of the packs, in order. Empty where some came from elsewhere.
  [[nodiscard]] const std::string& identity() const { return identity_; }
  // Those of these families that write this type and read weights of this layout (empty: any), in the same order: one
  // list for all ops that ask.
  [[nodiscard]] std::shared_ptr<const std::vector<Kernel>> kernels_of(std::initializer_list<std::string_view> families,
                                                                      std::string_view dst,
                                                                      std::string_view layout = {}) const;

 private:
  bool whole_vectors_ = cpu_info().whole_vectors;
  std::vector<std::unique_ptr<Mapping>> mappings_;
  std::vector<Kernel> kernels_;
  std::string identity_ = "portable\n";
  struct List {
    std::vector<std::string> families;
    std::string dst, layout;
    std::shared_ptr<const std::vector<Kernel>> kernels;
  };
  mutable std::mutex mutex_;
  mutable std::vector<List> lists_;  // of the kernels there are now
};

}  // namespace octile::runtime
