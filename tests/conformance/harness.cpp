// The conformance programs' common part; see harness.h.
// In/out: see harness.h.  Not here: anything about ops or graphs.
#include "tests/conformance/harness.h"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace octile::testing {
namespace {

constexpr int kSkipped = 77;
char g_repro[4096];  // read by a signal handler

void on_crash(int signal_number) {
  constexpr char kText[] = "CRASH  ";
  [[maybe_unused]] ssize_t n = write(STDERR_FILENO, kText, sizeof kText - 1);
  n = write(STDERR_FILENO, g_repro, strnlen(g_repro, sizeof g_repro));
  n = write(STDERR_FILENO, "\n", 1);
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

}  // namespace

CLI::Option* add_isas(CLI::App& app, const std::string& name, std::vector<const TargetDesc*>& isas, const char* what) {
  const auto find = [&isas](const std::vector<std::string>& names) {
    isas.clear();
    for (const std::string& n : names) {
      const Result<const TargetDesc*> desc = find_target(n);
      if (!desc.ok()) throw CLI::ValidationError(desc.status().message());
      isas.push_back(*desc);
    }
  };
  return app.add_option_function<std::vector<std::string>>(name, find, what)->delimiter(',')->type_name("NAME,...");
}

std::optional<int> complete_isas(std::vector<const TargetDesc*>& isas) {
  if (isas.empty()) isas.push_back(&target(host_isa()));
  for (const TargetDesc* desc : isas) {
    if (can_run(desc->isa)) continue;
    std::printf("SKIPPED: this CPU (%s) cannot run %s\n", cpu_info().brand.c_str(), desc->name.data());
    return kSkipped;
  }
  return std::nullopt;
}

void set_repro(const std::string& line) { std::snprintf(g_repro, sizeof g_repro, "%s", line.c_str()); }

const char* repro() { return g_repro; }

void print_repro_on_crash() {
  for (int s : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) signal(s, on_crash);
}

}  // namespace octile::testing
