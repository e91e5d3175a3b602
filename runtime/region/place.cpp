// Strides once halos are known, lifetimes, the arena, kernels.
// In/out: see place.h.  Not here: what steps do.
#include "runtime/region/place.h"

#include <algorithm>

#include "runtime/exec/aligned.h"
#include "runtime/exec/slots.h"
#include "runtime/region/arena.h"
#include "runtime/region/overlap.h"
#include "runtime/region/passes.h"

namespace octile::runtime {
namespace {

constexpr int kSlack = 64;  // readable bytes after every tensor in the arena

class Placement {
 public:
  Placement(const Recipe& recipe, Program& program) : recipe_(recipe), p_(program) {}

  Status run() {
    for (size_t s = 0; s < p_.stores.size(); ++s) {
      if (p_.stores[s].alias < 0) lay_out(p_.stores[s]);
    }
    // Names made later name what was made before, except slices.
    for (size_t s = 0; s < p_.stores.size(); ++s) lay_out_alias(static_cast<int>(s));
    for (Step& step : p_.steps) {
      bind_tables(step);
      if (step.kind == StepKind::move) compile(step.move);
      if (step.kind == StepKind::dot) OCTILE_RETURN_IF_ERROR(choose(step));
      if (element_count(p_.stores[static_cast<size_t>(step.dst)].shape) > 0) {
        step.cut = cut_pass(p_, step, recipe_.threads);
      }
    }
    mark_borders();
    if (recipe_.threads > 1) overlap();
    place_all();
    p_.work = work();
    return {};
  }

 private:
  static void lay_out(Store& s) {
    const Extents e = extents_of(s.shape, s.order);
    const int64_t element = size_of(s.type);
    Tensor& t = s.tensor;
    t.n = e.n, t.h = e.h, t.w = e.w, t.c = e.c;
    t.pad_t = s.pad_t, t.pad_l = s.pad_l, t.pad_b = s.pad_b, t.pad_r = s.pad_r;
    t.stride_x = t.c * element;
    t.stride_y = (t.w + t.pad_l + t.pad_r) * t.stride_x;
    t.stride_n = (t.h + t.pad_t + t.pad_b) * t.stride_y;
    t.slack = kSlack;
    s.origin = static_cast<size_t>(t.pad_t * t.stride_y + t.pad_l * t.stride_x);
    s.bytes = static_cast<size_t>(t.n * t.stride_n) + kSlack;
  }

  void lay_out_alias(int index) {
    Store& s = p_.stores[static_cast<size_t>(index)];
    if (s.alias < 0) return;
    if (!s.slice) {
      lay_out(s);
      s.origin = p_.stores[static_cast<size_t>(s.alias)].origin;
      return;
    }
    const Store& of = p_.stores[static_cast<size_t>(s.alias)];
    const int64_t c = extents_of(s.shape, s.order).c;
    s.tensor = of.tensor;
    s.tensor.c = c;
    s.origin = of.origin + static_cast<size_t>(s.first_channel * size_of(s.type));
  }

  // Bytes from element to element along each axis of a store.
  static std::vector<int64_t> strides(const Store& s) {
    std::vector<int64_t> out(s.shape.size(), size_of(s.type));
    if (s.order == Order::nhwc) {
      out[0] = s.tensor.stride_n;
      if (s.shape.size() == 4) out[2] = s.tensor.stride_y;
      out.back() = s.tensor.stride_x;
      return out;
    }
    if (out.size() > 1) out[out.size() - 2] = s.tensor.stride_x;
    for (size_t i = out.size(); i-- > 2;) out[i - 2] = out[i - 1] * s.shape[i - 1];
    return out;
  }

  void compile(Move& m) const {
    const Store& from = p_.stores[static_cast<size_t>(m.from.store)];
    const Store& to = p_.stores[static_cast<size_t>(m.to.store)];
    const std::vector<int64_t> src = strides(from), dst = strides(to);
    m.element = size_of(from.type);
    m.src_start = m.dst_start = 0;
    for (size_t i = 0; i < src.size(); ++i) m.src_start += m.from.start[i] * src[i];
    for (size_t i = 0; i < dst.size(); ++i) m.dst_start += m.to.start[i] * dst[i];
    const auto step = [](const Window::Axis& axis, const std::vector<int64_t>& of) {
      return axis.of < 0 ? 0 : axis.step * of[static_cast<size_t>(axis.of)];
    };
    m.axes.clear();
    for (size_t i = 0; i < m.to.shape.size(); ++i) {
      Move::Axis axis;
      axis.extent = m.to.shape[i];
      axis.src = step(m.from.axes[i], src);
      axis.dst = step(m.to.axes[i], dst);
      if (i < m.at.size()) {
        for (int64_t position : m.at[i]) axis.offsets.push_back(position * axis.src);
      }
      if (axis.extent == 1) {
        if (!axis.offsets.empty()) m.src_start += axis.offsets[0];
        continue;
      }
      m.axes.push_back(std::move(axis));
    }
    std::stable_sort(m.axes.begin(), m.axes.end(), [](const auto& a, const auto& b) { return a.dst > b.dst; });
    for (size_t i = m.axes.size(); i-- > 1;) {
      Move::Axis &outer = m.axes[i - 1], &inner = m.axes[i];
      const bool joins = outer.offsets.empty() && inner.offsets.empty() && outer.src == inner.src * inner.extent &&
                         outer.dst == inner.dst * inner.extent;
      if (!joins) continue;
      inner.extent *= outer.extent;
      m.axes.erase(m.axes.begin() + static_cast<std::ptrdiff_t>(i) - 1);
    }
    widen_elements(m);
    turn_short_planes(m);
  }

