// Steps on codes: products, movements, conversions.
// In/out: see execute.h.  Not here: passes (passes.cpp), floats (execute_floats.cpp), loops over bytes
// (runtime/exec/ops).
#include "runtime/region/execute.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "runtime/exec/aligned.h"
#include "runtime/exec/job.h"
#include "runtime/exec/slots.h"
#include "runtime/exec/team.h"
#include "runtime/region/passes.h"
#include "runtime/region/place.h"

namespace octile::runtime {
namespace {

class Execution {
 public:
  explicit Execution(const RunContext& run) : run_(run) {}

  Status step(const Step& s) {
    if (element_count(store(s.dst).shape) == 0) return {};
    if (s.cut.tasks > 0) {
      PassState state;
      begin_pass(run_.program, s, state);
      spread(run_.parallel, s.cut.tasks, [&](int64_t task) { run_pass(run_, s, state, static_cast<size_t>(task)); });
      return {};
    }
    switch (s.kind) {
      case StepKind::convert: convert_step(s); break;
      case StepKind::dot: return dot(s);
      case StepKind::move: move(s); break;
      case StepKind::fill: fill(s); break;
      case StepKind::dynamic_range:
      case StepKind::dynamic_quantize: run_dynamic_step(run_, s); break;
      default: run_float_step(run_, s);
    }
    return {};
  }

  // A product or pass whose tasks run while the leader goes on.
  struct Pending {
    const Step* step = nullptr;  // null: none
    const RunContext* run = nullptr;
    const Team::Done* before = nullptr;
    Tail tails[kMaxTails];
    Job job;
    PassState pass;
  };

  // `overlaps`: the step before was started as well.
  Status start(const Step& s, Pending& pending, Slots& slots, bool overlaps) const {
    Team& team = *run_.parallel.team;
    if (s.kind == StepKind::dot) {
      const DotPlan& d = s.dot;
      const std::span<const Tail> list = tails_of(s, pending.tails);
      OCTILE_RETURN_IF_ERROR(
          d.op->begin(*d.choice, tensor(s.src[0]), destination_of(run_, s), run_.scratch, list, pending.job));
      pending.job.slots = &slots;
      pending.job.slot_bytes = run_.program.slot_bytes;
    } else {
      begin_pass(run_.program, s, pending.pass);
    }
    pending.before = overlaps ? &team.last() : nullptr;
    pending.run = &run_;
    pending.step = &s;
    const auto task = [](void* arg, size_t i) {
      Pending& own = *static_cast<Pending*>(arg);
      const Step& step = *own.step;
      if (own.before != nullptr) Team::await(*own.before, step.needs[i]);
      if (step.kind == StepKind::dot) {
        step.dot.op->run_task(own.job, i);
      } else {
        run_pass(*own.run, step, own.pass, i);
      }
    };
    team.start(task, &pending, s.needs.size());
    return {};
  }

 private:
  [[nodiscard]] const Store& store(int s) const { return run_.program.stores[static_cast<size_t>(s)]; }
  [[nodiscard]] Tensor tensor(int s) const { return tensor_of(run_, s); }

  void convert_step(const Step& s) const {
    const Store &from = store(s.src[0]), &to = store(s.dst);
    const bool image = from.order == Order::nhwc || to.order == Order::nhwc;
    convert(s.convert, view_of(run_, s.src[0], image), view_of(run_, s.dst, image), run_.best, run_.parallel);
  }

  void fill(const Step& s) const {
    const Tensor dst = tensor(s.dst);
    const bool codes = store(s.dst).type == DType::u8;
    for (int64_t n = 0; n < dst.n; ++n) {
      for (int64_t y = 0; y < dst.h; ++y) {
        uint8_t* row = pixel_at(dst, n, y, 0);
        if (codes) {
          for (int64_t x = 0; x < dst.w; ++x) {
            std::memset(row + x * dst.stride_x, static_cast<int>(s.fill_word), static_cast<size_t>(dst.c));
          }
          continue;
        }
        for (int64_t i = 0; i < dst.w * dst.c; ++i) std::memcpy(row + 4 * i, &s.fill_word, 4);
      }
    }
  }

