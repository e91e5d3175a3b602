// objdump, normalise, as; see gate.h.
// In:  a member.  Out: Status.
// Not here: a table of instructions of our own: the assembler's has been checked by the world for years. LLVM's tools
// will not do, they accept every x86 instruction whatever the cpu they are told.
#include "packs/builder/gate.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include "packs/builder/tools.h"
#include "targets/desc/target.h"

namespace octile::packs {
namespace {

constexpr double kToolSeconds = 120;
constexpr size_t kReported = 5;

// The levels of the x86-64 psABI, less x87 and MMX: their registers are shared with the host's floating point state.
// Each is added to the one before; GNU as's names.
constexpr std::string_view kV2 = "generic64+no87+nommx+sse4.2+popcnt+cx16";
constexpr std::string_view kV3 = "+avx2+bmi+bmi2+f16c+fma+lzcnt+movbe";
constexpr std::string_view kAvxVnni = "+avx_vnni";
constexpr std::string_view kVnni = "+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx512_vnni";

// In every level, but nothing a computation needs: they ask the machine or leave for the operating system.
constexpr std::array<std::string_view, 13> kForbidden{"syscall",  "sysenter", "int",   "in",     "out",
                                                      "hlt",      "cpuid",    "rdtsc", "rdtscp", "xgetbv",
                                                      "rdfsbase", "iretq",    "int1"};

std::string features_of(Isa isa) {
  std::string features;
  if (isa >= Isa::x86_64_v2) features += kV2;
  if (isa >= Isa::avx2) features += kV3;
  if (isa == Isa::avxvnni) features += kAvxVnni;
  if (isa >= Isa::avx512vnni) features += kVnni;
  return features;
}

// How the instruction is encoded, from its first byte that is not a legacy or REX prefix.
std::string_view encoding_of(const std::vector<unsigned>& bytes) {
  for (const unsigned b : bytes) {
    const bool legacy = b == 0x66 || b == 0x67 || b == 0xF0 || b == 0xF2 || b == 0xF3 || b == 0x2E || b == 0x36 ||
                        b == 0x3E || b == 0x26 || b == 0x64 || b == 0x65;
    if (legacy || (b >= 0x40 && b <= 0x4F)) continue;
    if (b == 0xC4 || b == 0xC5) return "{vex} ";
    return b == 0x62 ? "{evex} " : "";
  }
  return "";
}

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.front())) != 0) s.remove_prefix(1);
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.back())) != 0) s.remove_suffix(1);
  return s;
}

// Assembler text, one instruction a line, and for each line where it came from.
struct Listing {
  std::string text;
  std::vector<std::string> origins;  // "kernel+0x12: vpermb ..."
  std::string foreign;               // what needs no assembler to be refused
};

Status read_listing(const std::string& file, Listing& listing) {
  std::ifstream in(file);
  std::string function;
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with(">:")) function = line.substr(line.find('<') + 1, line.size() - line.find('<') - 3);
    const std::string instruction = normalize_instruction(line);
    if (instruction.empty()) continue;
    const std::string_view shown = trimmed(std::string_view(line).substr(line.rfind('\t') + 1));
    listing.origins.push_back(function + " at 0x" + std::string(trimmed(line).substr(0, trimmed(line).find(':'))) +
                              ": " + std::string(shown));
    listing.text += instruction + "\n";
    const std::string_view mnemonic = std::string_view(instruction).substr(0, instruction.find(' '));
    const bool forbidden = std::find(kForbidden.begin(), kForbidden.end(), mnemonic) != kForbidden.end();
    if (forbidden || instruction.find("(bad)") != std::string::npos) listing.foreign += "\n  " + listing.origins.back();
  }
  return listing.origins.empty() ? Status(Code::corrupt, "no instructions in it") : Status();
}

// The lines GNU as refused: "file.s:12: Error: `vpermb' is not supported on ...".
std::string refused_lines(const std::string& errors, const Listing& listing) {
  std::string text;
  size_t count = 0;
  std::istringstream in(errors);
  for (std::string line; std::getline(in, line);) {
    const size_t at = line.find(".s:");
    if (at == std::string::npos || line.find("Error") == std::string::npos) continue;
    const size_t number = std::strtoul(line.c_str() + at + 3, nullptr, 10);
    if (number == 0 || number > listing.origins.size() || ++count > kReported) continue;
    text += "\n  " + listing.origins[number - 1];
  }
  if (count > kReported) text += "\n  and " + std::to_string(count - kReported) + " more";
  return text;
}

}  // namespace

std::string normalize_instruction(std::string_view line) {
  // "    1018:\t62 f2 6d 48 50 c8    \tvpdpbusd %zmm0,%zmm2,%zmm1"
  const size_t first = line.find(":\t");
  if (first == std::string_view::npos) return "";
  const size_t second = line.find('\t', first + 2);
  if (second == std::string_view::npos) return "";
  std::istringstream hex{std::string(line.substr(first + 2, second - first - 2))};
  std::vector<unsigned> bytes;
  for (std::string digits; hex >> digits;) {
    bytes.push_back(static_cast<unsigned>(std::strtoul(digits.c_str(), nullptr, 16)));
  }
  std::string_view text = trimmed(line.substr(second + 1));
  text = trimmed(text.substr(0, text.find('#')));                      // the address a %rip operand comes to
  while (text.starts_with("data16 ")) text = trimmed(text.substr(7));  // long nops repeat it, as refuses that
  std::string instruction(text);
  if (const size_t symbol = instruction.find(" <"); symbol != std::string::npos) {
    instruction.resize(symbol);  // a branch: its target is printed in hexadecimal without 0x
    const size_t target = instruction.find_last_of(" ,\t");
    if (target != std::string::npos) instruction.insert(target + 1, "0x");
  }
  if (!instruction.starts_with('{')) instruction.insert(0, encoding_of(bytes));
  return instruction;
}

Status check_instructions(std::span<const uint8_t> member, std::string_view target, const std::string& what) {
  const Result<const TargetDesc*> desc = find_target(target);
  const std::string features = desc.ok() ? features_of((*desc)->isa) : "";
  if (features.empty()) {
    return {Code::unsupported, what + ": no instruction list is known for target '" + std::string(target) + "'"};
  }
  OCTILE_ASSIGN_OR_RETURN(const std::string objdump, find_tool({"objdump"}, "binutils"));
  OCTILE_ASSIGN_OR_RETURN(const std::string as, find_tool({"as"}, "binutils"));
  OCTILE_ASSIGN_OR_RETURN(const ScratchDir scratch, ScratchDir::make());
  const std::string so = scratch / "member.so", listed = scratch / "listing.txt", text = scratch / "again.s";
  OCTILE_RETURN_IF_ERROR(write_file(so, member));
  const ToolResult dumped = run_tool({objdump, "--disassemble", "--wide", so}, kToolSeconds, listed);
  if (!dumped.ok) return {Code::internal, what + ": objdump failed: " + dumped.how_it_ended};
  Listing listing;
  OCTILE_RETURN_IF_ERROR(read_listing(listed, listing));
  OCTILE_RETURN_IF_ERROR(write_text_file(text, listing.text));
  const ToolResult assembled = run_tool({as, "-march=" + features, "-o", "/dev/null", text}, kToolSeconds);
  const std::string refused = listing.foreign + (assembled.ok ? "" : refused_lines(assembled.err, listing));
  if (!refused.empty()) {
    return {Code::unsupported, what + ": instructions beyond " + std::string(target) + ":" + refused};
  }
  if (!assembled.ok) return {Code::internal, what + ": as failed: " + assembled.how_it_ended};
  return {};
}

}  // namespace octile::packs
