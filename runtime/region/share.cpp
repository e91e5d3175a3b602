// Copies that need not be made, each rewrite sound by itself.  In/out: see share.h.  Not here: arithmetic.
#include "runtime/region/share.h"

#include <algorithm>
#include <utility>

#include "runtime/region/functions.h"
#include "runtime/region/step_graph.h"

namespace octile::runtime {
namespace {

class Sharer : StepGraph {
 public:
  Sharer(Program& program, const RegionDesc& desc) : StepGraph(program, desc) {}

  void run() {
    count();
    for (size_t i = 0; i < p_.steps.size(); ++i) {
      if (!write_output_directly(i) && !share_memory(i) && !fuse_copy(i)) continue;
      erase(i);
      count();
    }
    close_holes();
    for (Step& step : p_.steps) {
      if (step.tails.empty() || step.tails.back().tail.kind != Tail::Kind::quantize) continue;
      const auto floats = static_cast<size_t>(step.dst);
      step.tails.back().tail.alone = readers_[floats].empty() && !aliased_[floats] && store(step.dst).alias < 0 &&
                                     store(step.dst).home == Home::arena;
    }
  }

 private:
  // A last copy to the host, byte for byte: its source is the host's memory then.
  bool write_output_directly(size_t i) {
    const Step& copy = p_.steps[i];
    if (copy.kind != StepKind::convert || !copy.convert.copy) return false;
    Store& to = store(copy.dst);
    Store& from = store(copy.src[0]);
    const auto at = static_cast<size_t>(copy.src[0]);
    if (to.home != Home::output || to.raw_signed || from.raw_signed || from.type != to.type) return false;
    if (from.home != Home::arena || from.alias >= 0 || aliased_[at] || from.bordered()) return false;
    if (readers_[at].size() != 1 || from.shape != to.shape) return false;
    if (from.order == Order::nhwc && !same_bytes(from.shape)) return false;
    from.home = Home::output;
    from.slot = to.slot;
    return true;
  }

  // Does a window show all of its store but a range of channels?
  [[nodiscard]] bool channel_slice(const Window& w, int64_t& first) const {
    const Store& s = p_.stores[static_cast<size_t>(w.store)];
    if (s.alias >= 0 || s.raw_signed || s.home != Home::arena || w.shape.size() != s.shape.size() || s.shape.empty()) {
      return false;
    }
    const size_t channel = s.order == Order::nhwc ? 1 : s.shape.size() - 1;
    for (size_t k = 0; k < w.axes.size(); ++k) {
      const bool plain = w.shape[k] == 1 || (w.axes[k].of == static_cast<int>(k) && w.axes[k].step == 1);
      if (!plain || (k != channel && w.shape[k] != s.shape[k])) return false;
      if (k != channel && w.start[k] != 0) return false;
    }
    first = w.start[channel];
    return true;
  }

  // Can every step that touches this store live with pixels further apart than their channels?
  [[nodiscard]] bool takes_pitch(int s) const {
    const auto fits = [&](const Step& step, bool reads) {
      switch (step.kind) {
        case StepKind::dot: {
          const OpSpec& spec = step.dot.spec;
          const bool tail =
              std::any_of(step.tails.begin(), step.tails.end(), [&](const StepTail& t) { return t.other == s; });
          if (step.dot.products.size() != 1 || spec.wei_var) return false;
          if (!reads || tail) return spec.dst != DType::s32 || !step.tails.empty();
          return spec.kind == OpKind::dense || spec.depthwise() || spec.kw == 1 || spec.g > 1 || spec.dw > 1;
        }
        case StepKind::table:
        case StepKind::channel_table:
        case StepKind::binary:
        case StepKind::max_pool:
        case StepKind::average_pool:
        case StepKind::global_average:
        case StepKind::global_max:
        case StepKind::resize_nearest:
        case StepKind::resize_linear:
        case StepKind::move: return true;
        case StepKind::dynamic_range:
        case StepKind::dynamic_quantize: return p_.stores[static_cast<size_t>(s)].order == Order::nhwc;
        default: return false;
      }
    };
    const auto at = static_cast<size_t>(s);
    return std::all_of(readers_[at].begin(), readers_[at].end(), [&](size_t i) { return fits(p_.steps[i], true); }) &&
           std::all_of(writers_[at].begin(), writers_[at].end(), [&](size_t i) { return fits(p_.steps[i], false); });
  }

