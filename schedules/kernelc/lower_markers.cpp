// The marker lowering; see lower_markers.h.
// Halide looks a vector extern call up in its table of overloaded intrinsics before it looks for a symbol, so a call of
// the right name and types is the instruction (src/CodeGen_LLVM.cpp, visit(Call)). It runs after vectorisation.
// In: IR.  Out: IR.  Not here: pattern matching of plain sums.
#include "schedules/kernelc/lower_markers.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "generators/common/markers.h"
#include "schedules/kernelc/stand_ins.h"

namespace octile::kernelc {
namespace {

using namespace Halide;            // NOLINT(google-build-using-namespace)
using namespace Halide::Internal;  // NOLINT(google-build-using-namespace)

class MarkerLowering : public IRMutator {
 public:
  explicit MarkerLowering(Isa isa) : isa_(isa) {}

 protected:
  using IRMutator::visit;

  // Places are fetched once in a loop's body, before the store that reads them.
  Stmt visit(const For* op) override {
    std::vector<Expr> outer;
    std::swap(outer, fetched_);
    Stmt out = IRMutator::visit(op);
    std::swap(outer, fetched_);
    return out;
  }
  Stmt visit(const Store* op) override {
    Stmt out = IRMutator::visit(op);
    for (const Stmt& fetch : fetches_) out = Block::make(fetch, out);
    fetches_.clear();
    return out;
  }
  // In registers of 32 bytes four pixels of eight channels are narrowed together: a register has 32 codes. (Two of
  // sixteen: no faster.)
  Stmt visit(const Block* op) override {
    if (isa_ != Isa::avx2 && isa_ != Isa::avxvnni) return IRMutator::visit(op);
    std::vector<Stmt> list;
    Stmt rest = Stmt(op);
    for (const Block* b = op; b != nullptr; b = rest.as<Block>()) {
      list.push_back(b->first);
      rest = b->rest;
    }
    list.push_back(rest);
    std::vector<Stmt> out;
    for (size_t i = 0; i < list.size();) {
      const size_t count = alike(list, i);
      const auto begin = list.begin() + static_cast<std::ptrdiff_t>(i);
      out.push_back(count > 1 ? round_stores({begin, begin + static_cast<std::ptrdiff_t>(count)}) : mutate(*begin));
      i += count;
    }
    return Block::make(out);
  }
  Expr visit(const Let* op) override {
    lets_.emplace_back(op->name, op->value);
    Expr out = IRMutator::visit(op);
    lets_.pop_back();
    return out;
  }

  Expr visit(const Call* op) override {
    if (op->name == generators::kWord) return word(op);
    if (op->name == generators::kAhead) return ahead(op);
    if (!op->name.starts_with("q8_")) return IRMutator::visit(op);
    std::vector<Expr> args;
    for (const Expr& arg : op->args) args.push_back(mutate(arg));
    if (op->name == generators::kDot && isa_ < Isa::avxvnni) refuse("no dot of bytes on this target", op);
    if (op->name == generators::kDot) return dot(args);
    if (op->name == generators::kDotPairs) return dot_pairs(args);
    if (op->name == generators::kDot16) return dot16(args);
    if (op->name == generators::kRound) return round(args, false);
    if (op->name == generators::kRoundSmall) return round(args, true);
    if (op->type.lanes() != 32 && op->type.lanes() != 64) refuse("lane order on a vector of other width", op);
    if (op->name == generators::kQuad) return quad(args);
    if (op->name == generators::kPair) return pair(args);
    if (op->name == generators::kLanes) return lanes(args[0], false);
    if (op->name == generators::kChannels) return lanes(args[0], true);
    if (op->name == generators::kRoundLanes) return round_lanes(args);
    return IRMutator::visit(op);
  }

 private:
  // Vectors that stand in one line of the cache ask for it once.
  Expr ahead(const Call* op) {
    constexpr int kLine = 16;  // 32-bit elements
    const Load* const load = op->args[0].as<Load>();
    const Ramp* const ramp = load == nullptr ? nullptr : load->index.as<Ramp>();
    if (ramp == nullptr || !is_const_one(ramp->stride)) refuse("fetching ahead of what is no dense load", op);
    Expr place = ramp->base + scalar(op->args[1]);
    for (size_t i = lets_.size(); i-- > 0;) place = substitute(lets_[i].first, lets_[i].second, place);
    place = simplify(place);
    const bool known = std::any_of(fetched_.begin(), fetched_.end(), [&](const Expr& other) {
      const auto apart = as_const_int(simplify(place - other));
      return apart && *apart >= 0 && *apart < kLine;
    });
    if (!known) {
      fetched_.push_back(place);
      const Expr buffer = Variable::make(Handle(), load->name);
      fetches_.push_back(
          Evaluate::make(Call::make(load->type.element_of(), Call::prefetch, {buffer, place, 1, 1}, Call::Intrinsic)));
    }
    return op->args[0];
  }

