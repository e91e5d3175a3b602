// The members' contract: what the builder links keeps it, every breach is named, no damage is ever more than an error.
// In:  linked objects.  Out: pass or fail.
// Not here: mapping and calling members (runtime).
#include "packs/format/elf_image.h"

#include <gtest/gtest.h>

#include <random>

#include "packs/builder/link.h"
#include "tests/unit/packs/fake_kernelc.h"

namespace octile::packs {
namespace {

class ElfImageTest : public ::testing::Test {
 protected:
  // Links with plain flags, so that breaches of the contract survive.
  std::vector<uint8_t> link_plainly(const std::string& text, const std::vector<std::string>& flags = {}) {
    std::vector<std::string> argv{"ld.lld-19",
                                  "-shared",
                                  "-z",
                                  "separate-code",
                                  "-z",
                                  "norelro",
                                  "--hash-style=sysv",
                                  assemble(dir_, "k", text),
                                  "-o",
                                  dir_ / "k.so"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    const ToolResult run = run_tool(argv, 60);
    EXPECT_TRUE(run.ok) << run.err;
    return read_bytes(dir_ / "k.so");
  }
  void expect_refused(const std::vector<uint8_t>& bytes, const std::string& word) {
    const Result<ElfImage> image = parse_elf(bytes, "pack: member");
    ASSERT_FALSE(image.ok()) << word;
    EXPECT_EQ(image.status().code(), Code::corrupt);
    EXPECT_NE(image.status().message().find("pack: member"), std::string::npos) << image.status().message();
    EXPECT_NE(image.status().message().find(word), std::string::npos) << image.status().message();
  }
  std::vector<uint8_t> good() {
    const std::string a = assemble(dir_, "a",
                                   function("dot_a", "mov table(%rip),%eax") + function("unused", "call missing") +
                                       ".section .rodata\ntable: .long 1,2,3\n");
    const std::string b = assemble(dir_, "b", function("dot_b", "nop"));
    Result<std::vector<uint8_t>> bytes = link_member({a, b}, {"dot_a", "dot_b"});
    EXPECT_TRUE(bytes.ok()) << bytes.status().to_string();
    return bytes.ok() ? *bytes : std::vector<uint8_t>();
  }
  TempDir dir_;
};

TEST_F(ElfImageTest, LinkedMembersKeepTheContract) {
  const Result<ElfImage> image = parse_elf(good(), "x");
  ASSERT_TRUE(image.ok()) << image.status().to_string();
  ASSERT_EQ(image->functions.size(), 2u) << "only what was asked for is exported";
  EXPECT_NE(image->find("dot_a"), nullptr);
  EXPECT_EQ(image->find("dot_a")->size, 7u);
  EXPECT_NE(image->find("dot_b"), nullptr);
  EXPECT_EQ(image->find("unused"), nullptr);
  ASSERT_EQ(image->segments.size(), 2u);
  EXPECT_FALSE(image->segments[0].executable);
  EXPECT_TRUE(image->segments[1].executable);
  EXPECT_LE(image->segments[0].address + image->segments[0].size, image->segments[1].address);
}

TEST_F(ElfImageTest, SameObjectsGiveSameBytes) { EXPECT_EQ(good(), good()); }

TEST_F(ElfImageTest, LinkErrorsNameTheSymbol) {
  const std::string a = assemble(dir_, "a", function("dot_a", "call memcpy"));
  const Status missing = link_member({a}, {"dot_a"}).status();
  EXPECT_NE(missing.message().find("memcpy"), std::string::npos) << missing.message();
  const std::string b = assemble(dir_, "b", function("dot_b", "nop"));
  EXPECT_NE(link_member({b}, {"dot_c"}).status().message().find("dot_c"), std::string::npos);
  const std::string c = assemble(dir_, "c", function("dot_a", "movabs $other,%rax") + ".data\nother: .long 1\n");
  EXPECT_FALSE(link_member({c}, {"dot_a"}).ok()) << "a relocation in code";
  const std::string d = assemble(dir_, "d", function("dot_a", "incl other(%rip)") + ".data\nother: .long 1\n");
  EXPECT_NE(link_member({d}, {"dot_a"}).status().message().find("writable"), std::string::npos);
}

TEST_F(ElfImageTest, EveryBreachIsNamed) {
  const std::vector<std::string> ro{"-z", "rodynamic"};
  const auto k = [](const std::string& more) { return function("dot_a", "nop") + more; };
  EXPECT_TRUE(parse_elf(link_plainly(k(""), ro), "x").ok());
  expect_refused(link_plainly(k("")), "writable");
  expect_refused(link_plainly(k(".data\n.globl d\nd: .long 1\n"), ro), "writable");
  expect_refused(link_plainly(k(".bss\n.globl d\nd: .zero 64\n"), ro), "writable");
  expect_refused(link_plainly(k(function("dot_b", "lea far@GOTPCREL(%rip),%rax")), ro), "writable");
  expect_refused(link_plainly(k(".section .tbss,\"awT\",@nobits\n.globl t\nt: .zero 4\n"), ro), "type 7");
  expect_refused(link_plainly(k(".globl d\n.type d,@object\n.section .rodata\nd: .long 1\n.size d,4\n"), ro),
                 "no function");
  expect_refused(link_plainly(k(""), {"-z", "rodynamic", "--soname=x", "-z", "now"}), "load time");
  expect_refused(link_plainly(k(""), {"-z", "rodynamic", "--hash-style=gnu"}), "hash table");
  expect_refused(link_plainly(function("dot_a", "call outside"), {"-z", "rodynamic", "-z", "undefs"}), "writable");
  expect_refused(read_bytes(assemble(dir_, "o", k(""))), "shared object");
  expect_refused(read_bytes("/proc/self/exe"), "");
  expect_refused({}, "ELF");
  expect_refused({'#', '!', '/'}, "ELF");
}

TEST_F(ElfImageTest, NoDamageIsMoreThanAnError) {
  const std::vector<uint8_t> bytes = good();
  for (size_t size = 0; size < bytes.size(); ++size) {
    (void)parse_elf(std::span(bytes).first(size), "x").ok();
  }
  std::mt19937 random(11);
  for (size_t at = 0; at < std::min<size_t>(bytes.size(), 1024); ++at) {
    for (const uint8_t value : {uint8_t{0}, uint8_t{0xff}, static_cast<uint8_t>(random()), uint8_t{0x80}}) {
      std::vector<uint8_t> damaged = bytes;
      damaged[at] = value;
      const Result<ElfImage> image = parse_elf(damaged, "x");
      if (!image.ok()) continue;
      for (const ElfSegment& s : image->segments) ASSERT_LE(s.offset + s.size, bytes.size());
      for (const ElfFunction& f : image->functions) ASSERT_LE(f.address + f.size, image->memory_size);
    }
  }
}

}  // namespace
}  // namespace octile::packs