  // A copy into a range of channels (concat), or out of one (split): both names share the memory instead.
  bool share_memory(size_t i) {
    const Step& copy = p_.steps[i];
    if (copy.kind != StepKind::move || !copy.move.at.empty()) return false;
    const Move& m = copy.move;
    const bool into = is_whole(m.from), outof = is_whole(m.to);
    int64_t first = 0;
    int part = -1, all = -1;
    if (into && channel_slice(m.to, first)) {
      part = m.from.store;
      all = m.to.store;
    } else if (outof && channel_slice(m.from, first)) {
      part = m.to.store;
      all = m.from.store;
    }
    if (part < 0 || part == all) return false;
    Store& p = store(part);
    const Store& a = store(all);
    const auto at = static_cast<size_t>(part);
    if (p.home != Home::arena || p.alias >= 0 || aliased_[at] || p.bordered() || p.pinned || p.order != a.order ||
        p.type != a.type || p.type == DType::s32 || p.shape.size() != a.shape.size()) {
      return false;
    }
    // A fill writes everything: it must stay in front of what is put into it.
    if (part == m.from.store && !filled_by_parts(all)) return false;
    if (!takes_pitch(part)) return false;
    p.alias = all;
    p.first_channel = first;
    p.slice = true;
    return true;
  }

  // A table over what others read as well, or a copy of it into a part of something: who makes it writes both.
  bool fuse_copy(size_t i) {
    const Step& copy = p_.steps[i];
    int from = copy.src.empty() ? -1 : copy.src[0], to = copy.dst;
    int64_t first = 0, begin = 0;
    if (copy.kind == StepKind::move) {
      if (!copy.move.at.empty() || !channels_of(copy.move.from, first) || !channels_of(copy.move.to, begin))
        return false;
    } else if (copy.kind != StepKind::table || !alike(from, to)) {
      return false;
    }
    for (; store(from).slice; from = store(from).alias) first += store(from).first_channel;
    const auto& makers = writers_[static_cast<size_t>(from)];
    if (makers.size() != 1 || store(to).home != Home::arena || store(to).type != DType::u8 ||
        store(from).type != DType::u8 || store(from).order != store(to).order || !filled_by_parts(to) ||
        element_count(store(to).shape) == 0) {
      return false;
    }
    Step& dot = p_.steps[makers[0]];
    if (!takes_tail_with_other(dot)) return false;
    StepTail tail;
    tail.tail.kind = Tail::Kind::copy;
    tail.tail.channel = first;
    tail.table = copy.table;
    if (dot.dst != from) {  // from what is a copy itself
      const auto made =
          std::find_if(dot.tails.begin(), dot.tails.end(), [&](const StepTail& t) { return t.other == from; });
      tail.tail.channel += made->tail.channel;
      tail.table = compose(made->table, copy.table);
    }
    tail.nodes = {copy.node};
    tail.other = to;
    if (copy.kind == StepKind::move && copy.move.to.shape != store(to).shape) {
      Store part = store(to);
      part.shape = copy.move.to.shape;
      part.alias = to;
      part.slice = true;
      part.first_channel = begin;
      tail.other = static_cast<int>(p_.stores.size());
      p_.stores.push_back(std::move(part));
    }
    say(copy.node, dot);
    dot.tails.push_back(std::move(tail));
    return true;
  }

  // Nothing but parts is written to it: not a fill, which must come first.
  [[nodiscard]] bool filled_by_parts(int s) const {
    const auto& all = writers_[static_cast<size_t>(s)];
    return std::none_of(all.begin(), all.end(), [&](size_t w) { return p_.steps[w].kind == StepKind::fill; });
  }

  // A window that shows all pixels of its store, from channel `first` on.
  [[nodiscard]] bool channels_of(const Window& w, int64_t& first) const {
    first = 0;
    return is_whole(w) || channel_slice(w, first);
  }

  [[nodiscard]] bool is_whole(const Window& w) const {
    const Store& s = p_.stores[static_cast<size_t>(w.store)];
    if (w.shape != s.shape) return false;
    for (size_t k = 0; k < w.axes.size(); ++k) {
      if (w.shape[k] != 1 && (w.axes[k].of != static_cast<int>(k) || w.axes[k].step != 1)) return false;
    }
    return std::all_of(w.start.begin(), w.start.end(), [](int64_t x) { return x == 0; });
  }
};

}  // namespace

void share(Program& program, const RegionDesc& desc) { Sharer(program, desc).run(); }

}  // namespace octile::runtime
