// Rewrites on the list of steps, each sound by itself: a store has one writer, so a step whose result has one reader
// can do that reader's work. In/out: see fuse.h.  Not here: arithmetic.
#include "runtime/region/fuse.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/region/functions.h"
#include "runtime/region/share.h"
#include "runtime/region/step_graph.h"

namespace octile::runtime {
namespace {

class Fuser : StepGraph {
 public:
  Fuser(Program& program, const RegionDesc& desc) : StepGraph(program, desc) {}

  void run() {
    drop_dead();
    rewrite([this](size_t i) {
      return fuse_table(i) || table_before_resize(i) || skip_floats(i) || floats_before_rename(i) || fuse_binary(i) ||
             fuse_floats(i) || fuse_quantize(i);
    });
    rewrite([this](size_t i) { return code_rows(i) || fuse_softmax(i); });
  }

 private:
  // Until no step can be rewritten.
  template <class F>
  void rewrite(const F& one) {
    for (bool changed = true; changed;) {
      changed = false;
      count();
      for (size_t i = 0; i < p_.steps.size() && !changed; ++i) changed = !erased(i) && one(i);
    }
    close_holes();
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
    tail.tail.softmax = true;
    tail.tail.to = step.to;
    write_codes_too(i, dot, std::move(tail));
    return true;
  }

  // The step's codes become another result of the product before it.
  void write_codes_too(size_t i, Step& dot, StepTail tail) {
    const Step& step = p_.steps[i];
    tail.tail.kind = Tail::Kind::quantize;
    tail.other = step.dst;
    tail.nodes = step.others;
    tail.nodes.push_back(step.node);
    say(step.node, dot);
    dot.tails.push_back(std::move(tail));
    erase(i);
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
    tail.tail.to = form_of(step.convert);
    tail.function = step.function;
    write_codes_too(i, dot, std::move(tail));
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

  // Are the other numbers rows or matrices of a mask, each for as many products?
  [[nodiscard]] static bool masks(const Step& step, const Step& product, int64_t others) {
    const OpSpec& spec = product.dot.spec;
    const int64_t size = step.mask_rows * spec.n, products = std::ssize(product.dot.products);
    const bool fits = !step.function->codes && (step.mask_rows == 1 || step.mask_rows == spec.m);
    return fits && spec.kind == OpKind::dense && spec.wei_var && size > 0 && others % size == 0 && others > 0 &&
           products % (others / size) == 0;
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
    if (step.src.size() > 1) {
      // Of matrices a row for all, whichever product they are of, or masks; of images a pixel for each too.
      const Store& to = store(step.dst);
      const int64_t others = element_count(store(step.src[1 - own.at]).shape);
      const bool row = to.order == Order::flat && others == before.dot.spec.channels();
      const bool part = to.order == Order::flat && others != element_count(to.shape);
      if (!row && (part || before.dot.products.size() != 1) && !masks(step, before, others)) return false;
    }
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
    tail.mask_rows = step.mask_rows;
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
};

}  // namespace

void fuse(Program& program, const RegionDesc& desc) {
  Fuser(program, desc).run();
  share(program, desc);
}

}  // namespace octile::runtime
