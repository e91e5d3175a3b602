// Quantization on the spot: the range of a tensor, its codes.
// In/out: see execute.h.  Not here: the product that reads them, whose tail makes floats of its sums (execute.cpp).
#include <algorithm>
#include <array>

#include "runtime/region/execute.h"
#include "runtime/region/place.h"
#include "workload/numerics/requantize.h"

namespace octile::runtime {
namespace {

void range(const RunContext& run, const Step& s) {
  constexpr int64_t kMost = 16, kPiece = kOpsGrain / 4;  // tasks, floats of one
  const Store& from = run.program.stores[static_cast<size_t>(s.src[0])];
  // A row for each pixel where channels of an image lie apart, else one of what the task has.
  const bool apart = from.slice;
  const int64_t count = element_count(from.shape), width = apart ? std::max<int64_t>(from.tensor.c, 1) : 1;
  const int64_t units = count / width, stride = apart ? from.tensor.stride_x : size_of(DType::f32);
  std::array<float, kMost> lo{}, hi{};
  const int64_t tasks = std::clamp<int64_t>(count / kPiece, 1, kMost);
  spread(run.parallel, tasks, [&](int64_t task) {
    const int64_t begin = units * task / tasks, some = units * (task + 1) / tasks - begin;
    const auto at = static_cast<size_t>(task);
    const Rows rows{run.data[s.src[0]] + begin * stride, stride};
    const int64_t row = apart ? width : some, more = apart ? some : 1;
    s.function != nullptr ? s.function->range(run.ops, rows, row, more, &lo[at], &hi[at])
                          : run.ops.range(rows, row, more, &lo[at], &hi[at]);
  });
  const float least = *std::min_element(lo.begin(), lo.end()), most = *std::max_element(hi.begin(), hi.end());
  const float scale = least == most ? 1.0F : (most - least) / 255.0F;
  auto* to = reinterpret_cast<float*>(run.data[s.dst]);
  to[0] = scale;
  to[1] = static_cast<float>(quantize_onnx_rne(0.0F - least / scale, 1.0F, 0, 0, 255));
}

void quantize(const RunContext& run, const Step& s) {
  const auto* parameters = reinterpret_cast<const float*>(run.data[s.src[1]]);
  const bool image = run.program.stores[static_cast<size_t>(s.dst)].order == Order::nhwc;
  ConvertOp op = s.convert;
  op.scale = parameters[0];
  op.dst_zp = static_cast<int32_t>(parameters[1]);
  convert(op, view_of(run, s.src[0], image), view_of(run, s.dst, image), run.best, run.parallel);
}

}  // namespace

void run_dynamic_step(const RunContext& run, const Step& step) {
  step.kind == StepKind::dynamic_range ? range(run, step) : quantize(run, step);
}

}  // namespace octile::runtime