  // Neighbours that stay neighbours are one element where together they have the size of a number.
  static void widen_elements(Move& m) {
    if (m.axes.size() < 2) return;
    const Move::Axis& last = m.axes.back();
    const int64_t bytes = last.extent * m.element;
    if (!last.offsets.empty() || last.src != m.element || last.dst != m.element) return;
    if (bytes != 2 && bytes != 4 && bytes != 8) return;
    m.element = bytes;
    m.axes.pop_back();
  }

  // A loop over two short axes of single elements costs more than their moves: the longer one around them goes inside.
  // The outermost axis stays, which threads share.
  static void turn_short_planes(Move& m) {
    constexpr int64_t kShortPlane = 32, kLong = 16;
    const size_t n = m.axes.size();
    if (n < 4 || m.axes[n - 3].extent < kLong) return;
    const Move::Axis &outer = m.axes[n - 2], &inner = m.axes[n - 1];
    const bool lines = inner.offsets.empty() && inner.src == m.element && inner.dst == m.element;
    if (outer.extent * inner.extent > kShortPlane || (lines && inner.extent * m.element >= 8)) return;
    std::rotate(m.axes.end() - 3, m.axes.end() - 2, m.axes.end());
  }

  static void bind_form(BinaryForm& form, const std::shared_ptr<const std::array<uint8_t, 256>>& table,
                        const std::shared_ptr<const std::vector<uint8_t>>& pairs) {
    form.after = table == nullptr ? nullptr : table->data();
    if (pairs != nullptr) form.pairs = pairs->data();
  }

  static void bind_tables(Step& step) {
    if (step.kind == StepKind::binary) bind_form(step.form, step.table, step.pairs);
    for (StepTail& t : step.tails) {
      if (t.tail.kind == Tail::Kind::table || t.tail.kind == Tail::Kind::copy) {
        t.tail.table = t.table == nullptr ? nullptr : t.table->data();
      } else if (t.tail.kind == Tail::Kind::line) {
        t.tail.line = t.lines->form;
      } else if (t.tail.kind == Tail::Kind::floats || t.tail.kind == Tail::Kind::quantize) {
        t.tail.function = t.function.get();
      } else if (t.tail.kind == Tail::Kind::sums) {
        const SumScales& by = *step.sums;
        t.tail.sums.columns = by.sums.data();
        t.tail.sums.factors = by.factors.data();
        t.tail.sums.addends = by.addends.empty() ? nullptr : by.addends.data();
        t.tail.sums.counted = by.counted;
      } else {
        bind_form(t.tail.form, t.table, t.pairs);
      }
    }
  }

  Status choose(Step& step) {
    DotPlan& d = step.dot;
    const NodeDesc& n = recipe_.desc.nodes[static_cast<size_t>(step.node)];
    const Store& dst = p_.stores[static_cast<size_t>(step.dst)];
    const Store& src = p_.stores[static_cast<size_t>(step.src[0])];
    if (element_count(dst.shape) == 0) return {};
    const auto in_node = [&](const Status& st) {
      return Status(st.code(), "node \"" + n.name + "\": " + st.message());
    };
    if (d.op == nullptr) {  // variable weights: the op depends on their shape alone
      Result<std::unique_ptr<PreparedOp>> made =
          PreparedOp::prepare(*recipe_.library, recipe_.best, d.spec, n.quant, nullptr);
      if (!made.ok()) return in_node(made.status());
      d.op = std::move(*made);
    }
    const int64_t element = size_of(dst.type);
    const bool gapless = contiguous(src.tensor) && contiguous(dst.tensor);
    const bool pitch = pitched(src.tensor) || pitched(dst.tensor, element);
    // Many products are shared out whole: to pack and multiply each on all threads takes as long as on one.
    const int threads = std::min(recipe_.threads, Slots::kMost);
    if (std::ssize(d.products) >= 2 * threads) d.slots = std::max(threads, 1);
    Result<std::shared_ptr<const Choice>> choice =
        d.op->choose(d.spec, d.slots > 1 ? 1 : recipe_.threads, gapless, pitch);
    if (!choice.ok()) return in_node(choice.status());
    d.choice = std::move(*choice);
    scratch_ = std::max(scratch_, static_cast<size_t>(d.slots) * align_up(d.op->scratch_bytes(*d.choice)));
    return {};
  }

