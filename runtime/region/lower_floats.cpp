// Functions of stored floats: operations one after the other become one step, or the tail of the product they follow.
// In/out: see lower.h.  Not here: functions of codes (lower_pointwise.cpp), arithmetic (runtime/exec/float_function.h).
#include <utility>

#include "runtime/region/lower.h"

namespace octile::runtime {
namespace {

int last_of(const FloatFunction& f) {
  return f.operations.empty() ? FloatFunction::kSource
                              : FloatFunction::kMade + static_cast<int>(f.operations.size()) - 1;
}

void append(FloatFunction& f, NodeKind kind, int a, int b, float constant = 0) {
  FloatFunction::Operation op;
  op.unary.kind = kind;
  op.a = a;
  op.b = b;
  op.constant = constant;
  f.operations.push_back(op);
}

// Behind the last one.
void append(FloatFunction& f, const Unary& unary) {
  append(f, unary.kind, last_of(f), FloatFunction::kNone);
  f.operations.back().unary = unary;
}

// Takes the operations of `from` behind those of `f`; the number of its last one.
int append(FloatFunction& f, const FloatFunction& from) {
  const int shift = static_cast<int>(f.operations.size());
  const auto moved = [&](int a) { return a >= FloatFunction::kMade ? a + shift : a; };
  for (FloatFunction::Operation op : from.operations) {
    op.a = moved(op.a);
    op.b = moved(op.b);
    f.operations.push_back(op);
  }
  return moved(last_of(from));
}

}  // namespace

Chain Lowering::chain_of(size_t v) {
  open_pair(v);
  if (values_[v].kind == Value::Kind::chain) return *values_[v].chain;
  Chain chain;
  chain.source = floats_in_place(v);
  return chain;
}

// Stays symbolic for its only reader.
void Lowering::set_chain(size_t v, Chain chain) {
  const size_t operations = chain.function.operations.size();
  values_[v].kind = Value::Kind::chain;
  values_[v].chain = std::make_shared<const Chain>(std::move(chain));
  if (recipe_.consumers[v].size() + static_cast<size_t>(recipe_.outputs[v]) != 1 ||
      operations == FloatFunction::kMost) {
    settle(v);
  } else {
    say(recipe_.producers[v], "part of a function of floats");
  }
}

int Lowering::add_function(const Chain& chain) {
  const Store source = store(chain.source);
  const int dst = add_store(source.shape, source.order, DType::f32);
  std::vector<int> sources{chain.source};
  if (chain.other >= 0) sources.push_back(chain.other);
  Step& step = add_step(StepKind::float_function, std::move(sources), dst);
  step.function = std::make_shared<const FloatFunction>(chain.function);
  step.mask_rows = chain.mask_rows;
  return dst;
}

int Lowering::add_float_binary(NodeKind kind, std::vector<int> sources, const Shape& dims) {
  const int dst = add_store(dims, Order::flat, DType::f32);
  add_step(StepKind::float_binary, std::move(sources), dst).float_kind = kind;
  return dst;
}

void Lowering::settle(size_t v) {
  const std::shared_ptr<const Chain> chain = values_[v].chain;
  const int node = std::exchange(at_, recipe_.producers[v]);
  set_plain(v, add_function(*chain));
  at_ = node;
}

int Lowering::floats_as_pixels(size_t v, bool also_of_codes) {
  const Value::Kind kind = values_[v].kind;
  const bool stored = kind == Value::Kind::plain || kind == Value::Kind::chain;
  const bool of_codes = also_of_codes && (kind == Value::Kind::function || kind == Value::Kind::pair);
  if ((!stored && !of_codes) || recipe_.desc.values[v].type != DType::f32) return -1;
  const Window window = floats_window(v);
  return order_of(window) == Order::nhwc ? whole(window, Order::nhwc) : -1;
}

int Lowering::floats_in_place(size_t v) {
  const Window window = floats_window(v);
  return whole(window, order_of(window));
}

// A tensor of codes of the chain's shape.
void Lowering::put_beside(Chain& chain, int c, const FloatTable& means) {
  chain.other = codes_store(c, store(chain.source).order);
  chain.function.codes = meaning_of(means, chain.function.values);
}

// One operand as floats, the other beside it: its codes, or the floats of a gate.
bool Lowering::put_pair(Chain& chain, const Pair& pair, const Shape& dims) {
  const PairFunction& f = pair.function;
  const Shape a = made(pair.a).shape, b = made(pair.b).shape;
  if (a == dims && b == dims) {
    chain.source = floats_of_codes(pair.a, f.a);
    put_beside(chain, pair.b, *f.b);
    append(chain.function, f.kind, FloatFunction::kSource, FloatFunction::kOther);
    return true;
  }
  const bool first = a == dims;
  int of = pair.a, gate = pair.b;
  FloatFn means = f.a, gate_means = f.b;
  if (!first) {
    std::swap(of, gate);
    std::swap(means, gate_means);
  }
  if ((!first && b != dims) || element_count(dims) == 0 || !is_gate(first ? b : a, dims, order_of(made(of)))) {
    return false;
  }
  chain.source = floats_of_codes(of, means);
  chain.other = whole(window_of(floats_of_codes(gate, gate_means)), Order::flat);
  append(chain.function, f.kind, first ? FloatFunction::kSource : FloatFunction::kOther,
         first ? FloatFunction::kOther : FloatFunction::kSource);
  return true;
}

// For its only reader, which goes on with floats.
void Lowering::open_pair(size_t v) {
  const Value& value = values_[v];
  if (value.kind != Value::Kind::pair || value.floats || recipe_.consumers[v].size() != 1 || recipe_.outputs[v] > 0) {
    return;
  }
  const std::shared_ptr<const Pair> pair = value.pair;
  Chain chain;
  if (pair->function.then.size() >= FloatFunction::kMost || !put_pair(chain, *pair, shape(v))) return;
  for (const Unary& g : pair->function.then) append(chain.function, g);
  set_chain(v, std::move(chain));
}

int Lowering::pair_store(const Pair& pair, const Shape& dims) {
  const PairFunction& f = pair.function;
  Chain chain;
  if (!put_pair(chain, pair, dims)) {
    const int a = floats_of_codes(pair.a, f.a), b = floats_of_codes(pair.b, f.b);
    chain.source = add_float_binary(f.kind, {whole(window_of(a), Order::flat), whole(window_of(b), Order::flat)}, dims);
  }
  for (const Unary& g : f.then) {
    if (chain.function.operations.size() == FloatFunction::kMost)
      chain = {.source = add_function(chain), .function = {}};
    append(chain.function, g);
  }
  return chain.function.operations.empty() ? chain.source : add_function(chain);
}

void Lowering::lower_float_unary(int index, const Unary& f) {
  Chain chain = chain_of(in(index, 0));
  append(chain.function, f);
  set_chain(out(index), std::move(chain));
}

void Lowering::lower_float_binary(int index) {
  const size_t a = in(index, 0), b = in(index, 1), dst = out(index);
  const NodeKind kind = node(index).kind;
  const Shape dims = shape(dst);
  const auto full = [&](size_t v) { return shape(v) == dims; };
  // The operation behind what the chain has; `first`: the chain is its first operand, `beside` the second.
  const auto extend = [&](Chain chain, bool first, int beside, float number = 0) {
    const int from = last_of(chain.function);
    append(chain.function, kind, first ? from : beside, first ? beside : from, number);
    set_chain(dst, std::move(chain));
  };
  // `of` as the source, with another tensor that `put` puts beside it.
  const auto with = [&](size_t of, bool first, const auto& put) {
    if (values_[of].kind == Value::Kind::chain && values_[of].chain->other >= 0) settle(of);
    Chain chain = chain_of(of);
    put(chain);
    extend(std::move(chain), first, FloatFunction::kOther);
  };
  if (values_[b].scalar && full(a)) return extend(chain_of(a), true, FloatFunction::kConstant, *values_[b].scalar);
  if (values_[a].scalar && full(b)) return extend(chain_of(b), false, FloatFunction::kConstant, *values_[a].scalar);
  const auto coded = [&](size_t v) { return values_[v].kind == Value::Kind::function; };
  if (full(a) && full(b) && coded(a) != coded(b)) {
    const bool a_first = coded(b);
    const size_t codes = a_first ? b : a;
    // The source's own codes beside what a chain made of it.
    Chain own = chain_of(a_first ? a : b);
    const Value& beside = values_[codes];
    if (own.source == known_floats(beside.codes, beside.function)) {
      return extend(std::move(own), a_first, FloatFunction::kSource);
    }
    return with(a_first ? a : b, a_first,
                [&](Chain& chain) { put_beside(chain, values_[codes].codes, *values_[codes].function); });
  }
  if (full(a) && full(b)) {
    Chain x = chain_of(a), y = chain_of(b);
    const bool one_other = x.other < 0 || y.other < 0 || (x.other == y.other && !x.function.codes && !y.function.codes);
    const bool same = x.source == y.source && one_other;
    if (same && x.function.operations.size() + y.function.operations.size() < FloatFunction::kMost) {
      if (x.other < 0) {
        x.other = y.other;
        x.mask_rows = y.mask_rows;
        x.function.codes = y.function.codes;
        x.function.values = y.function.values;
      }
      const int first = last_of(x.function), second = append(x.function, y.function);
      append(x.function, kind, first, second);
      set_chain(dst, std::move(x));
      return;
    }
    const bool a_first = x.other < 0 || y.other >= 0;
    return with(a_first ? a : b, a_first, [&](Chain& chain) {
      chain.other = whole(window_of(floats_in_place(a_first ? b : a)), store(chain.source).order);
    });
  }
  // A gate: a number per channel, or per column of rows, of all images or of each; or a mask.
  for (const bool first : {true, false}) {
    const size_t of = first ? a : b, row = first ? b : a;
    if (!full(of)) continue;
    const Order order = store(chain_of(of).source).order;
    const Shape& own = shape(row);
    const bool mask = order == Order::flat && is_mask(own, dims);
    if (element_count(dims) == 0 || (!mask && !is_gate(own, dims, order))) continue;
    return with(of, first, [&](Chain& chain) {
      chain.other = floats_store(row);
      if (mask && own.size() > 1) chain.mask_rows = own[own.size() - 2];
    });
  }
  const int left = floats_store(a), right = floats_store(b);
  set_plain(dst, add_float_binary(kind, {left, right}, dims));
}

}  // namespace octile::runtime
