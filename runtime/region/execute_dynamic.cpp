// Quantization on the spot: the range of a tensor, its codes, and accumulators back to floats.
// In/out: see execute.h.  Not here: the product between (execute.cpp).
#include <algorithm>

#include "runtime/region/execute.h"
#include "runtime/region/place.h"
#include "workload/numerics/requantize.h"

namespace octile::runtime {
namespace {

constexpr int64_t kPiece = kOpsGrain / 4;  // floats of a task

// NaN is passed over, as by std::min with the running value first.
void range(const RunContext& run, const Step& s) {
  const auto* src = reinterpret_cast<const float*>(run.data[s.src[0]]);
  const int64_t count = element_count(run.program.stores[static_cast<size_t>(s.src[0])].shape);
  constexpr int kLanes = 16;
  float lo[kLanes]{}, hi[kLanes]{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int k = 0; k < kLanes; ++k) {
      lo[k] = src[i + k] < lo[k] ? src[i + k] : lo[k];
      hi[k] = hi[k] < src[i + k] ? src[i + k] : hi[k];
    }
  }
  for (; i < count; ++i) {
    lo[0] = std::min(lo[0], src[i]);
    hi[0] = std::max(hi[0], src[i]);
  }
  const float least = *std::min_element(lo, lo + kLanes), most = *std::max_element(hi, hi + kLanes);
  const float scale = least == most ? 1.0F : (most - least) / 255.0F;
  auto* to = reinterpret_cast<float*>(run.data[s.dst]);
  to[0] = scale;
  to[1] = static_cast<float>(quantize_onnx_rne(0.0F - least / scale, 1.0F, 0, 0, 255));
}

void quantize(const RunContext& run, const Step& s) {
  const Store& from = run.program.stores[static_cast<size_t>(s.src[0])];
  const Store& to = run.program.stores[static_cast<size_t>(s.dst)];
  const auto* parameters = reinterpret_cast<const float*>(run.data[s.src[1]]);
  const bool image = to.order == Order::nhwc;
  View src = view_of(from, image), dst = view_of(to, image);
  src.data = run.data[s.src[0]];
  dst.data = run.data[s.dst];
  ConvertOp op = s.convert;
  op.scale = parameters[0];
  op.dst_zp = static_cast<int32_t>(parameters[1]);
  convert(op, src, dst, run.best, run.parallel);
}

void scale(const RunContext& run, const Step& s) {
  const auto* acc = reinterpret_cast<const int32_t*>(run.data[s.src[0]]);
  const auto* parameters = reinterpret_cast<const float*>(run.data[s.src[1]]);
  auto* dst = reinterpret_cast<float*>(run.data[s.dst]);
  const int64_t count = element_count(run.program.stores[static_cast<size_t>(s.dst)].shape);
  const auto channels = static_cast<int64_t>(s.factors.size());
  const int64_t line = s.row == 1 ? channels : s.row, lines = count / line;
  const int64_t group = std::max<int64_t>(1, kPiece / line);
  spread(run.parallel, (lines + group - 1) / group, [&](int64_t task) {
    const float found = parameters[0];
    const auto zp = static_cast<uint32_t>(parameters[1]);
    for (int64_t l = task * group; l < std::min(lines, (task + 1) * group); ++l) {
      const int32_t* __restrict from = acc + l * line;
      float* __restrict to = dst + l * line;
      if (s.row == 1) {  // channels innermost
        const int32_t* __restrict sums = s.sums.data();
        const float* __restrict factors = s.factors.data();
        for (int64_t i = 0; i < line; ++i) {
          const auto real = static_cast<int32_t>(static_cast<uint32_t>(from[i]) - zp * static_cast<uint32_t>(sums[i]));
          to[i] = static_cast<float>(real) * (found * factors[i]);
        }
        if (s.addends.empty()) continue;
        const float* __restrict addends = s.addends.data();
        for (int64_t i = 0; i < line; ++i) to[i] = to[i] + addends[i];
        continue;
      }
      const auto c = static_cast<size_t>(l % channels);
      const uint32_t taken = zp * static_cast<uint32_t>(s.sums[c]);
      const float factor = found * s.factors[c];
      for (int64_t i = 0; i < line; ++i) {
        to[i] = static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(from[i]) - taken)) * factor;
      }
      if (s.addends.empty()) continue;
      for (int64_t i = 0; i < line; ++i) to[i] = to[i] + s.addends[c];
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
