// The JSON form of a manifest: the only file that knows its spelling.
// In:  text or structs.  Out: structs or text; what is wrong is named with file and field.
// Not here: the file around it (pack_file.cpp), what kernels mean.
//
// Strict on purpose: every field is required and typed, an unknown version is refused. Fields this version does not
// know are ignored. The printed form is stable: same manifest, same bytes. Every session begins with this, so RapidJSON
// reads it straight into the structs: 424 kernels in 0.28 ms, where a document of its took 0.76.
#include "packs/format/manifest.h"

#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <limits>
#include <map>
#include <span>
#include <tuple>
#include <utility>

namespace octile::packs {
namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

// A number, text or truth value of the document.
struct Scalar {
  enum class Kind : uint8_t { null, text, whole, number, truth } kind = Kind::null;
  std::string_view text;
  uint64_t whole = 0;  // of a whole number that is not negative
  double number = 0;   // of any number
  bool truth = false;
};

// Puts a value in its place in an object; says what is wrong with it otherwise.
using Set = const char* (*)(void* object, const Scalar& value);

template <class T, std::string T::*kMember>
const char* text(void* object, const Scalar& v) {
  if (v.kind != Scalar::Kind::text) return "is not a string";
  static_cast<T*>(object)->*kMember = v.text;
  return nullptr;
}
template <class T, auto kMember, uint64_t kLow, uint64_t kHigh>
const char* whole(void* object, const Scalar& v) {
  if (v.kind != Scalar::Kind::whole) return "is not a whole number";
  if (v.whole < kLow || v.whole > kHigh) return "is out of range";
  auto& place = static_cast<T*>(object)->*kMember;
  place = static_cast<std::remove_reference_t<decltype(place)>>(v.whole);
  return nullptr;
}
template <class T, double T::*kMember>
const char* number(void* object, const Scalar& v) {
  if (v.kind != Scalar::Kind::whole && v.kind != Scalar::Kind::number) return "is not a number";
  static_cast<T*>(object)->*kMember = v.number;
  return nullptr;
}
template <class T, bool T::*kMember>
const char* truth(void* object, const Scalar& v) {
  if (v.kind != Scalar::Kind::truth) return "is not true or false";
  static_cast<T*>(object)->*kMember = v.truth;
  return nullptr;
}

struct Field {
  std::string_view key;
  Set set = nullptr;  // null: a list
};

constexpr uint64_t kMaxTile = 1 << 20, kMaxBytes = uint64_t{1} << 62;
// In the order they are written in. kernelc knows neither of the last two of a kernel, its time and its member.
constexpr Field kKernelFields[] = {{"name", text<KernelEntry, &KernelEntry::name>},
                                   {"family", text<KernelEntry, &KernelEntry::family>},
                                   {"op", text<KernelEntry, &KernelEntry::op>},
                                   {"target", text<KernelEntry, &KernelEntry::target>},
                                   {"layout", text<KernelEntry, &KernelEntry::layout>},
                                   {"cand", text<KernelEntry, &KernelEntry::cand>},
                                   {"dst", text<KernelEntry, &KernelEntry::dst>},
                                   {"src", text<KernelEntry, &KernelEntry::src>},
                                   {"tile_x", whole<KernelEntry, &KernelEntry::tile_x, 1, kMaxTile>},
                                   {"tile_y", whole<KernelEntry, &KernelEntry::tile_y, 1, kMaxTile>},
                                   {"tile_n", whole<KernelEntry, &KernelEntry::tile_n, 1, kMaxTile>},
                                   {"tail_n", truth<KernelEntry, &KernelEntry::tail_n>},
                                   {"acc16_group", whole<KernelEntry, &KernelEntry::acc16_group, 0, 4>},
                                   {"kh", whole<KernelEntry, &KernelEntry::kh, 0, kMaxTile>},
                                   {"kw", whole<KernelEntry, &KernelEntry::kw, 0, kMaxTile>},
                                   {"sh", whole<KernelEntry, &KernelEntry::sh, 0, kMaxTile>},
                                   {"sw", whole<KernelEntry, &KernelEntry::sw, 0, kMaxTile>},
                                   {"us", number<KernelEntry, &KernelEntry::us>},
                                   {"member", text<KernelEntry, &KernelEntry::member>}};
constexpr size_t kKernelcFields = std::size(kKernelFields) - 2;
constexpr Field kMemberFields[] = {{"id", text<Member, &Member::id>},
                                   {"target", text<Member, &Member::target>},
                                   {"sha256", text<Member, &Member::sha256>},
                                   {"offset", whole<Member, &Member::offset, 0, kMaxBytes>},
                                   {"size", whole<Member, &Member::size, 1, kMaxBytes>}};
constexpr Field kManifestFields[] = {
    {"version", whole<Manifest, &Manifest::version, 0, std::numeric_limits<int>::max()>},
    {"octile_version", text<Manifest, &Manifest::octile_version>},
    {"rounding", text<Manifest, &Manifest::rounding>},
    {"generator", text<Manifest, &Manifest::generator>},
    {"created", text<Manifest, &Manifest::created>},
    {"members"},
    {"kernels"}};

void write(Writer& out, const char* key, const std::string& value) {
  out.Key(key);
  out.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}
void write(Writer& out, const char* key, uint64_t value) {
  out.Key(key);
  out.Uint64(value);
}
void write(Writer& out, const char* key, int value) {
  out.Key(key);
  out.Int(value);
}

void write(Writer& out, const KernelEntry& k) {
  out.StartObject();
  write(out, "name", k.name);
  write(out, "family", k.family);
  write(out, "op", k.op);
  write(out, "target", k.target);
  write(out, "layout", k.layout);
  write(out, "cand", k.cand);
  write(out, "dst", k.dst);
  write(out, "src", k.src);
  write(out, "tile_x", k.tile_x);
  write(out, "tile_y", k.tile_y);
  write(out, "tile_n", k.tile_n);
  out.Key("tail_n");
  out.Bool(k.tail_n);
  write(out, "acc16_group", k.acc16_group);
  write(out, "kh", k.kh);
  write(out, "kw", k.kw);
  write(out, "sh", k.sh);
  write(out, "sw", k.sw);
  out.Key("us");
  out.Double(k.us);
  write(out, "member", k.member);
  out.EndObject();
}

void write(Writer& out, const Member& m) {
  out.StartObject();
  write(out, "id", m.id);
  write(out, "target", m.target);
  write(out, "sha256", m.sha256);
  write(out, "offset", m.offset);
  write(out, "size", m.size);
  out.EndObject();
}

template <class Item>
void write(Writer& out, const char* key, const std::vector<Item>& items) {
  out.Key(key);
  out.StartArray();
  for (const Item& item : items) write(out, item);
  out.EndArray();
}

bool is_symbol(const std::string& name) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto fits = [&](char c) { return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && name.size() <= 1000 && !digit(name[0]) && std::ranges::all_of(name, fits);
}

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string complaint(const KernelEntry& k) {
  if (!is_symbol(k.name)) return "has a name that is no C symbol";
  return k.family.empty() || k.op.empty() || k.target.empty() ? "has an empty family, op or target" : "";
}

std::string complaint(const Member& m) {
  if (m.id.empty() || m.target.empty()) return "has an empty id or target";
  return is_sha256(m.sha256) ? "" : "has a sha256 that is not 64 lower-case hex digits";
}

// Fills a manifest, or a kernel alone, while the text is read, and keeps the first complaint. No document is built
// first: that took longer than all the rest.
class Reader : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Reader> {
 public:
  explicit Reader(Manifest& manifest) : manifest_(&manifest) {}
  explicit Reader(KernelEntry& kernel) : kernel_(&kernel) {}

