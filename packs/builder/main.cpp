// octile-pack: builds, joins, describes and checks packs.
// In:  kernel lists, tuning logs, packs.  Out: a pack, a table, JSON; progress on stderr.
// Not here: the work (compile, contents, inspect).
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "packs/builder/build.h"
#include "packs/builder/contents.h"
#include "packs/builder/inspect.h"
#include "packs/format/pack_file.h"

namespace octile::packs {
namespace {

constexpr const char* kFooter = R"(examples:
  octile-pack build --log tuning.jsonl -o model.octpack
  octile-pack build --list packs/logs/default.list --cache build/kernels -o octile-default.octpack
Exit status: 0 done, 1 failed, 2 bad usage.)";

struct Arguments {
  std::string output;
  std::vector<std::string> inputs;
  BuildOptions build;
  bool json = false, quiet = false;
};

// The folder this program lies in, where its companions are.
std::string own_folder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
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

CLI::App* add_build(CLI::App& app, Arguments& a) {
  CLI::App* build = app.add_subcommand("build", "compile kernels into a pack")->footer(kFooter);
  CLI::App* sources = build->add_option_group("sources", "at least one of")->require_option(1, 0);
  sources->add_option("--list", a.build.lists, "kernels to build, one \"target | op | candidate\" a line")
      ->allow_extra_args(false);
  sources->add_option("--log", a.build.logs, "a tuning log: its best candidate per workload and target is built")
      ->allow_extra_args(false);
  build->add_option("-o", a.output, "the pack to write")->type_name("PACK")->required();
  build->add_option("--default", a.build.default_pack,
                    "the pack joined with what --log gives (default: octile-default.octpack beside this program)");
  build->add_flag("!--no-default", a.build.join_default, "join nothing");
  build->add_option("--targets", a.build.targets, "only kernels of these: A,B")->delimiter(',');
  build->add_option("--kernelc", a.build.compile.kernelc, "the kernel compiler (default: beside this program)");
  build->add_option("--cache", a.build.compile.cache_dir, "folder that keeps compiled kernels between runs");
  build->add_option("--jobs", a.build.compile.jobs, "kernels compiled at a time")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  build->add_option("--timeout", a.build.compile.seconds, "seconds one kernel may take")
      ->check(CLI::Range(0.01, 1e6))
      ->capture_default_str();
  build->add_flag("--quiet", a.quiet, "no progress");
  return build;
}

// Declares the commands, parses, runs.
int run(int argc, char** argv) {
  Arguments a;
  CLI::App app("Builds, joins, describes and checks kernel packs.", "octile-pack");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::help);
  const auto packs = [&](CLI::App* command) {
    return command->add_option("PACK", a.inputs, "packs to read")->required();
  };
  const CLI::App* build = add_build(app, a);
  CLI::App* merge = app.add_subcommand("merge", "join packs; for the same workload the later one wins");
  packs(merge);
  merge->add_option("-o", a.output, "the pack to write")->required();
  CLI::App* inspect = app.add_subcommand("inspect", "check the hashes and list what is inside");
  packs(inspect)->expected(1);
  inspect->add_flag("--json", a.json, "as JSON");
  const CLI::App* verify = app.add_subcommand("verify", "check hashes, members and every instruction");
  packs(app.get_subcommand("verify"));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const Status status = build->parsed()    ? run_build(a)
                        : merge->parsed()  ? run_merge(a)
                        : verify->parsed() ? run_verify(a)
                                           : run_inspect(a);
  if (status.ok()) return 0;
  std::fprintf(stderr, "octile-pack: %s\n", status.to_string().c_str());
  return 1;
}

}  // namespace
}  // namespace octile::packs

int main(int argc, char** argv) { return octile::packs::run(argc, argv); }