  [[noreturn]] static void refuse(const char* what, const Call* op) {
    std::ostringstream message;
    message << what << ": " << op->args[0];
    throw std::runtime_error(message.str());
  }

  // A scalar load of one element becomes a load of the whole 32-bit word that starts there; it need not be aligned.
  static Expr word(const Call* op) {
    const Load* load = op->args[0].as<Load>();
    if (load == nullptr || load->type.is_vector()) refuse("q8_word of something that is not a scalar load", op);
    const int elements = 32 / load->type.bits();
    const Expr wide = Load::make(load->type.with_lanes(elements), load->name,
                                 Ramp::make(load->index, make_one(load->index.type()), elements), load->image,
                                 load->param, const_true(elements), ModulusRemainder());
    return Reinterpret::make(Int(32), wide);
  }

  Expr dot(const std::vector<Expr>& args) const {
    const int lanes = args[0].type().lanes();
    // 32 channels in lane order stand in registers of eight.
    if (lanes == 32 || (lanes > 8 && isa_ == Isa::avxvnni)) return by_part(args, &MarkerLowering::dot);
    return Call::make(
        Int(32, lanes), "dot_product",
        {args[0], Reinterpret::make(UInt(8, 4 * lanes), args[1]), Reinterpret::make(Int(8, 4 * lanes), args[2])},
        Call::PureExtern);
  }

  Expr dot_pairs(const std::vector<Expr>& args) const {
    const int lanes = args[0].type().lanes();
    // Halide would take registers of 16 (docs/schedules.md).
    if (lanes > 8 && isa_ == Isa::avxvnni) return by_part(args, &MarkerLowering::dot_pairs);
    const Expr a = Reinterpret::make(Int(16, 2 * lanes), args[1]), b = Reinterpret::make(Int(16, 2 * lanes), args[2]);
    if (isa_ >= Isa::avxvnni) return Call::make(Int(32, lanes), "dot_product", {args[0], a, b}, Call::PureExtern);
    return Add::make(args[0], Call::make(Int(32, lanes), "dot_product", {a, b}, Call::PureExtern));
  }

  // Part i of a vector cut into equal ones; of a concatenation of such parts the part itself, so that chains of dots
  // stay as small as they are.
  static Expr part_of(const Expr& v, int i, int width) {
    const Shuffle* parts = v.as<Shuffle>();
    const auto at = static_cast<size_t>(i);
    if (parts != nullptr && parts->is_concat() && parts->vectors[0].type().lanes() == width) return parts->vectors[at];
    return Shuffle::make_slice(v, i * width, 1, width);
  }

  Expr by_part(const std::vector<Expr>& args, Expr (MarkerLowering::*made)(const std::vector<Expr>&) const) const {
    constexpr int kWidth = 8;
    std::vector<Expr> parts;
    for (int i = 0; i * kWidth < args[0].type().lanes(); ++i) {
      std::vector<Expr> part;
      for (const Expr& a : args) part.push_back(part_of(a, i, kWidth));
      parts.push_back((this->*made)(part));
    }
    return Shuffle::make_concat(parts);
  }

  // acc + pairs summed in 16 bits; exact because the packer checked the weights (docs/generators.md).
  static Expr dot16(const std::vector<Expr>& args) {
    const int lanes = args[0].type().lanes();
    Expr sum;
    for (size_t i = 1; i + 1 < args.size(); i += 2) {
      const Expr pair = Call::make(
          Int(16, 2 * lanes), "saturating_dot_product",
          {Reinterpret::make(UInt(8, 4 * lanes), args[i]), Reinterpret::make(Int(8, 4 * lanes), args[i + 1])},
          Call::PureExtern);
      sum = sum.defined() ? Add::make(sum, pair) : pair;
    }
    const Expr ones = Broadcast::make(make_const(Int(16), 1), 2 * lanes);
    return Add::make(args[0], Call::make(Int(32, lanes), "dot_product", {sum, ones}, Call::PureExtern));
  }

  // Interleaves `unit` elements of a and b inside every 128-bit lane: the low or the high half of each lane, which is
  // what punpckl* and punpckh* do.
  static Expr unpack(const Expr& a, const Expr& b, bool high) {
    const int total = a.type().lanes(), per_lane = 128 / a.type().bits();
    std::vector<int> order;
    for (int lane = 0; lane < total; lane += per_lane) {
      for (int i = 0; i < per_lane / 2; ++i) {
        const int at = lane + i + (high ? per_lane / 2 : 0);
        order.push_back(at);
        order.push_back(total + at);
      }
    }
    return Shuffle::make({a, b}, order);
  }

