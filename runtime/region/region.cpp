// Region: preparation once, a bounded cache of plans, and the boundary no exception crosses.
// In/out: see region.h.  Not here: what a plan holds (plan.h), how it runs (execute.cpp).
#include "runtime/region/region.h"

#include <algorithm>
#include <mutex>
#include <new>

#include "runtime/region/arena.h"
#include "runtime/region/op_cache.h"
#include "runtime/region/plan.h"

namespace octile::runtime {
namespace {

constexpr size_t kMaxPlans = 16;

// Calls f and turns what it throws into a Status.
template <class F>
auto guarded(F f) -> decltype(f()) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return Status(Code::internal, "out of memory");
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
  std::shared_ptr<const Plan> find(const std::vector<HostTensor>& inputs) const {
    const std::lock_guard lock(mutex_);
    for (Entry& e : entries_) {
      const bool same = std::equal(e.plan->inputs.begin(), e.plan->inputs.end(), inputs.begin(), inputs.end(),
                                   [](const Shape& shape, const HostTensor& t) { return shape == t.shape; });
      if (!same) continue;
      e.used = ++clock_;
      return e.plan;
    }
    return nullptr;
  }
  void add(std::shared_ptr<const Plan> plan) const {
    const std::lock_guard lock(mutex_);
    for (const Entry& e : entries_) {
      if (e.plan->inputs == plan->inputs) return;  // another thread was quicker
    }
    if (entries_.size() >= kMaxPlans) {
      entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                      [](const Entry& a, const Entry& b) { return a.used < b.used; }));
    }
    entries_.push_back({std::move(plan), ++clock_});
  }

 private:
  struct Entry {
    std::shared_ptr<const Plan> plan;
    uint64_t used = 0;
  };
  mutable std::mutex mutex_;
  mutable std::vector<Entry> entries_;
  mutable uint64_t clock_ = 0;
};

class RegionImpl final : public Region {
 public:
  Status prepare(std::shared_ptr<const KernelLibrary> library, Isa best, RegionDesc desc, int threads) {
    if (library == nullptr) return {Code::invalid_argument, "region " + desc.name + " without a kernel library"};
    OCTILE_ASSIGN_OR_RETURN(recipe_.graph, analyse(desc));
    recipe_.library = std::move(library);
    recipe_.best = best;
    recipe_.threads = std::max(threads, 1);
    for (NodeDesc& node : desc.nodes) {
      recipe_.ops.emplace_back();
      if (!is_dot(node) || node.spec.wei_var) continue;
      auto op = shared_op(*recipe_.library, best, shapeless(node), node.quant, node.wei.data(), node.wei.size());
      if (!op.ok()) return {op.status().code(), "node " + node_label(node) + ": " + op.status().message()};
      recipe_.ops.back() = std::move(*op);
      node.wei = {};
    }
    recipe_.desc = std::move(desc);
    pool_ = ArenaPool::shared();
    return {};
  }

  Status run(const std::vector<HostTensor>& inputs, const OutputAllocator& outputs,
             const Parallel& parallel) const override {
    return guarded([&] { return run_guarded(inputs, outputs, parallel); });
  }

  Result<std::vector<NodeDecision>> explain(const std::vector<std::vector<int64_t>>& shapes) const override {
    return guarded([&] { return explain_guarded(shapes); });
  }

 private:
  Result<std::shared_ptr<const Plan>> plan_for(const std::vector<HostTensor>& inputs) const {
    if (std::shared_ptr<const Plan> plan = plans_.find(inputs); plan != nullptr) return plan;
    std::vector<Shape> shapes;
    for (const HostTensor& t : inputs) shapes.push_back(t.shape);
    OCTILE_ASSIGN_OR_RETURN(std::shared_ptr<const Plan> plan, build_plan(recipe_, std::move(shapes)));
    plans_.add(plan);
    return plan;
  }

  Status run_guarded(const std::vector<HostTensor>& inputs, const OutputAllocator& outputs,
                     const Parallel& parallel) const {
    Result<std::shared_ptr<const Plan>> found = plan_for(inputs);
    if (!found.ok()) return found.status();
    const Plan& plan = **found;
    if (!plan.shapes.empty) {
      for (const HostTensor& t : inputs) {
        if (t.data == nullptr) return {Code::invalid_argument, "region " + recipe_.desc.name + ": input without data"};
      }
    }
    // Pointers of the outputs stand behind the plan's arena.
    const size_t count = recipe_.desc.outputs.size();
    const ArenaPool::Block block = pool_->take(plan.arena_bytes + count * sizeof(void*));
    if (block.data() == nullptr) {
      return {Code::internal, "region " + recipe_.desc.name + ": no memory for " + std::to_string(plan.arena_bytes) +
                                  " bytes of tensors"};
    }
    auto** storage = reinterpret_cast<void**>(block.data() + plan.arena_bytes);
    for (size_t i = 0; i < count; ++i) {
      const auto v = static_cast<size_t>(recipe_.desc.outputs[i]);
      const Shape& shape = plan.shapes.values[v];
      storage[i] = outputs.allocate(outputs.context, i, shape);
      if (storage[i] == nullptr && element_count(shape) > 0) {
        return {Code::internal,
                "region " + recipe_.desc.name + ": the host gave no storage for output " + recipe_.desc.values[v].name};
      }
    }
    if (plan.shapes.empty) return {};
    return execute(recipe_, plan, inputs, storage, block.data(), parallel);
  }

  Result<std::vector<NodeDecision>> explain_guarded(const std::vector<Shape>& shapes) const {
    std::vector<HostTensor> inputs;
    for (const Shape& s : shapes) inputs.push_back({nullptr, s});
    OCTILE_ASSIGN_OR_RETURN(const std::shared_ptr<const Plan> plan, plan_for(inputs));
    std::vector<NodeDecision> out;
    if (plan->shapes.empty) return out;
    for (size_t i = 0; i < recipe_.desc.nodes.size(); ++i) {
      const NodePlan& node = plan->nodes[i];
      const ShapedNode& shaped = plan->shapes.nodes[i];
      OpSpec spec = shaped.spec;
      spec.count *= static_cast<int64_t>(shaped.products.size());
      NodeDecision d{recipe_.desc.nodes[i].name, to_line(spec), {}};
      if (node.op != nullptr) {
        d.kernels = node.op->explain(*node.choice);
      } else {
        const std::string isa(target(convert_isa(recipe_.best)).name);
        d.kernels.push_back({"region:" + std::string(to_string(spec.kind)), isa, "conversion pass of the region", 0});
      }
      out.push_back(std::move(d));
    }
    return out;
  }

  Recipe recipe_;
  std::shared_ptr<ArenaPool> pool_;
  PlanCache plans_;
};

}  // namespace

Result<std::unique_ptr<Region>> Region::create(std::shared_ptr<const KernelLibrary> library, Isa best, RegionDesc desc,
                                               int threads) {
  return guarded([&]() -> Result<std::unique_ptr<Region>> {
    auto region = std::make_unique<RegionImpl>();
    OCTILE_RETURN_IF_ERROR(region->prepare(std::move(library), best, std::move(desc), threads));
    return std::unique_ptr<Region>(std::move(region));
  });
}

}  // namespace octile::runtime
