// Options: see options.h.  In: argv.  Out: Options.  Not here: defaults that depend on the machine.
#include "tuner/cli/options.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace octile::tuner {

const char* const kUsage =
    R"(usage: octile-tune --ops FILE [--target NAME] [--log FILE] [--budget TIME] [options]

Searches kernels for the workloads of FILE (op lines, one each; see docs/names.md) and appends every measurement to the
log. May be cut short with Ctrl-C or kill at any moment; running it again goes on where the log ends.

  --ops FILE        workloads; may be given several times
  --target NAME     host, avx512vnni, avx2, x86-64-v2 (default: host)
  --log FILE        the tuning log (default: tuning.jsonl)
  --budget TIME     stop after this long: 90s, 10m, 1.5h (default: no limit)
  --trials N        candidates per workload, those in the log included (default: no limit)
  --patience N      leave a workload after N trials without a better candidate (default: 96)
  --only REGEX      only ops whose line matches
  --pack FILE       any-shape kernels: what runs untuned, hence what tuned kernels must beat (default:
                    octile-default.octpack beside this program; where there is none, the search's first candidate)
  --seed N          same seed, same machine and same log: same proposals (default: 1)
  --jobs N          builds at a time; timing is always alone (default: one per CPU)
  --batch N         candidates built before they are timed (default: 4)
  --progress KIND   bar, json (one object per line on stdout), none (default: bar)
  --dry-run         print each workload's search space and what every constraint cuts, build nothing
  --json            print the result (or the dry run) as JSON
  --kernelc FILE, --runner FILE, --work DIR    programs and scratch folder (default: beside this one, temporary)
examples:
  octile-tune --ops workload/shapes/resnet_50.txt --target avx512vnni --budget 10m
  octile-tune --ops workload/shapes/resnet_50.txt --only kh3kw3 --dry-run
Exit status: 0 done, 1 failed, 2 bad usage, 130 interrupted (the log is complete).
)";

namespace {

Status bad(std::string_view option, std::string_view value, std::string_view cure) {
  return {Code::invalid_argument,
          std::string(option) + " " + std::string(value) + ": " + std::string(cure) + " (--help lists the options)"};
}

template <class T>
Status set_number(std::string_view option, const std::string& text, T low, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out < low) {
    return bad(option, text, "give a whole number from " + std::to_string(low) + " up");
  }
  return {};
}

Status set_option(std::string_view name, const std::string& value, Options& o) {
  if (name == "--ops") {
    o.ops_files.push_back(value);
  } else if (name == "--target") {
    o.target = value;
  } else if (name == "--log") {
    o.log = value;
  } else if (name == "--only") {
    o.only = value;
  } else if (name == "--pack") {
    o.pack = value;
  } else if (name == "--kernelc") {
    o.kernelc = value;
  } else if (name == "--runner") {
    o.runner = value;
  } else if (name == "--work") {
    o.work_dir = value;
  } else if (name == "--budget") {
    OCTILE_ASSIGN_OR_RETURN(o.budget_s, parse_duration(value));
  } else if (name == "--trials") {
    return set_number(name, value, 1, o.trials);
  } else if (name == "--patience") {
    return set_number(name, value, 1, o.patience);
  } else if (name == "--jobs") {
    return set_number(name, value, 1, o.jobs);
  } else if (name == "--batch") {
    return set_number(name, value, 1, o.batch);
  } else if (name == "--seed") {
    return set_number(name, value, uint64_t{0}, o.seed);
  } else if (name == "--progress") {
    if (value != "bar" && value != "json" && value != "none") return bad(name, value, "choose bar, json or none");
    o.progress = value == "bar" ? ProgressKind::bar : value == "json" ? ProgressKind::json : ProgressKind::none;
  } else {
    return {Code::invalid_argument, "unknown option " + std::string(name) + " (--help lists the options)"};
  }
  return {};
}

}  // namespace

Result<double> parse_duration(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  const double scale = unit.empty() || unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (error != std::errc() || !(value > 0) || scale == 0 || value > 1e6) {
    return Status(Code::invalid_argument, "--budget " + text + ": not a time; write it like 90s, 10m or 1h");
  }
  return value * scale;
}

Result<Options> parse_options(int argc, const char* const* argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--help" || name == "-h") {
      o.help = true;
      return o;
    }
    if (name == "--dry-run") {
      o.dry_run = true;
    } else if (name == "--json") {
      o.json = true;
    } else if (i + 1 < argc) {
      OCTILE_RETURN_IF_ERROR(set_option(name, argv[++i], o));
    } else {
      std::string dummy = "1";
      Options ignored;
      const Status known = set_option(name, dummy, ignored);
      if (!known.ok() && known.message().starts_with("unknown")) return known;
      return Status(Code::invalid_argument, std::string(name) + " needs a value (--help lists the options)");
    }
  }
  if (o.ops_files.empty()) return Status(Code::invalid_argument, "no workloads; name a file of op lines with --ops");
  return o;
}

}  // namespace octile::tuner
