// Rewrites on the list of steps, each sound by itself: a store has one writer, so a step whose result has one reader
// can do that reader's work. In/out: see fuse.h.  Not here: arithmetic.
#include "runtime/region/fuse.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/region/functions.h"

namespace octile::runtime {
namespace {

class Fuser {
 public:
  Fuser(Program& program, const RegionDesc& desc) : p_(program), desc_(desc) {}

  void run() {
    drop_dead();
    for (bool changed = true; changed;) {
      changed = false;
      count();
      for (size_t i = 0; i < p_.steps.size() && !changed; ++i) {
        changed = fuse_table(i) || table_before_resize(i) || skip_floats(i) || floats_before_rename(i) ||
                  fuse_binary(i) || fuse_floats(i) || fuse_quantize(i);
      }
    }
    for (bool changed = true; changed;) {
      changed = false;
      count();
      for (size_t i = 0; i < p_.steps.size() && !changed; ++i) changed = code_rows(i) || fuse_softmax(i);
    }
    for (size_t i = 0; i < p_.steps.size();) {
      const bool gone = write_output_directly(i) || share_memory(i) || fuse_copy(i);
      if (gone) {
        p_.steps.erase(p_.steps.begin() + static_cast<std::ptrdiff_t>(i));
        count();
      } else {
        ++i;
      }
    }
    for (Step& step : p_.steps) {
      if (step.tails.empty() || step.tails.back().tail.kind != Tail::Kind::quantize) continue;
      const auto floats = static_cast<size_t>(step.dst);
      step.tails.back().tail.alone = readers_[floats].empty() && !aliased_[floats] && store(step.dst).alias < 0 &&
                                     store(step.dst).home == Home::arena;
    }
  }

 private:
  Store& store(int s) { return p_.stores[static_cast<size_t>(s)]; }
  [[nodiscard]] int root(int s) const {
    while (p_.stores[static_cast<size_t>(s)].alias >= 0) s = p_.stores[static_cast<size_t>(s)].alias;
    return s;
  }
  template <class F>
  void each_source(const Step& step, const F& f) const {
    for (int s : step.src) f(s);
    for (const StepTail& t : step.tails) {
      if (t.other >= 0 && !t.writes_other()) f(t.other);
    }
  }

  void count() {
    readers_.assign(p_.stores.size(), {});
    writers_.assign(p_.stores.size(), {});
    aliased_.assign(p_.stores.size(), false);
    for (size_t i = 0; i < p_.steps.size(); ++i) {
      each_source(p_.steps[i], [&](int s) { readers_[static_cast<size_t>(s)].push_back(i); });
      writers_[static_cast<size_t>(p_.steps[i].dst)].push_back(i);
      for (const StepTail& t : p_.steps[i].tails) {
        if (t.writes_other()) writers_[static_cast<size_t>(t.other)].push_back(i);
      }
    }
    for (size_t s = 0; s < p_.stores.size(); ++s) {
      const bool read = !readers_[s].empty() || !writers_[s].empty();
      if (p_.stores[s].alias >= 0 && read) aliased_[static_cast<size_t>(p_.stores[s].alias)] = true;
    }
  }

  // Steps whose results nobody reads.
  void drop_dead() {
    for (bool changed = true; changed;) {
      std::vector<bool> read(p_.stores.size(), false);
      for (const Step& step : p_.steps) each_source(step, [&](int s) { read[static_cast<size_t>(root(s))] = true; });
      const auto dead = [&](const Step& step) {
        const auto to = static_cast<size_t>(root(step.dst));
        return !read[to] && p_.stores[to].home != Home::output;
      };
      changed = std::erase_if(p_.steps, dead) > 0;
    }
  }

  // The only writer of a store that has one reader and no other name; -1: not so.
  [[nodiscard]] int sole_writer(int s) const {
    const auto at = static_cast<size_t>(s);
    const Store& store = p_.stores[at];
    if (store.home != Home::arena || store.alias >= 0 || aliased_[at] || store.bordered()) return -1;
    if (readers_[at].size() != 1 || writers_[at].size() != 1) return -1;
    return static_cast<int>(writers_[at][0]);
  }

