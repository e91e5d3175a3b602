// Parsing of session options.  In/out: see options.h.  Not here: acting on them.
#include "plugin/onnxruntime/options.h"

#include <algorithm>
#include <charconv>

#include "targets/probe/probe.h"

namespace octile::ort {
namespace {

constexpr int kMaxThreads = 1024, kMaxMeasureMs = 60'000;

void read_packs(const std::string& value, Options& out) {
  for (size_t from = 0; from <= value.size();) {
    const size_t to = std::min(value.find(':', from), value.size());
    if (to > from) out.packs.push_back(value.substr(from, to - from));
    from = to + 1;
  }
}

void read_target(const std::string& value, Options& out) {
  const Result<const TargetDesc*> found = find_target(value);
  if (!found.ok()) {
    out.warnings.push_back("option target: " + found.status().message() + "; using " +
                           std::string(target(out.best).alias));
  } else if (!can_run((*found)->isa)) {
    out.warnings.push_back("option target: this CPU cannot run " + value + "; using " +
                           std::string(target(out.best).alias));
  } else {
    out.best = (*found)->isa;
    out.target_given = true;
  }
}

void read_threads(const std::string& value, Options& out) {
  int threads = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), threads);
  if (error != std::errc() || end != value.data() + value.size() || threads < 1 || threads > kMaxThreads) {
    out.warnings.push_back("option threads: '" + value + "' is not a number from 1 to " + std::to_string(kMaxThreads) +
                           "; using " + std::to_string(out.threads));
    return;
  }
  out.threads = threads;
}

// NAME=1x3x640x640 -> the name and its shape; false: it is not of this form.
bool read_shape(const std::string& text, NamedShapes& out) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0) return false;
  std::vector<int64_t>& shape = out[text.substr(0, equals)];
  shape.clear();
  const char *at = text.data() + equals + 1, *const end = text.data() + text.size();
  while (true) {
    int64_t extent = 0;
    const auto [stop, error] = std::from_chars(at, end, extent);
    if (error != std::errc() || extent < 0) return false;
    shape.push_back(extent);
    if (stop == end) return true;
    if (*stop != 'x') return false;
    at = stop + 1;
  }
}

// Sets between ';', shapes of one set between ','.
void read_ready(const std::string& value, Options& out) {
  std::vector<NamedShapes> sets;
  for (size_t from = 0; from <= value.size();) {
    const size_t to = std::min(value.find_first_of(",;", from), value.size());
    if (from == 0 || value[from - 1] == ';') sets.emplace_back();
    if (!read_shape(value.substr(from, to - from), sets.back())) {
      out.warnings.push_back("option ready: '" + value.substr(from, to - from) +
                             "' is not of the form name=1x3x640x640; no shapes are planned ahead");
      return;
    }
    from = to + 1;
  }
  out.ready = std::move(sets);
}

void read_when_slower(const std::string& value, Options& out) {
  if (value == "keep_exact") {
    out.when_slower = WhenSlower::keep_exact;
  } else if (value == "leave") {
    out.when_slower = WhenSlower::leave;
  } else if (value == "keep") {
    out.when_slower = WhenSlower::keep;
  } else {
    out.warnings.push_back("option when_slower: '" + value +
                           "' is not one of keep_exact, leave, keep; using keep_exact");
  }
}

void read_judge_for(const std::string& value, Options& out) {
  const Result<const TargetDesc*> found = find_target(value);
  if (found.ok() && (*found)->isa >= Isa::avx2) {
    out.judge_for = (*found)->isa;
  } else {
    out.warnings.push_back("option judge_for: no costs are known for '" + value + "'; judging for this CPU");
  }
}

void read_measure(const std::string& value, Options& out) {
  int ms = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), ms);
  if (error != std::errc() || end != value.data() + value.size() || ms < 0 || ms > kMaxMeasureMs) {
    out.warnings.push_back("option measure: '" + value + "' is not a number of milliseconds from 0 to " +
                           std::to_string(kMaxMeasureMs) + "; nothing is measured");
    return;
  }
  out.measure_ms = ms;
}

void read_context(const std::string& key, const std::string& value, ContextOptions& out) {
  if (key == "ep.context_enable") out.enable = value == "1";
  if (key == "ep.context_embed_mode") out.embed = value == "1";
  if (key == "ep.context_file_path") out.file_path = value;
}

}  // namespace

Options read_options(std::span<const std::pair<std::string, std::string>> entries) {
  Options out;
  out.best = host_isa();
  out.threads = std::clamp(cpu_info().logical_cpus, 1, kMaxThreads);
  for (const auto& [full_key, value] : entries) {
    read_context(full_key, value, out.context);
    if (!full_key.starts_with(kOptionPrefix)) continue;
    const std::string key = full_key.substr(kOptionPrefix.size());
    if (key == "pack") {
      read_packs(value, out);
    } else if (key == "target") {
      read_target(value, out);
    } else if (key == "threads") {
      read_threads(value, out);
    } else if (key == "log_workloads") {
      out.log_workloads = value;
    } else if (key == "explain") {
      out.explain = value;
    } else if (key == "profile") {
      out.profile = value;
    } else if (key == "weights_cache") {
      out.weights_cache = value;
    } else if (key == "ready") {
      read_ready(value, out);
    } else if (key == "when_slower") {
      read_when_slower(value, out);
    } else if (key == "judge_for") {
      read_judge_for(value, out);
    } else if (key == "measure") {
      read_measure(value, out);
    } else {
      out.warnings.push_back("unknown option '" + key +
                             "'; known: pack, target, threads, log_workloads, explain, profile, weights_cache, ready, "
                             "when_slower, measure, judge_for");
    }
  }
  return out;
}

}  // namespace octile::ort