  // For rapidjson: false ends the reading.
  bool Null() { return scalar({}); }
  bool Bool(bool v) { return scalar({.kind = Scalar::Kind::truth, .text = {}, .truth = v}); }
  bool Int(int v) { return Int64(v); }
  bool Uint(unsigned v) { return Uint64(v); }
  bool Int64(int64_t v) { return scalar({.kind = Scalar::Kind::number, .text = {}, .number = static_cast<double>(v)}); }
  bool Uint64(uint64_t v) {
    return scalar({.kind = Scalar::Kind::whole, .text = {}, .whole = v, .number = static_cast<double>(v)});
  }
  bool Double(double v) { return scalar({.kind = Scalar::Kind::number, .text = {}, .number = v}); }
  bool String(const char* v, rapidjson::SizeType length, bool) {
    return scalar({.kind = Scalar::Kind::text, .text = {v, length}});
  }
  bool Key(const char* key, rapidjson::SizeType length, bool) {
    if (skipped_ > 0) return true;
    Open& o = open_.back();
    const std::string_view name(key, length);
    if (o.next >= o.fields.size() || o.fields[o.next].key != name) {  // mostly in the order they stand in
      o.next = 0;
      while (o.next < o.fields.size() && o.fields[o.next].key != name) ++o.next;
    }
    return true;
  }
  bool StartObject() {
    if (skips()) return enter();
    if (open_.empty()) {
      const std::span<const Field> fields(kKernelFields);
      return manifest_ != nullptr ? begin(manifest_, kManifestFields) : begin(kernel_, fields.first(kKernelcFields));
    }
    if (in_object()) return wrong();
    return list_ == kMembers ? begin(&manifest_->members.emplace_back(), kMemberFields)
                             : begin(&manifest_->kernels.emplace_back(), kKernelFields);
  }
  bool EndObject(rapidjson::SizeType) {
    if (skipped_ > 0) return leave();
    const Open& o = open_.back();
    for (size_t i = 0; i < o.fields.size(); ++i) {
      if ((o.seen >> i & 1) == 0) return fail("lacks the field '" + std::string(o.fields[i].key) + "'");
    }
    std::string why;
    if (kernel_ != nullptr) why = complaint(*kernel_);
    if (list_ == kMembers) why = complaint(manifest_->members.back());
    if (list_ == kKernels) why = complaint(manifest_->kernels.back());
    if (!why.empty()) return fail(why);
    open_.pop_back();
    return true;
  }
  bool StartArray() {
    if (skips()) return enter();
    if (!in_object() || field().set != nullptr) return wrong();
    list_ = open_.back().next;
    return true;
  }
  bool EndArray(rapidjson::SizeType) {
    if (skipped_ > 0) return leave();
    list_ = kNone;
    return done();
  }

