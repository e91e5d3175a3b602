// Loading members: a hand-made ELF runs; every damaged one is refused or harmless, never a crash.
// In:  bytes made here.  Out: functions called, Status.  Not here: pack files (unit/packs).
#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <random>

#include "packs/format/pack_file.h"
#include "runtime/loader/library.h"
#include "runtime/loader/mapping.h"
#include "targets/probe/probe.h"

namespace octile::runtime {
namespace {

constexpr uint64_t kPage = 4096;
constexpr char kNames[] = "\0forty_two";

// Page 0: headers, dynamic table, symbols, names, hash. Page 1: mov eax, 42; ret.
struct Image {
  Elf64_Ehdr header;
  Elf64_Phdr program[3];
  Elf64_Dyn dynamic[6];
  Elf64_Sym symbols[2];
  uint32_t hash[5];
  char names[sizeof kNames];
};

std::vector<uint8_t> member() {
  std::vector<uint8_t> bytes(kPage + 6);
  Image m{};
  std::memcpy(m.header.e_ident, ELFMAG, SELFMAG);
  m.header.e_ident[EI_CLASS] = ELFCLASS64;
  m.header.e_ident[EI_DATA] = ELFDATA2LSB;
  m.header.e_ident[EI_VERSION] = EV_CURRENT;
  m.header.e_type = ET_DYN;
  m.header.e_machine = EM_X86_64;
  m.header.e_version = EV_CURRENT;
  m.header.e_phoff = offsetof(Image, program);
  m.header.e_ehsize = sizeof(Elf64_Ehdr);
  m.header.e_phentsize = sizeof(Elf64_Phdr);
  m.header.e_phnum = 3;
  m.program[0] = {PT_LOAD, PF_R, 0, 0, 0, sizeof m, sizeof m, kPage};
  m.program[1] = {PT_LOAD, PF_R | PF_X, kPage, kPage, kPage, 6, 6, kPage};
  const uint64_t dynamic = offsetof(Image, dynamic);
  m.program[2] = {PT_DYNAMIC, PF_R, dynamic, dynamic, dynamic, sizeof m.dynamic, sizeof m.dynamic, 8};
  const auto tag = [&](int i, int64_t t, uint64_t v) {
    m.dynamic[i].d_tag = t;
    m.dynamic[i].d_un.d_val = v;
  };
  tag(0, DT_SYMTAB, offsetof(Image, symbols));
  tag(1, DT_STRTAB, offsetof(Image, names));
  tag(2, DT_STRSZ, sizeof kNames);
  tag(3, DT_SYMENT, sizeof(Elf64_Sym));
  tag(4, DT_HASH, offsetof(Image, hash));
  tag(5, DT_NULL, 0);
  m.symbols[1].st_name = 1;
  m.symbols[1].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
  m.symbols[1].st_shndx = 1;
  m.symbols[1].st_value = kPage;
  m.symbols[1].st_size = 6;
  m.hash[0] = 1;  // one bucket
  m.hash[1] = 2;  // two symbols
  m.hash[2] = 1;
  std::memcpy(m.names, kNames, sizeof kNames);
  std::memcpy(bytes.data(), &m, sizeof m);
  const uint8_t code[6] = {0xB8, 42, 0, 0, 0, 0xC3};
  std::memcpy(bytes.data() + kPage, code, sizeof code);
  return bytes;
}

packs::KernelEntry entry() {
  packs::KernelEntry e;
  e.name = "forty_two";
  e.family = "dot";
  e.op = "*";
  e.target = "portable";
  e.layout = "k4n16";
  e.dst = e.src = "u8";
  return e;
}

std::string write(const std::vector<uint8_t>& bytes, const std::string& name) {
  const std::string path = testing::TempDir() + name;
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return path;
}

TEST(Loader, FunctionOfAMemberRuns) {
  const auto mapping = Mapping::create(member(), "test");
  ASSERT_TRUE(mapping.ok()) << mapping.status().to_string();
  void* const fn = (*mapping)->find("forty_two");
  ASSERT_NE(fn, nullptr);
  EXPECT_EQ(reinterpret_cast<int (*)()>(fn)(), 42);
  EXPECT_EQ((*mapping)->find("forty_three"), nullptr);
}

TEST(Loader, AddMemberAppendsItsKernels) {
  KernelLibrary library;
  const size_t before = library.kernels().size();
  const std::string path = write(member(), "member.so");
  ASSERT_TRUE(library.add_member(path, {entry()}).ok());
  ASSERT_EQ(library.kernels().size(), before + 1);
  EXPECT_NE(library.kernels().back().fn, nullptr);
}

std::string write_test_pack(std::vector<packs::KernelEntry> entries, const std::string& name) {
  packs::Manifest manifest;
  manifest.octile_version = "0.0.0";
  manifest.members.resize(1);
  manifest.members[0].id = manifest.members[0].target = "portable";
  for (packs::KernelEntry& e : entries) e.member = "portable";
  manifest.kernels = std::move(entries);
  const std::string path = testing::TempDir() + name;
  const std::vector<std::vector<uint8_t>> members{member()};
  const Status s = packs::write_pack(path, manifest, members);
  EXPECT_TRUE(s.ok()) << s.to_string();
  return path;
}

TEST(Loader, TunedKernelsOfLaterPacksReplaceEarlierOnes) {
  KernelLibrary library;
  const size_t before = library.kernels().size();
  packs::KernelEntry tuned = entry(), other = entry();
  tuned.op = "dense mb1m1k8n8 src=u8 wei=s8 dst=u8";
  other.op = "dense mb1m1k8n9 src=u8 wei=s8 dst=u8";
  const Status first = library.add_pack(write_test_pack({tuned}, "first.octpack"), Isa::portable);
  ASSERT_TRUE(first.ok()) << first.to_string();
  ASSERT_TRUE(library.add_pack(write_test_pack({other}, "other.octpack"), Isa::portable).ok());
  EXPECT_EQ(library.kernels().size(), before + 2);
  ASSERT_TRUE(library.add_pack(write_test_pack({tuned}, "second.octpack"), Isa::portable).ok());
  EXPECT_EQ(library.kernels().size(), before + 2);
  EXPECT_EQ(library.kernels().back().entry.op, tuned.op);
}

TEST(Loader, MembersThatBetterOnesMakeNeedlessAreNotRead) {
  if (!can_run(Isa::avx2)) GTEST_SKIP() << "one instruction set here";
  packs::KernelEntry better = entry(), lower = entry(), other = entry(), tuned = entry();
  better.target = better.member = "x86-64/avx2";
  lower.target = lower.member = other.target = other.member = tuned.target = tuned.member = "x86-64/v2";
  better.layout = "k4n8";
  lower.layout = tuned.layout = better.layout;
  other.layout = "k2n8w";  // of weights beyond s8
  tuned.op = "dense mb1m1k8n8 src=u8 wei=s8 dst=u8";
  struct Case {
    std::vector<packs::KernelEntry> entries;
    size_t added;
  };
  for (const Case& c : {Case{{better, lower}, 1}, {{better, tuned}, 1}, {{lower}, 1}, {{better, other}, 2}}) {
    packs::Manifest manifest;
    manifest.octile_version = "0.0.0";
    std::vector<std::vector<uint8_t>> members;
    for (const packs::KernelEntry& e : c.entries) {
      manifest.members.push_back({e.member, e.target, "", 0, 0});
      manifest.kernels.push_back(e);
      members.push_back(member());
    }
    const std::string path = testing::TempDir() + "served.octpack";
    ASSERT_TRUE(packs::write_pack(path, manifest, members).ok());
    KernelLibrary library, whole;
    const size_t before = library.kernels().size();
    ASSERT_TRUE(library.add_pack(path, Isa::avx2, KernelLibrary::Members::needed).ok());
    EXPECT_EQ(library.kernels().size() - before, c.added);
    ASSERT_TRUE(whole.add_pack(path, Isa::avx2).ok());
    EXPECT_EQ(whole.kernels().size() - before, c.entries.size());
  }
}

TEST(Loader, WrongEntriesAreRefusedAndAddNothing) {
  KernelLibrary library;
  const size_t before = library.kernels().size();
  const std::string path = write(member(), "member.so");
  packs::KernelEntry missing = entry(), family = entry(), layout = entry(), tile = entry(), isa = entry();
  missing.name = "forty_three";
  family.family = "winograd";
  layout.layout = "k9n99";
  tile.tile_x = 0;
  isa.target = "x86-64/quantum";
  for (const packs::KernelEntry& e : {missing, family, layout, tile, isa}) {
    const Status s = library.add_member(path, {entry(), e});
    EXPECT_FALSE(s.ok());
    EXPECT_FALSE(s.message().empty());
  }
  EXPECT_FALSE(library.add_member(path + ".absent", {entry()}).ok());
  EXPECT_FALSE(library.add_pack(path + ".absent", Isa::avx512vnni).ok());
  EXPECT_FALSE(library.add_pack(path, Isa::avx512vnni).ok());  // no pack
  EXPECT_EQ(library.kernels().size(), before);
}

TEST(Loader, TruncatedMembersAreRefused) {
  const std::vector<uint8_t> whole = member();
  for (size_t size = 0; size < whole.size(); size += size < sizeof(Image) ? 1 : 97) {
    const std::vector<uint8_t> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(Mapping::create(part, "test").ok()) << size;
  }
}

TEST(Loader, DamagedHeadersNeverCrash) {
  constexpr uint64_t kSeed = 20261125;
  std::mt19937_64 rng(kSeed);
  const std::vector<uint8_t> whole = member();
  int refused = 0;
  const auto attempt = [&](const std::vector<uint8_t>& bytes) {
    const auto mapping = Mapping::create(bytes, "test");
    if (!mapping.ok()) {
      ++refused;
      return;
    }
    const void* const fn = (*mapping)->find("forty_two");
    // Whatever still loads: its function lies in mapped memory.
    if (fn != nullptr) {
      volatile uint8_t first = *static_cast<const uint8_t*>(fn);
      static_cast<void>(first);
    }
  };
  for (size_t bit = 0; bit < sizeof(Image) * 8; ++bit) {
    std::vector<uint8_t> bytes = whole;
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1U << bit % 8));
    attempt(bytes);
  }
  for (int i = 0; i < 3000; ++i) {
    std::vector<uint8_t> bytes = whole;
    const size_t at = rng() % sizeof(Image);
    const uint64_t value = rng() % 3 == 0 ? ~uint64_t{0} : rng();
    std::memcpy(&bytes[at], &value, std::min<size_t>(sizeof value, sizeof(Image) - at));
    attempt(bytes);
  }
  EXPECT_GT(refused, 1000) << "seed " << kSeed;
}

TEST(Loader, WritableOrImportingMembersAreRefused) {
  const auto change = [](auto f) {
    std::vector<uint8_t> bytes = member();
    Image m;
    std::memcpy(&m, bytes.data(), sizeof m);
    f(m);
    std::memcpy(bytes.data(), &m, sizeof m);
    return Mapping::create(bytes, "test").status().to_string();
  };
  EXPECT_NE(change([](Image& m) { m.program[1].p_flags |= PF_W; }), "ok");
  EXPECT_NE(change([](Image& m) { m.symbols[1].st_shndx = SHN_UNDEF; }), "ok");
  EXPECT_NE(change([](Image& m) { m.dynamic[3].d_tag = DT_RELA; }), "ok");
  EXPECT_NE(change([](Image& m) { m.dynamic[3].d_tag = DT_NEEDED; }), "ok");
  EXPECT_NE(change([](Image& m) { m.dynamic[3].d_tag = DT_INIT; }), "ok");
  EXPECT_NE(change([](Image& m) { m.program[2].p_type = PT_TLS; }), "ok");
}

}  // namespace
}  // namespace octile::runtime
