// Progress: what a session is doing, drawn for people or written for programs.
// In:  events.  Out: a bar on stderr, or JSON lines on stdout; a summary.  Not here: decisions.
//
// JSON lines, fields of every event: event (trial, final, closed, summary), elapsed_s, budget_s, eta_s, fraction,
// trials, ok (of this run), gain (model time of the measured workloads, default over best); of trial and final: task,
// op, cand, verdict, reason, ratio (to the default, below 1 is faster), best_ratio; of closed: task, note.
#pragma once

#include <memory>
#include <string>

#include "tuner/cli/options.h"
#include "tuner/session/session.h"

namespace octile::tuner {

[[nodiscard]] std::unique_ptr<Observer> make_observer(ProgressKind kind, bool terminal);

// Time in the model of all measured tasks: with the default kernels over with the best found. 1 when none is better.
[[nodiscard]] double model_gain(const Session& session);
[[nodiscard]] std::string summary_text(const Session& session, const std::string& log, bool interrupted);
[[nodiscard]] std::string summary_json(const Session& session, const std::string& log, bool interrupted);

}  // namespace octile::tuner
