// Region: preparation once, a bounded cache of plans, and the boundary no exception crosses.
// In/out: see region.h.  Not here: what a plan holds (program.h), how it runs (execute.cpp).
#include "runtime/region/region.h"

#include <algorithm>
#include <mutex>
#include <new>
#include <set>

#include "runtime/exec/team.h"
#include "runtime/region/arena.h"
#include "runtime/region/check.h"
#include "runtime/region/clock.h"
#include "runtime/region/execute.h"
#include "runtime/region/fuse.h"
#include "runtime/region/lower.h"
#include "runtime/region/op_cache.h"
#include "runtime/region/place.h"
#include "workload/numerics/float_mode.h"

namespace octile::runtime {
namespace {

// Plans that are kept: as many as have so many steps together, the first number at least, the second at most. A step
// takes some 2 KB.
constexpr size_t kFewPlans = 16, kMostPlans = 64, kPlannedSteps = 1024;
// Bytes of weights worth threads to pack them: 1 to 4 ms of one. Threads also spread what they allocate.
constexpr size_t kWorthThreads = size_t{1} << 20;

// Calls f in the float mode all arithmetic is defined in, and turns what it throws into a Status.
template <class F>
auto guarded(F f) -> decltype(f()) {
  const FloatMode mode;
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return Status(Code::out_of_memory, "out of memory");
  } catch (const std::exception& e) {
    return Status(Code::internal, e.what());
  } catch (...) {
    return Status(Code::internal, "unknown exception");
  }
}

// The plans for the shapes met last.
class PlanCache {
 public:
  // The plan whose input shapes are equal to those of `inputs`, or null.
  std::shared_ptr<const Program> find(const std::vector<HostTensor>& inputs) const {
    const std::lock_guard lock(mutex_);
    for (Entry& e : entries_) {
      const bool same = std::equal(e.program->inputs.begin(), e.program->inputs.end(), inputs.begin(), inputs.end(),
                                   [](const Shape& shape, const HostTensor& t) { return shape == t.shape; });
      if (!same) continue;
      e.used = ++clock_;
      return e.program;
    }
    return nullptr;
  }
  void add(std::shared_ptr<const Program> plan) const {
    const std::lock_guard lock(mutex_);
    for (const Entry& e : entries_) {
      if (e.program->inputs == plan->inputs) return;  // another thread was quicker
    }
    size_t steps = plan->steps.size();
    for (const Entry& e : entries_) steps += e.program->steps.size();
    while (entries_.size() >= kMostPlans || (entries_.size() >= kFewPlans && steps > kPlannedSteps)) {
      const auto oldest = std::min_element(entries_.begin(), entries_.end(),
                                           [](const Entry& a, const Entry& b) { return a.used < b.used; });
      steps -= oldest->program->steps.size();
      entries_.erase(oldest);
    }
    entries_.push_back({std::move(plan), ++clock_});
  }

 private:
  struct Entry {
    std::shared_ptr<const Program> program;
    uint64_t used = 0;
  };
  mutable std::mutex mutex_;
  mutable std::vector<Entry> entries_;
  mutable uint64_t clock_ = 0;
};

void count_inside(const Program& program, std::vector<NodeDecision>& out) {
  std::set<int> stored;  // once, though concat and pad write theirs in several steps
  for (const Step& step : program.steps) {
    if (step.node < 0 || step.dst < 0) continue;
    const Store& to = program.stores[static_cast<size_t>(step.dst)];
    if (to.home != Home::arena) continue;
    NodeDecision& d = out[static_cast<size_t>(step.node)];
    const bool parameters = step.kind == StepKind::dynamic_range;
    if (to.type == DType::f32 && !parameters && stored.insert(step.dst).second) ++d.stored_floats;
    const bool entry = step.src.empty() || program.stores[static_cast<size_t>(step.src[0])].home == Home::input;
    if (step.reorders && !entry) ++d.layout_changes;
  }
}

class RegionImpl final : public Region {
 public:
  Status prepare(std::shared_ptr<const KernelLibrary> library, Isa best, RegionDesc desc, int threads,
                 std::shared_ptr<ArenaPool> pool, WeightsCache* files, const Parallel& packing) {
    if (library == nullptr) return {Code::invalid_argument, "region " + desc.name + " without a kernel library"};
    OCTILE_RETURN_IF_ERROR(check(desc));
    recipe_.library = std::move(library);
    recipe_.best = best;
    recipe_.threads = std::max(threads, 1);
    connect(recipe_, desc);
    OCTILE_RETURN_IF_ERROR(prepare_ops(desc.nodes, files, packing));
    recipe_.desc = std::move(desc);
    pool_ = pool == nullptr ? ArenaPool::shared() : std::move(pool);
    return {};
  }

