// Convolutions and matrix products.
// In/out: see lower.h.  Not here: transposed convolutions (lower_transposed.cpp), kernels (runtime/exec).
#include <algorithm>

#include "runtime/region/lower.h"

namespace octile::runtime {

Status Lowering::finish_dot(int index, Step& step, const OpSpec& spec, int dst) {
  const NodeDesc& n = node(index);
  step.dot.spec = spec;
  if (n.kind == NodeKind::scaled) add_scales(index, step, spec.channels());
  if (spec.dst == DType::s32) {
    set_plain(out(index), dst);
  } else {
    set_codes(out(index), add_codes(dst, spec.dst == DType::s8));
  }
  if (element_count(store(dst).shape) == 0) return {};
  if (Status valid = validate(spec); !valid.ok()) return in_node(n, valid);
  return {};
}

// The sums become floats where they lie.
void Lowering::add_scales(int index, Step& step, int64_t channels) {
  const NodeDesc& n = node(index);
  StepTail tail;
  tail.tail.kind = Tail::Kind::sums;
  tail.tail.sums.scale = n.quant.src_scale;
  tail.nodes = {index};
  step.tails.push_back(std::move(tail));
  const auto count = static_cast<size_t>(channels);
  std::vector<float> factors = n.quant.wei_scale;
  if (factors.size() == 1) factors.assign(count, factors[0]);
  step.sums = std::make_shared<const SumScales>(SumScales{std::vector<int32_t>(count, 0), std::move(factors), {}});
}

// Kernels read whole words of four: memory of the host, and constants, serve where rows end at a word.
int Lowering::readable(int s, bool whole_words) {
  const int memory = store(s).alias >= 0 ? store(s).alias : s;
  if (store(memory).home == Home::arena || whole_words) return s;
  const Shape dims = store(s).shape;
  const int made_store = add_store(dims, store(s).order, DType::u8);
  (void)add_step(StepKind::convert, {s}, made_store);
  return made_store;
}

void Lowering::widen_halo(Store& s, const Pads& pads) {
  s.pad_t = std::max(s.pad_t, static_cast<int>(pads.t));
  s.pad_l = std::max(s.pad_l, static_cast<int>(pads.l));
  s.pad_b = std::max(s.pad_b, static_cast<int>(pads.b));
  s.pad_r = std::max(s.pad_r, static_cast<int>(pads.r));
}

// The window as an image with a halo at least as wide as the pads, holding this code.
int Lowering::bordered(const Window& window, const Pads& pads, uint8_t code) {
  const bool any = pads.t + pads.l + pads.b + pads.r > 0;
  int s = whole(window, Order::nhwc, any);
  if (!any) return s;
  if (store(s).bordered() && store(s).border_code != code) {
    // Another reader pads these codes with another zero point.
    const int own = add_store(window.shape, Order::nhwc, DType::u8);
    (void)add_step(StepKind::convert, {s}, own);
    s = own;
  }
  Store& from = store(s);
  from.border_code = code;
  widen_halo(from, pads);
  return s;
}

Status Lowering::lower_conv(int index) {
  const NodeDesc& n = node(index);
  const Shape& src_shape = shape(in(index, 0));
  OCTILE_ASSIGN_OR_RETURN(const std::vector<WindowAxis> axes, window_axes(n, src_shape));
  const WindowAxis rows = axes.size() == 2 ? axes[0] : WindowAxis(), columns = axes.back();
  OpSpec s = n.spec;
  s.mb = src_shape[0];
  s.ih = rows.in, s.pt = rows.begin, s.pb = rows.end;
  s.iw = columns.in, s.pl = columns.begin, s.pr = columns.end;
  const bool pads = s.pt + s.pl + s.pb + s.pr > 0;
  const auto border = static_cast<uint8_t>(n.quant.src_zp + (s.src == DType::s8 ? 128 : 0));
  const Window window = made(values_[in(index, 0)].codes);
  int src = bordered(window, {s.pt, s.pl, s.pb, s.pr}, border);
  src = readable(src, s.g == 1 && s.kh * s.kw == 1 && s.ic % 4 == 0 && !pads);
  const int dst = add_store(shape(out(index)), Order::nhwc, recipe_.desc.values[out(index)].type);
  Step& step = add_step(StepKind::dot, {src}, dst);
  step.dot.op = recipe_.ops[static_cast<size_t>(index)];
  return finish_dot(index, step, s, dst);
}

namespace {

// Broadcasts the leading axes of both operands and lists the products in row-major order.
Result<std::vector<DotPlan::Product>> list_products(const Shape& a, const Shape& b, const Shape& dst) {
  const size_t rank = dst.size();
  const auto at = [&](const Shape& s, size_t axis) {
    const size_t missing = rank - s.size();
    return axis < missing ? int64_t{1} : s[axis - missing];
  };
  const int64_t count = element_count(Shape(dst.begin(), dst.end() - 2));
  if (count > (int64_t{1} << 20)) return Status(Code::unsupported, "too many products: " + std::to_string(count));
  std::vector<DotPlan::Product> products;
  for (int64_t p = 0; p < count; ++p) {
    DotPlan::Product product;
    product.dst = p;
    int64_t rest = p, a_step = 1, b_step = 1;
    for (size_t i = rank - 2; i-- > 0;) {
      const int64_t position = rest % dst[i];
      rest /= dst[i];
      product.src += at(a, i) == 1 ? 0 : position * a_step;
      product.wei += at(b, i) == 1 ? 0 : position * b_step;
      a_step *= at(a, i);
      b_step *= at(b, i);
    }
    products.push_back(product);
  }
  return products;
}

}  // namespace

Status Lowering::lower_dense(int index) {
  const NodeDesc& n = node(index);
  const Shape a = shape(in(index, 0)), dims = shape(out(index));
  OpSpec s = n.spec;
  const Shape wei = s.wei_var ? shape(in(index, 1)) : Shape{s.k, s.n};
  s.mb = 1;
  s.k = wei[wei.size() - 2];
  s.n = wei.back();
  if (s.wei_var && s.wei_per_oc && n.spec.n != s.n) {
    return in_node(
        n, {Code::invalid_argument, "has values for " + std::to_string(n.spec.n) + " columns, got " + print(wei)});
  }
  const bool batched = element_count(wei) != s.k * s.n;
  s.m = batched ? a[a.size() - 2] : element_count(Shape(a.begin(), a.end() - 1));
  const int src = readable(codes_store(values_[in(index, 0)].codes, Order::flat), s.k % 4 == 0);
  std::vector<int> sources{src};
  if (s.wei_var) sources.push_back(raw_store(values_[in(index, 1)].codes));
  const int dst = add_store(dims, Order::flat, recipe_.desc.values[out(index)].type);
  Step& step = add_step(StepKind::dot, std::move(sources), dst);
  step.dot.op = recipe_.ops[static_cast<size_t>(index)];
  if (batched) {
    Result<std::vector<DotPlan::Product>> products = list_products(a, wei, dims);
    if (!products.ok()) return in_node(n, products.status());
    step.dot.products = std::move(*products);
    s.count *= static_cast<int64_t>(step.dot.products.size());
  }
  OpSpec reported = s;
  OCTILE_RETURN_IF_ERROR(finish_dot(index, step, reported, dst));
  program_.steps.back().dot.spec.count = n.spec.count;
  return {};
}

}  // namespace octile::runtime
