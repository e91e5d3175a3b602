// Verdicts on groups.  In/out: see judge.h.  Not here: taking nodes back (ep.cpp).
#include "plugin/onnxruntime/judge.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>

#include "packs/format/pack_file.h"
#include "runtime/exec/tiles.h"
#include "targets/probe/probe.h"

namespace octile::ort {
namespace {

using Clock = std::chrono::steady_clock;

double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// How many cycles a microsecond has: a chain of dependent shifts and exclusive ors (Marsaglia's xorshift, six a step,
// which no compiler folds). The fastest of many short rounds, since other programs may take the processor away.
double cycles_per_us() {
  constexpr int kRounds = 100, kSteps = 3000, kCycles = 6;
  double best = 0;
  uint64_t x = 88172645463325252U;
  for (int round = 0; round < kRounds; ++round) {
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < kSteps; ++i) {
      x ^= x << 13;
      x ^= x >> 7;
      x ^= x << 17;
    }
    const double us = us_since(start);
    if (x != 0) best = std::max(best, kCycles * kSteps / us);
  }
  return best;
}

// The region on zeros, on this thread, again and again until the budget is spent: the fastest run, in cycles.
Result<double> measure(const runtime::Region& region, const runtime::RegionDesc& desc, const std::vector<Shape>& inputs,
                       double budget_us) {
  std::vector<std::vector<uint8_t>> memory, answers(desc.outputs.size());
  std::vector<runtime::HostTensor> tensors;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const size_t bytes = static_cast<size_t>(element_count(inputs[i])) * size_of(desc.values[desc.inputs[i]].type);
    memory.emplace_back(bytes + 1);
    tensors.push_back({memory.back().data(), inputs[i]});
  }
  const auto allocate = [](void* to, size_t index, const Shape& shape) -> void* {
    auto& bytes = (*static_cast<std::vector<std::vector<uint8_t>>*>(to))[index];
    bytes.resize(static_cast<size_t>(element_count(shape)) * sizeof(float) + 1);
    return bytes.data();
  };
  double best = 0;
  const Clock::time_point start = Clock::now();
  do {
    const Clock::time_point begin = Clock::now();
    OCTILE_RETURN_IF_ERROR(region.run(tensors, {&answers, allocate}, {}));
    const double us = us_since(begin);
    best = best == 0 ? us : std::min(best, us);
  } while (us_since(start) < budget_us);
  static const double rate = cycles_per_us();
  return best * rate;
}

// What the group costs as a region, built and run here; one that cannot be built says so at its compilation.
Result<double> measured_cost(const plugin::HostGraph& graph, const plugin::Group& group, const plugin::Outline& outline,
                             const std::vector<Shape>& inputs, const Options& options, const plugin::Kernels& kernels,
                             Measured& measured) {
  OCTILE_ASSIGN_OR_RETURN(const runtime::RegionDesc desc,
                          plugin::build_region(graph, group, outline.inputs, outline.outputs));
  OCTILE_ASSIGN_OR_RETURN(std::unique_ptr<runtime::Region> region,
                          runtime::Region::create(kernels.library, options.best, desc, 1));
  measured.push_back(std::move(region));
  return measure(*measured.back(), desc, inputs, options.measure_ms * 1e3);
}

// Shapes the host does not know, out of the option `ready`.
std::optional<std::vector<Shape>> shapes_for(const plugin::HostGraph& graph, const plugin::Outline& outline,
                                             const Options& options) {
  for (const NamedShapes& set : options.ready) {
    std::vector<Shape> out;
    for (const int v : outline.inputs) {
      const auto it = set.find(graph.values[v].name);
      if (it != set.end()) out.push_back(it->second);
    }
    if (out.size() == outline.inputs.size()) return out;
  }
  return plugin::input_shapes(graph, outline);
}

bool other_cpu(const Options& options) { return options.judge_for.value_or(host_isa()) != host_isa(); }

std::string millions(double cycles) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", cycles / 1e6);
  return text;
}

}  // namespace

std::string costs_text(const Judgement& j) {
  return millions(j.cost.ours) + " million cycles here" + (j.measured ? " (measured), " : ", ") +
         millions(j.cost.host) + " there";
}

bool may_leave(const Options& options) {
  // Without VNNI the host's u8 products saturate.
  const bool exact_there = options.judge_for.value_or(host_isa()) >= Isa::avxvnni;
  return options.when_slower == WhenSlower::leave || (options.when_slower == WhenSlower::keep_exact && exact_there);
}

std::vector<runtime::Kernel> kernels_elsewhere(const Options& options, const plugin::Kernels& kernels) {
  static char nothing = 0;  // of kernels that this CPU may not even run: none is called
  std::vector<runtime::Kernel> out;
  if (!other_cpu(options)) return out;
  out = runtime::tile_kernels();
  for (const std::string& path : kernels.opened) {
    const Result<packs::PackFile> file = packs::open_pack(path);
    if (!file.ok()) continue;
    for (const packs::KernelEntry& entry : file->manifest().kernels) {
      const Result<const TargetDesc*> of = find_target(entry.target);
      if (of.ok()) out.push_back({entry, (*of)->isa, &nothing});
    }
  }
  return out;
}

Judgement judge(const plugin::HostGraph& graph, const plugin::Group& group, const Options& options,
                const plugin::Kernels& kernels, const std::vector<runtime::Kernel>& elsewhere, Measured& measured) {
  Judgement out;
  out.nodes = group.nodes.size();
  const plugin::Outline& outline = group.outline;
  const std::optional<std::vector<Shape>> inputs = shapes_for(graph, outline, options);
  if (!inputs) {
    out.reason = "shapes are not known before the first run";
    return out;
  }
  const Isa cpu = options.judge_for.value_or(host_isa());
  const bool other = other_cpu(options);
  const plugin::Machine machine{other ? std::span(elsewhere) : std::span(kernels.library->kernels()),
                                other ? cpu : options.best, cpu,
                                other ? cpu == Isa::avx512amx : cpu_info().whole_vectors};
  const Result<plugin::Cost> cost = plugin::predict(graph, group, outline, *inputs, machine);
  if (!cost.ok()) {
    out.reason = cost.status().message();
    return out;
  }
  out.known = true;
  out.cost = *cost;
  if (options.measure_ms > 0 && !other) {
    const Result<double> cycles = measured_cost(graph, group, outline, *inputs, options, kernels, measured);
    out.measured = cycles.ok();
    if (cycles.ok()) out.cost.ours = *cycles;
  }
  const bool slower = out.cost.ours > out.cost.host;
  out.left = slower && may_leave(options);
  out.reason = !slower    ? "faster here"
               : out.left ? "slower here"
               : options.when_slower == WhenSlower::keep
                   ? "slower here, kept as asked"
                   : "slower here, kept because the host's answers would saturate on this CPU";
  return out;
}

}  // namespace octile::ort
