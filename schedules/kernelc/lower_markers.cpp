// The marker lowering; see lower_markers.h.
// Halide looks a vector extern call up in its table of overloaded intrinsics before it looks for a symbol, so a call of
// the right name and types is the instruction (src/CodeGen_LLVM.cpp, visit(Call)). It runs after vectorisation.
// In: IR.  Out: IR.  Not here: pattern matching of plain sums.
#include "schedules/kernelc/lower_markers.h"

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "generators/common/markers.h"

namespace octile::kernelc {
namespace {

using namespace Halide;            // NOLINT(google-build-using-namespace)
using namespace Halide::Internal;  // NOLINT(google-build-using-namespace)

class MarkerLowering : public IRMutator {
 public:
  explicit MarkerLowering(Isa isa) : isa_(isa) {}

 protected:
  using IRMutator::visit;

  Expr visit(const Call* op) override {
    if (op->name == generators::kWord) return word(op);
    if (!op->name.starts_with("q8_")) return IRMutator::visit(op);
    std::vector<Expr> args;
    for (const Expr& arg : op->args) args.push_back(mutate(arg));
    if (op->name == generators::kDot) return dot(args);
    if (op->name == generators::kDot16) return dot16(args);
    if (op->type.lanes() != 32 && op->type.lanes() != 64) refuse("lane order on a vector of other width", op);
    if (op->name == generators::kQuad) return quad(args);
    if (op->name == generators::kPair) return pair(args);
    if (op->name == generators::kLanes) return lanes(args[0]);
    if (op->name == generators::kCodes) return codes(args[0]);
    return IRMutator::visit(op);
  }

 private:
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
    if (isa_ == Isa::avx512vnni) {
      return Call::make(
          Int(32, lanes), "dot_product",
          {args[0], Reinterpret::make(UInt(8, 4 * lanes), args[1]), Reinterpret::make(Int(8, 4 * lanes), args[2])},
          Call::PureExtern);
    }
    const Expr product =
        Call::make(Int(32, lanes), "dot_product",
                   {Reinterpret::make(Int(16, 2 * lanes), args[1]), Reinterpret::make(Int(16, 2 * lanes), args[2])},
                   Call::PureExtern);
    return Add::make(args[0], product);
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

  static Expr lanes(const Expr& v) {
    const int n = v.type().lanes();
    std::vector<int> order(static_cast<size_t>(n));
    for (int c = 0; c < n; ++c) order[static_cast<size_t>(c % 16 / 4 * (n / 4) + c / 16 * 4 + c % 4)] = c;
    return Shuffle::make({v}, order);
  }

  // Codes in lane order to bytes in channel order: every other half word, then every other byte, of each lane. The mask
  // tells the code generator that the halves it drops are zero, so that a pack instruction will do.
  static Expr codes(const Expr& v) {
    const int n = v.type().lanes();
    const auto keep_even = [](const Expr& a, const Expr& b) {
      const int total = a.type().lanes(), per_lane = 128 / a.type().bits();
      std::vector<int> order;
      for (int lane = 0; lane < total; lane += per_lane) {
        for (const int from : {0, total}) {
          for (int i = 0; i < per_lane; i += 2) order.push_back(from + lane + i);
        }
      }
      return Shuffle::make({a, b}, order);
    };
    const Expr clean = v & make_const(v.type(), 255);
    std::vector<Expr> halves;
    for (int j = 0; j < 4; j += 2) {
      const auto part = [&](int k) {
        return Reinterpret::make(UInt(16, n / 2), Shuffle::make_slice(clean, k * n / 4, 1, n / 4));
      };
      halves.push_back(Reinterpret::make(UInt(8, n), keep_even(part(j), part(j + 1))));
    }
    return keep_even(halves[0], halves[1]);
  }

  Isa isa_;
};

}  // namespace

std::unique_ptr<IRMutator> make_marker_lowering(Isa isa) { return std::make_unique<MarkerLowering>(isa); }

}  // namespace octile::kernelc
