// Grouping, joining and checking members; see contents.h.
// In:  compiled kernels, packs.  Out: Contents.
// Not here: the file format.
#include "packs/builder/contents.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "packs/builder/gate.h"
#include "packs/builder/link.h"
#include "packs/format/pack_file.h"
#include "packs/format/sha256.h"
#include "targets/desc/target.h"

namespace octile::packs {
namespace {

std::vector<std::string> kernels_of(const Manifest& manifest, const std::string& member) {
  std::vector<std::string> names;
  for (const KernelEntry& k : manifest.kernels) {
    if (k.member == member) names.push_back(k.name);
  }
  return names;
}

// Tuned for the same workload of the same target: the rule by which the runtime, too, lets later packs replace earlier
// ones.
bool same_workload(const KernelEntry& a, const KernelEntry& b) {
  return a.op != "*" && std::tie(a.op, a.target) == std::tie(b.op, b.target);
}

bool same_kernel(const KernelEntry& a, const KernelEntry& b) {
  return std::tie(a.member, a.name, a.op) == std::tie(b.member, b.name, b.op);
}

// Members no kernel refers to any more leave.
void drop_unused(Contents& c) {
  std::set<std::string> used;
  for (const KernelEntry& k : c.manifest.kernels) used.insert(k.member);
  Contents kept;
  kept.manifest = c.manifest;
  kept.manifest.members.clear();
  for (size_t i = 0; i < c.members.size(); ++i) {
    if (!used.contains(c.manifest.members[i].id)) continue;
    kept.manifest.members.push_back(c.manifest.members[i]);
    kept.members.push_back(std::move(c.members[i]));
  }
  c = std::move(kept);
}

std::string join_words(const std::string& a, const std::string& b) {
  if (a.empty() || a.find(b) != a.npos) return a.empty() ? b : a;
  return a + "; " + b;
}

}  // namespace

Result<Contents> build_contents(const std::vector<Compiled>& compiled) {
  Contents contents;
  std::set<std::string> names;
  for (const TargetDesc& target : all_targets()) {
    std::vector<std::string> objects, kernels;
    const std::string id(target.name);
    for (const Compiled& c : compiled) {
      if (c.entry.target != target.name) continue;
      if (!names.insert(c.entry.name).second) {
        return Status(Code::invalid_argument, "two requests make the same kernel " + c.entry.name);
      }
      objects.push_back(c.object);
      kernels.push_back(c.entry.name);
      contents.manifest.kernels.push_back(c.entry);
      contents.manifest.kernels.back().member = id;
    }
    if (kernels.empty()) continue;
    OCTILE_ASSIGN_OR_RETURN(std::vector<uint8_t> bytes, link_member(objects, kernels));
    OCTILE_RETURN_IF_ERROR(check_instructions(bytes, target.name, "member '" + id + "'"));
    contents.manifest.members.push_back({id, id, sha256_hex(bytes), 0, bytes.size()});
    contents.members.push_back(std::move(bytes));
  }
  if (contents.manifest.kernels.size() != compiled.size()) {
    return Status(Code::internal, "kernelc made a kernel for a target this release does not know; rebuild both");
  }
  return contents;
}

Result<Contents> load_contents(const std::string& path) {
  OCTILE_ASSIGN_OR_RETURN(PackFile pack, open_pack(path));
  Contents contents{pack.manifest(), {}};
  for (const Member& m : pack.manifest().members) {
    OCTILE_ASSIGN_OR_RETURN(const std::span<const uint8_t> bytes, pack.member(m.id));
    const std::string what = path + ": member '" + m.id + "'";
    OCTILE_RETURN_IF_ERROR(check_member(bytes, kernels_of(pack.manifest(), m.id), what));
    contents.members.emplace_back(bytes.begin(), bytes.end());
  }
  return contents;
}

Status check_contents(const Contents& contents, const std::string& what) {
  for (size_t i = 0; i < contents.members.size(); ++i) {
    const Member& m = contents.manifest.members[i];
    OCTILE_RETURN_IF_ERROR(check_instructions(contents.members[i], m.target, what + ": member '" + m.id + "'"));
  }
  return {};
}

void merge_contents(Contents& base, Contents more) {
  Manifest& m = base.manifest;
  std::map<std::string, std::string> new_ids;
  for (size_t i = 0; i < more.members.size(); ++i) {
    Member added = more.manifest.members[i];
    std::string& id = new_ids[added.id] = added.id;
    const auto equal = std::find_if(m.members.begin(), m.members.end(), [&](const Member& x) {
      return x.sha256 == added.sha256 && x.target == added.target;
    });
    if (equal != m.members.end()) {
      id = equal->id;
      continue;
    }
    const auto same_id = [&](const Member& x) { return x.id == added.id; };
    if (std::any_of(m.members.begin(), m.members.end(), same_id)) id = added.target + "@" + added.sha256.substr(0, 12);
    added.id = id;
    m.members.push_back(std::move(added));
    base.members.push_back(std::move(more.members[i]));
  }
  for (KernelEntry& k : more.manifest.kernels) k.member = new_ids.at(k.member);
  std::erase_if(m.kernels, [&](const KernelEntry& old) {
    return std::any_of(more.manifest.kernels.begin(), more.manifest.kernels.end(),
                       [&](const KernelEntry& k) { return same_kernel(k, old) || same_workload(k, old); });
  });
  m.kernels.insert(m.kernels.end(), more.manifest.kernels.begin(), more.manifest.kernels.end());
  m.generator = join_words(m.generator, more.manifest.generator);
  drop_unused(base);
}

Status keep_targets(Contents& contents, const std::vector<std::string>& names) {
  std::set<std::string_view> wanted;
  for (const std::string& name : names) {
    OCTILE_ASSIGN_OR_RETURN(const TargetDesc* desc, find_target(name));
    wanted.insert(desc->name);
  }
  if (wanted.empty()) return {};
  std::erase_if(contents.manifest.kernels, [&](const KernelEntry& k) { return !wanted.contains(k.target); });
  drop_unused(contents);
  return {};
}

}  // namespace octile::packs
