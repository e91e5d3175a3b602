// Tables and JSON from a verified pack; see inspect.h.
// In:  a path.  Out: text.
// Not here: printing.
#include "packs/builder/inspect.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "packs/builder/contents.h"

namespace octile::packs {
namespace {

std::string size_text(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f KiB", static_cast<double>(bytes) / 1024);
  return text;
}

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text + "  ";
}

std::string member_table(const Manifest& m) {
  size_t width = 6;
  for (const Member& member : m.members) width = std::max(width, member.id.size());
  std::string text = padded("member", width) + padded("size", 10) + "SHA-256, verified\n";
  for (const Member& member : m.members) {
    text += padded(member.id, width) + padded(size_text(member.size), 10) + member.sha256 + "\n";
  }
  return text;
}

std::string family_table(const Manifest& m) {
  std::map<std::pair<std::string, std::string>, std::pair<int, int>> counts;  // any shape, specialised
  for (const KernelEntry& k : m.kernels) {
    auto& count = counts[{k.target, k.family}];
    ++(k.op == "*" ? count.first : count.second);
  }
  std::string text = padded("target", 18) + padded("family", 12) + padded("any shape", 9) + "one workload\n";
  for (const auto& [key, count] : counts) {
    text += padded(key.first, 18) + padded(key.second, 12) + padded(std::to_string(count.first), 9) +
            std::to_string(count.second) + "\n";
  }
  return text;
}

std::string workload_table(const Manifest& m) {
  std::string text;
  for (const KernelEntry& k : m.kernels) {
    if (k.op == "*") continue;
    char us[32] = "-";
    if (k.us > 0) std::snprintf(us, sizeof us, "%.1f us", k.us);
    text += "  " + padded(us, 12) + padded(k.target, 18) + k.op + "  [" + k.cand + "]\n";
  }
  return text.empty() ? "" : "\nkernels for one workload\n" + text;
}

uint64_t total_size(const Manifest& m) {
  uint64_t size = 0;
  for (const Member& member : m.members) size = std::max(size, member.offset + member.size);
  return size;
}

}  // namespace

Result<std::string> inspect_text(const std::string& path) {
  OCTILE_ASSIGN_OR_RETURN(const Contents contents, load_contents(path));
  const Manifest& m = contents.manifest;
  return path + ": " + std::to_string(m.members.size()) + " members, " + std::to_string(m.kernels.size()) +
         " kernels, " + size_text(total_size(m)) + "\nmade by Octile " + m.octile_version + " (" + m.generator +
         "), rounding " + m.rounding + "\n\n" + member_table(m) + "\n" + family_table(m) + workload_table(m);
}

Result<std::string> inspect_json(const std::string& path) {
  OCTILE_ASSIGN_OR_RETURN(const Contents contents, load_contents(path));
  nlohmann::ordered_json json{{"file", path}, {"bytes", total_size(contents.manifest)}};
  json.update(nlohmann::ordered_json::parse(to_json(contents.manifest)));
  for (auto& member : json["members"]) {
    const auto in_it = [&](const KernelEntry& k) { return k.member == member["id"]; };
    member["kernels"] = std::count_if(contents.manifest.kernels.begin(), contents.manifest.kernels.end(), in_it);
    member["verified"] = true;  // load_contents refuses the pack otherwise
  }
  return json.dump(2) + "\n";
}

}  // namespace octile::packs
