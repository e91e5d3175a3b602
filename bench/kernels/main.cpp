// octile-bench-kernels: ops of shape files, one thread, against the machine's own peak.
// In:  --shapes FILE, --op LINE, --pack FILE (each repeatable), --target NAME, --weights gaussian|small, --seed N,
//      --json, --no-check, and Google Benchmark's own options.
// Out: Google Benchmark's report: time, GMAC/s and share of the peak measured in the same run.
// Not here: other frameworks (bench/peers).  Every answer is compared with the oracle before it is timed.
#include <benchmark/benchmark.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/kernels/case.h"
#include "bench/kernels/peak.h"
#include "targets/probe/probe.h"
#include "workload/shapes/shapes.h"

namespace {

using octile::Code;
using octile::Status;

struct Options {
  std::vector<std::string> shapes, ops, packs;
  std::string target = "host", weights = "gaussian";
  uint64_t seed = 1;
  bool json = false, check = true;
};

// What is left of the command line goes to Google Benchmark.
void declare(CLI::App& app, Options& options) {
  app.allow_extras();
  app.footer("Google Benchmark's own options (--benchmark_...) work too.");
  CLI::App* what = app.add_option_group("ops", "at least one of")->require_option(1, 0);
  what->add_option("--shapes", options.shapes, "a shape file")->allow_extra_args(false);
  what->add_option("--op", options.ops, "an op line (docs/names.md)")->allow_extra_args(false);
  app.add_option("--pack", options.packs, "kernels; without one the portable ones run")->allow_extra_args(false);
  app.add_option("--target", options.target, "host, avx512amx, avx512vnni, avxvnni, avx2, x86-64-v2")
      ->capture_default_str();
  app.add_option("--weights", options.weights, "gaussian or small")
      ->check(CLI::IsMember({"gaussian", "small"}).description(""))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of the weights")->capture_default_str();
  app.add_flag("--json", options.json, "report as JSON");
  app.add_flag("!--no-check", options.check, "do not compare with the oracle first");
}

octile::Result<std::vector<octile::OpSpec>> read_ops(const Options& options) {
  std::vector<octile::OpSpec> ops;
  for (const std::string& file : options.shapes) {
    OCTILE_ASSIGN_OR_RETURN(const std::vector<octile::OpSpec> found, octile::load_shapes(file));
    for (const octile::OpSpec& op : found) {
      if (op.macs() > 0 && !op.wei_var && !op.wei_zp && op.wei == octile::DType::s8) ops.push_back(op);
    }
  }
  for (const std::string& line : options.ops) {
    OCTILE_ASSIGN_OR_RETURN(const octile::OpSpec op, octile::parse_op(line));
    ops.push_back(op);
  }
  return ops;
}

void time_case(benchmark::State& state, const octile::bench::Case& bench_case, double peak) {
  for ([[maybe_unused]] auto once : state) {
    if (const Status status = bench_case.run(); !status.ok()) {
      state.SkipWithError(status.to_string().c_str());
      return;
    }
  }
  const auto gmacs = static_cast<double>(bench_case.spec().macs()) / 1e9;
  using Counter = benchmark::Counter;
  state.counters["GMAC/s"] = Counter(gmacs, Counter::kIsIterationInvariantRate);
  if (peak > 0) state.counters["peak_share"] = Counter(gmacs / peak, Counter::kIsIterationInvariantRate);
  state.counters["count"] = static_cast<double>(bench_case.spec().count);
  state.SetLabel(bench_case.kernel());
}

Status run(const Options& options) {
  OCTILE_ASSIGN_OR_RETURN(const octile::TargetDesc* target, octile::find_target(options.target));
  if (!octile::can_run(target->isa)) return {Code::unsupported, "this CPU cannot run " + std::string(target->name)};
  octile::runtime::KernelLibrary library;
  for (const std::string& pack : options.packs) OCTILE_RETURN_IF_ERROR(library.add_pack(pack, target->isa));
  OCTILE_ASSIGN_OR_RETURN(const std::vector<octile::OpSpec> ops, read_ops(options));
  const octile::bench::Peak peak = octile::bench::measure_peak(target->isa);
  benchmark::AddCustomContext("target", std::string(target->name));
  benchmark::AddCustomContext("peak", std::string(peak.name));
  benchmark::AddCustomContext("peak_gmac_per_s", std::to_string(peak.gmac_per_s));
  benchmark::AddCustomContext("weights", options.weights);
  benchmark::AddCustomContext("seed", std::to_string(options.seed));
  benchmark::AddCustomContext("cpu", octile::cpu_info().brand);
  const auto weights = options.weights == "small" ? octile::bench::Weights::small : octile::bench::Weights::gaussian;
  std::vector<std::unique_ptr<octile::bench::Case>> cases;
  for (const octile::OpSpec& op : ops) {
    OCTILE_ASSIGN_OR_RETURN(auto made, octile::bench::Case::make(library, target->isa, op, weights, options.seed));
    if (options.check) OCTILE_RETURN_IF_ERROR(made->check());
    const octile::bench::Case* borrowed = made.get();
    cases.push_back(std::move(made));
    benchmark::RegisterBenchmark(
        (op.name.empty() ? octile::to_key(op) : op.name).c_str(),
        [borrowed, rate = peak.gmac_per_s](benchmark::State& state) { time_case(state, *borrowed, rate); });
  }
  benchmark::RunSpecifiedBenchmarks();
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  octile::ask_for_tiles();
  Options options;
  CLI::App app("Times ops on one thread against the machine's own peak.", "octile-bench-kernels");
  declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  std::vector<std::string> rest = app.remaining();
  rest.insert(rest.begin(), argv[0]);
  if (options.json) rest.emplace_back("--benchmark_format=json");
  std::vector<char*> arguments;
  for (std::string& text : rest) arguments.push_back(text.data());
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  const Status status = run(options);
  benchmark::Shutdown();
  if (status.ok()) return 0;
  std::fprintf(stderr, "octile-bench-kernels: %s\n", status.to_string().c_str());
  return 1;
}
