// Requests from lists and logs, compiled, linked, joined; see build.h.
// In:  options.  Out: Built.
// Not here: how a record wins (tuner/log).
#include "packs/builder/build.h"

#include <algorithm>
#include <utility>

#include "targets/desc/target.h"

namespace octile::packs {
namespace {

bool is_wanted(const Request& request, const std::vector<std::string>& targets) {
  std::string name = request.line.substr(0, request.line.find('|'));
  name.erase(name.find_last_not_of(" \t") + 1);
  const Result<const TargetDesc*> desc = find_target(name);
  return targets.empty() || std::any_of(targets.begin(), targets.end(), [&](const std::string& t) {
           const Result<const TargetDesc*> wanted = find_target(t);
           return desc.ok() && wanted.ok() && *desc == *wanted;
         });
}

Status check_targets(const std::vector<std::string>& targets) {
  for (const std::string& t : targets) OCTILE_RETURN_IF_ERROR(find_target(t).status());
  return {};
}

}  // namespace

Result<Built> build_pack(const BuildOptions& options) {
  OCTILE_RETURN_IF_ERROR(check_targets(options.targets));
  Built built;
  std::vector<Request> requests;
  for (const std::string& list : options.lists) {
    OCTILE_ASSIGN_OR_RETURN(const std::vector<Request> more, read_list(list));
    requests.insert(requests.end(), more.begin(), more.end());
  }
  std::erase_if(requests, [&](const Request& r) { return !is_wanted(r, options.targets); });
  if (requests.empty()) return Status(Code::invalid_argument, "nothing to build for these targets");

  OCTILE_ASSIGN_OR_RETURN(Compiler compiler, Compiler::make(options.compile));
  OCTILE_ASSIGN_OR_RETURN(std::vector<Compiled> compiled, compiler.compile(requests));
  for (const Compiled& c : compiled) OCTILE_RETURN_IF_ERROR(c.status);
  built.compiled = compiled.size();
  OCTILE_ASSIGN_OR_RETURN(built.contents, build_contents(compiled));
  built.contents.manifest.octile_version = OCTILE_VERSION;
  built.contents.manifest.generator = compiler.version();
  return built;
}

}  // namespace octile::packs
