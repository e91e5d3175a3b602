// Tables, functions of two tensors, pools, resizes, global means and maxima, conversions to images; see passes.h.
#include "runtime/region/passes.h"

#include <algorithm>

#include "runtime/exec/tails.h"
#include "runtime/region/place.h"

namespace octile::runtime {
namespace {

class Pass {
 public:
  Pass(const Program& program, const Step& step) : program_(program), s_(step), cut_(step.cut) {}

  [[nodiscard]] PassCut cut(int threads) const {
    PassCut cut;
    const Tensor& dst = tensor(s_.dst);
    const int64_t pixels = dst.n * dst.h * dst.w, most = threads > 1 ? kTasksPerThread * threads : 1;
    const auto tasks = [&](int64_t units) {
      return std::clamp<int64_t>(pixels * dst.c / kOpsGrain, 1, std::min(most, units));
    };
    switch (s_.kind) {
      case StepKind::table:
      case StepKind::channel_table:
      case StepKind::binary: {
        bool joined = contiguous(dst);
        for (const int from : s_.src) joined = joined && (small(from) || contiguous(tensor(from)));
        cut.by = PassCut::By::pixels;
        cut.rows = joined ? 1 : dst.h;
        cut.pixels = !joined ? dst.w : s_.gate ? dst.h * dst.w : pixels;
        cut.tasks = tasks(pixels);
        break;
      }
      case StepKind::max_pool:
      case StepKind::average_pool:
      case StepKind::resize_nearest:
      case StepKind::resize_linear:
        cut.by = PassCut::By::rows;
        cut.tasks = tasks(dst.n * dst.h);
        break;
      case StepKind::global_average:
      case StepKind::global_max:
        if (const int64_t few = bands(threads); few > 1) {
          cut.by = PassCut::By::bands;
          cut.tasks = few;
          break;
        }
        cut.by = PassCut::By::channels;
        cut.group = std::clamp<int64_t>(kOpsGrain / std::max<int64_t>(1, source().h * source().w) / 64 * 64, 64, 4096);
        cut.parts = threads > 1 ? std::max<int64_t>(dst.c / cut.group, 1) : 1;
        cut.tasks = dst.n * cut.parts;
        break;
      case StepKind::convert:
        // To one thread, and to short rows, a conversion is one call.
        if (store(s_.dst).order != Order::nhwc || threads < 2) break;
        cut.by = PassCut::By::rows;
        cut.tasks = std::min(tasks(dst.n * dst.h), pixels / kPixels);
        if (cut.tasks < 2) cut.tasks = 0;
        break;
      default: break;
    }
    return cut;
  }

  [[nodiscard]] Patch patch(int64_t task) const {
    const Tensor& dst = tensor(s_.dst);
    const int64_t pixels = dst.n * dst.h * dst.w;
    Patch p{0, pixels, 0, dst.w, 0, dst.c};
    switch (cut_.by) {
      case PassCut::By::pixels:
        p.first = share_start(cut_, pixels, task);
        p.last = share_start(cut_, pixels, task + 1);
        break;
      case PassCut::By::rows:
        p.first = first_row(task) * dst.w;
        p.last = first_row(task + 1) * dst.w;
        break;
      case PassCut::By::channels:
        p.first = task / cut_.parts;
        p.last = p.first + 1;
        p.channel = task % cut_.parts * cut_.group;
        if (task % cut_.parts + 1 < cut_.parts) p.channel_end = p.channel + cut_.group;
        break;
      case PassCut::By::bands: break;  // whoever is last
    }
    return p;
  }

  void run(const RunContext& run, PassState& state, int64_t task) const {
    const Ops& ops = run.ops;
    const Tensor dst = destination_of(run, s_), src = tensor_of(run, s_.src[0]);
    switch (cut_.by) {
      case PassCut::By::pixels: pixels(run, dst, src, patch(task)); break;
      case PassCut::By::rows: rows(run, dst, src, first_row(task), first_row(task + 1)); break;
      case PassCut::By::channels: {
        const Patch p = patch(task);
        uint8_t* const to = dst.data + p.first * dst.stride_n;
        if (s_.kind == StepKind::global_average) {
          ops.global_average(s_.meaning, s_.to, src, p.first, to, p.channel, p.channel_end);
        } else {
          ops.global_max(s_.pool.lowest, src, p.first, to, p.channel, p.channel_end);
        }
        break;
      }
      case PassCut::By::bands: {
        const int64_t first = share_start(cut_, src.h, task);
        Tensor part = src;
        part.data += first * src.stride_y;
        part.h = share_start(cut_, src.h, task + 1) - first;
        ops.add_pixels(part, state.sums + task * src.c);
        if (state.left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
          ops.average_of_sums(s_.meaning, s_.to, state.sums, cut_.tasks, src, dst.data);
        }
      }
    }
  }

