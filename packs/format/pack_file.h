// PackFile: a pack on disk, opened with suspicion and written without leaving halves.
// In:  a path, or a manifest and the members' bytes.  Out: verified bytes, or a Status that names file and cure.
// Not here: mapping anything executable (runtime/loader), linking members (builder/).
//
// Members are read into our own memory, then hashed, then handed out: unlike a mapped file, bytes that were verified
// cannot change or vanish afterwards, and members this machine does not need are never read.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "packs/format/manifest.h"
#include "packs/format/pages.h"
#include "workload/base/status.h"

namespace octile::packs {

inline constexpr uint64_t kMemberAlignment = 4096;

class PackFile {
 public:
  PackFile(PackFile&& other) noexcept;
  PackFile& operator=(PackFile&& other) noexcept;
  ~PackFile();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const Manifest& manifest() const { return manifest_; }
  // SHA-256 of the manifest, in hex; the manifest holds those of the members.
  [[nodiscard]] const std::string& digest() const { return digest_; }
  // The member's bytes once their SHA-256 is that of the manifest.
  [[nodiscard]] Result<Pages> read_member(const std::string& id) const;
  // The same, kept as long as this object. Not for two threads.
  [[nodiscard]] Result<std::span<const uint8_t>> member(const std::string& id);

 private:
  friend Result<PackFile> open_pack(const std::string& path);
  PackFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  [[nodiscard]] Status read_header(uint64_t file_size);
  [[nodiscard]] Status check_layout(uint64_t manifest_size, uint64_t file_size) const;
  [[nodiscard]] Status check_zeros(uint64_t begin, uint64_t end) const;
  [[nodiscard]] Status read_at(uint64_t offset, std::span<uint8_t> bytes) const;
  [[nodiscard]] Status corrupt(const std::string& what) const;

  std::string path_;
  int fd_ = -1;
  Manifest manifest_;
  std::string digest_;
  std::map<std::string, Pages> verified_;
};

// Checks everything but the members' contents: magic, sizes, the manifest's hash and grammar, every offset, every gap.
[[nodiscard]] Result<PackFile> open_pack(const std::string& path);

// Writes the pack beside `path` and renames it into place when all bytes are on disk; on any error `path` is as before.
// members[i] holds the bytes of manifest.members[i]; sizes, offsets and hashes are filled in here.
[[nodiscard]] Status write_pack(const std::string& path, Manifest manifest,
                                std::span<const std::vector<uint8_t>> members);

}  // namespace octile::packs
