// Options: the command line of octile-tune as a struct.
// In:  argv.  Out: Options; help on stdout, what is wrong with an argument on stderr.  Not here: acting on them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace octile::tuner {

enum class ProgressKind : uint8_t { bar, json, none };

struct Options {
  std::vector<std::string> ops_files;
  std::string target = "host";
  std::string log = "tuning.jsonl";
  std::string only;                   // regular expression on an op's line
  std::string pack, kernelc, runner;  // empty: beside this program
  std::string work_dir;               // empty: a temporary folder
  double budget_s = 0;
  int trials = 0, batch = 4, patience = 96;
  int jobs = 0;  // 0: one per logical CPU
  uint64_t seed = 1;
  bool dry_run = false, json = false;
  ProgressKind progress = ProgressKind::bar;
};

// The exit status with which to end, if the options are wrong or only help was asked for.
[[nodiscard]] std::optional<int> parse_options(int argc, const char* const* argv, Options& options);

}  // namespace octile::tuner
