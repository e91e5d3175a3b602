// octile-conformance: every kernel a pack offers against the oracle, bit for bit, on drawn ops and on known networks.
// In:  command line.  Out: histograms and, for each mismatch, one line that repeats it; exit code 1 then, 77 where
//      this CPU cannot run the ISA asked for.
// Not here: drawing and comparing (check.h), choosing kernels (runtime).
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "runtime/exec/prepared_op.h"
#include "tests/conformance/check.h"
#include "tests/conformance/harness.h"
#include "tests/support/rng.h"
#include "workload/shapes/shapes.h"

namespace octile::testing {
namespace {

constexpr int kMaxFailuresShown = 20;
constexpr uint64_t kSpecialisedDraws = 3;
constexpr int64_t kShapeMacs = 4'000'000;

struct Options {
  std::vector<const TargetDesc*> isas;
  bool compare = false;
  int64_t count = 2000;
  uint64_t seed = 1;
  std::vector<std::string> packs, shapes;
  std::string repro;
};

// A shape file, or every one in a folder.
void add_shapes(const std::string& path, std::vector<std::string>& out) {
  std::error_code ec;
  if (!std::filesystem::is_directory(path, ec)) return out.push_back(path);
  const auto first = static_cast<int64_t>(out.size());
  for (const auto& entry : std::filesystem::directory_iterator(path, ec)) {
    if (entry.path().extension() == ".txt") out.push_back(entry.path());
  }
  std::sort(out.begin() + first, out.end());
}

void declare(CLI::App& app, Options& o) {
  CLI::Option* isa =
      add_isas(app, "--isa", o.isas,
               "portable, x86-64-v2, avx2, avxvnni, avx512vnni, avx512amx (default: the best this CPU runs)");
  add_isas(app, "--compare", o.isas, "run every op on each of these and demand the same bytes")->excludes(isa);
  app.add_option("--count", o.count, "random ops")->check(CLI::NonNegativeNumber)->capture_default_str();
  app.add_option("--seed", o.seed, "of the first; with --repro the one printed with the failure")
      ->capture_default_str();
  app.add_option("--pack", o.packs, "kernels to check besides the portable ones")->allow_extra_args(false);
  app.add_option_function<std::vector<std::string>>(
         "--shapes",
         [&o](const std::vector<std::string>& paths) {
           for (const std::string& path : paths) add_shapes(path, o.shapes);
         },
         "a shape file, or a folder of them: its ops, made smaller")
      ->allow_extra_args(false);
  app.add_option("--repro", o.repro, "run this op line and nothing else");
}

// A host that runs tasks last to first: tasks must not lean on each other's order.
void run_reversed(void*, runtime::Parallel::Task task, void* arg, size_t count) {
  while (count-- > 0) task(arg, count);
}

class Conformance {
 public:
  explicit Conformance(Options options) : o_(std::move(options)) {}

  Status open() {
    Isa best = Isa::portable;
    for (const TargetDesc* desc : o_.isas) best = std::max(best, desc->isa);
    for (const std::string& pack : o_.packs) OCTILE_RETURN_IF_ERROR(library_.add_pack(pack, best));
    return {};
  }

  void check(const OpSpec& spec, uint64_t seed) {
    const Operands operands = draw_operands(spec, seed);
    const std::vector<uint8_t> want = expected(spec, operands);
    tally_.add(spec, seed, operands.quant, want);
    ++ops_;
    std::vector<std::vector<uint8_t>> answers;
    for (const TargetDesc* desc : o_.isas) {
      write_repro(*desc, spec, seed);
      const std::string wrong = run_one(*desc, spec, seed, operands, want, answers);
      if (!wrong.empty()) fail(wrong);
    }
    for (size_t i = 1; o_.compare && i < answers.size(); ++i) {
      if (answers[i] != answers[0])
        fail(std::string(o_.isas[0]->alias) + " and " + std::string(o_.isas[i]->alias) + " differ");
    }
  }

  // Kernels made for one workload are met by that workload alone.
  void check_specialised() {
    for (const runtime::Kernel& k : library_.kernels()) {
      if (k.entry.op == "*" || k.entry.op.empty()) continue;
      const Result<OpSpec> spec = parse_op(k.entry.op);
      if (!spec.ok()) {
        fail(k.entry.name + ": its op line does not parse: " + spec.status().message());
      } else {
        for (uint64_t i = 0; i < kSpecialisedDraws; ++i) check(*spec, mix(o_.seed ^ i));
      }
    }
  }

