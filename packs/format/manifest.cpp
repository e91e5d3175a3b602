// The JSON form of a manifest: the only file that knows its spelling.
// In:  text or structs.  Out: structs or text; what is wrong is named with file and field.
// Not here: the file around it (pack_file.cpp), what kernels mean.
//
// Strict on purpose: every field is required and typed, an unknown version is refused. Fields this version does not
// know are ignored. The printed form is stable: same manifest, same bytes. RapidJSON reads in a tenth of the time that
// nlohmann's library takes, and every session begins with this.
#include "packs/format/manifest.h"

#include <rapidjson/document.h>
#include <rapidjson/writer.h>

#include <limits>
#include <set>
#include <utility>

namespace octile::packs {
namespace {

using Json = rapidjson::Value;
using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

// Reads typed fields of one object and keeps the first complaint.
class Fields {
 public:
  Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (object_.IsObject()) {
      next_ = object_.MemberBegin();
    } else {
      fail("is not an object");
    }
  }

  void text(const char* key, std::string& value) {
    if (const Json* v = find(key)) {
      v->IsString() ? void(value.assign(v->GetString(), v->GetStringLength()))
                    : fail(std::string("field '") + key + "' is not a string");
    }
  }
  void integer(const char* key, int& value, int low, int high) {
    uint64_t wide = 0;
    integer(key, wide, static_cast<uint64_t>(low), static_cast<uint64_t>(high));
    if (ok()) value = static_cast<int>(wide);
  }
  void integer(const char* key, uint64_t& value, uint64_t low, uint64_t high) {
    const Json* v = find(key);
    if (v == nullptr) return;
    if (!v->IsUint64()) return fail(std::string("field '") + key + "' is not a whole number");
    const uint64_t wide = v->GetUint64();
    if (wide < low || wide > high) return fail(std::string("field '") + key + "' is out of range");
    value = wide;
  }
  void number(const char* key, double& value) {
    if (const Json* v = find(key)) {
      v->IsNumber() ? void(value = v->GetDouble()) : fail(std::string("field '") + key + "' is not a number");
    }
  }
  void boolean(const char* key, bool& value) {
    if (const Json* v = find(key)) {
      v->IsBool() ? void(value = v->GetBool()) : fail(std::string("field '") + key + "' is not true or false");
    }
  }
  [[nodiscard]] const Json* list(const char* key) {
    const Json* v = find(key);
    if (v != nullptr && !v->IsArray()) {
      fail(std::string("field '") + key + "' is not a list");
      return nullptr;
    }
    return v;
  }
  void fail(const std::string& what) {
    if (error_.empty()) error_ = where_ + " " + what;
  }
  [[nodiscard]] bool ok() const { return error_.empty(); }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  const Json* find(const char* key) {
    if (!ok()) return nullptr;
    // Fields are mostly asked for in the order they stand in.
    const bool next = next_ != object_.MemberEnd() && next_->name == key;
    const auto it = next ? next_ : object_.FindMember(key);
    if (it != object_.MemberEnd()) {
      next_ = it + 1;
      return &it->value;
    }
    fail(std::string("lacks the field '") + key + "'");
    return nullptr;
  }

  const Json& object_;
  Json::ConstMemberIterator next_;
  std::string where_;
  std::string error_;
};

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
  if (name.empty() || name.size() > 1000 || (name[0] >= '0' && name[0] <= '9')) return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == name.npos;
}

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

enum class Home { pack, kernelc };  // kernelc knows neither a kernel's time nor its member

std::string read_kernel(const Json& json, const std::string& where, Home home, KernelEntry& k) {
  constexpr int kMaxTile = 1 << 20;
  Fields f(json, where);
  f.text("name", k.name);
  f.text("family", k.family);
  f.text("op", k.op);
  f.text("target", k.target);
  f.text("layout", k.layout);
  f.text("cand", k.cand);
  f.text("dst", k.dst);
  f.text("src", k.src);
  f.integer("tile_x", k.tile_x, 1, kMaxTile);
  f.integer("tile_y", k.tile_y, 1, kMaxTile);
  f.integer("tile_n", k.tile_n, 1, kMaxTile);
  f.boolean("tail_n", k.tail_n);
  f.integer("acc16_group", k.acc16_group, 0, 4);
  f.integer("kh", k.kh, 0, kMaxTile);
  f.integer("kw", k.kw, 0, kMaxTile);
  f.integer("sh", k.sh, 0, kMaxTile);
  f.integer("sw", k.sw, 0, kMaxTile);
  if (home == Home::pack) {
    f.number("us", k.us);
    f.text("member", k.member);
  }
  if (f.ok() && !is_symbol(k.name)) f.fail("has a name that is no C symbol");
  if (f.ok() && (k.family.empty() || k.op.empty() || k.target.empty())) f.fail("has an empty family, op or target");
  return f.error();
}

