// Options: see options.h.  In: argv.  Out: Options.  Not here: defaults that depend on the machine.
#include "tuner/cli/options.h"

#include <CLI/CLI.hpp>
#include <map>

namespace octile::tuner {
namespace {

constexpr const char* kAbout =
    "Searches kernels for the workloads of op files and appends every measurement to the log. May be cut short with "
    "Ctrl-C or kill at any moment; running it again goes on where the log ends.";
constexpr const char* kFooter = R"(examples:
  octile-tune --ops workload/shapes/resnet_50.txt --target avx512vnni --budget 10m
  octile-tune --ops workload/shapes/resnet_50.txt --only kh3kw3 --dry-run
Exit status: 0 done, 1 failed, 2 bad usage, 130 interrupted (the log is complete).)";

void declare(CLI::App& app, Options& o) {
  const std::map<std::string, double> seconds{{"s", 1}, {"m", 60}, {"h", 3600}};
  const std::map<std::string, ProgressKind> kinds{
      {"bar", ProgressKind::bar}, {"json", ProgressKind::json}, {"none", ProgressKind::none}};
  app.footer(kFooter);
  app.add_option("--ops", o.ops_files, "workloads, one op line each (docs/names.md); may be given several times")
      ->allow_extra_args(false)
      ->required();
  app.add_option("--target", o.target, "host, avx512vnni, avxvnni, avx2, x86-64-v2")->capture_default_str();
  app.add_option("--log", o.log, "the tuning log")->capture_default_str();
  app.add_option("--budget", o.budget_s, "stop after this long: 90s, 10m, 1.5h (default: no limit)")
      ->transform(CLI::AsNumberWithUnit(seconds, CLI::AsNumberWithUnit::CASE_SENSITIVE))
      ->check(CLI::Range(0.001, 1e7).description(""))
      ->type_name("TIME");
  app.add_option("--trials", o.trials, "candidates per workload, those in the log included (default: no limit)")
      ->check(CLI::PositiveNumber);
  app.add_option("--patience", o.patience, "leave a workload after so many trials without a better candidate")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--only", o.only, "only ops whose line matches")->type_name("REGEX");
  app.add_option("--pack", o.pack,
                 "any-shape kernels: what runs untuned, hence what tuned kernels must beat (default: "
                 "octile-default.octpack beside this program; where there is none, the search's first candidate)");
  app.add_option("--seed", o.seed, "same seed, same machine and same log: same proposals")->capture_default_str();
  app.add_option("--jobs", o.jobs, "builds at a time; timing is always alone (default: one per CPU)")
      ->check(CLI::PositiveNumber);
  app.add_option("--batch", o.batch, "candidates built before they are timed")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--progress", o.progress, "bar, json (one object per line on stdout) or none (default: bar)")
      ->transform(CLI::CheckedTransformer(kinds).description(""))
      ->type_name("KIND");
  app.add_flag("--dry-run", o.dry_run,
               "print each workload's search space and what every constraint cuts; build nothing");
  app.add_flag("--json", o.json, "print the result (or the dry run) as JSON");
  app.add_option("--kernelc", o.kernelc, "the kernel compiler (default: beside this program)");
  app.add_option("--runner", o.runner, "the program that times kernels (default: beside this program)");
  app.add_option("--work", o.work_dir, "scratch folder (default: a temporary one)");
}

}  // namespace

std::optional<int> parse_options(int argc, const char* const* argv, Options& o) {
  CLI::App app(kAbout, "octile-tune");
  declare(app, o);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return std::nullopt;
}

}  // namespace octile::tuner
