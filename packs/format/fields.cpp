// The frame around fields: header, blobs, hash.
// In/out: see fields.h.  Not here: files on disk (atomic_file.h).
#include "packs/format/fields.h"

#include <bit>

namespace octile::packs {
namespace {

static_assert(std::endian::native == std::endian::little, "fields are written as they lie in memory");

struct Header {
  char magic[8] = {};
  uint32_t version = 1;
  uint32_t zero = 0;
  uint64_t size = 0;
  uint64_t description = 0;
};
static_assert(sizeof(Header) == kFieldsHeader);

Status damaged(const FileFormat& format, const std::string& file, const std::string& what) {
  return {Code::corrupt, file + ": " + what + "; " + std::string(format.cure)};
}

}  // namespace

std::vector<uint8_t> FieldWriter::finish(const FileFormat& format) const {
  uint64_t size = kFieldsHeader + text_.size();
  for (const auto blob : blobs_) size = align_blob(size) + blob.size();
  Header header{.version = format.version, .size = size + kFieldsDigest, .description = text_.size()};
  format.magic.copy(header.magic, sizeof header.magic);
  std::vector<uint8_t> out(header.size);
  std::memcpy(out.data(), &header, sizeof header);
  std::memcpy(out.data() + kFieldsHeader, text_.data(), text_.size());
  uint64_t end = kFieldsHeader + text_.size();
  for (const auto blob : blobs_) {
    end = align_blob(end);
    std::copy(blob.begin(), blob.end(), out.begin() + static_cast<std::ptrdiff_t>(end));
    end += blob.size();
  }
  const auto digest = format.hash(std::span(out).first(end));
  std::copy(digest.begin(), digest.end(), out.begin() + static_cast<std::ptrdiff_t>(end));
  return out;
}

Result<FieldReader> FieldReader::open(std::span<const uint8_t> bytes, const FileFormat& format,
                                      const std::string& file) {
  const std::string noun(format.noun);
  if (bytes.size() < kFieldsHeader + kFieldsDigest) {
    return damaged(format, file, "is no " + noun + ", only " + std::to_string(bytes.size()) + " bytes");
  }
  Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::string_view(header.magic, sizeof header.magic) != format.magic) {
    return damaged(format, file, "is no " + noun + ", it does not start with " + std::string(format.magic));
  }
  if (header.size != bytes.size()) {
    return damaged(format, file,
                   "has " + std::to_string(bytes.size()) + " bytes but says it has " + std::to_string(header.size) +
                       ", so it is truncated or damaged");
  }
  const auto digest = format.hash(bytes.first(bytes.size() - kFieldsDigest));
  if (!std::equal(digest.begin(), digest.end(), bytes.end() - kFieldsDigest)) {
    return damaged(format, file, "its " + std::string(format.hash_name) + " is wrong");
  }
  if (header.version != format.version || header.zero != 0) {
    return Status(Code::unsupported, file + ": is a " + noun + " of format " + std::to_string(header.version) +
                                         ", this is Octile for format " + std::to_string(format.version) + "; " +
                                         std::string(format.version_cure));
  }
  if (header.description > bytes.size() - kFieldsHeader - kFieldsDigest) {
    return damaged(format, file, "its description is longer than the file");
  }
  return FieldReader(bytes, header.description, format, file);
}

std::span<const uint8_t> FieldReader::blob() {
  uint64_t size = 0;
  number(size);
  const uint64_t begin = align_blob(blob_end_), limit = all_.size() - kFieldsDigest;
  if (ok() && (begin > limit || size > limit - begin)) fail("a blob ends behind the file");
  if (!ok()) return {};
  const auto gap = all_.subspan(blob_end_, begin - blob_end_);
  if (std::any_of(gap.begin(), gap.end(), [](uint8_t b) { return b != 0; })) {
    fail("there are stray bytes before a blob");
    return {};
  }
  blob_end_ = begin + size;
  return all_.subspan(begin, size);
}

void FieldReader::finish() {
  if (ok() && !rest_.empty()) fail("the description has bytes that mean nothing");
  if (ok() && blob_end_ != all_.size() - kFieldsDigest) fail("there are bytes behind the last blob");
}

Status FieldReader::status() const { return ok() ? Status() : damaged(*format_, file_, error_); }

}  // namespace octile::packs
