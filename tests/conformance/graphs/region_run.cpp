// The host: threads, memory, a float mode.
// In/out: see region_run.h.  Not here: command lines.
#include "tests/conformance/graphs/region_run.h"

#include <cfenv>
#include <thread>
#include <utility>

#include "tests/support/guarded.h"

namespace octile::testing {
namespace {

// The mode of a host that does not care for ours.
class OddMode {
 public:
  OddMode() {
    std::fegetenv(&before_);
    std::fesetround(FE_UPWARD);
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040U);
#endif
  }
  ~OddMode() { std::fesetenv(&before_); }
  OddMode(const OddMode&) = delete;
  OddMode& operator=(const OddMode&) = delete;

 private:
  std::fenv_t before_{};
};

// Three threads that share out the tasks, the last first.
void run_on_threads(void*, runtime::Parallel::Task task, void* arg, size_t count) {
  constexpr size_t kThreads = 3;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([=] {
      const OddMode mode;
      for (size_t i = t; i < count; i += kThreads) task(arg, count - 1 - i);
    });
  }
  for (std::thread& t : threads) t.join();
}

// Memory of one output, its end at a page that must not be touched.
struct Storage {
  const GraphDesc* graph;
  std::vector<std::unique_ptr<Guarded>> memory;
  std::vector<HostArray> outputs;
};

void* allocate(void* context, size_t index, const std::vector<int64_t>& shape) {
  auto& s = *static_cast<Storage*>(context);
  s.outputs[index] = HostArray(s.graph->values[static_cast<size_t>(s.graph->outputs[index])].type, shape);
  s.memory[index] = std::make_unique<Guarded>(s.outputs[index].bytes.size());
  return s.memory[index]->data();
}

Result<std::vector<HostArray>> run_region(const runtime::Region& region, const GraphDesc& graph,
                                          const std::vector<HostArray>& inputs, const runtime::Parallel& parallel) {
  std::vector<std::unique_ptr<Guarded>> memory;
  std::vector<runtime::HostTensor> tensors;
  for (const HostArray& in : inputs) {
    memory.push_back(std::make_unique<Guarded>(in.bytes));
    memory.back()->freeze();
    tensors.push_back({memory.back()->data(), in.dims});
  }
  Storage s{&graph, {}, std::vector<HostArray>(graph.outputs.size())};
  s.memory.resize(graph.outputs.size());
  if (parallel.run == nullptr) {
    OCTILE_RETURN_IF_ERROR(region.run(tensors, {&s, allocate}, parallel));
  } else {
    const OddMode mode;
    OCTILE_RETURN_IF_ERROR(region.run(tensors, {&s, allocate}, parallel));
  }
  for (size_t i = 0; i < s.outputs.size(); ++i) {
    if (s.memory[i] == nullptr) return Status(Code::internal, "no storage asked for output " + std::to_string(i));
    if (!s.memory[i]->canary_intact()) return Status(Code::internal, "wrote before output " + std::to_string(i));
    HostArray& out = s.outputs[i];
    out.bytes.assign(s.memory[i]->data(), s.memory[i]->data() + out.bytes.size());
  }
  return std::move(s.outputs);
}

}  // namespace

GraphPrepare on_region(std::shared_ptr<const runtime::KernelLibrary> library, Isa isa, int threads) {
  return [library = std::move(library), isa, threads](const GraphDesc& graph) -> Result<GraphRun> {
    OCTILE_ASSIGN_OR_RETURN(std::unique_ptr<runtime::Region> made,
                            runtime::Region::create(library, isa, graph, threads));
    const std::shared_ptr<runtime::Region> region = std::move(made);
    runtime::Parallel parallel;
    parallel.threads = threads;
    parallel.least = 0;  // also small ones
    if (threads > 1) parallel.run = run_on_threads;
    return GraphRun([region, graph, parallel](const std::vector<HostArray>& inputs) {
      return run_region(*region, graph, inputs, parallel);
    });
  };
}

}  // namespace octile::testing
