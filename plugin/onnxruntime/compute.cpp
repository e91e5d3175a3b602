// One run of a region inside the host.  In/out: see compute.h.  Not here: kernels.
#include "plugin/onnxruntime/compute.h"

#include <utility>

#include "plugin/onnxruntime/own_threads.h"

namespace octile::ort {
namespace {

// What the runtime's callbacks need to reach the host, and what went wrong there.
struct Run {
  const Host& host;
  OrtKernelContext* context;
  const std::vector<size_t>& outputs;
  Status status;
};

void* allocate_output(void* run_pointer, size_t index, const std::vector<int64_t>& shape) {
  Run& run = *static_cast<Run*>(run_pointer);
  OrtValue* value = nullptr;
  void* data = nullptr;
  run.status = run.host(KernelContext_GetOutput, run.context, run.outputs[index], shape.data(), shape.size(), &value);
  if (run.status.ok()) run.status = run.host(GetTensorMutableData, value, &data);
  return run.status.ok() ? data : nullptr;
}

void parallel_for(void* run_pointer, runtime::Parallel::Task task, void* arg, size_t count) {
  Run& run = *static_cast<Run*>(run_pointer);
  // The host runs the tasks in its own pool, or inline when the session has one thread; its task is called as ours is.
  // It can only fail before the first of them, and then the calling thread does them all.
  const Status st = run.host(KernelContext_ParallelFor, static_cast<const OrtKernelContext*>(run.context), task, count,
                             size_t{0}, arg);
  if (!st.ok()) {
    for (size_t i = 0; i < count; ++i) task(arg, i);
  }
}

}  // namespace

RegionCompute::RegionCompute(const Host& host, const Log& log, RegionParts parts, std::vector<size_t> inputs,
                             std::vector<size_t> outputs, int threads, std::shared_ptr<Reports> reports)
    : host_(host),
      log_(log),
      parts_(std::move(parts)),
      inputs_(std::move(inputs)),
      outputs_(std::move(outputs)),
      threads_(threads),
      reports_(std::move(reports)) {
  CreateState = [](OrtNodeComputeInfo* self, OrtComputeContext*, void** state) -> OrtStatus* {
    auto& compute = *static_cast<RegionCompute*>(self);
    *state = self;  // everything a run needs is here and constant from now on
    return fence(compute.host_, [&] { return compute.start(); });
  };
  Compute = [](OrtNodeComputeInfo* self, void*, OrtKernelContext* context) -> OrtStatus* {
    const auto& compute = *static_cast<const RegionCompute*>(self);
    return fence(compute.host_, [&] { return compute.run(context); });
  };
  ReleaseState = [](OrtNodeComputeInfo*, void*) {};
}

RegionCompute::~RegionCompute() {
  if (reports_ == nullptr || region_ == nullptr) return;
  try {
    if (const Status st = reports_->add_times(region_->times()); !st.ok()) log_.warning(st.message());
  } catch (...) {  // no memory: the profile is lost, the host lives
  }
}

Status RegionCompute::read_input(OrtKernelContext* context, size_t position, runtime::HostTensor& tensor) const {
  const OrtValue* value = nullptr;
  OCTILE_RETURN_IF_ERROR(
      host_(KernelContext_GetInput, static_cast<const OrtKernelContext*>(context), position, &value));
  OrtTensorInfo* info = nullptr;
  OCTILE_RETURN_IF_ERROR(host_(GetTensorTypeAndShape, value, &info));
  size_t rank = 0;
  Status st = host_(GetDimensionsCount, static_cast<const OrtTensorInfo*>(info), &rank);
  tensor.shape.resize(st.ok() ? rank : 0);
  if (st.ok() && rank > 0) {
    st = host_(GetDimensions, static_cast<const OrtTensorInfo*>(info), tensor.shape.data(), rank);
  }
  host_.raw(ReleaseTensorTypeAndShapeInfo, info);
  OCTILE_RETURN_IF_ERROR(std::move(st));
  const void* data = nullptr;
  OCTILE_RETURN_IF_ERROR(host_(GetTensorData, value, &data));
  tensor.data = const_cast<void*>(data);  // regions only read their inputs
  return {};
}

Status RegionCompute::run(OrtKernelContext* context) const {
  if (region_ == nullptr) return {Code::internal, "octile: run without the state that holds its region"};
  std::vector<runtime::HostTensor> tensors(inputs_.size());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    OCTILE_RETURN_IF_ERROR(read_input(context, inputs_[i], tensors[i]));
  }
  if (reports_ != nullptr) {
    std::vector<std::vector<int64_t>> shapes;
    for (const runtime::HostTensor& t : tensors) shapes.push_back(t.shape);
    report(shapes);
  }
  Run run{host_, context, outputs_, {}};
  const Status st = region_->run(tensors, {&run, allocate_output}, {&run, parallel_for, threads_});
  return run.status.ok() ? st : run.status;
}

Status RegionCompute::start() {
  if (region_ != nullptr) return {};
  RegionParts parts = std::exchange(parts_, {});
  OwnThreads threads(threads_);
  OCTILE_ASSIGN_OR_RETURN(
      region_, runtime::Region::create(std::move(parts.library), parts.best, std::move(parts.plan.graph), threads_,
                                       nullptr, parts.files.get(), threads.parallel()));
  if (const std::string text = parts.files == nullptr ? "" : parts.files->complaint(); !text.empty()) {
    log_.warning("option weights_cache: " + text);
  }
  if (reports_ != nullptr && reports_->profiles()) region_->start_clock();
  for (const auto& shapes : parts.plan.ready) {
    const Result<std::vector<runtime::NodeDecision>> planned = region_->explain(shapes);
    if (!planned.ok()) log_.warning("shapes to plan ahead: " + planned.status().message());
    report(shapes);
  }
  if (const auto shapes = runtime::fixed_shapes(parts.plan.inputs)) report(*shapes);
  return {};
}

void RegionCompute::report(const std::vector<std::vector<int64_t>>& shapes) const {
  {
    const std::lock_guard lock(mutex_);
    if (reports_ == nullptr || !met_.insert(shapes).second) return;
  }
  const Result<std::vector<runtime::NodeDecision>> decisions = region_->explain(shapes);
  if (!decisions.ok()) return;  // the run itself will say what is wrong with these shapes
  if (const Status st = reports_->add_decisions(*decisions); !st.ok()) log_.warning(st.message());
}

}  // namespace octile::ort