  // Four vectors of bytes to words of four, in lane order.
  static Expr quad(const std::vector<Expr>& a) {
    const int n = a[0].type().lanes();
    std::vector<Expr> words;
    for (const bool high_bytes : {false, true}) {
      const Expr front = Reinterpret::make(UInt(16, n / 2), unpack(a[0], a[1], high_bytes));
      const Expr back = Reinterpret::make(UInt(16, n / 2), unpack(a[2], a[3], high_bytes));
      for (const bool high : {false, true})
        words.push_back(Reinterpret::make(Int(32, n / 4), unpack(front, back, high)));
    }
    return Shuffle::make_concat(words);
  }

  // Two vectors of bytes to words of two 16-bit elements, in lane order: the second unpacking puts zeros above each
  // byte.
  static Expr pair(const std::vector<Expr>& a) {
    const int n = a[0].type().lanes();
    const Expr zero = make_zero(UInt(8, n));
    std::vector<Expr> words;
    for (const bool high_bytes : {false, true}) {
      const Expr both = unpack(a[0], a[1], high_bytes);
      for (const bool high : {false, true})
        words.push_back(Reinterpret::make(Int(32, n / 4), unpack(both, zero, high)));
    }
    return Shuffle::make_concat(words);
  }

  // Into lane order, or back.
  static Expr lanes(const Expr& v, bool back) {
    const int n = v.type().lanes();
    std::vector<int> order(static_cast<size_t>(n));
    for (int c = 0; c < n; ++c) {
      const int at = c % 16 / 4 * (n / 4) + c / 16 * 4 + c % 4;
      order[static_cast<size_t>(back ? c : at)] = back ? at : c;
    }
    return Shuffle::make({v}, order);
  }

  // Floats to codes. One register: clamped first, and rounded by an addition. Several: rounded by the instruction and
  // narrowed by packs, whose saturation is the lower clamp. Both give lo for NaN (docs/generators.md).
  Expr round(const std::vector<Expr>& args, bool small) const {
    const Expr &f = args[0], lo = scalar(args[1]), hi = scalar(args[2]), zp = scalar(args[3]);
    const int total = f.type().lanes();
    const int native = isa_ == Isa::avx512vnni && total != 8 ? 16 : isa_ >= Isa::avx2 ? 8 : 4;
    if (total % native != 0) throw std::runtime_error("codes of a part of a register");
    std::vector<Expr> parts;
    for (int at = 0; at < total;) {
      const int left = (total - at) / native, count = left == 5 ? 3 : std::min(left, 4);
      std::vector<Expr> registers;
      for (int i = 0; i < count; ++i) registers.push_back(Shuffle::make_slice(f, at + i * native, 1, native));
      parts.push_back(count == 1 ? round_one(registers[0], lo, hi, zp)
                                 : in_order(round_some(registers, lo, hi, zp, small), count));
      at += count * native;
    }
    return parts.size() == 1 ? parts[0] : Shuffle::make_concat(parts);
  }

  // The rounding of a store of eight codes.
  static const Call* rounded(const Stmt& s) {
    const auto* const store = s.as<Store>();
    const auto* const call = store == nullptr || !is_const_one(store->predicate) ? nullptr : store->value.as<Call>();
    const bool rounds = call != nullptr && (call->name == generators::kRound || call->name == generators::kRoundSmall);
    return rounds && call->type.lanes() == 8 ? call : nullptr;
  }

  // How many stores from `first` on have such, with the same clamp: at most four.
  static size_t alike(const std::vector<Stmt>& list, size_t first) {
    const Call* const call = rounded(list[first]);
    size_t count = 1;
    for (; call != nullptr && count < 4 && first + count < list.size(); ++count) {
      const Call* const next = rounded(list[first + count]);
      const bool same = next != nullptr && next->name == call->name && equal(next->args[1], call->args[1]) &&
                        equal(next->args[2], call->args[2]) && equal(next->args[3], call->args[3]);
      if (!same) break;
    }
    return count;
  }

  // Stores of pixels of eight channels: narrowed as one register of codes, each stores its part.
  Stmt round_stores(const std::vector<Stmt>& stores) {
    std::vector<Expr> registers;
    for (const Stmt& s : stores) registers.push_back(mutate(rounded(s)->args[0]));
    const Call* const call = rounded(stores[0]);
    const Expr narrowed = round_some(registers, scalar(call->args[1]), scalar(call->args[2]), scalar(call->args[3]),
                                     call->name == generators::kRoundSmall);
    const Expr codes = in_order(narrowed, static_cast<int>(registers.size()));
    const std::string name = unique_name("codes");
    std::vector<Stmt> parts;
    for (const Stmt& s : stores) {
      const auto* const store = s.as<Store>();
      const Expr part =
          Shuffle::make_slice(Variable::make(codes.type(), name), 8 * static_cast<int>(parts.size()), 1, 8);
      parts.push_back(Store::make(store->name, part, store->index, store->param, store->predicate, store->alignment));
    }
    return LetStmt::make(name, codes, Block::make(parts));
  }

