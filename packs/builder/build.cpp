// Requests from lists and logs, compiled, linked, joined; see build.h.
// In:  options.  Out: Built.
// Not here: how a record wins (tuner/log).
#include "packs/builder/build.h"

#include <algorithm>
#include <utility>

#include "targets/desc/target.h"
#include "tuner/log/log.h"

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

Result<std::vector<Request>> read_lists(const std::vector<std::string>& paths) {
  std::vector<Request> requests;
  for (const std::string& path : paths) {
    OCTILE_ASSIGN_OR_RETURN(const std::vector<Request> more, read_list(path));
    requests.insert(requests.end(), more.begin(), more.end());
  }
  return requests;
}

// Adds the winners of all logs together: a workload tuned in two of them has one best record.
Status read_logs(const std::vector<std::string>& paths, std::vector<Request>& requests,
                 std::vector<std::string>& warnings) {
  std::vector<tuner::Record> records;
  for (const std::string& path : paths) {
    OCTILE_ASSIGN_OR_RETURN(tuner::LogContents log, tuner::read_log(path));
    records.insert(records.end(), log.records.begin(), log.records.end());
    warnings.insert(warnings.end(), log.issues.begin(), log.issues.end());
  }
  const std::string origin = paths.size() == 1 ? paths.front() : "the logs";
  for (const tuner::Record* best : tuner::best_records(records)) {
    if (best->cand.ends_with(tuner::kAnyShape)) continue;  // nothing beat the default pack
    Request request{best->target + " | " + best->op + " | " + best->cand, origin, Source::log, best->est_us};
    if (const Status status = check_line(request.line); !status.ok()) {
      warnings.push_back(origin + ": left out: " + status.message());
    } else {
      requests.push_back(std::move(request));
    }
  }
  return {};
}

// An error for a kernel of a list, a warning for one of a log.
Status leave_out_failures(const std::vector<Request>& requests, std::vector<Compiled>& compiled,
                          std::vector<std::string>& warnings) {
  std::vector<Compiled> good;
  for (size_t i = 0; i < compiled.size(); ++i) {
    if (compiled[i].status.ok()) {
      good.push_back(std::move(compiled[i]));
    } else if (requests[i].source == Source::list) {
      return compiled[i].status;
    } else {
      warnings.push_back("left out: " + compiled[i].status.message());
    }
  }
  compiled = std::move(good);
  return {};
}

}  // namespace

Result<Built> build_pack(const BuildOptions& options) {
  OCTILE_RETURN_IF_ERROR(check_targets(options.targets));
  Built built;
  OCTILE_ASSIGN_OR_RETURN(std::vector<Request> requests, read_lists(options.lists));
  OCTILE_RETURN_IF_ERROR(read_logs(options.logs, requests, built.warnings));
  std::erase_if(requests, [&](const Request& r) { return !is_wanted(r, options.targets); });
  if (requests.empty() && options.default_pack.empty()) {
    return Status(Code::invalid_argument, "nothing to build: no kernel for these targets, no winner in the logs");
  }
  if (!options.default_pack.empty()) {
    OCTILE_ASSIGN_OR_RETURN(built.contents, load_contents(options.default_pack));
    OCTILE_RETURN_IF_ERROR(keep_targets(built.contents, options.targets));
  }
  if (!requests.empty()) {
    OCTILE_ASSIGN_OR_RETURN(Compiler compiler, Compiler::make(options.compile));
    OCTILE_ASSIGN_OR_RETURN(std::vector<Compiled> compiled, compiler.compile(requests));
    OCTILE_RETURN_IF_ERROR(leave_out_failures(requests, compiled, built.warnings));
    OCTILE_ASSIGN_OR_RETURN(Contents fresh, build_contents(compiled));
    fresh.manifest.generator = compiler.version();
    built.compiled = compiled.size();
    merge_contents(built.contents, std::move(fresh));
  }
  built.contents.manifest.octile_version = OCTILE_VERSION;
  return built;
}

}  // namespace octile::packs
