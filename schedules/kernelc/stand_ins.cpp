// The stand-ins; see stand_ins.h.
// In/out: see there.  Not here: Halide's table of calls, which is in its src/CodeGen_X86.cpp.
#include "schedules/kernelc/stand_ins.h"

#include <regex>

namespace octile::kernelc::stand_ins {

using namespace Halide;            // NOLINT(google-build-using-namespace)
using namespace Halide::Internal;  // NOLINT(google-build-using-namespace)

namespace {

// One width of registers: what Halide writes, and what is meant.
struct Names {
  int lanes;  // int32 lanes of a register
  const char *words, *bytes;
  const char *pack_words, *pack_bytes, *convert;
  const char *convert_types, *convert_rest;  // arguments after the floats
};

constexpr Names kNames[] = {
    {4, "llvm.x86.ssse3.pmul.hr.sw.128", "llvm.x86.sse2.pavg.b", "llvm.x86.sse2.packssdw.128",
     "llvm.x86.sse2.packuswb.128", "llvm.x86.sse2.cvtps2dq", "", ""},
    {8, "llvm.x86.avx2.pmul.hr.sw", "llvm.x86.avx2.pavg.b", "llvm.x86.avx2.packssdw", "llvm.x86.avx2.packuswb",
     "llvm.x86.avx.cvt.ps2dq.256", "", ""},
    {16, "llvm.x86.avx512.pmul.hr.sw.512", "llvm.x86.avx512.pavg.b.512", "llvm.x86.avx512.packssdw.512",
     "llvm.x86.avx512.packuswb.512", "llvm.x86.avx512.mask.cvtps2dq.512", ", <16 x i32>, i16, i32",
     ", <16 x i32> zeroinitializer, i16 -1, i32 4"},
};

std::string vector(int lanes, const char* element) { return "<" + std::to_string(lanes) + " x " + element + ">"; }

// `name` as Halide knows it becomes a function of ours that reads its operands as `from` and calls `to`.
void redefine(std::string& ir, const std::string& name, const std::string& to, const std::string& seen,
              const std::string& from, const std::string& result) {
  if (ir.find("@" + name + "(") == std::string::npos) return;
  const std::string own = "octile." + to;
  ir = std::regex_replace(ir, std::regex("declare [^\n]*@" + name + "\\([^\n]*\n"), "");
  for (size_t at = 0; (at = ir.find("@" + name + "(", at)) != std::string::npos;) ir.replace(at + 1, name.size(), own);
  const auto cast = [](const std::string& v, const std::string& a, const std::string& b, const std::string& into) {
    return "  " + into + " = bitcast " + a + " " + v + " to " + b + "\n";
  };
  ir += "\ndeclare " + result + " @" + to + "(" + from + ", " + from + ")\n";
  ir += "define internal " + seen + " @" + own + "(" + seen + " %a, " + seen + " %b) alwaysinline {\n";
  ir += cast("%a", seen, from, "%p") + cast("%b", seen, from, "%q");
  ir += "  %r = call " + result + " @" + to + "(" + from + " %p, " + from + " %q)\n";
  ir += cast("%r", result, seen, "%s") + "  ret " + seen + " %s\n}\n";
}

Expr call(const char* name, const Type& type, const Expr& a, const Expr& b) {
  return Call::make(type, name, {Reinterpret::make(type, a), Reinterpret::make(type, b)}, Call::PureExtern);
}

}  // namespace

Expr round(const Expr& f) { return Cast::make(Int(32, f.type().lanes()), f); }

Expr pack_words(const Expr& a, const Expr& b) { return call("pmulhrs", Int(16, 2 * a.type().lanes()), a, b); }

Expr pack_bytes(const Expr& a, const Expr& b) {
  return call("rounding_halving_add", UInt(8, 2 * a.type().lanes()), a, b);
}

std::string replace(std::string ir) {
  for (const Names& n : kNames) {
    const std::string floats = vector(n.lanes, "float"), dwords = vector(n.lanes, "i32"),
                      words = vector(2 * n.lanes, "i16"), bytes = vector(4 * n.lanes, "i8");
    const std::string conversion = "fptosi " + floats + " ", meant = dwords + " @" + n.convert + "(" + floats;
    if (ir.find(conversion) != std::string::npos) {
      ir = std::regex_replace(ir, std::regex(conversion + "(%[^ ]+) to " + dwords),
                              "call " + meant + " $1" + n.convert_rest + ")");
      ir += "\ndeclare " + meant + n.convert_types + ")\n";
    }
    redefine(ir, n.words, n.pack_words, words, dwords, words);
    redefine(ir, n.bytes, n.pack_bytes, bytes, words, bytes);
  }
  return ir;
}

}  // namespace octile::kernelc::stand_ins