  // Innermost loops by size of element; the outermost axis is what threads share.
  void move(const Step& s) const {
    const Move& m = s.move;
    const uint8_t* src = run_.data[s.src[0]] + m.src_start;
    uint8_t* dst = run_.data[s.dst] + m.dst_start;
    if (m.axes.size() < 2) {
      move_axis(m, 0, src, dst);
      return;
    }
    const Move::Axis& outer = m.axes[0];
    int64_t inner = m.element;
    for (size_t i = 1; i < m.axes.size(); ++i) inner *= m.axes[i].extent;
    const int64_t group = std::max<int64_t>(1, kOpsGrain / inner), tasks = (outer.extent + group - 1) / group;
    const bool plane = is_plane(m, 0);
    spread(run_.parallel, tasks, [&](int64_t task) {
      const int64_t first = task * group, last = std::min(outer.extent, first + group);
      if (plane) {
        Move::Axis part = outer;
        part.extent = last - first;
        return move_plane(m.element, part, m.axes[1], src + first * outer.src, dst + first * outer.dst);
      }
      for (int64_t i = first; i < last; ++i) {
        const int64_t from = outer.offsets.empty() ? i * outer.src : outer.offsets[static_cast<size_t>(i)];
        move_axis(m, 1, src + from, dst + i * outer.dst);
      }
    });
  }

  // From this axis on: two of even steps.
  static bool is_plane(const Move& m, size_t axis) {
    return m.axes.size() == axis + 2 && m.axes[axis].offsets.empty() && m.axes[axis + 1].offsets.empty();
  }

  void move_axis(const Move& m, size_t axis, const uint8_t* src, uint8_t* dst) const {
    const size_t left = m.axes.size() - axis;
    if (left == 0) {
      std::memcpy(dst, src, static_cast<size_t>(m.element));
    } else if (left == 1) {
      move_line(m.element, m.axes[axis], src, dst);
    } else if (is_plane(m, axis)) {
      move_plane(m.element, m.axes[axis], m.axes[axis + 1], src, dst);
    } else {
      const Move::Axis& a = m.axes[axis];
      for (int64_t i = 0; i < a.extent; ++i) {
        const int64_t from = a.offsets.empty() ? i * a.src : a.offsets[static_cast<size_t>(i)];
        move_axis(m, axis + 1, src + from, dst + i * a.dst);
      }
    }
  }

  // Bytes may be stored anywhere, so what a loop needs is read before it.
  template <class T>
  static void move_elements(const Move::Axis& a, const uint8_t* src, uint8_t* dst) {
    const int64_t extent = a.extent, from = a.src, to = a.dst;
    const int64_t* const offsets = a.offsets.data();
    if (a.offsets.empty()) {
      for (int64_t i = 0; i < extent; ++i) std::memcpy(dst + i * to, src + i * from, sizeof(T));
    } else {
      for (int64_t i = 0; i < extent; ++i) std::memcpy(dst + i * to, src + offsets[i], sizeof(T));
    }
  }

  static void move_line(int64_t element, const Move::Axis& a, const uint8_t* src, uint8_t* dst) {
    if (a.offsets.empty() && a.src == element && a.dst == element) {
      std::memcpy(dst, src, static_cast<size_t>(a.extent * element));
      return;
    }
    switch (element) {
      case 1: move_elements<uint8_t>(a, src, dst); break;
      case 2: move_elements<uint16_t>(a, src, dst); break;
      case 4: move_elements<uint32_t>(a, src, dst); break;
      default: move_elements<uint64_t>(a, src, dst);
    }
  }

  // Two axes at once: many short lines, or a matrix turned.
  void move_plane(int64_t element, Move::Axis a, const Move::Axis& b, const uint8_t* src, uint8_t* dst) const {
    constexpr int64_t kBlock = 16;  // bytes convert() reads of every pixel at a time
    const int64_t whole = a.extent / kBlock * kBlock;
    if (element == 1 && a.src == 1 && b.dst == 1 && whole > 0 && b.extent >= kBlock) {
      View pixels = row_view(b.extent, whole, DType::u8), planes = planar_view(1, whole, 1, b.extent, DType::u8);
      pixels.data = const_cast<uint8_t*>(src);
      pixels.stride_x = b.src;
      planes.data = dst;
      planes.stride_c = a.dst;
      convert({}, pixels, planes, run_.best, {});
      a.extent -= whole;
      src += whole;
      dst += whole * a.dst;
    }
    const bool lines = b.src == element && b.dst == element;
    if (lines && b.extent * element >= 8)
      return run_.ops.copy({src, a.src}, {dst, a.dst}, b.extent * element, a.extent);
    if (element == 1 && b.extent < 8) {
      // The longer axis innermost.
      for (int64_t j = 0; j < b.extent; ++j) move_elements<uint8_t>(a, src + j * b.src, dst + j * b.dst);
      return;
    }
    for (int64_t i = 0; i < a.extent; ++i) move_line(element, b, src + i * a.src, dst + i * a.dst);
  }

