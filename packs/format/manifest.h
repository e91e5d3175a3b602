// The manifest: what a pack holds, as a struct; its JSON form lives in manifest.cpp alone.
// In:  manifest JSON text.  Out: Manifest, or a Status that names file and byte.
// Not here: mapping members, choosing kernels, building.
//
// File layout of a pack (little endian):
//   bytes 0..7 "OCTPACK1", u64 manifest size, 32 bytes SHA-256 of the manifest, manifest JSON, zero padding to 4096,
//   then the members in the manifest's order, each at the next multiple of 4096, zeros between, nothing after the last.
// A member is an ELF64 shared object without imports, relocations, writable segments or constructors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "packs/format/pack_abi.h"
#include "targets/desc/target.h"
#include "workload/base/status.h"

namespace octile::packs {

inline constexpr int kManifestVersion = OCTILE_PACK_ABI_VERSION;  // fields, and what kernels expect

struct KernelEntry {
  std::string name;    // kernel line, also the ELF symbol: dot_u8s8u8__avx512vnni__k4n16__x7y1n64u2
  std::string family;  // "dot", "dotz", "depthwise", "quantize", ...
  std::string op;      // key of the one workload it is specialised to, or "*": any shape
  std::string target;  // canonical target name
  std::string layout;  // "k4n16"; empty for elementwise families
  std::string cand;    // the candidate line it was built from
  std::string dst;     // "u8" or "s32"
  std::string src;     // "u8", "s16", "s32", "f32"
  int tile_x = 1, tile_y = 1, tile_n = 1;
  bool tail_n = false;
  int acc16_group = 0;  // 0: exact for any weights; 1..4: needs group-safe weights (docs/generators.md)
  int kh = 0, kw = 0;   // depthwise kernels fixed to a filter size; 0 = any
  int sh = 0, sw = 0;   // depthwise kernels fixed to a stride; 0 = any
  double us = 0;        // measured for `op`, 0 if unknown
  std::string member;   // id of the member that holds it
};

struct Member {
  std::string id;      // "x86-64/avx512vnni"
  std::string target;  // canonical target name
  std::string sha256;  // hex
  uint64_t offset = 0, size = 0;
};

struct Manifest {
  int version = kManifestVersion;
  std::string octile_version;
  std::string rounding = "f32-rne";
  std::string generator;  // Halide and code generator versions, source commit
  std::string created;    // ISO date, empty in reproducible builds
  std::vector<Member> members;
  std::vector<KernelEntry> kernels;
};

[[nodiscard]] std::string to_json(const Manifest& manifest);
[[nodiscard]] Result<Manifest> parse_manifest(std::string_view json, const std::string& file);
// One kernel alone, on one line: what kernelc writes beside each object, there without "us" and "member".
[[nodiscard]] std::string to_json(const KernelEntry& kernel);
[[nodiscard]] Result<KernelEntry> parse_kernel(std::string_view json, const std::string& file);

}  // namespace octile::packs