  [[nodiscard]] bool alike(int a, int b) const {
    const Store &x = p_.stores[static_cast<size_t>(a)], &y = p_.stores[static_cast<size_t>(b)];
    return x.shape == y.shape && x.order == y.order;
  }

  void erase(size_t step) { p_.steps.erase(p_.steps.begin() + static_cast<std::ptrdiff_t>(step)); }
  void say(int node, const Step& into) {
    if (node < 0) return;
    const std::string name =
        into.node >= 0 ? "'" + desc_.nodes[static_cast<size_t>(into.node)].name + "'" : "a conversion";
    p_.how[static_cast<size_t>(node)] = "tail of " + name;
  }

  [[nodiscard]] static bool takes_tail(const Step& step) {
    return step.kind == StepKind::dot && step.dot.spec.dst != DType::s32 && step.tails.size() < kMaxTails;
  }
  // One that has another tensor, of the whole result's pixels.
  [[nodiscard]] static bool takes_tail_with_other(const Step& step) {
    return takes_tail(step) && step.dot.products.size() == 1;
  }

  [[nodiscard]] static bool ends_in_table(const StepTail& t) {
    return t.tail.kind == Tail::Kind::table || t.tail.kind == Tail::Kind::binary || t.tail.kind == Tail::Kind::gate;
  }

  // A table, or lines per channel, behind what makes their source.
  bool fuse_table(size_t i) {
    const Step& table = p_.steps[i];
    const bool lines = table.kind == StepKind::channel_table && table.lines != nullptr;
    if ((table.kind != StepKind::table && !lines) || !alike(table.src[0], table.dst)) return false;
    const int writer = sole_writer(table.src[0]);
    if (writer < 0) return false;
    Step& before = p_.steps[static_cast<size_t>(writer)];
    if (!lines && !before.tails.empty() && ends_in_table(before.tails.back())) {
      StepTail& last = before.tails.back();
      last.table = compose(last.table, table.table);
      last.nodes.push_back(table.node);
      if (last.tail.kind == Tail::Kind::table && last.table == nullptr) before.tails.pop_back();
    } else if (takes_tail(before)) {
      StepTail tail;
      tail.tail.kind = lines ? Tail::Kind::line : Tail::Kind::table;
      tail.table = table.table;
      tail.lines = table.lines;
      tail.nodes = {table.node};
      before.tails.push_back(std::move(tail));
    } else if (!lines && (before.kind == StepKind::binary || before.kind == StepKind::table)) {
      before.table = compose(before.table, table.table);
      if (before.table == nullptr && before.kind == StepKind::table) before.table = identity();
    } else {
      return false;
    }
    before.dst = table.dst;
    say(table.node, before);
    erase(i);
    return true;
  }

  // A table over what a resize repeats: of fewer elements before it, and there it may become somebody's tail.
  bool table_before_resize(size_t i) {
    if (p_.steps[i].kind != StepKind::table || !alike(p_.steps[i].src[0], p_.steps[i].dst)) return false;
    const int writer = sole_writer(p_.steps[i].src[0]);
    if (writer < 0) return false;
    Step &resize = p_.steps[static_cast<size_t>(writer)], &table = p_.steps[i];
    if (resize.kind != StepKind::resize_nearest) return false;
    const Store& from = store(resize.src[0]);
    if (from.home != Home::arena || element_count(from.shape) >= element_count(store(table.dst).shape)) return false;
    Store mapped;
    mapped.shape = from.shape;
    mapped.order = from.order;
    const auto made = static_cast<int>(p_.stores.size());
    p_.stores.push_back(std::move(mapped));
    resize.dst = table.dst;
    table.src[0] = std::exchange(resize.src[0], made);
    table.dst = made;
    std::swap(resize, table);
    return true;
  }

  static ByteFn identity() {
    auto out = std::make_shared<ByteTable>();
    for (size_t b = 0; b < out->size(); ++b) (*out)[b] = static_cast<uint8_t>(b);
    return out;
  }

  // Of a step's operands the one whose only writer comes last, among writers that `fits`; writer -1: none.
  struct Operand {
    int writer = -1;
    size_t at = 0;
  };
  template <class Fits>
  [[nodiscard]] Operand latest_written(const Step& step, const Fits& fits) const {
    Operand best;
    for (size_t k = 0; k < step.src.size(); ++k) {
      const int writer = sole_writer(step.src[k]);
      if (writer <= best.writer || !alike(step.src[k], step.dst)) continue;
      if (fits(p_.steps[static_cast<size_t>(writer)], k)) best = {writer, k};
    }
    return best;
  }

