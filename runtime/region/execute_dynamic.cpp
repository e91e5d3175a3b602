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
  // Rows of an image's channels where they lie apart.
  const bool apart = from.slice;
  const int64_t count = element_count(from.shape), width = apart ? from.tensor.c : count;
  const int64_t rows = width > 0 ? count / width : 0, stride = from.tensor.stride_x;
  const uint8_t* const src = run.data[s.src[0]];
  std::array<float, kMost> lo{}, hi{};
  const int64_t tasks = std::clamp<int64_t>(count / kPiece, 1, kMost);
  spread(run.parallel, tasks, [&](int64_t task) {
    const auto part = [&](int64_t total) { return std::pair{total * task / tasks, total * (task + 1) / tasks}; };
    const auto [begin, end] = part(apart ? rows : count);
    float *const least = &lo[static_cast<size_t>(task)], *const most = &hi[static_cast<size_t>(task)];
    if (apart) {
      run.ops.range({src + begin * stride, stride}, width, end - begin, least, most);
    } else {
      run.ops.range({src + begin * size_of(DType::f32), 0}, end - begin, 1, least, most);
    }
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