 private:
  [[nodiscard]] const Store& store(int s) const { return program_.stores[static_cast<size_t>(s)]; }
  [[nodiscard]] const Tensor& tensor(int s) const { return store(s).tensor; }
  [[nodiscard]] const Tensor& source() const { return tensor(s_.src[0]); }
  // How many tasks add up some rows each of a global mean; fewer than 2: it is cut by channels.
  [[nodiscard]] int64_t bands(int threads) const {
    constexpr int64_t kRows = 7, kBytes = 4 * kOpsGrain;
    if (s_.kind != StepKind::global_average || threads < 2 || source().n != 1) return 0;
    const Tensor& src = source();
    return std::min({int64_t{2} * threads, PassState::kSums / std::max<int64_t>(src.c, 1), src.h / kRows,
                     src.h * src.w * src.c / kBytes});
  }

  // The operand of a gate that has a row of channels per image, or one for all.
  [[nodiscard]] bool small(int s) const { return s_.gate && s == s_.src[s_.gate_first ? 0 : 1]; }
  [[nodiscard]] int64_t first_row(int64_t task) const {
    const Tensor& dst = tensor(s_.dst);
    return share_start(cut_, dst.n * dst.h, task);
  }

  // Calls f(n, y, x, count) for each row of a patch, or what there is of it.
  template <class F>
  void each_row(const Patch& p, const F& f) const {
    for (int64_t pixel = p.first; pixel < p.last;) {
      const int64_t row = pixel / cut_.pixels, x = pixel % cut_.pixels;
      const int64_t count = std::min(cut_.pixels - x, p.last - pixel);
      f(row / cut_.rows, row % cut_.rows, x, count);
      pixel += count;
    }
  }

  void pixels(const RunContext& run, const Tensor& dst, const Tensor& src, const Patch& p) const {
    switch (s_.kind) {
      case StepKind::table: table(run.ops, dst, src, p); break;
      case StepKind::channel_table: channel_table(run.ops, dst, src, p); break;
      default: s_.gate ? gate(run, dst, p) : binary(run.ops, dst, src, tensor_of(run, s_.src[1]), p);
    }
  }

  void table(const Ops& ops, const Tensor& dst, const Tensor& src, const Patch& p) const {
    const bool dense = src.stride_x == src.c && dst.stride_x == dst.c;
    each_row(p, [&](int64_t n, int64_t y, int64_t x, int64_t count) {
      if (dense) {
        ops.table(s_.table->data(), pixel_at(src, n, y, x), pixel_at(dst, n, y, x), count * src.c);
      } else {
        ops.table_rows(s_.table->data(), {pixel_at(src, n, y, x), src.stride_x}, {pixel_at(dst, n, y, x), dst.stride_x},
                       src.c, count);
      }
    });
  }

  void channel_table(const Ops& ops, const Tensor& dst, const Tensor& src, const Patch& p) const {
    each_row(p, [&](int64_t n, int64_t y, int64_t x, int64_t count) {
      if (s_.lines != nullptr) {
        ops.gate(s_.lines->form, {pixel_at(src, n, y, x), src.stride_x}, {pixel_at(dst, n, y, x), dst.stride_x}, dst.c,
                 count);
        return;
      }
      for (int64_t i = 0; i < count; ++i) {
        const uint8_t* from = pixel_at(src, n, y, x + i);
        uint8_t* to = pixel_at(dst, n, y, x + i);
        for (int64_t c = 0; c < dst.c; ++c) to[c] = (*s_.tables)[static_cast<size_t>(c * 256 + from[c])];
      }
    });
  }

  void binary(const Ops& ops, const Tensor& dst, const Tensor& a, const Tensor& b, const Patch& p) const {
    const bool dense = a.stride_x == a.c && b.stride_x == b.c && dst.stride_x == dst.c;
    each_row(p, [&](int64_t n, int64_t y, int64_t x, int64_t count) {
      const int64_t c = dense ? count * dst.c : dst.c, rows = dense ? 1 : count;
      ops.binary(s_.form, {pixel_at(a, n, y, x), a.stride_x}, {pixel_at(b, n, y, x), b.stride_x},
                 {pixel_at(dst, n, y, x), dst.stride_x}, c, rows);
    });
  }