  // The step becomes the tail of a product before it, which then runs where the step stood.
  void become_tail(size_t i, int product, StepTail tail) {
    Step dot = std::move(p_.steps[static_cast<size_t>(product)]);
    tail.nodes = {p_.steps[i].node};
    dot.tails.push_back(std::move(tail));
    dot.dst = p_.steps[i].dst;
    say(p_.steps[i].node, dot);
    p_.steps[i] = std::move(dot);
    erase(static_cast<size_t>(product));
  }

  // A sum or product becomes the tail of the convolution that makes one of its operands. It then runs where the
  // sum stood: only the sum reads what the convolution makes.
  bool fuse_binary(size_t i) {
    const Step& sum = p_.steps[i];
    if (sum.kind != StepKind::binary || sum.src[0] == sum.src[1]) return false;
    const Operand own = latest_written(sum, [&](const Step& writer, size_t k) {
      const bool gate = sum.gate && (k == 0) == sum.gate_first;  // itself too small
      return !gate && takes_tail_with_other(writer);
    });
    if (own.writer < 0) return false;
    StepTail tail;
    tail.tail.kind = sum.gate ? Tail::Kind::gate : Tail::Kind::binary;
    tail.tail.form = sum.form;
    tail.tail.other_first = own.at == 1;
    tail.table = sum.table;
    tail.pairs = sum.pairs;
    tail.other = sum.src[1 - own.at];
    become_tail(i, own.writer, std::move(tail));
    return true;
  }

  // A product whose sums a tail turns into floats.
  [[nodiscard]] static bool makes_floats(const Step& step) {
    return !step.tails.empty() && step.tails[0].tail.kind == Tail::Kind::sums && step.tails.size() < kMaxTails;
  }

  [[nodiscard]] static bool quantizes(const Step& step) {
    return step.kind == StepKind::convert && step.convert.kind == OpKind::quantize && !step.convert.copy;
  }
  [[nodiscard]] static QuantizeForm form_of(const ConvertOp& c) {
    return QuantizeTo{c.scale, c.dst_zp, c.lo, c.hi, c.dst == DType::s8}.form();
  }

  // Rows of softmax and normalizations and functions that nobody reads as floats: codes, some floats at a time. What
  // may be a product's tail already is.
  bool code_rows(size_t i) {
    const Step& step = p_.steps[i];
    const int writer = quantizes(step) && step.function == nullptr ? sole_writer(step.src[0]) : -1;
    if (writer < 0) return false;
    const Store& to = store(step.dst);
    Step& rows = p_.steps[static_cast<size_t>(writer)];
    const bool of_rows = rows.kind == StepKind::softmax_rows || rows.kind == StepKind::layer_norm_rows;
    if ((!of_rows && rows.kind != StepKind::float_function) || (of_rows && rows.row > kMostCoded) ||
        !alike(step.src[0], step.dst) || to.home != Home::arena || to.bordered() || to.raw_signed) {
      return false;
    }
    rows.to = form_of(step.convert);
    rows.dst = step.dst;
    rows.others.push_back(step.node);
    say(step.node, rows);
    erase(i);
    return true;
  }

  // The codes of the softmax of a product's rows: attention, whose floats then stay in the innermost cache.
  bool fuse_softmax(size_t i) {
    const Step& step = p_.steps[i];
    if (step.kind != StepKind::softmax_rows || store(step.dst).type != DType::u8 || !alike(step.src[0], step.dst)) {
      return false;
    }
    const int writer = sole_writer(step.src[0]);
    if (writer < 0) return false;
    Step& dot = p_.steps[static_cast<size_t>(writer)];
    if (!makes_floats(dot) || !dot.dot.spec.wei_var || dot.dot.spec.n != step.row || dot.tails.back().writes_other()) {
      return false;
    }
    StepTail tail;
    tail.tail.kind = Tail::Kind::quantize;
    tail.tail.softmax = true;
    tail.tail.to = step.to;
    tail.other = step.dst;
    tail.nodes = step.others;
    tail.nodes.push_back(step.node);
    say(step.node, dot);
    dot.tails.push_back(std::move(tail));
    erase(i);
    return true;
  }

