// Who reads what whom wrote, task by task; see overlap.h.
#include "runtime/region/overlap.h"

#include <algorithm>
#include <optional>

#include "runtime/exec/job.h"
#include "runtime/exec/team.h"
#include "runtime/region/passes.h"
#include "runtime/region/place.h"

namespace octile::runtime {
namespace {

constexpr uint64_t kAll = ~uint64_t{0};

bool meet(const Patch& a, const Patch& b) {
  return a.first < b.last && b.first < a.last && a.x < b.x_end && b.x < a.x_end && a.channel < b.channel_end &&
         b.channel < a.channel_end;
}

// What of its source an op reads for a patch of its output.
Patch source_of(const OpSpec& s, const Patch& out) {
  Patch in = out;
  if (!s.depthwise()) in.channel = 0, in.channel_end = s.kind == OpKind::dense ? s.k : s.ic;
  if (s.kind == OpKind::dense) return in;
  if (s.kh * s.kw * s.sh * s.sw == 1 && s.pt + s.pl + s.pb + s.pr == 0) return in;
  // Beside the image a halo, which comes with the pixels nearest to it.
  const auto reach = [](int64_t at, int64_t step, int64_t before, int64_t extent) {
    return std::clamp<int64_t>(at * step - before, 0, extent - 1);
  };
  const int64_t rows = s.oh(), columns = s.ow(), down = (s.kh - 1) * s.dh, along = (s.kw - 1) * s.dw;
  const int64_t top = out.first / columns, bottom = (out.last - 1) / columns;
  in.first = (top / rows * s.ih + reach(top % rows, s.sh, s.pt, s.ih)) * s.iw;
  in.last = (bottom / rows * s.ih + reach(bottom % rows, s.sh, s.pt - down, s.ih) + 1) * s.iw;
  const bool row = top == bottom;
  const int64_t left = row ? out.first % columns : out.x, right = row ? (out.last - 1) % columns : out.x_end - 1;
  in.x = reach(std::max(left, out.x), s.sw, s.pl, s.iw);
  in.x_end = reach(std::min(right, out.x_end - 1), s.sw, s.pl - along, s.iw) + 1;
  return in;
}

class Overlaps {
 public:
  explicit Overlaps(Program& program) : p_(program) {}

  void find() {
    std::vector<Patch> before, now;  // of the tasks of a step
    const Step* last = nullptr;
    for (Step& step : p_.steps) {
      step.overlaps = may(step);
      if (step.overlaps) {
        now.clear();
        for (size_t i = 0; i < tasks_of(step); ++i) now.push_back(patch(step, i));
        step.needs.assign(now.size(), 0);
        if (last != nullptr) {
          for (size_t i = 0; i < now.size(); ++i) step.needs[i] = needs(step, i, now[i], *last, before);
        }
        before.swap(now);
      }
      last = step.overlaps ? &step : nullptr;
    }
  }

 private:
  [[nodiscard]] const Store& store(int s) const { return p_.stores[static_cast<size_t>(s)]; }

  static size_t tasks_of(const Step& step) {
    if (step.kind != StepKind::dot) return static_cast<size_t>(step.cut.tasks);
    const DotPlan& d = step.dot;
    return d.choice == nullptr || step.src.size() > 1 || d.products.size() > 1 ? 0 : d.op->tasks(*d.choice);
  }
  [[nodiscard]] Patch patch(const Step& step, size_t task) const {
    return step.kind == StepKind::dot ? step.dot.op->patch(*step.dot.choice, task) : patch_of(p_, step, task);
  }
  static bool may(const Step& step) {
    const size_t tasks = tasks_of(step);
    return tasks > 1 && tasks <= Team::kMostTasks && step.borders.empty();
  }

  // Where a store's first channel is in its memory, if it has the pixels of it.
  [[nodiscard]] std::optional<int64_t> channel_in_memory(int s) const {
    int64_t channel = 0;
    for (; store(s).alias >= 0; s = store(s).alias) {
      const Tensor &own = store(s).tensor, &of = store(store(s).alias).tensor;
      if (own.n != of.n || own.h != of.h || own.w != of.w) return {};
      if (store(s).slice) {
        channel += store(s).first_channel;
      } else if (own.c != of.c) {
        return {};
      }
    }
    return channel;
  }

  // What of a source a task of a pass reads, if that is known; pools and resizes read rows nearby.
  [[nodiscard]] std::optional<Patch> source_of_pass(const Step& step, size_t task, int from, const Patch& out) const {
    const Tensor& t = store(from).tensor;
    switch (step.cut.by) {
      case PassCut::By::pixels:
        if (element_count(store(from).shape) == element_count(store(step.dst).shape)) return out;
        return {};
      case PassCut::By::channels: {
        const int64_t pixels = t.h * t.w;
        return Patch{out.first * pixels, out.last * pixels, 0, t.w, out.channel, out.channel_end};
      }
      case PassCut::By::bands: {
        const auto band = static_cast<int64_t>(task);
        return Patch{
            share_start(step.cut, t.h, band) * t.w, share_start(step.cut, t.h, band + 1) * t.w, 0, t.w, 0, t.c};
      }
      default: return {};
    }
  }

  // The tasks of `writer` that a task of `step` waits for; out: what that one writes.
  [[nodiscard]] uint64_t needs(const Step& step, size_t task, const Patch& out, const Step& writer,
                               const std::vector<Patch>& tasks) const {
    const uint64_t all = kAll >> (Team::kMostTasks - tasks.size());
    uint64_t found = 0;
    const auto reads = [&](int s, const Patch* patch) {
      int dst = writer.dst;
      for (const StepTail& t : writer.tails) {
        if (!t.writes_other() || root_of(p_, t.other) != root_of(p_, s)) continue;
        if (t.tail.kind != Tail::Kind::quantize) found = all;
        dst = t.other;
      }
      if (root_of(p_, dst) != root_of(p_, s)) return;
      const std::optional<int64_t> from = channel_in_memory(s), to = channel_in_memory(dst);
      if (patch == nullptr || !from || !to) {
        found = all;
        return;
      }
      for (size_t i = 0; i < tasks.size(); ++i) {
        Patch written = tasks[i];
        written.channel += *to - *from;
        written.channel_end += *to - *from;
        if (meet(*patch, written)) found |= uint64_t{1} << i;
      }
    };
    if (step.kind == StepKind::dot) {
      const Patch source = source_of(step.dot.spec, out);
      reads(step.src[0], &source);
    } else {
      for (const int from : step.src) {
        const std::optional<Patch> source = source_of_pass(step, task, from, out);
        reads(from, source ? &*source : nullptr);
      }
    }
    for (const StepTail& t : step.tails) {
      const bool beside = t.tail.kind == Tail::Kind::binary || t.tail.kind == Tail::Kind::floats;
      const bool alike = t.other >= 0 && element_count(p_.stores[static_cast<size_t>(t.other)].shape) ==
                                             element_count(p_.stores[static_cast<size_t>(step.dst)].shape);
      if (t.other >= 0 && !t.writes_other()) reads(t.other, beside && alike ? &out : nullptr);
    }
    return found;
  }

  Program& p_;
};

}  // namespace

void find_overlaps(Program& program) { Overlaps(program).find(); }

}  // namespace octile::runtime
