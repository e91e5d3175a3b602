// The instruction gate: what each target may use passes, one instruction beyond it does not, whatever its encoding.
// In:  assembled instructions.  Out: pass or fail.
// Not here: real kernels; those pass the gate whenever a pack is built.
#include "packs/builder/gate.h"

#include <gtest/gtest.h>

#include "tests/unit/packs/fake_kernelc.h"

namespace octile::packs {
namespace {

class Gate : public ::testing::Test {
 protected:
  Status check(const std::string& target, const std::string& body) {
    const std::string object = assemble(dir_, "k", function("some_kernel", body));
    const std::vector<uint8_t> bytes = read_bytes(object);
    EXPECT_FALSE(bytes.empty()) << object;
    return check_instructions(bytes, target, "a member");
  }
  void expect_ok(const std::string& target, const std::string& body) {
    const Status status = check(target, body);
    EXPECT_TRUE(status.ok()) << target << ": " << body << ": " << status.to_string();
  }
  void expect_refused(const std::string& target, const std::string& body) {
    const Status status = check(target, body);
    EXPECT_EQ(status.code(), Code::unsupported) << target << ": " << body << ": " << status.to_string();
    EXPECT_NE(status.message().find("a member"), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("some_kernel at 0x"), std::string::npos) << status.message();
    EXPECT_NE(status.message().find(target), std::string::npos) << status.message();
  }
  TempDir dir_;
};

const char* const kBaseline[] = {"pmaddwd %xmm0,%xmm1",
                                 "pmaddubsw %xmm0,%xmm1",
                                 "pmulld %xmm0,%xmm1",
                                 "roundps $0,%xmm0,%xmm1",
                                 "packusdw %xmm0,%xmm1",
                                 "popcnt %rax,%rbx",
                                 "1: dec %rax; jne 1b",
                                 "jmp *%rax",
                                 "lea some_kernel(%rip),%rax",
                                 "cmovne %eax,%ebx",
                                 ".byte 0x66,0x66,0x66,0x2e,0x0f,0x1f,0x84,0,0,0,0,0",
                                 ".p2align 5"};
const char* const kAvx2[] = {"vpmaddubsw %ymm0,%ymm1,%ymm2",
                             "vfmadd231ps %ymm0,%ymm1,%ymm2",
                             "vpbroadcastd (%rax),%ymm1",
                             "vcvtph2ps %xmm0,%ymm1",
                             "shlx %rax,%rbx,%rcx",
                             "andn %rax,%rbx,%rcx",
                             "lzcnt %rax,%rbx",
                             "tzcnt %rax,%rbx",
                             "movbe (%rax),%rbx",
                             "vzeroupper",
                             "vpmaddwd %xmm0,%xmm1,%xmm2"};
const char* const kVnni[] = {"vpdpbusd %zmm0,%zmm1,%zmm2",
                             "{evex} vpdpbusd %ymm0,%ymm1,%ymm2",
                             "vpdpbusd (%rax){1to16},%zmm1,%zmm2",
                             "vpdpwssd %xmm20,%xmm1,%xmm2",
                             "vpmaddwd %zmm0,%zmm1,%zmm2",
                             "kmovw %eax,%k1",
                             "kmovq %rax,%k1",
                             "vmovdqu8 %zmm0,(%rax){%k1}",
                             "vpmovusdb %zmm0,%xmm1",
                             "vpermw %zmm0,%zmm1,%zmm2",
                             "vcvttps2qq %ymm0,%zmm1",
                             "vpconflictd %zmm0,%zmm1",
                             "{evex} vpaddd %ymm0,%ymm1,%ymm2",
                             "vrndscaleps $0,%zmm0,%zmm1",
                             "vpternlogd $0xff,%zmm0,%zmm0,%zmm0"};
const char* const kAvxVnni[] = {"{vex} vpdpbusd %ymm0,%ymm1,%ymm2", "{vex} vpdpwssd %ymm0,%ymm1,%ymm2",
                                "{vex} vpdpbusd (%rax),%xmm1,%xmm2"};
// Nothing but later or foreign machines.
const char* const kBeyond[] = {"vpermb %zmm0,%zmm1,%zmm2",
                               "vpermi2b %xmm0,%xmm1,%xmm2",
                               "vpmultishiftqb %zmm0,%zmm1,%zmm2",
                               "vpshldd $3,%zmm0,%zmm1,%zmm2",
                               "vpcompressb %zmm0,%zmm1",
                               "vpopcntd %zmm0,%zmm1",
                               "vpopcntb %zmm0,%zmm1",
                               "vpmadd52luq %zmm0,%zmm1,%zmm2",
                               "vdpbf16ps %zmm0,%zmm1,%zmm2",
                               "{vex} vpdpbusd %ymm0,%ymm1,%ymm2",
                               "{vex} vpdpbusd %xmm0,%xmm1,%xmm2",
                               "vgf2p8mulb %zmm0,%zmm1,%zmm2",
                               "vaesenc %zmm0,%zmm1,%zmm2",
                               "aesenc %xmm0,%xmm1",
                               "pclmulqdq $1,%xmm0,%xmm1",
                               "sha256msg1 %xmm0,%xmm1",
                               "extrq $1,$2,%xmm1",
                               "movntss %xmm0,(%rax)",
                               "vfmaddpd %xmm0,%xmm1,%xmm2,%xmm3",
                               "vaddph %zmm0,%zmm1,%zmm2",
                               "adcx %rax,%rbx",
                               "rdrand %rax",
                               "fld1",
                               "movq %rax,%mm0",
                               "emms",
                               "syscall",
                               "cpuid",
                               "rdtsc",
                               "xgetbv",
                               "int3; int $0x80"};

TEST_F(Gate, LetsEachTargetUseItsOwn) {
  for (const char* body : kBaseline) {
    for (const char* target : {"x86-64/v2", "x86-64/avx2", "x86-64/avxvnni", "x86-64/avx512vnni"}) {
      expect_ok(target, body);
    }
  }
  for (const char* body : kAvx2) {
    for (const char* target : {"x86-64/avx2", "x86-64/avxvnni", "x86-64/avx512vnni"}) expect_ok(target, body);
  }
  for (const char* body : kAvxVnni) expect_ok("x86-64/avxvnni", body);
  for (const char* body : kVnni) expect_ok("x86-64/avx512vnni", body);
}

TEST_F(Gate, RefusesWhatLaterTargetsHave) {
  for (const char* body : kAvx2) expect_refused("x86-64/v2", body);
  for (const char* body : kVnni) {
    for (const char* target : {"x86-64/avx2", "x86-64/avxvnni"}) expect_refused(target, body);
  }
  for (const char* body : kAvxVnni) {  // AVX-512's encoding is another one
    for (const char* target : {"x86-64/avx2", "x86-64/avx512vnni"}) expect_refused(target, body);
  }
}

TEST_F(Gate, RefusesWhatNoTargetHas) {
  for (const char* body : kBeyond) expect_refused("x86-64/avx512vnni", body);
}

TEST_F(Gate, RefusesBytesThatAreNoInstruction) { expect_refused("x86-64/avx512vnni", ".byte 0x06"); }

TEST_F(Gate, FindsOneAmongThousandsAndCountsTheRest) {
  std::string many;
  for (int i = 0; i < 3000; ++i) many += "vpdpbusd %zmm0,%zmm1,%zmm2\n";
  expect_ok("x86-64/avx512vnni", many);
  expect_refused("x86-64/avx512vnni", many + "vpermb %zmm0,%zmm1,%zmm2\n" + many);
  for (int i = 0; i < 7; ++i) many += "vpermb %zmm0,%zmm1,%zmm2\n";
  EXPECT_NE(check("x86-64/avx512vnni", many).message().find("and 2 more"), std::string::npos);
}

TEST_F(Gate, RefusesUnknownTargets) {
  EXPECT_EQ(check("arm64/dotprod", "nop").code(), Code::unsupported);
  EXPECT_EQ(check("portable", "nop").code(), Code::unsupported);
}

TEST(NormalizeInstruction, SpellsTheEncodingOut) {
  EXPECT_EQ(normalize_instruction("    1018:\t62 f2 6d 48 50 c8    \tvpdpbusd %zmm0,%zmm2,%zmm1"),
            "{evex} vpdpbusd %zmm0,%zmm2,%zmm1");
  EXPECT_EQ(normalize_instruction("   0:\tc4 e2 75 50 d0 \t{vex} vpdpbusd %ymm0,%ymm1,%ymm2"),
            "{vex} vpdpbusd %ymm0,%ymm1,%ymm2");
  EXPECT_EQ(normalize_instruction("   0:\tc5 f5 fe d0 \tvpaddd %ymm0,%ymm1,%ymm2"), "{vex} vpaddd %ymm0,%ymm1,%ymm2");
  EXPECT_EQ(normalize_instruction("   0:\t66 0f fe c1 \tpaddd  %xmm1,%xmm0"), "paddd  %xmm1,%xmm0");
  EXPECT_EQ(normalize_instruction("  10:\t75 ee \tjne    10a0 <k+0x20>"), "jne    0x10a0");
  EXPECT_EQ(normalize_instruction("  10:\t48 8d 05 0 0 0 0 \tlea    -0xd(%rip),%rax        # 2c0 <k-0x5>"),
            "lea    -0xd(%rip),%rax");
  EXPECT_EQ(normalize_instruction("  10:\t66 66 2e 0f 1f 84 \tdata16 data16 cs nopw 0x0(%rax,%rax,1)"),
            "cs nopw 0x0(%rax,%rax,1)");
  EXPECT_EQ(normalize_instruction("0000000000001000 <k>:"), "");
  EXPECT_EQ(normalize_instruction("Disassembly of section .text:"), "");
  EXPECT_EQ(normalize_instruction(""), "");
}

}  // namespace
}  // namespace octile::packs