  [[nodiscard]] const std::string& error() const { return error_; }
  // Reading ends with it: what follows may be anything.
  [[nodiscard]] bool other_version() const { return manifest_ != nullptr && manifest_->version != kManifestVersion; }

 private:
  static constexpr int kDeepest = 64;
  static constexpr size_t kMembers = 5, kKernels = 6, kNone = ~size_t{0};  // places in kManifestFields
  static_assert(kManifestFields[kMembers].key == "members" && kManifestFields[kKernels].key == "kernels");
  struct Open {
    void* object;
    std::span<const Field> fields;
    size_t next = 0;    // the field being read, then the one that may follow; beyond the last: one nobody asked for
    uint32_t seen = 0;  // a bit per field
  };

  // Is a value that comes now a field's? Else it is the document or an item of a list.
  [[nodiscard]] bool in_object() const { return open_.size() == (list_ == kNone ? 1 : 2); }
  // Is it, or what it belongs to, one that nobody asked for?
  [[nodiscard]] bool skips() const {
    return skipped_ > 0 || (in_object() && open_.back().next >= open_.back().fields.size());
  }
  // The parser calls itself for what is inside: not without end.
  bool enter() { return ++skipped_ <= kDeepest || fail("is nested too deep"); }
  bool leave() { return --skipped_ >= 0; }
  [[nodiscard]] const Field& field() const { return open_.back().fields[open_.back().next]; }
  bool begin(void* object, std::span<const Field> fields) {
    open_.push_back({object, fields});
    return true;
  }
  bool done() {
    Open& o = open_.back();
    o.seen |= 1U << o.next;
    ++o.next;
    return true;
  }
  bool scalar(const Scalar& v) {
    if (skips()) return true;
    if (!in_object() || field().set == nullptr) return wrong();
    if (const char* const why = field().set(open_.back().object, v); why != nullptr) return about_field(why);
    return !other_version() && done();
  }
  // A value of another kind than its place is for.
  bool wrong() {
    if (!in_object()) return fail("is not an object");
    return about_field(field().set == nullptr ? "is not a list" : field().set(open_.back().object, {}));
  }
  bool about_field(const char* why) { return fail("field '" + std::string(field().key) + "' " + why); }
  bool fail(const std::string& why) {
    error_ = where() + " " + why;
    return false;
  }
  [[nodiscard]] std::string where() const {
    if (manifest_ == nullptr) return "the kernel";
    if (list_ == kNone) return "the manifest";
    const size_t count = list_ == kMembers ? manifest_->members.size() : manifest_->kernels.size();
    return (list_ == kMembers ? "member " : "kernel ") + std::to_string(in_object() ? count - 1 : count);
  }

