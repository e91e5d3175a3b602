// octile-graphs: regions against the oracle interpreter, bit for bit, on random quantized networks.
// In:  command line.  Out: histograms and, for each mismatch, the smallest part that shows it and the command that
//      repeats it; exit code 1 then, 77 where this CPU cannot run the ISA asked for.
// Not here: drawing (tests/support), comparing and shrinking (check_graph.h).
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>

#include "runtime/region/region.h"
#include "runtime/region/supported.h"
#include "targets/probe/probe.h"
#include "tests/conformance/graphs/region_run.h"
#include "tests/support/rng.h"

namespace octile::testing {
namespace {

constexpr int kSkipped = 77;
constexpr int kMaxFailuresShown = 10;

struct Options {
  std::vector<const TargetDesc*> isas;
  int64_t graphs = 400, blocks = 7;
  uint64_t seed = 1, repro = 0;
  bool print = false;
  std::vector<std::string> packs;
};

constexpr char kUsage[] =
    "usage: octile-graphs [--isa NAME[,NAME...]] [--graphs N] [--blocks N] [--seed S] [--pack FILE]... [--repro SEED]\n"
    "  --isa     portable, x86-64-v2, avx2, avx512vnni (default: the best this CPU runs)\n"
    "  --blocks  how large the graphs may be (7)\n"
    "  --repro   runs and prints one graph; the seed is the one printed with the failure\n";

template <class T>
bool parse_number(const char* text, T& out) {
  const char* end = text + std::strlen(text);
  const auto [ptr, ec] = std::from_chars(text, end, out);
  return ec == std::errc() && ptr == end;
}

Status parse_isas(std::string_view text, std::vector<const TargetDesc*>& out) {
  while (!text.empty()) {
    const size_t comma = text.find(',');
    OCTILE_ASSIGN_OR_RETURN(const TargetDesc* const desc, find_target(text.substr(0, comma)));
    out.push_back(desc);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return {};
}

Result<Options> parse_options(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (i + 1 == argc) return Status(Code::invalid_argument, std::string(name) + " needs a value, or is unknown");
    const char* value = argv[++i];
    bool ok = true;
    if (name == "--isa") {
      OCTILE_RETURN_IF_ERROR(parse_isas(value, o.isas));
    } else if (name == "--graphs") {
      ok = parse_number(value, o.graphs) && o.graphs >= 0;
    } else if (name == "--blocks") {
      ok = parse_number(value, o.blocks) && o.blocks > 0 && o.blocks < 1000;
    } else if (name == "--seed") {
      ok = parse_number(value, o.seed);
    } else if (name == "--repro") {
      ok = parse_number(value, o.repro);
      o.print = true;
    } else if (name == "--pack") {
      o.packs.emplace_back(value);
    } else {
      return Status(Code::invalid_argument, "unknown option " + std::string(name));
    }
    if (!ok) return Status(Code::invalid_argument, std::string(name) + ": not a number: " + value);
  }
  if (o.isas.empty()) o.isas.push_back(&target(host_isa()));
  return o;
}

// The line that repeats the graph in hand; also printed when a kernel faults.
char g_repro[1024];

void on_crash(int signal_number) {
  constexpr char kText[] = "CRASH  ";
  [[maybe_unused]] ssize_t n = write(STDERR_FILENO, kText, sizeof kText - 1);
  n = write(STDERR_FILENO, g_repro, strnlen(g_repro, sizeof g_repro));
  n = write(STDERR_FILENO, "\n", 1);
  signal(signal_number, SIG_DFL);
  raise(signal_number);
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
    std::string packs;
    for (const std::string& p : o_.packs) packs += " --pack " + p;
    std::snprintf(g_repro, sizeof g_repro, "octile-graphs --isa %s%s --blocks %d --repro %llu",
                  std::string(desc.alias).c_str(), packs.c_str(), static_cast<int>(o_.blocks),
                  static_cast<unsigned long long>(seed));
  }

  void fail(const std::string& what, int threads, const Shrunk& shrunk) {
    if (++failures_ > kMaxFailuresShown) return;
    std::vector<Shape> shapes;
    for (const HostArray& a : shrunk.sets[0]) shapes.push_back(a.dims);
    std::printf("FAIL  %d threads, %s\n      %s\n  shrunk: %s\n%s", threads, what.c_str(), g_repro,
                shrunk.wrong.c_str(), print(shrunk.graph, shapes).c_str());
  }

  Options o_;
  std::shared_ptr<runtime::KernelLibrary> library_ = std::make_shared<runtime::KernelLibrary>();
  GraphTally tally_;
  int64_t graphs_ = 0, failures_ = 0;
};

int run(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--help") == 0) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  const Result<Options> options = parse_options(argc, argv);
  if (!options.ok()) {
    std::fprintf(stderr, "octile-graphs: %s\n%s", options.status().message().c_str(), kUsage);
    return 2;
  }
  for (const TargetDesc* desc : options->isas) {
    if (can_run(desc->isa)) continue;
    std::printf("SKIPPED: this CPU (%s) cannot run %s\n", cpu_info().brand.c_str(), desc->name.data());
    return kSkipped;
  }
  for (int s : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) signal(s, on_crash);
  Conformance conformance(*options);
  if (const Status status = conformance.open(); !status.ok()) {
    std::fprintf(stderr, "octile-graphs: %s\n", status.to_string().c_str());
    return 2;
  }
  if (options->print) {
    conformance.check(options->repro);
    return conformance.finish();
  }
  for (int64_t i = 0; i < options->graphs; ++i) conformance.check(mix(options->seed + static_cast<uint64_t>(i)));
  return conformance.finish();
}

}  // namespace
}  // namespace octile::testing

int main(int argc, char** argv) { return octile::testing::run(argc, argv); }
