// KernelcBuilder: see kernelc_builder.h.  In: requests.  Out: members.  Not here: Halide.
#include "tuner/build/kernelc_builder.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>

#include "tuner/process/child.h"

namespace octile::tuner {
namespace {

using Outcome = BuildResult::Outcome;

BuildResult failure(Outcome outcome, std::string reason) { return {outcome, std::move(reason), {}}; }

// kernelc reports "error <line> <status>"; the status text is the reason.
std::string reason_of(const ChildResult& child, const ChildLimits& limits) {
  const size_t at = child.out.rfind("error ");
  if (at == std::string::npos) return "kernelc: " + child.describe(limits);
  std::string line = child.out.substr(at, child.out.find('\n', at) - at);
  const size_t space = line.find(' ', 6);
  return "kernelc: " + (space == std::string::npos ? line : line.substr(space + 1));
}

}  // namespace

Status link_member(const std::string& linker, const std::vector<std::string>& objects,
                   const std::vector<std::string>& symbols, const std::string& out) {
  const std::string script = out + ".map";
  {
    std::ofstream file(script);
    file << "{ global:";
    for (const std::string& s : symbols) file << ' ' << s << ';';
    file << " local: *; };\n";
    file.close();
    if (!file) return {Code::io_error, script + ": cannot write (disk full?)"};
  }
  // What the loader asks of a member (packs/format/elf_image.h): no imports, no relocations, nothing writable.
  std::vector<std::string> argv = {linker,
                                   "-shared",
                                   "--gc-sections",
                                   "--strip-all",
                                   "--build-id=none",
                                   "--hash-style=both",
                                   "--version-script=" + script,
                                   "-o",
                                   out};
  for (const char* rule : {"defs", "text", "separate-code", "norelro", "rodynamic", "noexecstack"}) {
    argv.insert(argv.end(), {"-z", rule});
  }
  argv.insert(argv.end(), objects.begin(), objects.end());
  const ChildLimits limits{30, 0};
  const ChildResult child = run_child(argv, "", limits);
  ::unlink(script.c_str());
  if (child.end == ChildResult::End::not_started || child.code == 127) {
    return {Code::io_error, linker + ": " + child.describe(limits) + "; run scripts/setup.sh"};
  }
  if (!child.ok()) {  // lld's first line names the symbol, its last one only a place
    return {Code::internal, linker + ": " + child.describe(limits) + "\n" + child.err.substr(0, child.err.find('\n'))};
  }
  return {};
}

Result<std::string> KernelcBuilder::version() const {
  const ChildLimits limits{20, 0};
  const ChildResult child = run_child({options_.kernelc, "--version"}, "", limits);
  if (!child.ok()) {
    return Status(Code::not_found,
                  options_.kernelc + ": " + child.describe(limits) + "; build it, or name it with --kernelc");
  }
  return child.out.substr(0, child.out.find('\n'));
}

BuildResult KernelcBuilder::build_one(const BuildRequest& request, const std::atomic<bool>& stop) const {
  if (stop.load()) return failure(Outcome::stopped, "stopped");
  const ChildLimits limits{options_.seconds, options_.memory_bytes};
  const ChildResult child =
      run_child({options_.kernelc, "--out", options_.work_dir, "--request",
                 std::string(request.target->alias) + " | " + to_key(request.op) + " | " + to_line(request.cand)},
                "", limits, &stop);
  if (child.end == ChildResult::End::stopped) return failure(Outcome::stopped, "stopped");
  if (child.end == ChildResult::End::timed_out) {
    return failure(Outcome::timed_out, "kernelc: " + child.describe(limits));
  }
  if (child.end == ChildResult::End::not_started || child.code == 127) {
    return failure(Outcome::unavailable, options_.kernelc + ": " + child.describe(limits));
  }
  if (!child.out.starts_with("ok ")) {
    std::string reason = reason_of(child, limits);
    const bool ours = reason.find(to_string(Code::io_error)) != std::string::npos;
    return failure(ours ? Outcome::unavailable : Outcome::failed, std::move(reason));
  }
  const std::string name = child.out.substr(3, child.out.find('\n') - 3);
  const std::string base = options_.work_dir + "/" + name;
  const Status linked = link_member(options_.linker, {base + ".o"}, {name}, base + ".so");
  ::unlink((base + ".o").c_str());
  std::ifstream json(base + ".json");
  std::stringstream entry;
  entry << json.rdbuf();
  ::unlink((base + ".json").c_str());
  if (!linked.ok()) {
    return failure(linked.code() == Code::io_error ? Outcome::unavailable : Outcome::failed, linked.message());
  }
  if (!json) return failure(Outcome::unavailable, base + ".json: cannot read what kernelc wrote");
  std::string text = entry.str();
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return {Outcome::ok, "", {base + ".so", std::move(text)}};
}

std::vector<BuildResult> KernelcBuilder::build(std::span<const BuildRequest> requests, const std::atomic<bool>& stop) {
  std::vector<BuildResult> results(requests.size());
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < requests.size(); i = next++) results[i] = build_one(requests[i], stop);
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < std::min(static_cast<size_t>(std::max(1, options_.jobs)), requests.size()); ++i) {
    helpers.emplace_back(work);
  }
  work();
  for (std::thread& t : helpers) t.join();
  return results;
}

void KernelcBuilder::discard(const Artifact& artifact) { ::unlink(artifact.member.c_str()); }

}  // namespace octile::tuner
