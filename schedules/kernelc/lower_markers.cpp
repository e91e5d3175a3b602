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
    if (op->name != generators::kDot && op->name != generators::kDot16) return IRMutator::visit(op);
    std::vector<Expr> args;
    for (const Expr& arg : op->args) args.push_back(mutate(arg));
    return op->name == generators::kDot ? dot(args) : dot16(args);
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

  Isa isa_;
};

}  // namespace

std::unique_ptr<IRMutator> make_marker_lowering(Isa isa) { return std::make_unique<MarkerLowering>(isa); }

}  // namespace octile::kernelc
