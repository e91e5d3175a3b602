// ProcessRunner: see process_runner.h.  In: artifacts.  Out: samples or a verdict.  Not here: statistics.
#include "tuner/measure/process_runner.h"

#include <cstdio>
#include <map>
#include <sstream>

#include "tuner/process/child.h"

namespace octile::tuner {
namespace {

Measurement verdict_of(Verdict verdict, std::string reason) {
  Measurement m;
  m.verdict = verdict;
  m.reason = std::move(reason);
  return m;
}

Measurement no_judgement(Measurement::Outcome outcome, std::string reason) {
  Measurement m;
  m.outcome = outcome;
  m.reason = std::move(reason);
  return m;
}

Verdict verdict_named(const std::string& word) {
  if (word == "ok") return Verdict::ok;
  return word == "wrong" ? Verdict::wrong : Verdict::rejected;  // unused, failed
}

}  // namespace

std::string runner_script(const MeasureRequest& r, const std::string& pack) {
  std::string s;
  const auto slot = [&](const std::string& name, const Artifact& artifact) {
    if (!artifact.member.empty()) s += "kernel " + name + " " + artifact.member + " " + artifact.entry_json + "\n";
    if (!pack.empty()) s += "pack " + name + " " + pack + "\n";
  };
  slot("candidate", r.candidate);
  slot("base", r.base);
  char run[128];
  std::snprintf(run, sizeof run,
                "run seed=%llu rounds=%d sample_us=%g target=%s op=", static_cast<unsigned long long>(r.seed),
                r.config.rounds, r.config.sample_us, std::string(r.target->alias).c_str());
  return s + run + to_key(r.op) + "\nquit\n";
}

Measurement parse_answer(const std::string& out) {
  std::map<std::string, std::string> verdicts;
  std::map<std::string, std::vector<double>> us;
  std::istringstream lines(out);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string what, slot;
    words >> what;
    if (what == "error") return verdict_of(Verdict::rejected, "runner: " + line.substr(6));
    words >> slot;
    if (what == "verdict") {
      std::getline(words >> std::ws, verdicts[slot]);
    } else if (what == "us") {
      for (double v = 0; words >> v;) us[slot].push_back(v);
    }
  }
  for (const char* slot : {"candidate", "base"}) {
    const std::string& text = verdicts[slot];
    const Verdict verdict = verdict_named(text.substr(0, text.find(' ')));
    if (verdict == Verdict::ok) continue;
    if (std::string(slot) == "candidate") return verdict_of(verdict, text.empty() ? "runner: no verdict" : text);
    return verdict_of(Verdict::rejected, "the default to compare with failed: " + text);
  }
  Measurement m;
  m.verdict = Verdict::ok;
  m.us = std::move(us["candidate"]);
  m.base_us = std::move(us["base"]);
  for (const auto& samples : {m.us, m.base_us}) {
    for (double v : samples) {
      if (!(v > 0)) return verdict_of(Verdict::crashed, "a run of the kernel failed while it was timed");
    }
  }
  if (m.us.empty() || m.us.size() != m.base_us.size()) return verdict_of(Verdict::rejected, "runner: no samples");
  return m;
}

Status ProcessRunner::check() const {
  const ChildLimits limits{20, options_.memory_bytes};
  const std::string lines = options_.pack.empty() ? "quit\n" : "pack base " + options_.pack + "\nquit\n";
  const ChildResult child = run_child({options_.program}, lines, limits);
  if (!child.ok()) {
    return {Code::not_found, options_.program + ": " + child.describe(limits) + "; build it, or name it with --runner"};
  }
  if (child.out.starts_with("error ")) return {Code::invalid_argument, child.out.substr(6, child.out.find('\n') - 6)};
  return {};
}

Measurement ProcessRunner::measure(const MeasureRequest& request, const std::atomic<bool>& stop) {
  const ChildLimits limits{options_.seconds, options_.memory_bytes};
  const ChildResult child = run_child({options_.program}, runner_script(request, options_.pack), limits, &stop);
  switch (child.end) {
    case ChildResult::End::stopped: return no_judgement(Measurement::Outcome::stopped, "stopped");
    case ChildResult::End::not_started:
      return no_judgement(Measurement::Outcome::unavailable, options_.program + ": " + child.describe(limits));
    case ChildResult::End::timed_out: return verdict_of(Verdict::timeout, "runner: " + child.describe(limits));
    case ChildResult::End::signalled: return verdict_of(Verdict::crashed, "runner: " + child.describe(limits));
    case ChildResult::End::exited: break;
  }
  if (child.code == 127) {
    return no_judgement(Measurement::Outcome::unavailable, options_.program + ": " + child.describe(limits));
  }
  if (child.code != 0) return verdict_of(Verdict::crashed, "runner: " + child.describe(limits));
  return parse_answer(child.out);
}

}  // namespace octile::tuner
