// octile-pack: builds, joins, describes and checks packs.
// In:  kernel lists, tuning logs, packs.  Out: a pack, a table, JSON; progress on stderr.
// Not here: the work (compile, contents, inspect).
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "packs/builder/build.h"
#include "packs/builder/contents.h"
#include "packs/builder/inspect.h"
#include "packs/format/pack_file.h"

namespace octile::packs {
namespace {

constexpr const char* kHelp =
    R"(usage: octile-pack build (--list FILE | --log FILE)... -o PACK [options]   compile kernels into a pack
       octile-pack merge PACK... -o PACK      join packs; for the same workload the later one wins
       octile-pack inspect PACK [--json]      check the hashes and list what is inside
       octile-pack verify PACK...             check hashes, members and every instruction

options of build:
  --list FILE       kernels to build, one "target | op | candidate" a line
  --log FILE        a tuning log: its best candidate per workload and target is built
  --default PACK    the pack joined with what --log gives (octile-default.octpack beside this program)
  --no-default      join nothing
  --targets A,B     only kernels of these targets
  --kernelc PATH    the kernel compiler (kernelc beside this program)
  --cache DIR       keeps compiled kernels between runs
  --jobs N          kernels compiled at a time (2)
  --timeout S       seconds one kernel may take (300)
  --quiet           no progress

examples:
  octile-pack build --log tuning.jsonl -o model.octpack
  octile-pack build --list packs/logs/default.list --cache build/kernels -o octile-default.octpack
Exit status: 0 done, 1 failed, 2 bad usage.
)";

struct Arguments {
  std::string command, output;
  std::vector<std::string> inputs;
  BuildOptions build;
  bool json = false, quiet = false, help = false;
  std::string error;
};

// The folder this program lies in, where its companions are.
std::string own_folder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    if (end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

bool parse_number(const std::string& text, double low, double high, double& value) {
  char* end = nullptr;
  value = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' && value >= low && value <= high;
}

// The options of `build`; false when `option` is none of them.
bool parse_build_option(const std::string& option, const std::function<std::string()>& value, Arguments& a) {
  double number = 0;
  if (option == "--list") {
    a.build.lists.push_back(value());
  } else if (option == "--log") {
    a.build.logs.push_back(value());
  } else if (option == "--default") {
    a.build.default_pack = value();
  } else if (option == "--no-default") {
    a.build.join_default = false;
  } else if (option == "--targets") {
    for (const std::string& t : split(value())) a.build.targets.push_back(t);
  } else if (option == "--kernelc") {
    a.build.compile.kernelc = value();
  } else if (option == "--cache") {
    a.build.compile.cache_dir = value();
  } else if (option == "--jobs") {
    if (!parse_number(value(), 1, 256, number)) a.error = "--jobs wants a number from 1 to 256";
    a.build.compile.jobs = static_cast<int>(number);
  } else if (option == "--timeout") {
    if (!parse_number(value(), 0.01, 1e6, number)) a.error = "--timeout wants a number of seconds";
    a.build.compile.seconds = number;
  } else {
    return false;
  }
  return true;
}

Arguments parse(int argc, char** argv) {
  Arguments a;
  if (argc > 1) a.command = argv[1];
  a.help = a.command == "--help" || a.command == "-h" || a.command == "help";
  for (int i = 2; i < argc && a.error.empty(); ++i) {
    const std::string option = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 < argc) return argv[++i];
      a.error = option + " wants a value";
      return "";
    };
    if (option == "--help" || option == "-h") {
      a.help = true;
    } else if (option == "-o" && (a.command == "build" || a.command == "merge")) {
      a.output = value();
    } else if (option == "--json" && a.command == "inspect") {
      a.json = true;
    } else if (option == "--quiet") {
      a.quiet = true;
    } else if (a.command == "build" && parse_build_option(option, value, a)) {
      continue;
    } else if (option.starts_with('-') || a.command == "build") {
      a.error = "unknown argument '" + option + "'";
    } else {
      a.inputs.push_back(option);
    }
  }
  return a;
}