  // Prints the report and returns the exit code.
  int finish() {
    std::fputs(tally_.text().c_str(), stdout);
    if (o_.repro.empty()) print_unused();
    for (const TargetDesc* desc : o_.isas) {
      if (o_.repro.empty() && desc->isa != Isa::portable && !tally_.covers_target(std::string(desc->name))) {
        std::printf("FAIL  no kernel of %s ran: is it in the pack given with --pack?\n", desc->name.data());
        ++failures_;
      }
    }
    if (ops_ >= 500 && tally_.saturated_share() >= 0.5) {
      std::printf("FAIL  half of the outputs saturate: the draws prove too little\n");
      ++failures_;
    }
    std::string names;
    for (const TargetDesc* desc : o_.isas) names.append(names.empty() ? "" : ", ").append(desc->alias);
    std::printf("executed: %s; %lld ops, seed %llu: %lld mismatches%s\n", names.c_str(), static_cast<long long>(ops_),
                static_cast<unsigned long long>(o_.seed), static_cast<long long>(failures_),
                o_.compare && failures_ == 0 ? "; same bits on all of them" : "");
    return failures_ == 0 ? 0 : 1;
  }

 private:
  std::string run_one(const TargetDesc& desc, const OpSpec& spec, uint64_t seed, const Operands& operands,
                      const std::vector<uint8_t>& want, std::vector<std::vector<uint8_t>>& answers) {
    std::vector<runtime::Decision> decisions;
    runtime::Parallel parallel;
    parallel.threads = static_cast<int>(1 + (seed >> 5 & 3));
    parallel.run = run_reversed;
    std::string wrong = difference(
        spec, operands, want, [&](const OpSpec& s, const OpQuant& q, const void* src, const void* wei, void* dst) {
          Status status = runtime::run_op(library_, desc.isa, s, q, src, wei, dst, parallel, &decisions);
          const auto* bytes = static_cast<const uint8_t*>(dst);
          answers.emplace_back(bytes, bytes + want.size());
          return status;
        });
    for (const runtime::Decision& d : decisions) tally_.add_kernel(d.target, d.kernel);
    if (!o_.repro.empty() || !wrong.empty()) {
      for (const runtime::Decision& d : decisions) {
        std::printf("  %s: %s (%s)\n", std::string(desc.alias).c_str(), d.kernel.c_str(), d.reason.c_str());
      }
    }
    return wrong;
  }

  void print_unused() const {
    std::string names;
    for (const runtime::Kernel& k : library_.kernels()) {
      const bool asked = std::any_of(o_.isas.begin(), o_.isas.end(), [&](const auto* d) { return d->isa == k.isa; });
      if (asked && !tally_.covers_kernel(k.entry.target, k.entry.name)) names += "           " + k.entry.name + "\n";
    }
    if (!names.empty()) std::printf("kernels of these targets never chosen\n%s", names.c_str());
  }

  void write_repro(const TargetDesc& desc, const OpSpec& spec, uint64_t seed) {
    std::string line = "octile-conformance --isa " + std::string(desc.alias);
    for (const std::string& p : o_.packs) line += " --pack " + p;
    set_repro(line + " --repro \"" + to_key(spec) + "\" --seed " + std::to_string(seed));
  }

  void fail(const std::string& what) {
    if (++failures_ <= kMaxFailuresShown) std::printf("FAIL  %s\n      %s\n", what.c_str(), repro());
  }

  Options o_;
  runtime::KernelLibrary library_;
  Tally tally_;
  int64_t ops_ = 0, failures_ = 0;
};

Status run_all(const Options& o, Conformance& conformance) {
  if (!o.repro.empty()) {
    OCTILE_ASSIGN_OR_RETURN(const OpSpec spec, parse_op(o.repro));
    conformance.check(spec, o.seed);
    return {};
  }
  for (int64_t i = 0; i < o.count; ++i) {
    const uint64_t seed = mix(o.seed + static_cast<uint64_t>(i));
    conformance.check(draw_spec(seed), seed);
  }
  for (const std::string& path : o.shapes) {
    OCTILE_ASSIGN_OR_RETURN(const std::vector<OpSpec> specs, load_shapes(path));
    for (size_t i = 0; i < specs.size(); ++i) conformance.check(scaled_down(specs[i], kShapeMacs), mix(o.seed ^ i));
  }
  conformance.check_specialised();
  return {};
}

int run(int argc, char** argv) {
  ask_for_tiles();
  Options options;
  CLI::App app("Runs ops on every kernel a pack offers and compares them with the oracle.", "octile-conformance");
  declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  options.compare = app.count("--compare") > 0;
  if (const std::optional<int> ended = complete_isas(options.isas)) return *ended;
  print_repro_on_crash();
  Conformance conformance(options);
  Status status = conformance.open();
  if (status.ok()) status = run_all(options, conformance);
  if (!status.ok()) {
    std::fprintf(stderr, "octile-conformance: %s\n", status.to_string().c_str());
    return 2;
  }
  return conformance.finish();
}

}  // namespace
}  // namespace octile::testing

int main(int argc, char** argv) { return octile::testing::run(argc, argv); }