  // The codes of a product's floats, as they lie: who makes the floats writes both.
  bool fuse_quantize(size_t i) {
    const Step& step = p_.steps[i];
    if (!quantizes(step)) return false;
    const Store &from = store(step.src[0]), &to = store(step.dst);
    const auto& makers = writers_[static_cast<size_t>(step.src[0])];
    if (makers.size() != 1 || from.alias >= 0 || !alike(step.src[0], step.dst) || to.home != Home::arena) return false;
    Step& dot = p_.steps[makers[0]];
    if (!makes_floats(dot) || dot.dst != step.src[0] || dot.dot.products.size() != 1) return false;
    StepTail tail;
    tail.tail.kind = Tail::Kind::quantize;
    tail.tail.to = form_of(step.convert);
    tail.function = step.function;
    tail.other = step.dst;
    tail.nodes = step.others;
    tail.nodes.push_back(step.node);
    say(step.node, dot);
    dot.tails.push_back(std::move(tail));
    erase(i);
    return true;
  }

  // A quick function that only quantization reads: codes are told from its operand, and its floats are not made.
  bool skip_floats(size_t i) {
    const Step& step = p_.steps[i];
    if (step.kind != StepKind::float_function || step.src.size() != 1 || !alike(step.src[0], step.dst)) return false;
    const Quick quick = quick_of(*step.function);
    const auto at = static_cast<size_t>(step.dst);
    const Store& made = store(step.dst);
    if (quick == Quick::none || made.home != Home::arena || made.alias >= 0 || aliased_[at]) return false;
    const auto takes = [&](size_t reader) {
      const Step& by = p_.steps[reader];
      if (by.function != nullptr) return false;
      return by.kind == StepKind::dynamic_range || by.kind == StepKind::dynamic_quantize ||
             (quantizes(by) && !store(by.dst).raw_signed);
    };
    if (!std::all_of(readers_[at].begin(), readers_[at].end(), takes)) return false;
    FloatFunction function = *step.function;
    function.quick = quick;
    const auto shared = std::make_shared<const FloatFunction>(std::move(function));
    if (!readers_[at].empty()) p_.steps[readers_[at][0]].others.push_back(step.node);
    for (const size_t reader : readers_[at]) {
      Step& by = p_.steps[reader];
      by.src[0] = step.src[0];
      by.function = shared;
      by.convert.function = shared.get();
      say(step.node, by);
    }
    erase(i);
    return true;
  }

  // What is done to floats element by element, under the name their maker gave them: the result is renamed instead, and
  // the step may become the maker's tail.
  bool floats_before_rename(size_t i) {
    Step& step = p_.steps[i];
    if (step.kind != StepKind::float_function && !quantizes(step)) return false;
    const Store &renamed = store(step.src[0]), &to = store(step.dst);
    if (renamed.alias < 0 || renamed.slice || !alike(step.src[0], step.dst)) return false;
    const int maker = renamed.alias;
    const Store& made = store(maker);
    if (step.src.size() > 1) {  // a number for each column, if that is the same axis under both names
      const auto flat_of = [](const Store& s, int64_t c) { return s.order == Order::flat && s.shape.back() == c; };
      const int64_t columns = element_count(store(step.src[1]).shape);
      if (made.shape.empty() || renamed.shape.empty() || !flat_of(made, columns) || !flat_of(renamed, columns))
        return false;
    }
    if (made.alias >= 0 || made.home != Home::arena || made.bordered() || made.type != DType::f32 ||
        !readers_[static_cast<size_t>(maker)].empty() || readers_[static_cast<size_t>(step.src[0])].size() != 1) {
      return false;
    }
    const auto& makers = writers_[static_cast<size_t>(maker)];
    if (makers.size() != 1 || !makes_floats(p_.steps[makers[0]]) || to.home != Home::arena || to.alias >= 0 ||
        to.bordered() || to.raw_signed) {
      return false;
    }
    for (size_t s = 0; s < p_.stores.size(); ++s) {  // read under no other name
      if (p_.stores[s].alias == maker && static_cast<int>(s) != step.src[0] && !readers_[s].empty()) return false;
    }
    Store result;
    result.shape = made.shape;
    result.order = made.order;
    result.type = to.type;
    result.pinned = true;
    store(step.dst).alias = static_cast<int>(p_.stores.size());
    step.src[0] = maker;
    step.dst = store(step.dst).alias;
    p_.stores.push_back(std::move(result));
    return true;
  }

