// octile-graphs: regions against the oracle interpreter, bit for bit, on random quantized networks.
// In:  command line.  Out: histograms and, for each mismatch, the smallest part that shows it and the command that
//      repeats it; exit code 1 then, 77 where this CPU cannot run the ISA asked for.
// Not here: drawing (tests/support), comparing and shrinking (check_graph.h).
#include <cstdio>
#include <memory>

#include "runtime/region/region.h"
#include "runtime/region/supported.h"
#include "tests/conformance/graphs/region_run.h"
#include "tests/conformance/harness.h"
#include "tests/support/rng.h"

namespace octile::testing {
namespace {

constexpr int kMaxFailuresShown = 10;

struct Options {
  std::vector<const TargetDesc*> isas;
  int64_t graphs = 400, blocks = 7;
  uint64_t seed = 1, repro = 0;
  bool print = false;
  std::vector<std::string> packs;
};

void declare(CLI::App& app, Options& o) {
  add_isas(app, "--isa", o.isas,
           "portable, x86-64-v2, avx2, avxvnni, avx512vnni, avx512amx (default: the best this CPU runs)");
  app.add_option("--graphs", o.graphs, "random graphs")->check(CLI::NonNegativeNumber)->capture_default_str();
  app.add_option("--blocks", o.blocks, "how large the graphs may be")->check(CLI::Range(1, 999))->capture_default_str();
  app.add_option("--seed", o.seed, "of the first")->capture_default_str();
  app.add_option("--pack", o.packs, "kernels besides the portable ones")->allow_extra_args(false);
  app.add_option("--repro", o.repro, "run and print the graph of this seed: the one printed with the failure");
}

class Conformance {
 public:
  explicit Conformance(Options options) : o_(std::move(options)) {}

  Status open() {
    Isa best = Isa::portable;
    for (const TargetDesc* desc : o_.isas) best = std::max(best, desc->isa);
    for (const std::string& pack : o_.packs) OCTILE_RETURN_IF_ERROR(library_->add_pack(pack, best));
    return {};
  }

  void check(uint64_t seed) {
    write_repro(*o_.isas[0], seed);
    const RandomGraph random = draw_graph(seed, static_cast<int>(o_.blocks));
    if (o_.print) std::fputs(print(random.graph, random.shapes[0]).c_str(), stdout);
    const InputSets sets = input_sets(random);
    tally_.add(random);
    ++graphs_;
    for (const TargetDesc* desc : o_.isas) {
      for (int threads : {1, 3}) {
        write_repro(*desc, seed);
        const GraphPrepare prepare = on_region(library_, desc->isa, threads);
        const std::string wrong = difference(random.graph, sets, prepare);
        if (!wrong.empty()) fail(wrong, threads, shrink(random.graph, sets, prepare));
      }
      count_passes(random, desc->isa);
    }
  }

  // Prints the report and returns the exit code.
  int finish() {
    std::fputs(tally_.text().c_str(), stdout);
    for (int k = 1; graphs_ >= 400 && k < kNodeKinds; ++k) {
      if (tally_.covers(static_cast<NodeKind>(k))) continue;
      std::printf("FAIL  no graph holds a %s\n", std::string(to_string(static_cast<NodeKind>(k))).c_str());
      ++failures_;
    }
    std::string names;
    for (const TargetDesc* desc : o_.isas) names.append(names.empty() ? "" : ", ").append(desc->alias);
    std::printf("executed: %s, 1 and 3 threads; %lld graphs, seed %llu: %lld mismatches\n", names.c_str(),
                static_cast<long long>(graphs_), static_cast<unsigned long long>(o_.seed),
                static_cast<long long>(failures_));
    return failures_ == 0 ? 0 : 1;
  }

 private:
  // How the nodes ran, and on which ground.
  void count_passes(const RandomGraph& random, Isa isa) {
    for (const NodeDesc& node : random.graph.nodes) {
      constexpr const char* kGrounds[] = {"integer", "rows", "island"};
      tally_.count("ground", kGrounds[static_cast<size_t>(runtime::ground_of(node))]);
    }
    const Result<std::unique_ptr<runtime::Region>> region = runtime::Region::create(library_, isa, random.graph, 1);
    if (!region.ok()) return;  // counted as a failure before
    const Result<std::vector<runtime::NodeDecision>> nodes = (*region)->explain(random.shapes[0]);
    if (!nodes.ok()) return;
    for (const runtime::NodeDecision& node : *nodes) {
      const runtime::Decision& how = node.kernels.front();
      const bool pass = how.kernel.starts_with("region:"), tail = how.reason.starts_with("tail of");
      tally_.count("ran as", !pass ? "kernel" : tail ? "tail" : how.kernel == "region:none" ? how.reason : how.kernel);
    }
  }

  void write_repro(const TargetDesc& desc, uint64_t seed) {
    std::string line = "octile-graphs --isa " + std::string(desc.alias);
    for (const std::string& p : o_.packs) line += " --pack " + p;
    set_repro(line + " --blocks " + std::to_string(o_.blocks) + " --repro " + std::to_string(seed));
  }

  void fail(const std::string& what, int threads, const Shrunk& shrunk) {
    if (++failures_ > kMaxFailuresShown) return;
    std::vector<Shape> shapes;
    for (const HostArray& a : shrunk.sets[0]) shapes.push_back(a.dims);
    std::printf("FAIL  %d threads, %s\n      %s\n  shrunk: %s\n%s", threads, what.c_str(), repro(),
                shrunk.wrong.c_str(), print(shrunk.graph, shapes).c_str());
  }

  Options o_;
  std::shared_ptr<runtime::KernelLibrary> library_ = std::make_shared<runtime::KernelLibrary>();
  GraphTally tally_;
  int64_t graphs_ = 0, failures_ = 0;
};

int run(int argc, char** argv) {
  ask_for_tiles();
  Options options;
  CLI::App app("Runs random quantized networks as regions and compares them with the oracle.", "octile-graphs");
  declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  options.print = app.count("--repro") > 0;
  if (const std::optional<int> ended = complete_isas(options.isas)) return *ended;
  print_repro_on_crash();
  Conformance conformance(options);
  if (const Status status = conformance.open(); !status.ok()) {
    std::fprintf(stderr, "octile-graphs: %s\n", status.to_string().c_str());
    return 2;
  }
  if (options.print) {
    conformance.check(options.repro);
    return conformance.finish();
  }
  for (int64_t i = 0; i < options.graphs; ++i) conformance.check(mix(options.seed + static_cast<uint64_t>(i)));
  return conformance.finish();
}

}  // namespace
}  // namespace octile::testing

int main(int argc, char** argv) { return octile::testing::run(argc, argv); }
