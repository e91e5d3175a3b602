// Plans: loading, asking, running.
// In/out: see octile.h.  Not here: what a plan file holds (runtime/plan_file), how it runs (runtime/region).
#include <algorithm>
#include <cstdlib>

#include "plugin/c_api/objects.h"
#include "workload/graph/infer.h"

namespace octile::c_api {
namespace {

using runtime::HostTensor;

// The graph without the bytes only Region::create needs; those of constants stay, shapes may depend on them.
GraphDesc without_weights(GraphDesc graph) {
  for (NodeDesc& node : graph.nodes) node.lent = {};
  return graph;
}

Status load(const octile_runtime* runtime, std::span<const uint8_t> bytes, const std::string& file, octile_plan** out) {
  OCTILE_ASSIGN_OR_RETURN(runtime::PlanFile read, runtime::read_plan(bytes, file));
  auto plan = std::make_unique<octile_plan>();
  plan->shared = runtime->shared;
  const Shared& shared = *plan->shared;
  plan->graph = without_weights(read.graph);
  plan->inputs = std::move(read.inputs);
  plan->outputs = std::move(read.outputs);
  const runtime::Parallel parallel = shared.parallel();
  Result<std::unique_ptr<runtime::Region>> region = runtime::Region::create(
      shared.library, shared.best, std::move(read.graph), parallel.threads, shared.pool, shared.files.get(), parallel);
  if (const std::string text = shared.files == nullptr ? "" : shared.files->complaint(); !text.empty()) {
    shared.log(OCTILE_LOG_WARNING, file + ": " + text);
  }
  if (!region.ok()) return {region.status().code(), file + ": " + region.status().message()};
  plan->region = std::move(*region);
  if (auto fixed = runtime::fixed_shapes(plan->inputs)) read.ready.push_back(std::move(*fixed));
  for (const auto& shapes : read.ready) {
    if (const Status st = plan->region->explain(shapes).status(); !st.ok()) {
      shared.log(OCTILE_LOG_WARNING, file + ": shapes to plan ahead: " + st.message());
    }
  }
  *out = plan.release();
  return {};
}

// Elements times their size; -1: not a shape.
int64_t bytes_of(const std::vector<int64_t>& dims, DType type) {
  int64_t bytes = size_of(type);
  for (const int64_t d : dims) {
    if (d < 0 || __builtin_mul_overflow(bytes, d, &bytes)) return -1;
  }
  return bytes;
}

Status read_shape(const octile_plan& plan, size_t index, const octile_shape& shape, std::vector<int64_t>& dims) {
  const std::string name = "input " + plan.graph.values[plan.graph.inputs[index]].name;
  if (shape.rank > OCTILE_MAX_RANK) return bad_argument(name + ": rank " + std::to_string(shape.rank));
  dims.assign(shape.dims, shape.dims + shape.rank);
  if (bytes_of(dims, DType::f32) < 0) return bad_argument(name + ": no shape: " + print(dims));
  if (runtime::fits(plan.inputs[index], dims)) return {};
  return bad_argument(name + ": has shape " + print(dims) + ", the plan wants " + print(plan.inputs[index].dims));
}

Status write_shape(const std::vector<int64_t>& dims, octile_shape& shape) {
  if (dims.size() > OCTILE_MAX_RANK) return {Code::unsupported, "an output has rank " + std::to_string(dims.size())};
  shape = {};
  shape.rank = dims.size();
  std::copy(dims.begin(), dims.end(), shape.dims);
  return {};
}

Status read_shapes(const octile_plan* plan, const octile_shape* inputs, size_t count,
                   std::vector<std::vector<int64_t>>& shapes) {
  if (plan == nullptr || (inputs == nullptr && count > 0)) return bad_argument("plan or inputs is null");
  if (count != plan->inputs.size())
    return bad_argument("the plan has " + std::to_string(plan->inputs.size()) + " inputs");
  shapes.resize(count);
  for (size_t i = 0; i < count; ++i) OCTILE_RETURN_IF_ERROR(read_shape(*plan, i, inputs[i], shapes[i]));
  return {};
}

Status infer(const octile_plan* plan, const octile_shape* inputs, size_t input_count, octile_shape* outputs,
             size_t output_count) {
  std::vector<std::vector<int64_t>> given;
  OCTILE_RETURN_IF_ERROR(read_shapes(plan, inputs, input_count, given));
  const GraphDesc& graph = plan->graph;
  if (outputs == nullptr || output_count != graph.outputs.size()) {
    return bad_argument("the plan has " + std::to_string(graph.outputs.size()) + " outputs");
  }
  std::vector<Shape> shapes;
  for (const ValueDesc& value : graph.values) shapes.push_back(value.dims);
  for (size_t i = 0; i < given.size(); ++i) shapes[graph.inputs[i]] = std::move(given[i]);
  for (const NodeDesc& node : graph.nodes) {
    std::vector<Shape> operands;
    for (const int v : node.inputs) operands.push_back(shapes[v]);
    OCTILE_ASSIGN_OR_RETURN(shapes[node.output], infer_shape(node, operands));
  }
  for (size_t i = 0; i < output_count; ++i) OCTILE_RETURN_IF_ERROR(write_shape(shapes[graph.outputs[i]], outputs[i]));
  return {};
}

Status read_inputs(const octile_plan& plan, const octile_input* inputs, size_t count,
                   std::vector<HostTensor>& tensors) {
  if (count != plan.inputs.size())
    return bad_argument("the plan has " + std::to_string(plan.inputs.size()) + " inputs");
  if (inputs == nullptr && count > 0) return bad_argument("inputs is null");
  tensors.resize(count);
  for (size_t i = 0; i < count; ++i) {
    const ValueDesc& value = plan.graph.values[plan.graph.inputs[i]];
    OCTILE_RETURN_IF_ERROR(read_shape(plan, i, inputs[i].shape, tensors[i].shape));
    const int64_t bytes = bytes_of(tensors[i].shape, value.type);
    if (static_cast<uint64_t>(bytes) != inputs[i].bytes) {
      return bad_argument("input " + value.name + ": has " + std::to_string(inputs[i].bytes) + " bytes, its shape " +
                          print(tensors[i].shape) + " wants " + std::to_string(bytes));
    }
    if (bytes > 0 && inputs[i].data == nullptr) return bad_argument("input " + value.name + ": data is null");
    if (reinterpret_cast<uintptr_t>(inputs[i].data) % static_cast<unsigned>(size_of(value.type)) != 0) {
      return bad_argument("input " + value.name + ": data is not aligned to its elements");
    }
    tensors[i].data = const_cast<void*>(inputs[i].data);  // regions only read their inputs
  }
  return {};
}

// One run: where outputs go, and what went wrong there.
struct Run {
  const octile_plan& plan;
  octile_output* outputs = nullptr;                                    // of octile_plan_run
  void* (*ask)(void*, size_t, const octile_shape*, size_t) = nullptr;  // of octile_plan_run_with
  void* context = nullptr;
  std::vector<bool> ours{};  // outputs we allocated
  Status status{};
};

constexpr size_t kAlignment = 64;

void* allocate(const octile_allocator& allocator, size_t bytes) {
  if (allocator.allocate != nullptr) return allocator.allocate(allocator.context, bytes, kAlignment);
  return std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}

void release(const octile_allocator& allocator, void* memory) {
  if (allocator.release != nullptr) {
    allocator.release(allocator.context, memory);
  } else {
    std::free(memory);
  }
}

Result<void*> place_output(Run& run, size_t index, const std::vector<int64_t>& dims) {
  const ValueDesc& value = run.plan.graph.values[run.plan.graph.outputs[index]];
  octile_shape shape;
  OCTILE_RETURN_IF_ERROR(write_shape(dims, shape));
  const int64_t bytes = bytes_of(dims, value.type);
  if (run.ask != nullptr) return run.ask(run.context, index, &shape, static_cast<size_t>(bytes));
  octile_output& out = run.outputs[index];
  const size_t room = std::exchange(out.bytes, static_cast<size_t>(bytes));
  out.shape = shape;
  if (out.data == nullptr && bytes > 0) {
    out.data = allocate(run.plan.shared->options.allocator, out.bytes);
    run.ours[index] = out.data != nullptr;
  } else if (room < out.bytes) {
    return bad_argument("output " + value.name + ": the buffer has " + std::to_string(room) + " bytes, " + print(dims) +
                        " wants " + std::to_string(bytes));
  }
  if (reinterpret_cast<uintptr_t>(out.data) % static_cast<unsigned>(size_of(value.type)) != 0) {
    return bad_argument("output " + value.name + ": data is not aligned to its elements");
  }
  return out.data;
}

void* allocate_output(void* context, size_t index, const std::vector<int64_t>& dims) {
  Run& run = *static_cast<Run*>(context);
  Result<void*> memory = place_output(run, index, dims);
  if (!memory.ok() && run.status.ok()) run.status = memory.status();
  return memory.ok() ? *memory : nullptr;
}

Status run_plan(Run& run, const octile_input* inputs, size_t input_count) {
  std::vector<HostTensor> tensors;
  OCTILE_RETURN_IF_ERROR(read_inputs(run.plan, inputs, input_count, tensors));
  const Status st = run.plan.region->run(tensors, {&run, allocate_output}, run.plan.shared->parallel());
  return run.status.ok() ? st : run.status;
}

Status run_into(const octile_plan* plan, const octile_input* inputs, size_t input_count, octile_output* outputs,
                size_t output_count) {
  if (plan == nullptr) return bad_argument("plan is null");
  if (outputs == nullptr || output_count != plan->outputs.size()) {
    return bad_argument("the plan has " + std::to_string(plan->outputs.size()) + " outputs");
  }
  Run run{.plan = *plan, .outputs = outputs};
  run.ours.resize(output_count);
  Status st = run_plan(run, inputs, input_count);
  for (size_t i = 0; i < output_count && !st.ok(); ++i) {
    if (run.ours[i]) release(plan->shared->options.allocator, std::exchange(outputs[i].data, nullptr));
  }
  return st;
}

Status describe(const octile_plan* plan, size_t index, bool input, octile_tensor_info* info) {
  if (plan == nullptr || info == nullptr) return bad_argument("plan or info is null");
  const std::vector<int>& values = input ? plan->graph.inputs : plan->graph.outputs;
  if (index >= values.size()) return bad_argument("the plan has " + std::to_string(values.size()) + " of these");
  octile_tensor_info out;
  OCTILE_RETURN_IF_ERROR(read_struct(info, out));
  const ValueDesc& value = plan->graph.values[values[index]];
  const runtime::DeclaredShape& shape = (input ? plan->inputs : plan->outputs)[index];
  switch (value.type) {
    case DType::u8: out.type = OCTILE_U8; break;
    case DType::s8: out.type = OCTILE_S8; break;
    case DType::s32: out.type = OCTILE_S32; break;
    case DType::f32: out.type = OCTILE_F32; break;
    case DType::s64: out.type = OCTILE_S64; break;
  }
  out.name = value.name.c_str();
  out.rank = shape.ranked ? static_cast<int32_t>(shape.dims.size()) : -1;
  out.zero = 0;
  out.dims = shape.ranked ? shape.dims.data() : nullptr;
  std::memcpy(info, &out, std::min<size_t>(out.struct_size, sizeof out));
  return {};
}

}  // namespace
}  // namespace octile::c_api