  Status run(const std::vector<HostTensor>& inputs, const OutputAllocator& outputs,
             const Parallel& parallel) const override {
    return guarded([&] { return run_guarded(inputs, outputs, parallel); });
  }

  Result<std::vector<NodeDecision>> explain(const std::vector<std::vector<int64_t>>& shapes) const override {
    return guarded([&] { return explain_guarded(shapes); });
  }

  void start_clock() override { clock_ = std::make_unique<StepClock>(); }
  std::vector<StepTime> times() const override {
    return clock_ == nullptr ? std::vector<StepTime>{} : clock_->times(recipe_.desc);
  }

 private:
  // Packs constant weights, once for all shapes.
  Status prepare_ops(std::vector<NodeDesc>& nodes, WeightsCache* files, const Parallel& packing) {
    recipe_.ops.resize(nodes.size());
    recipe_.sums.resize(nodes.size());
    size_t bytes = 0;
    for (const NodeDesc& node : nodes) bytes += node.weights().size();
    std::vector<Status> done(nodes.size());
    spread(bytes < kWorthThreads ? Parallel{} : packing, std::ssize(nodes), [&](int64_t index) {
      const auto i = static_cast<size_t>(index);
      done[i] = guarded([&] { return prepare_op(nodes[i], files, recipe_.ops[i], recipe_.sums[i]); });
    });
    for (Status& st : done) OCTILE_RETURN_IF_ERROR(std::move(st));
    return {};
  }

  Status prepare_op(NodeDesc& node, WeightsCache* files, std::shared_ptr<const PreparedOp>& made,
                    std::shared_ptr<const SumScales>& sums) const {
    OpSpec spec;
    OpQuant quant;
    std::span<const uint8_t> wei = node.weights();
    std::vector<uint8_t> turned;
    if (node.kind == NodeKind::conv_transpose) {
      Phases phases = phases_of(node);
      spec = phases.spec;
      spec.ih = spec.kh;
      spec.iw = spec.kw;
      quant = std::move(phases.quant);
      wei = turned = std::move(phases.wei);
    } else if (node.kind == NodeKind::dynamic) {
      spec = shapeless(node);
      quant = node.quant;
      sums = std::make_shared<const SumScales>(sum_scales(node));
    } else if ((node.kind == NodeKind::spec || node.kind == NodeKind::scaled) && !node.spec.wei_var &&
               (node.spec.kind == OpKind::conv2d || node.spec.kind == OpKind::dense)) {
      spec = shapeless(node);
      quant = node.quant;
    } else {
      return {};
    }
    auto op = shared_op(*recipe_.library, recipe_.best, spec, quant, wei.data(), wei.size(), files);
    if (!op.ok()) return {op.status().code(), "node \"" + node.name + "\": " + op.status().message()};
    made = std::move(*op);
    node.wei = {};
    node.lent = {};
    return {};
  }

  Result<std::shared_ptr<const Program>> plan_for(const std::vector<HostTensor>& inputs) const {
    if (std::shared_ptr<const Program> plan = plans_.find(inputs); plan != nullptr) return plan;
    std::vector<Shape> shapes;
    for (const HostTensor& t : inputs) shapes.push_back(t.shape);
    OCTILE_ASSIGN_OR_RETURN(const std::shared_ptr<Program> program, lower(recipe_, shapes));
    fuse(*program, recipe_.desc);
    OCTILE_RETURN_IF_ERROR(place(recipe_, *program));
    program->steps.shrink_to_fit();
    program->stores.shrink_to_fit();
    plans_.add(program);
    return std::shared_ptr<const Program>(program);
  }

