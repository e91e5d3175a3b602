// Names, the fallback order, and CPUID of machines that are not here.
// In:  CPUID words written down.  Out: assertions.
// Not here: what this machine is.
#include <gtest/gtest.h>

#include "targets/desc/layout.h"
#include "targets/desc/target.h"
#include "targets/probe/decode.h"
#include "targets/probe/probe.h"

namespace octile {
namespace {

TEST(Targets, NamesAndAliases) {
  for (const TargetDesc& t : all_targets()) {
    EXPECT_EQ(&target(t.isa), &t);
    EXPECT_EQ(*find_target(t.name), &t);
    EXPECT_EQ(*find_target(t.alias), &t);
  }
  EXPECT_EQ((*find_target("host"))->isa, host_isa());
  const Result<const TargetDesc*> missing = find_target("avx9");
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.status().message().find("avx512vnni"), std::string::npos);
}

TEST(Targets, LayoutsByName) {
  for (const Layout layout :
       {Layout::k4n16, Layout::k4n8, Layout::k2n8w, Layout::k2n16w, Layout::t1c, Layout::t4c, Layout::t2cw}) {
    const LayoutDesc& desc = layout_desc(layout);
    EXPECT_EQ(desc.layout, layout);
    EXPECT_EQ(find_layout(desc.name), &desc);
    EXPECT_EQ(desc.depthwise, desc.lanes == 0);
    EXPECT_EQ(desc.name.ends_with("w"), desc.bytes == 2);
    EXPECT_EQ(desc.name[1] - '0', desc.quantum);
  }
  EXPECT_EQ(find_layout("none"), nullptr);
  EXPECT_EQ(find_layout("k4n160"), nullptr);
}

TEST(Targets, FallbackEndsWithPortable) {
  for (const TargetDesc& t : all_targets()) {
    const std::vector<Isa> chain = fallback_chain(t.isa);
    ASSERT_FALSE(chain.empty());
    EXPECT_EQ(chain.back(), Isa::portable);
    EXPECT_LE(chain.front(), t.isa);
    for (size_t i = 1; i < chain.size(); ++i) EXPECT_LT(chain[i], chain[i - 1]);
    for (Isa isa : chain) EXPECT_TRUE(can_run(isa));
  }
  EXPECT_EQ(fallback_chain(Isa::portable), std::vector<Isa>{Isa::portable});
  EXPECT_FALSE(cpu_info().vendor.empty());
  EXPECT_GE(cpu_info().logical_cpus, 1);
}

constexpr uint64_t kSse = 0x3, kYmm = 0x7, kZmm = 0xE7;
constexpr uint32_t bits(std::initializer_list<int> list) {
  uint32_t word = 0;
  for (int bit : list) word |= 1U << bit;
  return word;
}

// An Ice Lake server: AVX-512 with VNNI and VBMI, no AVX-VNNI, 48 KiB of L1.
CpuidWords ice_lake(uint32_t leaf, uint32_t subleaf) {
  switch (leaf) {
    case 0: return {0x1B, 0x756e6547, 0x6c65746e, 0x49656e69};
    case 1: return {0x606A6, 0, bits({0, 9, 12, 13, 19, 20, 22, 23, 27, 28, 29}), 0};
    case 4:
      if (subleaf == 0) return {0x121, 11U << 22 | 63, 63, 0};
      if (subleaf == 1) return {0x122, 7U << 22 | 63, 63, 0};
      if (subleaf == 2) return {0x143, 19U << 22 | 63, 1023, 0};
      return {};
    case 7: return subleaf == 0 ? CpuidWords{0, bits({3, 5, 8, 16, 17, 28, 30, 31}), bits({1, 11}), 0} : CpuidWords();
    case 0x80000000: return {0x80000008, 0, 0, 0};
    case 0x80000001: return {0, 0, bits({0, 5}), 0};
    default: return {};
  }
}

TEST(Probe, IceLakeServer) {
  const CpuInfo info = decode_cpuid(ice_lake, kZmm);
  EXPECT_EQ(info.vendor, "GenuineIntel");
  EXPECT_EQ(info.brand, "unknown");
  EXPECT_EQ(info.family, 6);
  EXPECT_EQ(info.model, 0x6A);
  EXPECT_EQ(info.stepping, 6);
  EXPECT_TRUE(info.x86_64_v2 && info.avx2 && info.avx512vnni && info.avx512vbmi && info.whole_vectors);
  EXPECT_FALSE(info.avxvnni || info.amx_int8);
  EXPECT_EQ(info.l1d_bytes, 48 * 1024);
  EXPECT_EQ(info.l2_bytes, 1280 * 1024);
}

// Sapphire Rapids: Ice Lake and tiles, which the operating system must save and the process ask for.
CpuidWords sapphire_rapids(uint32_t leaf, uint32_t subleaf) {
  CpuidWords w = ice_lake(leaf, subleaf);
  if (leaf == 7 && subleaf == 0) w.edx = bits({22, 24, 25});
  return w;
}

TEST(Probe, TilesByCpuAndSystem) {
  constexpr uint64_t kTiles = 0x60000;
  EXPECT_TRUE(decode_cpuid(sapphire_rapids, kZmm | kTiles).amx_int8);
  EXPECT_FALSE(decode_cpuid(sapphire_rapids, kZmm).amx_int8);
  EXPECT_FALSE(decode_cpuid(ice_lake, kZmm | kTiles).amx_int8);
  EXPECT_FALSE(decode_cpuid(sapphire_rapids, kZmm | kTiles).avx512amx);  // that the process decides
}

// A client of Intel's: VNNI of AVX, no AVX-512 whatever the system would save.
CpuidWords alder_lake(uint32_t leaf, uint32_t subleaf) {
  if (leaf == 7 && subleaf == 0) return {1, bits({3, 5, 8}), 0, 0};
  if (leaf == 7 && subleaf == 1) return {bits({4}), 0, 0, 0};
  return ice_lake(leaf, subleaf);
}

TEST(Probe, VnniOfAvx) {
  const CpuInfo info = decode_cpuid(alder_lake, kZmm);
  EXPECT_TRUE(info.avx2 && info.avxvnni);
  EXPECT_FALSE(info.avx512vnni || info.whole_vectors);
  EXPECT_FALSE(decode_cpuid(alder_lake, kSse).avxvnni);
}

TEST(Targets, TilesAreOfOneLevelWithVectors) {
  EXPECT_EQ(level(Isa::avx512amx), Isa::avx512vnni);
  EXPECT_EQ(level(Isa::avx2), Isa::avx2);
  EXPECT_EQ(level(Isa::avxvnni), Isa::avxvnni);
  EXPECT_TRUE(generated(Isa::avx512vnni) && generated(Isa::avxvnni) && generated(Isa::x86_64_v2));
  EXPECT_FALSE(generated(Isa::avx512amx) || generated(Isa::portable));
}

TEST(Probe, OperatingSystemDecidesToo) {
  const CpuInfo ymm = decode_cpuid(ice_lake, kYmm);
  EXPECT_TRUE(ymm.avx2);
  EXPECT_FALSE(ymm.avx512vnni || ymm.avx512vbmi);
  const CpuInfo sse = decode_cpuid(ice_lake, kSse);
  EXPECT_TRUE(sse.x86_64_v2);
  EXPECT_FALSE(sse.avx2 || sse.avx512vnni);
}

// An AMD core with what Ice Lake has.
template <uint32_t kSignature>
CpuidWords amd(uint32_t leaf, uint32_t subleaf) {
  CpuidWords w = ice_lake(leaf, subleaf);
  if (leaf == 0) w = {0x1B, 0x68747541, 0x444d4163, 0x69746e65};
  if (leaf == 1) w.eax = kSignature;
  return w;
}

// Zen 4 takes 512 bits in two halves, Zen 5 at once.
TEST(Probe, WholeVectorsByFamily) {
  const CpuInfo zen4 = decode_cpuid(amd<0x00A10F11>, kZmm), zen5 = decode_cpuid(amd<0x00B00F21>, kZmm);
  EXPECT_TRUE(zen4.avx512vnni && zen5.avx512vnni);
  EXPECT_FALSE(zen4.whole_vectors);
  EXPECT_TRUE(zen5.whole_vectors);
  EXPECT_FALSE(decode_cpuid(ice_lake, kYmm).whole_vectors);
}

// Skylake server: AVX-512 without VNNI must not be taken for a VNNI machine.
TEST(Probe, Avx512WithoutVnni) {
  const CpuInfo info = decode_cpuid(
      [](uint32_t leaf, uint32_t subleaf) {
        CpuidWords w = ice_lake(leaf, subleaf);
        if (leaf == 7) w.ecx = 0;
        return w;
      },
      kZmm);
  EXPECT_TRUE(info.avx2);
  EXPECT_FALSE(info.avx512vnni);
}

TEST(Probe, AmdCachesFamilyAndBrand) {
  const CpuInfo info = decode_cpuid(
      [](uint32_t leaf, uint32_t subleaf) -> CpuidWords {
        if (leaf == 0) return {0x10, 0x68747541, 0x444d4163, 0x69746e65};
        if (leaf == 1) return {0x00A10F11, 0, 0, 0};
        if (leaf == 0x80000000) return {0x80000028, 0, 0, 0};
        if (leaf == 0x80000002) return {0x20444d41, 0x43595045, 0x20202020, 0x20202020};  // "AMD EPYC        "
        if (leaf == 0x8000001D && subleaf == 0) return {0x121, 7U << 22 | 63, 63, 0};
        if (leaf == 0x8000001D && subleaf == 1) return {0x143, 7U << 22 | 63, 2047, 0};
        return {};
      },
      0);
  EXPECT_EQ(info.vendor, "AuthenticAMD");
  EXPECT_EQ(info.brand, "AMD EPYC");
  EXPECT_EQ(info.family, 0x19);
  EXPECT_EQ(info.model, 0x11);
  EXPECT_EQ(info.l1d_bytes, 32 * 1024);
  EXPECT_EQ(info.l2_bytes, 1024 * 1024);
  EXPECT_FALSE(info.x86_64_v2 || info.avx2);
}

TEST(Probe, NothingThere) {
  const CpuInfo info = decode_cpuid([](uint32_t, uint32_t) { return CpuidWords(); }, 0);
  EXPECT_FALSE(info.x86_64_v2 || info.avx2 || info.avx512vnni || info.avxvnni || info.amx_int8);
  EXPECT_EQ(info.l1d_bytes, 0);
}

}  // namespace
}  // namespace octile