using namespace octile::c_api;  // NOLINT(google-build-using-namespace): the functions below are C
using octile::Status;

extern "C" {

int32_t octile_plan_load_file(octile_runtime* runtime, const char* path, octile_plan** plan) {
  return fence([&]() -> Status {
    if (plan != nullptr) *plan = nullptr;
    if (runtime == nullptr || path == nullptr || plan == nullptr) return bad_argument("runtime, path or plan is null");
    OCTILE_ASSIGN_OR_RETURN(const auto mapped, octile::runtime::read_plan_file(path));
    return load(runtime, mapped->bytes(), path, plan);
  });
}

int32_t octile_plan_load_memory(octile_runtime* runtime, const void* data, size_t bytes, octile_plan** plan) {
  return fence([&]() -> Status {
    if (plan != nullptr) *plan = nullptr;
    if (runtime == nullptr || data == nullptr || plan == nullptr) return bad_argument("runtime, data or plan is null");
    return load(runtime, {static_cast<const uint8_t*>(data), bytes}, "plan in memory", plan);
  });
}

void octile_plan_release(octile_plan* plan) { delete plan; }

size_t octile_plan_input_count(const octile_plan* plan) { return plan == nullptr ? 0 : plan->inputs.size(); }

size_t octile_plan_output_count(const octile_plan* plan) { return plan == nullptr ? 0 : plan->outputs.size(); }

int32_t octile_plan_input(const octile_plan* plan, size_t index, octile_tensor_info* info) {
  return fence([&] { return describe(plan, index, true, info); });
}

int32_t octile_plan_output(const octile_plan* plan, size_t index, octile_tensor_info* info) {
  return fence([&] { return describe(plan, index, false, info); });
}

int32_t octile_plan_infer(const octile_plan* plan, const octile_shape* inputs, size_t input_count,
                          octile_shape* outputs, size_t output_count) {
  return fence([&] { return infer(plan, inputs, input_count, outputs, output_count); });
}

int32_t octile_plan_prepare(const octile_plan* plan, const octile_shape* inputs, size_t input_count) {
  return fence([&]() -> Status {
    std::vector<std::vector<int64_t>> shapes;
    OCTILE_RETURN_IF_ERROR(read_shapes(plan, inputs, input_count, shapes));
    return plan->region->explain(shapes).status();
  });
}

int32_t octile_plan_run(const octile_plan* plan, const octile_input* inputs, size_t input_count, octile_output* outputs,
                        size_t output_count) {
  return fence([&] { return run_into(plan, inputs, input_count, outputs, output_count); });
}

int32_t octile_plan_run_with(const octile_plan* plan, const octile_input* inputs, size_t input_count,
                             void* (*output)(void* context, size_t index, const octile_shape* shape, size_t bytes),
                             void* context) {
  return fence([&]() -> Status {
    if (plan == nullptr || output == nullptr) return bad_argument("plan or output is null");
    Run run{.plan = *plan, .ask = output, .context = context};
    return run_plan(run, inputs, input_count);
  });
}

void octile_output_release(const octile_plan* plan, octile_output* output) {
  if (plan == nullptr || output == nullptr || output->data == nullptr) return;
  release(plan->shared->options.allocator, std::exchange(output->data, nullptr));
}

}  // extern "C"