  // A byte written takes about as long as two multiply-adds.
  [[nodiscard]] int64_t work() const {
    int64_t work = 0;
    for (const Step& step : p_.steps) {
      const Store& dst = p_.stores[static_cast<size_t>(step.dst)];
      work += step.kind == StepKind::dot ? step.dot.macs() : 2 * element_count(dst.shape) * size_of(dst.type);
    }
    return work;
  }

  // A halo is filled once its store is complete: by the product or conversion that writes the whole of it, or
  // afterwards.
  void mark_borders() {
    std::vector<bool> seen(p_.stores.size(), false);
    for (size_t i = p_.steps.size(); i-- > 0;) {
      Step& step = p_.steps[i];
      // `with_pixels`: whoever writes its pixels fills what lies beside them.
      const auto written = [&](int store, bool with_pixels) {
        const auto to = static_cast<size_t>(root_of(p_, store));
        if (seen[to] || !p_.stores[to].bordered()) return false;
        seen[to] = true;
        const bool whole = with_pixels && static_cast<int>(to) == store && p_.stores[to].type == DType::u8;
        if (!whole) step.borders.push_back(static_cast<int>(to));
        return whole;
      };
      const bool by_pixels = step.kind == StepKind::dot || (step.kind == StepKind::convert && step.cut.tasks > 0);
      step.fills_halo = written(step.dst, by_pixels && step.src.size() == 1);
      for (StepTail& t : step.tails) {
        if (t.writes_other()) t.fills_halo = written(t.other, t.tail.kind == Tail::Kind::quantize);
      }
    }
  }

  void overlap() {
    find_overlaps(p_);
    p_.slots = std::min(recipe_.threads, Slots::kMost);
    for (const Step& step : p_.steps) {
      if (step.overlaps && step.kind == StepKind::dot) p_.slot_bytes = std::max(p_.slot_bytes, step.dot.choice->slot);
    }
    scratch_ = std::max(scratch_, static_cast<size_t>(p_.slots) * p_.slot_bytes);
  }

  void place_all() {
    std::vector<int> first(p_.stores.size(), -1), last(p_.stores.size(), -1);
    const auto touch = [&](int s, size_t step) {
      const auto at = static_cast<size_t>(root_of(p_, s));
      if (first[at] < 0) first[at] = static_cast<int>(step);
      last[at] = static_cast<int>(step);
    };
    for (size_t i = 0; i < p_.steps.size(); ++i) {
      for (int s : p_.steps[i].src) touch(s, i);
      for (const StepTail& t : p_.steps[i].tails) {
        if (t.other >= 0) touch(t.other, i);
      }
      touch(p_.steps[i].dst, i);
    }
    // What a step reads and writes lives until the next has begun.
    for (int& step : last) {
      if (step < 0 || step + 1 >= std::ssize(p_.steps)) continue;
      const Step* const both = &p_.steps[static_cast<size_t>(step)];
      if (both[0].overlaps && both[1].overlaps) ++step;
    }
    std::vector<Lifetime> items;
    std::vector<size_t> owners;
    for (size_t s = 0; s < p_.stores.size(); ++s) {
      if (p_.stores[s].home != Home::arena || p_.stores[s].alias >= 0 || first[s] < 0) continue;
      items.push_back({p_.stores[s].bytes, first[s], last[s], 0});
      owners.push_back(s);
    }
    const size_t tensors = octile::runtime::place(items);
    p_.pointers = align_up(p_.stores.size() * sizeof(uint8_t*));
    for (size_t k = 0; k < items.size(); ++k) p_.stores[owners[k]].offset = p_.pointers + items[k].offset;
    p_.scratch_offset = p_.pointers + tensors;
    p_.arena_bytes = p_.scratch_offset + align_up(scratch_);
  }

  const Recipe& recipe_;
  Program& p_;
  size_t scratch_ = 0;
};

}  // namespace

int root_of(const Program& program, int store) {
  while (program.stores[static_cast<size_t>(store)].alias >= 0)
    store = program.stores[static_cast<size_t>(store)].alias;
  return store;
}

View view_of(const Store& s, bool image) {
  const DType type = s.raw_signed ? DType::s8 : s.type;
  const int64_t element = size_of(s.type);
  if (!image) {
    const Extents e = extents_of(s.shape, Order::flat);
    return row_view(e.w, e.c, type);
  }
  const Extents e = extents_of(s.shape, Order::nhwc);
  if (s.order == Order::flat) return planar_view(e.n, e.c, e.h, e.w, type);
  View v{nullptr, e.n, e.h, e.w, e.c, 0, 0, 0, 1, type};
  v.stride_n = s.tensor.stride_n / element;
  v.stride_y = s.tensor.stride_y / element;
  v.stride_x = s.tensor.stride_x / element;
  return v;
}

Status place(const Recipe& recipe, Program& program) { return Placement(recipe, program).run(); }

}  // namespace octile::runtime
