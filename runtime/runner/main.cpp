// octile-runner: checks and times kernels in a process of its own, so that a broken one harms nobody.
// In:  lines on stdin.  Out: lines on stdout.  Not here: choosing what to time, statistics, limits (the parent's).
//
// Protocol, one command per line, answers end with a line "done" or "error <message>":
//   kernel <slot> <member path> <entry JSON>  adds one kernel of a linked member; slot: candidate or base. The entry
//                                             (packs::parse_kernel) names the op it is for, so dispatch takes it as the
//                                             exact workload. The path must not contain blanks.
//   pack <slot> <path>                        adds a pack, for channels that the slot's kernels leave over
//   run seed=7 rounds=27 sample_us=2000 target=avx512vnni op=<op line>
//       draws tensors from the seed, compares each slot's answer with the oracle, then times both in turns:
//         verdict <slot> ok | wrong <where> | unused <why> | failed <message>
//         decision <slot> <kernel>, <target>, <panels> panels: <reason>
//         us <slot> <sample> <sample> ...      microseconds of one run, one sample per round
//       A slot without kernels is left out. Times are printed only where every verdict is ok.
//   quit
// Weights are uniform within what the acc16 groups of all kernels in question allow.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "runtime/exec/aligned.h"
#include "runtime/exec/prepared_op.h"
#include "runtime/runner/trial.h"

namespace octile::runtime {
namespace {

using Clock = std::chrono::steady_clock;

double run_us(const Trial& trial, int64_t repeats) {
  const auto begin = Clock::now();
  for (int64_t i = 0; i < repeats; ++i) {
    if (!trial.run().ok()) return -1;
  }
  const std::chrono::duration<double, std::micro> time = Clock::now() - begin;
  return time.count() / static_cast<double>(repeats);
}

// How many runs fill one sample; also warms up.
int64_t calibrate(const Trial& trial, double sample_us) {
  double us = run_us(trial, 1);
  us = std::min(us, run_us(trial, 2));
  return std::max<int64_t>(1, static_cast<int64_t>(sample_us / std::max(us, 0.05)));
}

class Session {
 public:
  // False ends the program.
  bool handle(const std::string& line) {
    std::istringstream in(line);
    std::string command;
    in >> command;
    if (command == "quit") return false;
    if (command.empty()) return true;
    const Status status = command == "kernel" ? add_kernel(in)
                          : command == "pack" ? add_pack(in)
                          : command == "run"  ? run(line.substr(3))
                                              : Status(Code::invalid_argument, "unknown command '" + command + "'");
    if (status.ok()) {
      std::cout << "done\n" << std::flush;
    } else {
      std::cout << "error " << status.to_string() << "\n" << std::flush;
    }
    return true;
  }

 private:
  struct Slot {
    KernelLibrary library;
    std::vector<packs::KernelEntry> entries;
  };

  Result<Slot*> slot(std::istringstream& in) {
    std::string name;
    in >> name;
    if (name != "candidate" && name != "base") return Status(Code::invalid_argument, "unknown slot '" + name + "'");
    auto& s = slots_[name];
    if (s == nullptr) s = std::make_unique<Slot>();
    return s.get();
  }

  Status add_kernel(std::istringstream& in) {
    OCTILE_ASSIGN_OR_RETURN(Slot* const s, slot(in));
    std::string path, json;
    in >> path >> std::ws;
    std::getline(in, json);
    OCTILE_ASSIGN_OR_RETURN(const packs::KernelEntry entry, packs::parse_kernel(json, path));
    OCTILE_RETURN_IF_ERROR(s->library.add_member(path, {entry}));
    s->entries.push_back(entry);
    return {};
  }

  Status add_pack(std::istringstream& in) {
    OCTILE_ASSIGN_OR_RETURN(Slot* const s, slot(in));
    std::string path;
    in >> path;
    return s->library.add_pack(path, Isa::avx512vnni);
  }

  Status run(const std::string& text) {
    OCTILE_ASSIGN_OR_RETURN(const RunRequest request, parse_run(text));
    int group = 0;
    for (const auto& [name, s] : slots_) {
      for (const packs::KernelEntry& e : s->entries) group = std::max(group, e.acc16_group);
    }
    const TrialData data = draw(request.op, request.seed, group);
    std::map<std::string, std::unique_ptr<Trial>> trials;
    bool ok = true;
    for (const auto& [name, s] : slots_) {
      auto trial = std::make_unique<Trial>(s->library, request.isa, request.op, data);
      const std::string verdict = trial->judge(s->entries);
      std::cout << "verdict " << name << " " << verdict << "\n";
      for (const Decision& d : trial->decisions()) {
        std::cout << "decision " << name << " " << d.kernel << ", " << d.target << ", " << d.panels
                  << " panels: " << d.reason << "\n";
      }
      std::cout << std::flush;  // what follows may be the last we do
      ok = ok && verdict == "ok";
      trials[name] = std::move(trial);
    }
    if (!ok) return {};
    return time(request, trials);
  }

  Status time(const RunRequest& request, const std::map<std::string, std::unique_ptr<Trial>>& trials) {
    std::map<std::string, std::vector<double>> samples;
    std::map<std::string, int64_t> repeats;
    std::vector<std::string> order;
    double longest_us = request.sample_us;
    for (const auto& [name, trial] : trials) {
      repeats[name] = calibrate(*trial, request.sample_us);
      longest_us = std::max(longest_us, run_us(*trial, 1));
      order.push_back(name);
    }
    // A kernel that runs longer than a sample is a long sample by itself: fewer of them tell as much, down to a third.
    const auto affordable = static_cast<int>(request.rounds * request.sample_us / longest_us);
    const int rounds = std::max({affordable, request.rounds / 3, 1});
    for (int round = 0; round < rounds; ++round) {
      for (const std::string& name : order) samples[name].push_back(run_us(*trials.at(name), repeats[name]));
      std::reverse(order.begin(), order.end());  // neither is always first
    }
    for (const auto& [name, us] : samples) {
      std::cout << "us " << name;
      for (double v : us) std::cout << " " << v;
      std::cout << "\n";
    }
    return {};
  }

  std::map<std::string, std::unique_ptr<Slot>> slots_;
};

}  // namespace
}  // namespace octile::runtime

int main() {
  octile::runtime::Session session;
  std::string line;
  while (std::getline(std::cin, line)) {
    if (!session.handle(line)) break;
  }
  return 0;
}
