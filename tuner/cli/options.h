// Options: the command line of octile-tune as a struct.
// In:  argv.  Out: Options, or what is wrong with an argument.  Not here: doing anything about it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workload/base/status.h"

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
  bool dry_run = false, json = false, help = false;
  ProgressKind progress = ProgressKind::bar;
};

extern const char* const kUsage;
[[nodiscard]] Result<Options> parse_options(int argc, const char* const* argv);
// "90", "90s", "10m", "1.5h" in seconds.
[[nodiscard]] Result<double> parse_duration(const std::string& text);

}  // namespace octile::tuner