std::string read_member(const Json& json, const std::string& where, Member& m) {
  Fields f(json, where);
  f.text("id", m.id);
  f.text("target", m.target);
  f.text("sha256", m.sha256);
  f.integer("offset", m.offset, 0, uint64_t{1} << 62);
  f.integer("size", m.size, 1, uint64_t{1} << 62);
  if (f.ok() && (m.id.empty() || m.target.empty())) f.fail("has an empty id or target");
  if (f.ok() && !is_sha256(m.sha256)) f.fail("has a sha256 that is not 64 lower-case hex digits");
  return f.error();
}

std::string check_references(const Manifest& manifest) {
  std::set<std::string> ids;
  std::set<std::pair<std::string, std::string>> targets;
  for (const Member& m : manifest.members) {
    if (!ids.insert(m.id).second) return "lists the member '" + m.id + "' twice";
    targets.emplace(m.id, m.target);
  }
  std::set<std::string> seen;
  for (const KernelEntry& k : manifest.kernels) {
    if (!ids.contains(k.member)) return "kernel '" + k.name + "' names the unknown member '" + k.member + "'";
    if (!targets.contains({k.member, k.target})) {
      return "kernel '" + k.name + "' is for " + k.target + " but its member '" + k.member + "' is not";
    }
    if (!seen.insert(k.member + '\n' + k.name + '\n' + k.op).second) {
      return "lists the kernel '" + k.name + "' for '" + k.op + "' twice";
    }
  }
  return "";
}

std::string read_manifest(const Json& json, Manifest& manifest) {
  Fields f(json, "the manifest");
  f.text("octile_version", manifest.octile_version);
  f.text("rounding", manifest.rounding);
  f.text("generator", manifest.generator);
  f.text("created", manifest.created);
  const Json* members = f.list("members");
  const Json* kernels = f.list("kernels");
  if (!f.ok()) return f.error();
  for (const Json& item : members->GetArray()) {
    const std::string where = "member " + std::to_string(manifest.members.size());
    if (std::string e = read_member(item, where, manifest.members.emplace_back()); !e.empty()) return e;
  }
  for (const Json& item : kernels->GetArray()) {
    const std::string where = "kernel " + std::to_string(manifest.kernels.size());
    if (std::string e = read_kernel(item, where, Home::pack, manifest.kernels.emplace_back()); !e.empty()) return e;
  }
  return check_references(manifest);
}

Status parse(std::string_view text, const std::string& file, const std::string& cure, rapidjson::Document& root) {
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
  root.Parse<kFlags>(text.data(), text.size());  // no recursion, however deep it is nested
  if (!root.HasParseError()) return {};
  const bool number = root.GetParseError() == rapidjson::kParseErrorNumberTooBig;
  return {Code::corrupt, file + ": " +
                             (number ? "a JSON number is out of range"
                                     : "not JSON at byte " + std::to_string(root.GetErrorOffset() + 1)) +
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
  rapidjson::Document root;
  OCTILE_RETURN_IF_ERROR(parse(json, file, kCure, root));
  Manifest manifest;
  Fields version(root, "the manifest");
  version.integer("version", manifest.version, 0, std::numeric_limits<int>::max());
  if (!version.ok()) return Status(Code::corrupt, file + ": " + version.error() + kCure);
  if (manifest.version != kManifestVersion) {
    return Status(Code::unsupported, file + ": manifest version " + std::to_string(manifest.version) +
                                         ", this build reads version " + std::to_string(kManifestVersion) +
                                         "; use a pack and a plugin of the same Octile release");
  }
  const std::string error = read_manifest(root, manifest);
  if (!error.empty()) return Status(Code::corrupt, file + ": " + error + kCure);
  return manifest;
}

Result<KernelEntry> parse_kernel(std::string_view json, const std::string& file) {
  rapidjson::Document root;
  OCTILE_RETURN_IF_ERROR(parse(json, file, "; run kernelc again", root));
  KernelEntry kernel;
  const std::string error = read_kernel(root, "the kernel", Home::kernelc, kernel);
  if (!error.empty()) return Status(Code::corrupt, file + ": " + error + "; run kernelc again");
  return kernel;
}

}  // namespace octile::packs