  void gate(const RunContext& run, const Tensor& dst, const Patch& p) const {
    const int full = s_.src[s_.gate_first ? 1 : 0], few = s_.src[s_.gate_first ? 0 : 1];
    const Tensor a = tensor_of(run, full);
    const uint8_t* rows = run.data[few];
    const bool per_image = element_count(store(few).shape) > dst.c;
    each_row(p, [&](int64_t n, int64_t y, int64_t x, int64_t count) {
      const Rows whole{pixel_at(a, n, y, x), a.stride_x}, one{rows + (per_image ? n * dst.c : 0), 0};
      run.ops.binary(s_.form, s_.gate_first ? one : whole, s_.gate_first ? whole : one,
                     {pixel_at(dst, n, y, x), dst.stride_x}, dst.c, count);
    });
  }

  void rows(const RunContext& run, const Tensor& dst, const Tensor& src, int64_t begin, int64_t end) const {
    const Ops& ops = run.ops;
    const auto taps = [&](size_t i) {
      return s_.hi[i].empty() ? ResizeTaps{s_.lo[i].data(), nullptr, nullptr}
                              : ResizeTaps{s_.lo[i].data(), s_.hi[i].data(), s_.share[i].data()};
    };
    const bool floats = store(s_.dst).type == DType::f32;
    switch (s_.kind) {
      case StepKind::convert: convert_rows(run, dst, begin, end); break;
      case StepKind::max_pool: (floats ? ops.max_pool_floats : ops.max_pool)(s_.pool, src, dst, begin, end); break;
      case StepKind::average_pool:
        if (floats) {
          ops.average_pool_floats(s_.pool, src, dst, begin, end);
        } else {
          ops.average_pool(s_.pool, s_.meaning, s_.to, src, dst, begin, end);
        }
        break;
      case StepKind::resize_nearest:
        ops.resize_nearest(s_.lo[0].data(), s_.lo[1].data(), in_bytes(src), in_bytes(dst), begin, end);
        break;
      default:
        if (floats) {
          ops.resize_linear_floats(taps(0), taps(1), src, dst, begin, end);
        } else {
          ops.resize_linear(s_.meaning, taps(0), taps(1), s_.to, src, dst, begin, end);
        }
    }
  }

  // Of the result's type, whose bytes count as channels.
  [[nodiscard]] Tensor in_bytes(Tensor t) const {
    t.c *= size_of(store(s_.dst).type);
    return t;
  }

  // With the halo beside them.
  void convert_rows(const RunContext& run, const Tensor& to, int64_t begin, int64_t end) const {
    while (begin < end) {
      const int64_t n = begin / to.h, y = begin % to.h, count = std::min(to.h - y, end - begin);
      const auto part = [&](int s) {
        View v = view_of(run, s, true);
        v.data = static_cast<uint8_t*>(v.data) + (n * v.stride_n + y * v.stride_y) * size_of(v.type);
        v.n = 1;
        v.h = count;
        return v;
      };
      convert(s_.convert, part(s_.src[0]), part(s_.dst), run.best, {});
      fill_halo(to, {n, y, 0, count, to.w, 0, to.stride_x});
      begin += count;
    }
  }

  static constexpr int64_t kPixels = 256;  // of a conversion's task

  const Program& program_;
  const Step& s_;
  const PassCut& cut_;
};

}  // namespace

PassCut cut_pass(const Program& program, const Step& step, int threads) { return Pass(program, step).cut(threads); }

Patch patch_of(const Program& program, const Step& step, size_t task) {
  return Pass(program, step).patch(static_cast<int64_t>(task));
}

void begin_pass(const Program& program, const Step& step, PassState& state) {
  if (step.cut.by != PassCut::By::bands) return;
  const int64_t channels = program.stores[static_cast<size_t>(step.src[0])].tensor.c;
  std::fill_n(state.sums, step.cut.tasks * channels, 0U);
  state.left.store(step.cut.tasks, std::memory_order_relaxed);
}

void run_pass(const RunContext& run, const Step& step, PassState& state, size_t task) {
  Pass(run.program, step).run(run, state, static_cast<int64_t>(task));
}

}  // namespace octile::runtime