  Status dot(const Step& s) const {
    const DotPlan& d = s.dot;
    Tail tails[kMaxTails];
    const std::span<const Tail> list = tails_of(s, tails);
    const Tensor src = tensor(s.src[0]), dst = destination_of(run_, s);
    if (s.src.size() < 2) return d.op->run(*d.choice, src, dst, run_.scratch, run_.parallel, nullptr, 0, list);
    return products(s, src, dst, list);
  }

  std::span<const Tail> tails_of(const Step& s, Tail* tails) const {
    const size_t count = s.tails.size();
    for (size_t i = 0; i < count; ++i) {
      tails[i] = s.tails[i].tail;
      if (s.tails[i].other < 0) continue;
      if (tails[i].kind == Tail::Kind::sums) {
        const auto* parameters = reinterpret_cast<const float*>(run_.data[s.tails[i].other]);
        tails[i].sums.scale = parameters[0];
        tails[i].sums.zp = static_cast<int32_t>(parameters[1]);
        continue;
      }
      tails[i].other = tensor(s.tails[i].other);
      if (s.tails[i].fills_halo) tails[i].other.border = store(s.tails[i].other).border_code;
      const Store& to = store(s.dst);
      const bool row =
          tails[i].kind == Tail::Kind::floats &&
          (s.dot.products.size() > 1 || element_count(store(s.tails[i].other).shape) != element_count(to.shape));
      if (tails[i].kind == Tail::Kind::gate || row) tails[i].other = gate_rows(s.tails[i].other, to.tensor.c);
      if (row && s.tails[i].mask_rows > 1) tails[i].other = matrix_of(tails[i].other, s.tails[i].mask_rows, 0);
    }
    return {tails, count};
  }

  [[nodiscard]] Tensor gate_rows(int s, int64_t c) const {
    Tensor t;
    t.data = run_.data[s];
    t.n = element_count(store(s).shape) / c;
    t.c = c;
    t.stride_x = t.stride_y = t.stride_n = c * size_of(store(s).type);
    return t;
  }

  // One of the matrices of m rows that lie one behind the other.
  static Tensor matrix_of(Tensor all, int64_t m, int64_t index) {
    all.w = m;
    all.stride_y = all.stride_n = m * all.stride_x;
    all.data += index * all.stride_n;
    return all;
  }

  // Dense with variable weights: one product after the other on all threads, or as many at a time as there are slots.
  Status products(const Step& s, const Tensor& src, const Tensor& dst, std::span<const Tail> tails) const {
    const DotPlan& d = s.dot;
    const OpSpec& spec = d.spec;
    const uint8_t* wei = run_.data[s.src[1]];
    const size_t slot_bytes = align_up(d.op->scratch_bytes(*d.choice));
    const bool apart = d.slots > 1;
    std::atomic_flag failed;
    Status failure;
    const Parallel outer = apart ? run_.parallel : Parallel{}, inner = apart ? Parallel{} : run_.parallel;
    spread_slots(outer, d.slots, std::ssize(d.products), [&](int64_t i, size_t slot) {
      const DotPlan::Product& product = d.products[static_cast<size_t>(i)];
      Tail own[kMaxTails];
      for (size_t t = 0; t < tails.size(); ++t) {
        own[t] = tails[t];
        const StepTail& tail = s.tails[t];
        if (tail.writes_other()) own[t].other = matrix_of(tails[t].other, spec.m, product.dst);
        if (tail.tail.kind != Tail::Kind::floats || tail.other < 0) continue;
        // One mask after the other, each for as many products.
        const int64_t size = tail.mask_rows * spec.n;
        if (size == 0) continue;
        const int64_t masks = element_count(store(tail.other).shape) / size;
        own[t].other.data += product.dst * masks / std::ssize(d.products) * size * size_of(DType::f32);
        own[t].other.n = 1;
      }
      Status status = d.op->run(*d.choice, matrix_of(src, spec.m, product.src), matrix_of(dst, spec.m, product.dst),
                                run_.scratch + slot * slot_bytes, inner, wei + product.wei * spec.k * spec.n, 0,
                                {own, tails.size()});
      if (!status.ok() && !failed.test_and_set()) failure = std::move(status);
    });
    return failure;
  }