  // From lane order the packs lead straight to channel order. The product too is made register by register.
  Expr round_lanes(const std::vector<Expr>& args) const {
    const int native = args[0].type().lanes() / 4;
    std::vector<Expr> f;
    for (int at = 0; at < 4 * native; at += native) {
      const Expr acc = Shuffle::make_slice(args[0], at, 1, native), mult = Shuffle::make_slice(args[1], at, 1, native);
      f.push_back(strict_float(Mul::make(Cast::make(Float(32, native), acc), mult)));
    }
    return round_some(f, scalar(args[2]), scalar(args[3]), scalar(args[4]), true);
  }

  static Expr scalar(const Expr& e) { return e.as<Broadcast>() != nullptr ? e.as<Broadcast>()->value : e; }

  // After the clamp |f| < 2^9, so f + 1.5*2^23 holds rne(f) in its low mantissa bits (Hacker's Delight, 2nd ed., ch.
  // 17; exact for |f| < 2^22). max comes first so that NaN gives lo.
  static Expr round_one(const Expr& f, const Expr& lo, const Expr& hi, const Expr& zp) {
    const int n = f.type().lanes();
    const auto all = [n](const Expr& e) { return Broadcast::make(e, n); };
    const Expr clamped = strict_float(Min::make(Max::make(f, all(lo)), all(hi)));
    const Expr shifted = strict_float(clamped + all(Expr(12582912.0F)));
    return cast(UInt(8, n), Reinterpret::make(Int(32, n), shifted) - all(Expr(0x4B400000) - zp));
  }

  // Two to four registers. What does not fit an int32 converts to the lowest one, and so does NaN: min(hi, f) comes
  // first, and hands on f where the comparison fails. Floats below 2^31 do without it: the packs saturate and so does
  // the sum, so that both clamps are left to the bytes.
  Expr round_some(const std::vector<Expr>& f, const Expr& lo, const Expr& hi, const Expr& zp, bool small) const {
    const int n = f[0].type().lanes();
    std::vector<Expr> codes;
    for (const Expr& v : f) {
      codes.push_back(stand_ins::round(small ? v : strict_float(Min::make(Broadcast::make(hi, n), v))));
    }
    const auto at = [&](size_t i) { return codes[std::min(i, codes.size() - 1)]; };
    const Expr front = stand_ins::pack_words(at(0), at(1));
    const Expr back = f.size() > 2 ? stand_ins::pack_words(at(2), at(3)) : front;
    const Expr shift = Broadcast::make(cast<int16_t>(zp), 2 * n);
    const auto code = [&](const Expr& bound) {
      return Broadcast::make(cast<uint8_t>(cast<int32_t>(bound) + zp), 4 * n);
    };
    const Expr moved = stand_ins::pack_bytes(saturating_add(front, shift), saturating_add(back, shift));
    const Expr clamped = Max::make(Min::make(moved, code(hi)), code(lo));
    if (isa_ != Isa::avx512vnni) return clamped;
    // Behind a Relu, as a rule, the packs do all of it: four of twenty operations less (no gain on AVX2).
    const Expr plain = zp == 0 && lo <= 0.0F && hi >= 255.0F;
    return Call::make(clamped.type(), Call::if_then_else, {plain, stand_ins::pack_bytes(front, back), clamped},
                      Call::PureIntrinsic);
  }

  // Every 128-bit lane of what packs narrowed holds four channels of each of `count` registers.
  static Expr in_order(const Expr& bytes, int count) {
    std::vector<int> order;
    for (int i = 0; i < count; ++i) {
      for (int c = 0; c < bytes.type().lanes() / 4; ++c) order.push_back(c / 4 * 16 + i * 4 + c % 4);
    }
    return Shuffle::make({bytes}, order);
  }

  Isa isa_;
  std::vector<std::pair<std::string, Expr>> lets_;  // around the expression being visited, inside its store
  std::vector<Expr> fetched_;                       // places, in the loop being visited
  std::vector<Stmt> fetches_;                       // for the store being visited
};

}  // namespace

std::unique_ptr<IRMutator> make_marker_lowering(Isa isa) { return std::make_unique<MarkerLowering>(isa); }

}  // namespace octile::kernelc
