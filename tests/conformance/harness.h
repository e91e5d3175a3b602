// What the conformance programs share: which instruction sets to run, and the line that repeats a case that crashed.
// In:  options.  Out: targets, exit codes, the repro line on stderr when a kernel faults.
// Not here: drawing and comparing (check.h, graphs/check_graph.h).
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "targets/probe/probe.h"

namespace octile::testing {

// `name`: targets by name, one or more; of an empty list complete_isas() makes the best this CPU runs.
CLI::Option* add_isas(CLI::App& app, const std::string& name, std::vector<const TargetDesc*>& isas, const char* what);
// Exit code 77, said on stdout, where this CPU cannot run one of them.
[[nodiscard]] std::optional<int> complete_isas(std::vector<const TargetDesc*>& isas);

// The line that repeats the case in hand: set before each one, printed with failures and by the crash handlers.
void set_repro(const std::string& line);
[[nodiscard]] const char* repro();
void print_repro_on_crash();

}  // namespace octile::testing
