// The targets of this release, in one table.
// In:  a name.  Out: its description.  Not here: what the running CPU can do (probe/).
#include "targets/desc/target.h"

#include <array>
#include <string>

#include "targets/probe/probe.h"

namespace octile {
namespace {

constexpr int kKiB = 1024;

// Cache sizes are the smallest common among CPUs of the class, so that a default tile fits everywhere.
constexpr std::array<TargetDesc, 6> kTargets{{
    {Isa::portable, "portable", "portable", 16, 16, 1, 32 * kKiB, 256 * kKiB},
    {Isa::x86_64_v2, "x86-64/v2", "x86-64-v2", 16, 16, 2, 32 * kKiB, 256 * kKiB},
    {Isa::avx2, "x86-64/avx2", "avx2", 32, 16, 2, 32 * kKiB, 512 * kKiB},
    {Isa::avxvnni, "x86-64/avxvnni", "avxvnni", 32, 16, 4, 32 * kKiB, 1024 * kKiB},
    {Isa::avx512vnni, "x86-64/avx512vnni", "avx512vnni", 64, 32, 4, 32 * kKiB, 1024 * kKiB},
    {Isa::avx512amx, "x86-64/avx512amx", "avx512amx", 64, 32, 4, 48 * kKiB, 2048 * kKiB},
}};

}  // namespace

std::span<const TargetDesc> all_targets() { return kTargets; }

const TargetDesc& target(Isa isa) { return kTargets[static_cast<size_t>(isa)]; }

Result<const TargetDesc*> find_target(std::string_view name) {
  if (name == "host") return &target(host_isa());
  std::string known = "host";
  for (const TargetDesc& t : kTargets) {
    if (name == t.name || name == t.alias) return &t;
    known.append(", ").append(t.alias);
  }
  return Status(Code::not_found, "unknown target '" + std::string(name) + "'; known: " + known);
}

}  // namespace octile
