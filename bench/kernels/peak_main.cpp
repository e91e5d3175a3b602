// octile-bench-peak: what this machine can do at most: multiply-adds and bytes per second, one thread and several.
// In:  --threads N (default 2; 1 and N take turns), --no-memory, --json.
// Out: a table or one JSON object: per loop and number of threads the best rate of all turns.
// Not here: the loops (peak.cpp), kernels of ours (main.cpp).
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "bench/kernels/peak.h"
#include "runtime/exec/aligned.h"
#include "targets/probe/probe.h"

namespace {

using octile::Code;
using octile::Result;
using octile::Status;
using octile::runtime::AlignedBytes;

constexpr int kPeakTurns = 200, kMemoryTurns = 25;
constexpr int kRounds = 200000;               // of a peak loop: about half a millisecond
constexpr size_t kBytesPerTurn = 64UL << 20;  // of a memory loop: some milliseconds
// Inside the second level, inside the third, beyond all caches.
constexpr size_t kSizes[] = {256UL << 10, 4UL << 20, 256UL << 20};

struct Options {
  int threads = 2;
  bool json = false, memory = true;
};

using Rates = std::map<int, double>;  // threads -> units per second

// Seconds from the moment all threads are ready until the last has done `work(thread)`.
double timed(int threads, const std::function<void(int)>& work) {
  std::atomic<int> ready{0}, done{0};
  std::atomic<bool> go{false};
  const auto body = [&](int t) {
    ++ready;
    while (!go) {
    }
    work(t);
    ++done;
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(body, t);
  while (ready < threads - 1) std::this_thread::yield();
  const auto start = std::chrono::steady_clock::now();
  go = true;
  work(0);
  while (done < threads - 1) {
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  for (std::thread& other : others) other.join();
  return took.count();
}

// One thread and `threads` take turns; the best turn of each counts.
Rates best_rates(int threads, int repeats, double units, const std::function<void(int)>& work) {
  const std::vector<int> turns = threads == 1 ? std::vector{1} : std::vector{1, threads};
  Rates best;
  for (int i = 0; i < repeats; ++i) {
    for (const int n : turns) best[n] = std::max(best[n], n * units / timed(n, work));
  }
  return best;
}

Rates peak_rates(const octile::bench::PeakLoop& loop, int threads) {
  const auto macs = static_cast<double>(loop.run(kRounds)) * kRounds;
  return best_rates(threads, kPeakTurns, macs / 1e9, [&](int) { loop.run(kRounds); });
}

// Every thread walks a buffer of its own.
Result<Rates> memory_rates(void (*loop)(uint8_t*, size_t), size_t bytes, int threads) {
  std::vector<AlignedBytes> buffers;
  for (int t = 0; t < threads; ++t) {
    buffers.emplace_back(bytes);
    if (!buffers.back().ok()) return Status(Code::internal, "out of memory");
    std::fill_n(buffers.back().data(), bytes, uint8_t{1});
  }
  const size_t passes = std::max<size_t>(1, kBytesPerTurn / bytes);
  return best_rates(threads, kMemoryTurns, static_cast<double>(passes * bytes) / 1e9, [&](int t) {
    for (size_t p = 0; p < passes; ++p) loop(buffers[static_cast<size_t>(t)].data(), bytes);
  });
}

nlohmann::ordered_json to_json(const Rates& rates) {
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  for (const auto& [threads, rate] : rates) out[std::to_string(threads)] = std::round(rate * 100) / 100;
  return out;
}

Result<nlohmann::ordered_json> measure(const Options& options) {
  const octile::Isa host = octile::host_isa();
  nlohmann::ordered_json loops = nlohmann::ordered_json::array(), memory = loops;
  for (const octile::bench::PeakLoop& loop : octile::bench::peak_loops()) {
    if (!octile::can_run(loop.isa)) continue;
    loops.push_back({{"name", loop.name},
                     {"target", octile::target(loop.isa).name},
                     {"gmac_per_s", to_json(peak_rates(loop, options.threads))}});
  }
  const octile::bench::MemoryLoops walks = octile::bench::memory_loops();
  for (const size_t bytes : kSizes) {
    if (!options.memory) break;
    OCTILE_ASSIGN_OR_RETURN(const Rates read, memory_rates(walks.read, bytes, options.threads));
    OCTILE_ASSIGN_OR_RETURN(const Rates write, memory_rates(walks.write, bytes, options.threads));
    memory.push_back({{"bytes", bytes}, {"read_gb_per_s", to_json(read)}, {"write_gb_per_s", to_json(write)}});
  }
  return nlohmann::ordered_json{{"version", 1},
                                {"cpu", octile::cpu_info().brand},
                                {"host", octile::target(host).name},
                                {"yardstick", octile::bench::yardstick(host).name},
                                {"loops", loops},
                                {"memory", memory}};
}

void print_rates(const std::string& name, const nlohmann::ordered_json& rates, const char* unit) {
  std::printf("%-28s", name.c_str());
  double first = 0;
  for (const auto& [threads, rate] : rates.items()) {
    if (first == 0) first = rate.get<double>();
    std::printf("  %s thread%s %8.1f %s", threads.c_str(), threads == "1" ? " " : "s", rate.get<double>(), unit);
    if (threads != "1") std::printf(" (%.2fx)", rate.get<double>() / first);
  }
  std::printf("\n");
}

void print(const nlohmann::ordered_json& report) {
  std::printf("%s, %s\n", report["cpu"].get<std::string>().c_str(), report["host"].get<std::string>().c_str());
  for (const auto& loop : report["loops"]) print_rates(loop["name"], loop["gmac_per_s"], "GMAC/s");
  for (const auto& level : report["memory"]) {
    const std::string size = std::to_string(level["bytes"].get<size_t>() >> 10) + " KiB per thread";
    print_rates("read  " + size, level["read_gb_per_s"], "GB/s");
    print_rates("write " + size, level["write_gb_per_s"], "GB/s");
  }
}

void declare(CLI::App& app, Options& options) {
  app.add_option("--threads", options.threads, "measure one thread and this many")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_flag("!--no-memory", options.memory, "only the loops, no reading and writing of memory");
  app.add_flag("--json", options.json, "print the report as JSON");
}

Status run(const Options& options) {
  OCTILE_ASSIGN_OR_RETURN(const nlohmann::ordered_json report, measure(options));
  if (options.json) {
    std::printf("%s\n", report.dump(1).c_str());
  } else {
    print(report);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  octile::ask_for_tiles();
  Options options;
  CLI::App app("What this machine can do at most: products per second, bytes per second.", "octile-bench-peak");
  declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const Status status = run(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "octile-bench-peak: %s\n", status.to_string().c_str());
  return 1;
}