  Manifest* manifest_ = nullptr;
  KernelEntry* kernel_ = nullptr;
  std::vector<Open> open_;
  size_t list_ = kNone;  // being read
  int skipped_ = 0;      // lists and objects begun inside what nobody asked for
  std::string error_;
};

std::string check_references(const Manifest& manifest) {
  std::map<std::string_view, std::string_view> targets;  // by member
  for (const Member& m : manifest.members) {
    if (!targets.emplace(m.id, m.target).second) return "lists the member '" + m.id + "' twice";
  }
  std::vector<std::tuple<std::string_view, std::string_view, std::string_view>> seen;
  for (const KernelEntry& k : manifest.kernels) {
    const auto at = targets.find(k.member);
    if (at == targets.end()) return "kernel '" + k.name + "' names the unknown member '" + k.member + "'";
    if (at->second != k.target) {
      return "kernel '" + k.name + "' is for " + k.target + " but its member '" + k.member + "' is not";
    }
    seen.emplace_back(k.name, k.op, k.member);
  }
  std::ranges::sort(seen);
  const auto twice = std::ranges::adjacent_find(seen);
  if (twice == seen.end()) return "";
  const auto& [name, op, member] = *twice;
  return "lists the kernel '" + std::string(name) + "' for '" + std::string(op) + "' twice";
}

// Whether it is JSON; what `reader` complains of is the caller's to say.
Status parse(std::string_view text, const std::string& file, const std::string& cure, Reader& reader) {
  unsigned char bits = 0;
  for (const char c : text) bits |= static_cast<unsigned char>(c);
  if (bits >= 0x80) return {Code::corrupt, file + ": not ASCII" + cure};
  std::string bytes(text);  // strings are read where they lie
  rapidjson::InsituStringStream stream(bytes.data());
  rapidjson::Reader json;
  json.Parse<rapidjson::kParseInsituFlag>(stream, reader);
  const bool whole = !json.HasParseError() && stream.Tell() == text.size();  // it takes a zero for the end
  if (whole || !reader.error().empty() || reader.other_version()) return {};
  const bool number = json.GetParseErrorCode() == rapidjson::kParseErrorNumberTooBig;
  return {Code::corrupt,
          file + ": " +
              (number ? "a JSON number is out of range" : "not JSON at byte " + std::to_string(stream.Tell() + 1)) +
              cure};
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  rapidjson::StringBuffer text;
  Writer out(text);
  out.StartObject();
  write(out, "version", manifest.version);
  write(out, "octile_version", manifest.octile_version);
  write(out, "rounding", manifest.rounding);
  write(out, "generator", manifest.generator);
  write(out, "created", manifest.created);
  write(out, "members", manifest.members);
  write(out, "kernels", manifest.kernels);
  out.EndObject();
  return std::string(text.GetString(), text.GetSize()) + "\n";
}

std::string to_json(const KernelEntry& kernel) {
  rapidjson::StringBuffer text;
  Writer out(text);
  write(out, kernel);
  return {text.GetString(), text.GetSize()};
}

Result<Manifest> parse_manifest(std::string_view json, const std::string& file) {
  static const std::string kCure = "; build or copy the pack again";
  Manifest manifest;
  Reader reader(manifest);
  OCTILE_RETURN_IF_ERROR(parse(json, file, kCure, reader));
  if (reader.other_version()) {
    return Status(Code::unsupported, file + ": manifest version " + std::to_string(manifest.version) +
                                         ", this build reads version " + std::to_string(kManifestVersion) +
                                         "; use a pack and a plugin of the same Octile release");
  }
  const std::string error = reader.error().empty() ? check_references(manifest) : reader.error();
  if (!error.empty()) return Status(Code::corrupt, file + ": " + error + kCure);
  return manifest;
}

Result<KernelEntry> parse_kernel(std::string_view json, const std::string& file) {
  static const std::string kCure = "; run kernelc again";
  KernelEntry kernel;
  Reader reader(kernel);
  OCTILE_RETURN_IF_ERROR(parse(json, file, kCure, reader));
  if (!reader.error().empty()) return Status(Code::corrupt, file + ": " + reader.error() + kCure);
  return kernel;
}

}  // namespace octile::packs
