// Reading and writing packs: the byte layout of packs/format/manifest.h, checked field by field.
// In:  a path.  Out: verified bytes; a truncated, flipped or foreign file is a Status, never a crash.
// Not here: JSON (manifest.cpp), ELF.
//
// The layout is canonical: each member's place follows from the sizes before it. So one comparison per member excludes
// overlap, misalignment, overflow and hidden bytes at once, and with the gaps checked to be zero, no byte of a pack is
// outside a hash or a fixed value.
#include "packs/format/pack_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "packs/format/atomic_file.h"
#include "packs/format/sha256.h"

namespace octile::packs {
namespace {

constexpr char kMagic[] = "OCTPACK1";
constexpr size_t kMagicSize = 8, kDigestSize = 32, kHeaderSize = kMagicSize + 8 + kDigestSize;
constexpr uint64_t kMaxManifest = 64u << 20;  // a thousand times today's; keeps a forged size from allocating

constexpr uint64_t align_up(uint64_t n) { return (n + kMemberAlignment - 1) / kMemberAlignment * kMemberAlignment; }

uint64_t load_u64(const uint8_t* bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | bytes[i];
  return value;
}

std::string hex(std::span<const uint8_t> bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (uint8_t byte : bytes) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

std::array<uint8_t, kDigestSize> unhex(const std::string& text) {
  std::array<uint8_t, kDigestSize> bytes{};
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(std::stoi(text.substr(2 * i, 2), nullptr, 16));
  }
  return bytes;
}

// Fills offsets from sizes; returns the end of the last member.
uint64_t place_members(Manifest& manifest, uint64_t manifest_size) {
  uint64_t end = kHeaderSize + manifest_size;
  for (Member& m : manifest.members) {
    m.offset = align_up(end);
    end = m.offset + m.size;
  }
  return end;
}

}  // namespace

PackFile::PackFile(PackFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      manifest_(std::move(other.manifest_)),
      digest_(std::move(other.digest_)),
      verified_(std::move(other.verified_)) {}

PackFile& PackFile::operator=(PackFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(manifest_, other.manifest_);
  std::swap(digest_, other.digest_);
  std::swap(verified_, other.verified_);
  return *this;
}

PackFile::~PackFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status PackFile::corrupt(const std::string& what) const {
  return {Code::corrupt, path_ + ": " + what + "; build or copy the pack again"};
}

Status PackFile::read_at(uint64_t offset, std::span<uint8_t> bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::pread(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return {Code::io_error, path_ + ": cannot read: " + std::strerror(errno)};
    if (n == 0) return corrupt("ends at byte " + std::to_string(offset) + ", truncated while open");
    offset += static_cast<uint64_t>(n);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

Status PackFile::read_header(uint64_t file_size) {
  std::array<uint8_t, kHeaderSize> header;
  if (file_size < kHeaderSize) return corrupt("is not a pack, only " + std::to_string(file_size) + " bytes");
  OCTILE_RETURN_IF_ERROR(read_at(0, header));
  if (std::memcmp(header.data(), kMagic, kMagicSize) != 0)
    return corrupt("is not a pack, it does not start with OCTPACK1");
  const uint64_t size = load_u64(header.data() + kMagicSize);
  if (size > kMaxManifest) return corrupt("claims a manifest of " + std::to_string(size) + " bytes");
  if (size > file_size - kHeaderSize) return corrupt("is truncated inside its manifest");
  std::string json(size, '\0');
  const std::span<uint8_t> bytes(reinterpret_cast<uint8_t*>(json.data()), json.size());
  OCTILE_RETURN_IF_ERROR(read_at(kHeaderSize, bytes));
  digest_ = sha256_hex(bytes);
  if (digest_ != hex(std::span(header).last(kDigestSize))) return corrupt("the manifest's SHA-256 is wrong");
  OCTILE_ASSIGN_OR_RETURN(manifest_, parse_manifest(json, path_));
  return check_layout(size, file_size);
}

Status PackFile::check_layout(uint64_t manifest_size, uint64_t file_size) const {
  uint64_t end = kHeaderSize + manifest_size;
  for (const Member& m : manifest_.members) {
    const uint64_t begin = align_up(end);
    if (m.offset != begin) {
      return corrupt("member '" + m.id + "' is at byte " + std::to_string(m.offset) + ", not at " +
                     std::to_string(begin));
    }
    if (begin > file_size || m.size > file_size - begin) return corrupt("is truncated in member '" + m.id + "'");
    OCTILE_RETURN_IF_ERROR(check_zeros(end, begin));
    end = begin + m.size;
  }
  if (end != file_size) return corrupt("has " + std::to_string(file_size - end) + " bytes after its last member");
  return {};
}

Status PackFile::check_zeros(uint64_t begin, uint64_t end) const {
  std::array<uint8_t, kMemberAlignment> buffer;
  const std::span<uint8_t> gap = std::span(buffer).first(end - begin);
  OCTILE_RETURN_IF_ERROR(read_at(begin, gap));
  if (std::any_of(gap.begin(), gap.end(), [](uint8_t b) { return b != 0; })) {
    return corrupt("has stray bytes before byte " + std::to_string(end));
  }
  return {};
}

Result<Pages> PackFile::read_member(const std::string& id) const {
  const auto m = std::find_if(manifest_.members.begin(), manifest_.members.end(), [&](auto& x) { return x.id == id; });
  if (m == manifest_.members.end()) return Status(Code::not_found, path_ + ": has no member '" + id + "'");
  OCTILE_ASSIGN_OR_RETURN(Pages pages, Pages::make(m->size, path_));
  OCTILE_RETURN_IF_ERROR(read_at(m->offset, pages.bytes()));
  if (sha256_hex(pages.bytes()) != m->sha256) return corrupt("the SHA-256 of member '" + id + "' is wrong");
  return pages;
}

Result<std::span<const uint8_t>> PackFile::member(const std::string& id) {
  auto known = verified_.find(id);
  if (known == verified_.end()) {
    OCTILE_ASSIGN_OR_RETURN(Pages pages, read_member(id));
    known = verified_.emplace(id, std::move(pages)).first;
  }
  return std::span<const uint8_t>(known->second.bytes());
}

Result<PackFile> open_pack(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // non-blocking: a FIFO must not hang us
  if (fd < 0) {
    const Code code = errno == ENOENT ? Code::not_found : Code::io_error;
    return Status(code, path + ": cannot open the pack: " + std::strerror(errno));
  }
  PackFile pack(path, fd);
  struct stat info {};
  if (::fstat(fd, &info) != 0) return Status(Code::io_error, path + ": " + std::strerror(errno));
  if (!S_ISREG(info.st_mode))
    return Status(Code::invalid_argument, path + ": is not a regular file; name a .octpack file");
  OCTILE_RETURN_IF_ERROR(pack.read_header(static_cast<uint64_t>(info.st_size)));
  return pack;
}

Status write_pack(const std::string& path, Manifest manifest, std::span<const std::vector<uint8_t>> members) {
  OCTILE_CHECK(manifest.members.size() == members.size());
  for (size_t i = 0; i < members.size(); ++i) {
    manifest.members[i].size = members[i].size();
    manifest.members[i].sha256 = sha256_hex(members[i]);
  }
  // Offsets are text inside the manifest whose length they depend on: place until that length no longer moves.
  std::string json = to_json(manifest);
  for (size_t size = 0; size != json.size(); json = to_json(manifest)) place_members(manifest, size = json.size());
  if (json.size() > kMaxManifest) return {Code::invalid_argument, path + ": too many kernels for one pack"};
  OCTILE_RETURN_IF_ERROR(parse_manifest(json, path).status());  // what we could not read back is not written

  const std::span<const uint8_t> manifest_bytes(reinterpret_cast<const uint8_t*>(json.data()), json.size());
  std::array<uint8_t, kHeaderSize> header{};
  std::memcpy(header.data(), kMagic, kMagicSize);
  for (size_t i = 0; i < 8; ++i) header[kMagicSize + i] = static_cast<uint8_t>(uint64_t{json.size()} >> (8 * i));
  const auto digest = unhex(sha256_hex(manifest_bytes));
  std::copy(digest.begin(), digest.end(), header.begin() + kMagicSize + 8);

  static constexpr std::array<uint8_t, kMemberAlignment> kZeros{};
  std::vector<std::span<const uint8_t>> pieces{header, manifest_bytes};
  uint64_t end = kHeaderSize + json.size();
  for (size_t i = 0; i < members.size(); ++i) {
    pieces.push_back(std::span(kZeros).first(manifest.members[i].offset - end));
    pieces.push_back(members[i]);
    end = manifest.members[i].offset + members[i].size();
  }
  return write_file_atomically(path, pieces);
}

}  // namespace octile::packs