  const RunContext& run_;
};

// The steps that overlap: two at a time, each in the place of the one before the last.
class Flow {
 public:
  Flow(const RunContext& run, const Execution& execution)
      : team_(run.parallel.team), execution_(execution), slots_(std::max(run.program.slots, 1)) {}
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;
  ~Flow() {
    if (team_ != nullptr) team_->finish();
  }

  Status start(const Step& step) {
    team_->make_room();
    Execution::Pending& place = pending_[next_];
    OCTILE_RETURN_IF_ERROR(ended(place));
    OCTILE_RETURN_IF_ERROR(execution_.start(step, place, slots_, pending_[1 - next_].step != nullptr));
    next_ = 1 - next_;
    return {};
  }

  // Nothing runs afterwards.
  Status finish() {
    if (team_ == nullptr) return {};
    team_->finish();
    Status first = ended(pending_[next_]), last = ended(pending_[1 - next_]);
    return first.ok() ? last : first;
  }

 private:
  static Status ended(Execution::Pending& pending) {
    if (pending.step == nullptr) return {};
    Status status = pending.step->kind == StepKind::dot ? PreparedOp::ended(pending.job) : Status();
    pending.step = nullptr;
    pending.job.rc.store(0, std::memory_order_relaxed);
    return status;
  }

  Team* team_;
  const Execution& execution_;
  Slots slots_;
  Execution::Pending pending_[2];
  int next_ = 0;
};

uint8_t* memory_of(const Store& s, const std::vector<HostTensor>& inputs, void* const* outputs, uint8_t* arena) {
  switch (s.home) {
    case Home::input: return static_cast<uint8_t*>(inputs[static_cast<size_t>(s.slot)].data);
    case Home::output: return static_cast<uint8_t*>(outputs[s.slot]);
    case Home::constant: return const_cast<uint8_t*>(s.constant);  // nothing writes it
    case Home::arena: return arena + s.offset;
  }
  return nullptr;
}

}  // namespace

Status execute(const Program& program, Isa best, const std::vector<HostTensor>& inputs, void* const* outputs,
               uint8_t* arena, const Parallel& parallel, double* us) {
  using Clock = std::chrono::steady_clock;
  auto** data = reinterpret_cast<uint8_t**>(arena);
  for (size_t s = 0; s < program.stores.size(); ++s) {
    const Store& root = program.stores[static_cast<size_t>(root_of(program, static_cast<int>(s)))];
    data[s] = memory_of(root, inputs, outputs, arena) + program.stores[s].origin;
  }
  const RunContext run{program, ops_for(best), best, parallel, data, arena + program.scratch_offset};
  Execution execution(run);
  Flow flow(run, execution);
  // Steps that overlap have no times of their own.
  const bool flows = parallel.team != nullptr && program.slots > 0 && us == nullptr;
  for (size_t i = 0; i < program.steps.size(); ++i) {
    const Step& step = program.steps[i];
    if (flows && step.overlaps) {
      OCTILE_RETURN_IF_ERROR(flow.start(step));
      continue;
    }
    OCTILE_RETURN_IF_ERROR(flow.finish());
    const Clock::time_point start = us == nullptr ? Clock::time_point{} : Clock::now();
    OCTILE_RETURN_IF_ERROR(execution.step(step));
    for (const int border : step.borders) {
      Tensor t = program.stores[static_cast<size_t>(border)].tensor;
      t.data = data[border];
      // What was quantized on the spot pads with the zero point found on the spot.
      const bool dynamic = step.kind == StepKind::dynamic_quantize;
      const auto found =
          dynamic ? static_cast<uint8_t>(reinterpret_cast<const float*>(data[step.src[1]])[1]) : uint8_t{0};
      fill_border(t, dynamic ? found : program.stores[static_cast<size_t>(border)].border_code, parallel);
    }
    if (us != nullptr) us[i] = std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  }
  return flow.finish();
}

}  // namespace octile::runtime
