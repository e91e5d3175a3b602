// Fields: a file of numbers, texts and lists in a fixed order, of blobs behind them, and of a hash over it all.
// In:  fields, one after another.  Out: bytes; and back, every field checked against what is left.
// Not here: what the fields mean (runtime/plan_file, runtime/region/weights_cache.h).
//
// Layout, little endian: 8 bytes magic, u32 format version, u32 zero, u64 size of the whole, u64 size of the
// description; the description: text is u32 length and bytes, a list is u32 count and values, of a blob its u64 size;
// the blobs in the description's order, each at the next multiple of 64, zeros between; 32 bytes hash of all that
// stands before.
//
// The hash finds accidents. A file made to mislead has a right hash, so readers do not rely on it: no count is believed
// before the bytes for it are there.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "workload/base/status.h"

namespace octile::packs {

// What tells files of one kind from others, and how errors speak of them.
struct FileFormat {
  std::string_view magic;  // 8 characters
  uint32_t version = 1;
  std::array<uint8_t, 32> (*hash)(std::span<const uint8_t>) = nullptr;
  std::string_view hash_name, noun;
  std::string_view cure, version_cure;  // of a damaged file, of another version's
};

inline constexpr size_t kFieldsHeader = 32, kFieldsDigest = 32, kBlobAlignment = 64;

constexpr uint64_t align_blob(uint64_t n) { return (n + kBlobAlignment - 1) / kBlobAlignment * kBlobAlignment; }

class FieldWriter {
 public:
  template <class T>
  void number(T value) {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
    put(&value, sizeof value);
  }
  void flag(bool value) { number(static_cast<uint8_t>(value ? 1 : 0)); }
  void text(std::string_view value) {
    number(static_cast<uint32_t>(value.size()));
    put(value.data(), value.size());
  }
  template <class T>
  void list(const std::vector<T>& values) {
    static_assert(std::is_trivially_copyable_v<T>);
    number(static_cast<uint32_t>(values.size()));
    put(values.data(), values.size() * sizeof(T));
  }
  // Here only the size; the bytes, which must live until finish(), stand in a section of their own.
  void blob(std::span<const uint8_t> bytes) {
    number(uint64_t{bytes.size()});
    blobs_.push_back(bytes);
  }
  [[nodiscard]] std::vector<uint8_t> finish(const FileFormat& format) const;

 private:
  void put(const void* bytes, size_t count) { text_.append(static_cast<const char*>(bytes), count); }

  std::string text_;
  std::vector<std::span<const uint8_t>> blobs_;
};

// Reads fields until the first that is not there; from then on everything is empty and the complaint stays.
class FieldReader {
 public:
  // Magic, size, hash, version, in this order: a damaged version number is damage, not another version. `file` is what
  // errors name; `bytes` must live as long as the reader and what blob() gives.
  [[nodiscard]] static Result<FieldReader> open(std::span<const uint8_t> bytes, const FileFormat& format,
                                                const std::string& file);

  template <class T>
  void number(T& value) {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
    value = T{};
    if (const uint8_t* from = take(sizeof value)) std::memcpy(&value, from, sizeof value);
  }
  void flag(bool& value) {
    uint8_t byte = 0;
    number(byte);
    value = byte != 0;
    if (byte > 1) fail("a flag is neither 0 nor 1");
  }
  void text(std::string& value) {
    const uint32_t size = count(1);
    const uint8_t* from = take(size);
    value.assign(reinterpret_cast<const char*>(from), from == nullptr ? 0 : size);
  }
  template <class T>
  void list(std::vector<T>& values) {
    static_assert(std::is_trivially_copyable_v<T>);
    const uint32_t size = count(sizeof(T));
    const uint8_t* from = take(size * sizeof(T));
    values.clear();
    if (from == nullptr || size == 0) return;
    values.resize(size);
    std::memcpy(values.data(), from, size * sizeof(T));
  }
  // Empty where the blob is not there.
  [[nodiscard]] std::span<const uint8_t> blob();
  // How many elements follow, each of at least `size` bytes.
  [[nodiscard]] uint32_t count(size_t size) {
    uint32_t n = 0;
    number(n);
    if (ok() && n > rest_.size() / size) fail("a list is longer than the file");
    return ok() ? n : 0;
  }
  // Everything was read, nothing is left over.
  void finish();

  void fail(const std::string& what) {
    if (error_.empty()) error_ = what;
    rest_ = {};
  }
  [[nodiscard]] bool ok() const { return error_.empty(); }
  // The complaint, with file and cure.
  [[nodiscard]] Status status() const;

 private:
  FieldReader(std::span<const uint8_t> all, size_t description, const FileFormat& format, std::string file)
      : all_(all),
        rest_(all.subspan(kFieldsHeader, description)),
        blob_end_(kFieldsHeader + description),
        format_(&format),
        file_(std::move(file)) {}

  const uint8_t* take(size_t size) {
    if (size > rest_.size()) fail("the description ends inside a field");
    if (!ok()) return nullptr;
    const uint8_t* from = rest_.data();
    rest_ = rest_.subspan(size);
    return from;
  }

  std::span<const uint8_t> all_, rest_;
  size_t blob_end_;
  const FileFormat* format_;
  std::string file_, error_;
};

}  // namespace octile::packs
