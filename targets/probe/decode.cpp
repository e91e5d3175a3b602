// CPUID leaves to CpuInfo. Bit numbers are those of the Intel and AMD manuals.
// In:  CPUID words, XCR0.  Out: CpuInfo.
// Not here: executing CPUID.
#include "targets/probe/decode.h"

#include <cstring>

namespace octile {
namespace {

constexpr uint64_t kXcr0Avx = 0x6;      // xmm, ymm
constexpr uint64_t kXcr0Avx512 = 0xE6;  // and opmask, upper zmm, zmm16-31
constexpr uint64_t kXcr0Amx = 0x60000;  // tile configuration and data
constexpr uint32_t kExtended = 0x80000000;

bool has(uint32_t word, std::initializer_list<int> bits) {
  for (int bit : bits) {
    if ((word >> bit & 1) == 0) return false;
  }
  return true;
}

void decode_names(CpuidReader read, uint32_t max_extended, CpuInfo& info) {
  const CpuidWords id = read(0, 0);
  char vendor[12];
  std::memcpy(vendor, &id.ebx, 4);
  std::memcpy(vendor + 4, &id.edx, 4);
  std::memcpy(vendor + 8, &id.ecx, 4);
  info.vendor.assign(vendor, 12);
  info.brand = "unknown";
  if (max_extended >= kExtended + 4) {
    char brand[48];
    for (uint32_t i = 0; i < 3; ++i) {
      const CpuidWords w = read(kExtended + 2 + i, 0);
      std::memcpy(brand + 16 * i, &w, 16);
    }
    std::string text(brand, strnlen(brand, sizeof brand));
    text.erase(0, text.find_first_not_of(' '));
    text.erase(text.find_last_not_of(' ') + 1);
    if (!text.empty()) info.brand = text;
  }
  const uint32_t sig = read(1, 0).eax;
  const uint32_t family = sig >> 8 & 0xF, model = sig >> 4 & 0xF;
  info.stepping = static_cast<int>(sig & 0xF);
  info.family = static_cast<int>(family == 0xF ? family + (sig >> 20 & 0xFF) : family);
  info.model = static_cast<int>(family == 0xF || family == 6 ? model + (sig >> 12 & 0xF0) : model);
}

void decode_features(CpuidReader read, uint32_t max_leaf, uint32_t max_extended, uint64_t xcr0, CpuInfo& info) {
  const CpuidWords one = read(1, 0);
  const CpuidWords seven = max_leaf >= 7 ? read(7, 0) : CpuidWords();
  const CpuidWords seven_one = seven.eax >= 1 ? read(7, 1) : CpuidWords();
  const CpuidWords ext = max_extended >= kExtended + 1 ? read(kExtended + 1, 0) : CpuidWords();
  // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF.
  info.x86_64_v2 = has(one.ecx, {0, 9, 13, 19, 20, 23}) && has(ext.ecx, {0});
  const bool ymm = (xcr0 & kXcr0Avx) == kXcr0Avx;
  const bool zmm = (xcr0 & kXcr0Avx512) == kXcr0Avx512;
  // FMA, MOVBE, OSXSAVE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT.
  info.avx2 =
      info.x86_64_v2 && ymm && has(one.ecx, {12, 22, 27, 28, 29}) && has(seven.ebx, {3, 5, 8}) && has(ext.ecx, {5});
  // F, DQ, CD, BW, VL; VNNI.
  info.avx512vnni = info.avx2 && zmm && has(seven.ebx, {16, 17, 28, 30, 31}) && has(seven.ecx, {11});
  // Zen 4, of family 25, takes a vector of 512 bits in two halves.
  info.whole_vectors = info.avx512vnni && (info.vendor == "GenuineIntel" || info.family > 25);
  info.avx512vbmi = info.avx512vnni && has(seven.ecx, {1});
  info.avxvnni = info.avx2 && has(seven_one.eax, {4});
  info.amx_int8 = (xcr0 & kXcr0Amx) == kXcr0Amx && has(seven.edx, {24, 25});
}

// Intel leaf 4 and AMD leaf 0x8000001D have the same layout.
void decode_caches(CpuidReader read, uint32_t max_leaf, uint32_t max_extended, CpuInfo& info) {
  constexpr uint32_t kAmdCaches = kExtended + 0x1D;
  const bool amd = info.vendor == "AuthenticAMD" || info.vendor == "HygonGenuine";
  if (amd ? max_extended < kAmdCaches : max_leaf < 4) return;
  for (uint32_t i = 0; i < 16; ++i) {
    const CpuidWords w = read(amd ? kAmdCaches : 4, i);
    const uint32_t type = w.eax & 0x1F, level = w.eax >> 5 & 7;
    if (type == 0) break;
    if (type == 2) continue;  // instructions
    const int64_t bytes =
        int64_t{(w.ebx >> 22) + 1} * ((w.ebx >> 12 & 0x3FF) + 1) * ((w.ebx & 0xFFF) + 1) * (int64_t{w.ecx} + 1);
    if (level == 1) info.l1d_bytes = bytes;
    if (level == 2) info.l2_bytes = bytes;
    if (level == 3) info.l3_bytes = bytes;
  }
}

}  // namespace

CpuInfo decode_cpuid(CpuidReader read, uint64_t xcr0) {
  CpuInfo info;
  const uint32_t max_leaf = read(0, 0).eax;
  const uint32_t max_extended = read(kExtended, 0).eax;
  decode_names(read, max_extended, info);
  decode_features(read, max_leaf, max_extended, xcr0, info);
  decode_caches(read, max_leaf, max_extended, info);
  return info;
}

}  // namespace octile