  // What the function multiplies by, if that is all it does and a power of two; 0: no.
  [[nodiscard]] static float power_of_two(const FloatFunction& f) {
    if (f.operations.size() != 1) return 0;
    const FloatFunction::Operation& op = f.operations[0];
    const bool times = op.unary.kind == NodeKind::mul, over = op.unary.kind == NodeKind::div;
    const bool by_constant = op.a == FloatFunction::kSource && op.b == FloatFunction::kConstant;
    const bool of_constant = op.a == FloatFunction::kConstant && op.b == FloatFunction::kSource;
    int exponent = 0;
    if (!(by_constant && (times || over)) && !(of_constant && times)) return 0;
    if (std::abs(std::frexp(op.constant, &exponent)) != 0.5F || std::abs(exponent) > 32) return 0;
    return over ? 1 / op.constant : op.constant;
  }

  // A product's scale takes a power of two without an error where no number on the way is as small, or as large, as
  // floats get: sums are whole numbers below 2^31.
  static bool scale_exactly(Step& dot, float power) {
    constexpr float kLeast = 0x1p-60F, kMost = 0x1p60F;
    StepTail& sums = dot.tails[0];
    if (dot.tails.size() != 1 || sums.other >= 0 || !dot.sums->addends.empty()) return false;
    const auto ordinary = [&](float factor) {
      const float gain = std::abs(sums.tail.sums.scale * factor);
      return gain >= kLeast && gain <= kMost && std::abs(factor) >= kLeast && std::abs(factor) <= kMost;
    };
    const std::vector<float>& factors = dot.sums->factors;
    if (!std::all_of(factors.begin(), factors.end(), ordinary)) return false;
    sums.tail.sums.scale *= power;
    return true;
  }

  // A function of floats becomes the tail of the product whose sums it reads as floats; with another tensor it runs
  // where it stood.
  bool fuse_floats(size_t i) {
    const Step& step = p_.steps[i];
    if (step.kind != StepKind::float_function || (step.src.size() > 1 && step.src[0] == step.src[1])) return false;
    // A product that writes codes too stays in front of who reads them.
    const Operand own = latest_written(step, [](const Step& writer, size_t) {
      const auto& tails = writer.tails;
      return makes_floats(writer) &&
             std::none_of(tails.begin(), tails.end(), [](const StepTail& t) { return t.writes_other(); });
    });
    if (own.writer < 0) return false;
    Step& before = p_.steps[static_cast<size_t>(own.writer)];
    if (step.src.size() > 1 && before.dot.products.size() != 1) return false;
    if (const float power = power_of_two(*step.function); power != 0 && scale_exactly(before, power)) {
      before.dst = step.dst;
      before.tails[0].nodes.push_back(step.node);
      say(step.node, before);
      erase(i);
      return true;
    }
    StepTail tail;
    tail.tail.kind = Tail::Kind::floats;
    tail.function = step.function;
    if (step.src.size() > 1) tail.other = step.src[1 - own.at];
    if (own.at == 1) {
      FloatFunction turned = *step.function;
      const auto turn = [](int& a) {
        if (a == FloatFunction::kSource || a == FloatFunction::kOther) a = FloatFunction::kOther - a;
      };
      for (FloatFunction::Operation& op : turned.operations) {
        turn(op.a);
        turn(op.b);
      }
      tail.function = std::make_shared<const FloatFunction>(std::move(turned));
    }
    become_tail(i, own.writer, std::move(tail));
    return true;
  }

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

  Program& p_;
  const RegionDesc& desc_;
  std::vector<std::vector<size_t>> readers_, writers_;  // per store: steps
  std::vector<bool> aliased_;
};

}  // namespace

void fuse(Program& program, const RegionDesc& desc) { Fuser(program, desc).run(); }

}  // namespace octile::runtime
