// Quantization on the spot: the range of a tensor, its codes, and accumulators back to floats.
// In/out: see execute.h.  Not here: the product between (execute.cpp).
#include <algorithm>
#include <array>

#include "runtime/region/execute.h"
#include "runtime/region/place.h"
#include "workload/numerics/requantize.h"

namespace octile::runtime {
namespace {

constexpr int64_t kPiece = kOpsGrain / 4;  // floats of a task

void range(const RunContext& run, const Step& s) {
  const auto* src = reinterpret_cast<const float*>(run.data[s.src[0]]);
  const int64_t count = element_count(run.program.stores[static_cast<size_t>(s.src[0])].shape);
  constexpr int64_t kMost = 16;
  std::array<float, kMost> lo{}, hi{};
  const int64_t tasks = std::clamp<int64_t>(count / kPiece, 1, kMost);
  spread(run.parallel, tasks, [&](int64_t task) {
    const int64_t begin = count * task / tasks, end = count * (task + 1) / tasks;
    run.ops.range(src + begin, end - begin, &lo[static_cast<size_t>(task)], &hi[static_cast<size_t>(task)]);
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

// Of an image: planes of floats. A dense's sums are scaled by its tail.
void scale(const RunContext& run, const Step& s) {
  const auto* acc = reinterpret_cast<const int32_t*>(run.data[s.src[0]]);
  const auto* parameters = reinterpret_cast<const float*>(run.data[s.src[1]]);
  auto* dst = reinterpret_cast<float*>(run.data[s.dst]);
  const int64_t count = element_count(run.program.stores[static_cast<size_t>(s.dst)].shape);
  const auto channels = static_cast<int64_t>(s.factors.size());
  const int64_t planes = count / s.row, group = std::max<int64_t>(1, kPiece / s.row);
  spread(run.parallel, (planes + group - 1) / group, [&](int64_t task) {
    for (int64_t p = task * group; p < std::min(planes, (task + 1) * group); ++p) {
      const int32_t* __restrict from = acc + p * s.row;
      float* __restrict to = dst + p * s.row;
      const auto c = static_cast<size_t>(p % channels);
      const uint32_t taken = static_cast<uint32_t>(parameters[1]) * static_cast<uint32_t>(s.sums[c]);
      const float factor = parameters[0] * s.factors[c];
      for (int64_t i = 0; i < s.row; ++i) {
        to[i] = static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(from[i]) - taken)) * factor;
      }
      if (s.addends.empty()) continue;
      for (int64_t i = 0; i < s.row; ++i) to[i] = to[i] + s.addends[c];
    }
  });
}

}  // namespace

void run_dynamic_step(const RunContext& run, const Step& step) {
  switch (step.kind) {
    case StepKind::dynamic_range: range(run, step); break;
    case StepKind::dynamic_quantize: quantize(run, step); break;
    default: scale(run, step);
  }
}

}  // namespace octile::runtime
