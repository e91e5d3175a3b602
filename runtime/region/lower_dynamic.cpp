// Products of what is quantized on the spot: floats to codes, the product with no zero point, back to floats.
// In/out: see lower.h.  Not here: the definition (NodeKind::dynamic).
//
// The zero point is known only in the run, so weights are packed for zero, and zp times the sum of a channel's weights
// is taken off afterwards: sum (a - zp) w = sum a w - zp sum w, modulo 2^32 on both sides. Padding holds zp, so this is
// right at the borders too.
#include <algorithm>
#include <numeric>

#include "runtime/region/lower.h"

namespace octile::runtime {

namespace {

// Adds up weights in the order they lie in: `rows` of so many, to a sum for each row or for each place in a row.
template <class T>
void add_rows(const uint8_t* bytes, int64_t rows, int64_t row, bool sum_each_row, int32_t* sums) {
  const auto* wei = reinterpret_cast<const T*>(bytes);
  for (int64_t i = 0; i < rows; ++i, wei += row) {
    if (sum_each_row) {
      sums[i] = std::accumulate(wei, wei + row, int32_t{0});
    } else {
      for (int64_t j = 0; j < row; ++j) sums[j] += wei[j];
    }
  }
}

}  // namespace

SumScales sum_scales(const NodeDesc& n) {
  const OpSpec& s = n.spec;
  const bool conv = s.kind == OpKind::conv2d;
  const int64_t channels = s.channels(), depth = conv ? s.ic / s.g * s.kh * s.kw : s.k;
  std::vector<int32_t> sums(static_cast<size_t>(channels), 0);
  (s.wei == DType::s8 ? add_rows<int8_t> : add_rows<uint8_t>)(n.weights().data(), conv ? channels : depth,
                                                              conv ? depth : channels, conv, sums.data());
  for (int64_t c = 0; c < channels; ++c) {
    const int32_t zp = n.quant.wei_zp[n.quant.wei_zp.size() == 1 ? 0 : static_cast<size_t>(c)];
    sums[static_cast<size_t>(c)] -= static_cast<int32_t>(depth) * zp;
  }
  const auto spread = [&](const std::vector<float>& values) {
    return values.size() == 1 ? std::vector<float>(static_cast<size_t>(channels), values[0]) : values;
  };
  const bool counted = !n.floats.empty() && int_or(n, 0, 0) == 1;
  return {std::move(sums), spread(n.quant.wei_scale), spread(n.floats), counted};
}

Status Lowering::lower_dynamic(int index) {
  const NodeDesc& n = node(index);
  const Shape src_shape = shape(in(index, 0)), dims = shape(out(index));
  const bool image = n.spec.kind == OpKind::conv2d;
  const int floats = image ? floats_in_place(in(index, 0)) : floats_store(in(index, 0));
  const auto known = std::find_if(quantized_.begin(), quantized_.end(),
                                  [&](const Quantized& q) { return q.floats == floats && q.image == image; });
  Quantized q{floats, -1, -1, image};
  if (known != quantized_.end()) {
    q = *known;
  } else {
    q.parameters = add_store({2}, Order::flat, DType::f32);
    (void)add_step(StepKind::dynamic_range, {floats}, q.parameters);
    q.codes = add_store(src_shape, image ? Order::nhwc : Order::flat, DType::u8);
    Step& step = add_step(StepKind::dynamic_quantize, {floats, q.parameters}, q.codes);
    step.convert.kind = OpKind::quantize;
    step.convert.copy = false;
    step.convert.src = DType::f32;
    quantized_.push_back(q);
  }
  OpSpec s = n.spec;
  if (image) {
    OCTILE_ASSIGN_OR_RETURN(const std::vector<WindowAxis> axes, window_axes(n, src_shape));
    const WindowAxis rows = axes.size() == 2 ? axes[0] : WindowAxis(), columns = axes.back();
    s.mb = src_shape[0];
    s.ih = rows.in, s.pt = rows.begin, s.pb = rows.end;
    s.iw = columns.in, s.pl = columns.begin, s.pr = columns.end;
    widen_halo(store(q.codes), {s.pt, s.pl, s.pb, s.pr});
  } else {
    s.mb = 1;
    s.m = element_count(Shape(src_shape.begin(), src_shape.end() - 1));
  }
  // The sums become floats where they lie.
  const int acc = add_store(dims, image ? Order::nhwc : Order::flat, DType::f32);
  Step& step = add_step(StepKind::dot, {q.codes}, acc);
  step.dot.op = recipe_.ops[static_cast<size_t>(index)];
  OCTILE_RETURN_IF_ERROR(finish_dot(index, step, s, acc));
  StepTail tail;
  tail.tail.kind = Tail::Kind::sums;
  tail.other = q.parameters;
  tail.nodes = {index};
  step.tails.push_back(std::move(tail));
  step.sums = recipe_.sums[static_cast<size_t>(index)];
  return {};
}

}  // namespace octile::runtime