std::string usage_error(const Arguments& a) {
  static const std::set<std::string> kCommands{"build", "merge", "inspect", "verify"};
  if (!kCommands.contains(a.command)) return a.command.empty() ? "no command" : "unknown command '" + a.command + "'";
  if (!a.error.empty()) return a.error;
  if (a.command == "build" && a.build.lists.empty() && a.build.logs.empty()) return "build wants --list or --log";
  if ((a.command == "build" || a.command == "merge") && a.output.empty()) return a.command + " wants -o PACK";
  if (a.command != "build" && a.inputs.empty()) return a.command + " wants a pack";
  if (a.command == "inspect" && a.inputs.size() != 1) return "inspect wants one pack";
  return "";
}

void show_progress(size_t done, size_t total, const std::string& line) {
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  if (terminal) {
    std::fprintf(stderr, "\r\033[K[%zu/%zu] %.100s%s", done, total, line.c_str(), done == total ? "\n" : "");
  } else if (done == total || done % 20 == 0) {
    std::fprintf(stderr, "[%zu/%zu] kernels compiled\n", done, total);
  }
}

Status run_build(Arguments& a) {
  BuildOptions& build = a.build;
  if (build.compile.kernelc.empty()) build.compile.kernelc = own_folder() + "/kernelc";
  const std::string beside = own_folder() + "/octile-default.octpack";
  const bool wanted = build.join_default && !build.logs.empty() && build.default_pack.empty();
  if (wanted && std::filesystem::exists(beside)) build.default_pack = beside;
  if (!build.join_default) build.default_pack.clear();
  if (!a.quiet) build.compile.progress = show_progress;
  OCTILE_ASSIGN_OR_RETURN(const Built built, build_pack(build));
  for (const std::string& w : built.warnings) std::fprintf(stderr, "octile-pack: warning: %s\n", w.c_str());
  OCTILE_RETURN_IF_ERROR(write_pack(a.output, built.contents.manifest, built.contents.members));
  std::printf("%s: %zu kernels compiled, %zu in the pack\n", a.output.c_str(), built.compiled,
              built.contents.manifest.kernels.size());
  return {};
}

Status run_merge(const Arguments& a) {
  Contents all;
  for (size_t i = 0; i < a.inputs.size(); ++i) {
    OCTILE_ASSIGN_OR_RETURN(Contents more, load_contents(a.inputs[i]));
    if (i == 0) {
      all = std::move(more);
    } else {
      merge_contents(all, std::move(more));
    }
  }
  return write_pack(a.output, all.manifest, all.members);
}

Status run_verify(const Arguments& a) {
  for (const std::string& path : a.inputs) {
    OCTILE_ASSIGN_OR_RETURN(const Contents contents, load_contents(path));
    OCTILE_RETURN_IF_ERROR(check_contents(contents, path));
    std::printf("%s: ok, %zu members, %zu kernels\n", path.c_str(), contents.members.size(),
                contents.manifest.kernels.size());
  }
  return {};
}

Status run_inspect(const Arguments& a) {
  OCTILE_ASSIGN_OR_RETURN(const std::string text, a.json ? inspect_json(a.inputs[0]) : inspect_text(a.inputs[0]));
  std::fputs(text.c_str(), stdout);
  return {};
}

Status run(Arguments& a) {
  if (a.command == "build") return run_build(a);
  if (a.command == "merge") return run_merge(a);
  if (a.command == "verify") return run_verify(a);
  return run_inspect(a);
}

}  // namespace
}  // namespace octile::packs

int main(int argc, char** argv) {
  octile::packs::Arguments a = octile::packs::parse(argc, argv);
  if (a.help) {
    std::fputs(octile::packs::kHelp, stdout);
    return 0;
  }
  if (const std::string error = usage_error(a); !error.empty()) {
    std::fprintf(stderr, "octile-pack: %s\n%s", error.c_str(), octile::packs::kHelp);
    return 2;
  }
  const octile::Status status = octile::packs::run(a);
  if (status.ok()) return 0;
  std::fprintf(stderr, "octile-pack: %s\n", status.to_string().c_str());
  return 1;
}