  Status run_guarded(const std::vector<HostTensor>& inputs, const OutputAllocator& outputs,
                     const Parallel& parallel) const {
    Result<std::shared_ptr<const Program>> found = plan_for(inputs);
    if (!found.ok()) return found.status();
    const Program& program = **found;
    for (const HostTensor& t : inputs) {
      if (t.data == nullptr && element_count(t.shape) > 0) {
        return {Code::invalid_argument, "region " + recipe_.desc.name + ": input without data"};
      }
    }
    // Pointers of the outputs stand behind the program's arena.
    const size_t count = recipe_.desc.outputs.size();
    const ArenaPool::Block block = pool_->take(program.arena_bytes + count * sizeof(void*));
    if (block.data() == nullptr) {
      return {Code::out_of_memory, "region " + recipe_.desc.name + ": no memory for " +
                                       std::to_string(program.arena_bytes) + " bytes of tensors"};
    }
    auto** storage = reinterpret_cast<void**>(block.data() + program.arena_bytes);
    for (size_t i = 0; i < count; ++i) {
      storage[i] = outputs.allocate(outputs.context, i, program.outputs[i]);
      if (storage[i] == nullptr && element_count(program.outputs[i]) > 0) {
        const auto v = static_cast<size_t>(recipe_.desc.outputs[i]);
        return {Code::out_of_memory,
                "region " + recipe_.desc.name + ": the host gave no storage for output " + recipe_.desc.values[v].name};
      }
    }
    std::vector<double> us(clock_ == nullptr ? 0 : program.steps.size());
    Status status;
    const auto lead = [&](const Parallel& team) {
      double* const clock = clock_ == nullptr ? nullptr : us.data();
      status = guarded([&] { return execute(program, recipe_.best, inputs, storage, block.data(), team, clock); });
    };
    Team::run(
        program.work < parallel.least ? Parallel{} : parallel,
        [](void* f, const Parallel& team) { (*static_cast<decltype(&lead)>(f))(team); },
        const_cast<std::remove_const_t<decltype(lead)>*>(&lead));
    if (status.ok() && clock_ != nullptr) clock_->add(*found, us);
    return status;
  }

  Result<std::vector<NodeDecision>> explain_guarded(const std::vector<Shape>& shapes) const {
    std::vector<HostTensor> inputs;
    for (const Shape& s : shapes) inputs.push_back({nullptr, s});
    OCTILE_ASSIGN_OR_RETURN(const std::shared_ptr<const Program> program, plan_for(inputs));
    std::vector<NodeDecision> out;
    for (size_t i = 0; i < recipe_.desc.nodes.size(); ++i) {
      out.push_back({recipe_.desc.nodes[i].name, op_line(recipe_.desc, *program, static_cast<int>(i)), {}});
    }
    const std::string isa(target(convert_isa(recipe_.best)).name);
    for (const Step& step : program->steps) {
      if (step.node < 0) continue;
      NodeDecision& d = out[static_cast<size_t>(step.node)];
      if (step.kind == StepKind::dot && step.dot.choice != nullptr) {
        const std::vector<Decision> kernels = step.dot.op->explain(*step.dot.choice);
        d.kernels.insert(d.kernels.end(), kernels.begin(), kernels.end());
      } else if (step.kind != StepKind::dot) {
        d.kernels.push_back({"region:" + std::string(name_of(step.kind)), isa, "pass of the region", 0});
      }
    }
    for (size_t i = 0; i < out.size(); ++i) {
      if (!out[i].kernels.empty()) continue;
      const std::string& how = program->how[i];
      out[i].kernels.push_back({"region:none", isa, how.empty() ? "no pass of its own" : how, 0});
    }
    count_inside(*program, out);
    return out;
  }

  Recipe recipe_;
  std::shared_ptr<ArenaPool> pool_;
  PlanCache plans_;
  std::unique_ptr<StepClock> clock_;
};

}  // namespace

Result<std::unique_ptr<Region>> Region::create(std::shared_ptr<const KernelLibrary> library, Isa best, RegionDesc desc,
                                               int threads, std::shared_ptr<ArenaPool> pool, WeightsCache* files,
                                               const Parallel& packing) {
  return guarded([&]() -> Result<std::unique_ptr<Region>> {
    auto region = std::make_unique<RegionImpl>();
    OCTILE_RETURN_IF_ERROR(
        region->prepare(std::move(library), best, std::move(desc), threads, std::move(pool), files, packing));
    return std::unique_ptr<Region>(std::move(region));
  });
}

}  // namespace octile::runtime
