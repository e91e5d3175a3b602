// The JSON form of a manifest: the only file that knows its spelling.
// In:  text or structs.  Out: structs or text; what is wrong is named with file and field.
// Not here: the file around it (pack_file.cpp), what kernels mean.
//
// Strict on purpose: every field is required and typed, an unknown version is refused. Fields this version does not
// know are ignored. The printed form is stable: same manifest, same bytes.
#include "packs/format/manifest.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <variant>
#include <vector>

namespace octile::packs {
namespace {

using Json = nlohmann::ordered_json;

struct Other {};  // null, or what is nested
struct List {};
using Value = std::variant<Other, List, std::string, uint64_t, double, bool>;

struct Object {
  bool is_object = true;
  std::vector<std::pair<std::string, Value>> fields;
};

// A manifest's text as flat objects, in one pass: the root, and the items of its two lists. What is nested otherwise
// is read over. Making a document of it first would take longer than all the rest of opening a pack.
class Parser : public nlohmann::json_sax<nlohmann::json> {
 public:
  Object root{false, {}};
  std::vector<Object> members, kernels;
  std::string error;

  bool null() override { return add(Other()); }
  bool boolean(bool v) override { return add(v); }
  bool number_integer(int64_t v) override { return add(static_cast<double>(v)); }
  bool number_unsigned(uint64_t v) override { return add(v); }
  bool number_float(double v, const std::string&) override { return add(v); }
  bool string(std::string& v) override { return add(std::move(v)); }
  bool binary(binary_t&) override { return add(Other()); }
  bool key(std::string& v) override {
    if (depth_ == 1 || (depth_ == kItem && object_ != nullptr)) key_ = std::move(v);
    return true;
  }
  bool start_object(size_t) override {
    if (depth_ > 0) add(Other());
    ++depth_;
    if (depth_ == 1) object_ = &root;
    if (depth_ == kItem && list_ != nullptr) object_ = &list_->back();
    if (object_ != nullptr && (depth_ == 1 || depth_ == kItem)) object_->is_object = true;
    return true;
  }
  bool end_object() override { return leave(); }
  bool start_array(size_t) override {
    if (depth_ == 1) list_ = key_ == "members" ? &members : key_ == "kernels" ? &kernels : nullptr;
    add(List());
    ++depth_;
    return true;
  }
  bool end_array() override { return leave(); }
  bool parse_error(size_t at, const std::string&, const nlohmann::json::exception& e) override {
    const bool number = dynamic_cast<const nlohmann::json::out_of_range*>(&e) != nullptr;
    error = number ? "a JSON number is out of range" : "not JSON at byte " + std::to_string(at);
    return false;
  }

 private:
  static constexpr int kItem = 3;  // depth inside an item of a list of the root

  bool add(Value v) {
    if (depth_ == 1) {
      root.fields.emplace_back(key_, std::move(v));
    } else if (depth_ == kItem && object_ != nullptr) {
      object_->fields.emplace_back(std::move(key_), std::move(v));
    } else if (depth_ == kItem - 1 && list_ != nullptr) {
      list_->push_back({false, {}});
    }
    return true;
  }
  bool leave() {
    --depth_;
    if (depth_ < kItem) object_ = depth_ == 1 ? &root : nullptr;
    if (depth_ < kItem - 1) list_ = nullptr;
    return true;
  }

  int depth_ = 0;
  Object* object_ = nullptr;
  std::vector<Object>* list_ = nullptr;
  std::string key_;
};

// Reads typed fields of one object and keeps the first complaint.
class Fields {
 public:
  Fields(const Object& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object) fail("is not an object");
  }

  void text(const char* key, std::string& value) {
    if (const auto* v = find<std::string>(key, "a string")) value = *v;
  }
  void integer(const char* key, int& value, int low, int high) {
    uint64_t wide = 0;
    integer(key, wide, static_cast<uint64_t>(low), static_cast<uint64_t>(high));
    if (ok()) value = static_cast<int>(wide);
  }
  void integer(const char* key, uint64_t& value, uint64_t low, uint64_t high) {
    const auto* v = find<uint64_t>(key, "a whole number");
    if (v == nullptr) return;
    if (*v < low || *v > high) return fail(std::string("field '") + key + "' is out of range");
    value = *v;
  }
  void number(const char* key, double& value) {
    const Value* v = find(key);
    if (v == nullptr) return;
    const auto* real = std::get_if<double>(v);
    const auto* whole = std::get_if<uint64_t>(v);
    if (real == nullptr && whole == nullptr) return fail(std::string("field '") + key + "' is not a number");
    value = real != nullptr ? *real : static_cast<double>(*whole);
  }
  void boolean(const char* key, bool& value) {
    if (const auto* v = find<bool>(key, "true or false")) value = *v;
  }
  void list(const char* key) { find<List>(key, "a list"); }
  void fail(const std::string& what) {
    if (error_.empty()) error_ = where_ + " " + what;
  }
  [[nodiscard]] bool ok() const { return error_.empty(); }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  template <class T>
  const T* find(const char* key, const char* kind) {
    const Value* v = find(key);
    const T* found = v == nullptr ? nullptr : std::get_if<T>(v);
    if (v != nullptr && found == nullptr) fail(std::string("field '") + key + "' is not " + kind);
    return found;
  }
  // Fields are mostly asked for in the order they stand in.
  const Value* find(const char* key) {
    if (!ok()) return nullptr;
    const size_t count = object_.fields.size();
    for (size_t i = 0; i < count; ++i) {
      const auto& [name, value] = object_.fields[(next_ + i) % count];
      if (name != key) continue;
      next_ = (next_ + i + 1) % count;
      return &value;
    }
    fail(std::string("lacks the field '") + key + "'");
    return nullptr;
  }

  const Object& object_;
  std::string where_;
  std::string error_;
  size_t next_ = 0;
};

Json json_of(const KernelEntry& k) {
  return Json{{"name", k.name},
              {"family", k.family},
              {"op", k.op},
              {"target", k.target},
              {"layout", k.layout},
              {"cand", k.cand},
              {"dst", k.dst},
              {"src", k.src},
              {"tile_x", k.tile_x},
              {"tile_y", k.tile_y},
              {"tile_n", k.tile_n},
              {"tail_n", k.tail_n},
              {"acc16_group", k.acc16_group},
              {"kh", k.kh},
              {"kw", k.kw},
              {"sh", k.sh},
              {"sw", k.sw},
              {"us", k.us},
              {"member", k.member}};
}

Json json_of(const Member& m) {
  return Json{{"id", m.id}, {"target", m.target}, {"sha256", m.sha256}, {"offset", m.offset}, {"size", m.size}};
}

bool is_symbol(const std::string& name) {
  if (name.empty() || name.size() > 1000 || (name[0] >= '0' && name[0] <= '9')) return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == name.npos;
}

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

enum class Home { pack, kernelc };  // kernelc knows neither a kernel's time nor its member

std::string read_kernel(const Object& json, const std::string& where, Home home, KernelEntry& k) {
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

std::string read_member(const Object& json, const std::string& where, Member& m) {
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

std::string read_manifest(const Parser& parsed, Manifest& manifest) {
  Fields f(parsed.root, "the manifest");
  f.text("octile_version", manifest.octile_version);
  f.text("rounding", manifest.rounding);
  f.text("generator", manifest.generator);
  f.text("created", manifest.created);
  f.list("members");
  f.list("kernels");
  if (!f.ok()) return f.error();
  for (const Object& item : parsed.members) {
    const std::string where = "member " + std::to_string(manifest.members.size());
    if (std::string e = read_member(item, where, manifest.members.emplace_back()); !e.empty()) return e;
  }
  manifest.kernels.reserve(parsed.kernels.size());
  for (const Object& item : parsed.kernels) {
    const std::string where = "kernel " + std::to_string(manifest.kernels.size());
    if (std::string e = read_kernel(item, where, Home::pack, manifest.kernels.emplace_back()); !e.empty()) return e;
  }
  return check_references(manifest);
}

Status parse(std::string_view text, const std::string& file, const std::string& cure, Parser& parser) {
  if (nlohmann::json::sax_parse(text, &parser)) return {};
  return {Code::corrupt, file + ": " + parser.error + cure};
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  Json json{{"version", manifest.version},   {"octile_version", manifest.octile_version},
            {"rounding", manifest.rounding}, {"generator", manifest.generator},
            {"created", manifest.created},   {"members", Json::array()},
            {"kernels", Json::array()}};
  for (const Member& m : manifest.members) json["members"].push_back(json_of(m));
  for (const KernelEntry& k : manifest.kernels) json["kernels"].push_back(json_of(k));
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_json(const KernelEntry& kernel) {
  return json_of(kernel).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Manifest> parse_manifest(std::string_view json, const std::string& file) {
  static const std::string kCure = "; build or copy the pack again";
  Parser parser;
  OCTILE_RETURN_IF_ERROR(parse(json, file, kCure, parser));
  Manifest manifest;
  Fields version(parser.root, "the manifest");
  version.integer("version", manifest.version, 0, std::numeric_limits<int>::max());
  if (!version.ok()) return Status(Code::corrupt, file + ": " + version.error() + kCure);
  if (manifest.version != kManifestVersion) {
    return Status(Code::unsupported, file + ": manifest version " + std::to_string(manifest.version) +
                                         ", this build reads version " + std::to_string(kManifestVersion) +
                                         "; use a pack and a plugin of the same Octile release");
  }
  const std::string error = read_manifest(parser, manifest);
  if (!error.empty()) return Status(Code::corrupt, file + ": " + error + kCure);
  return manifest;
}

Result<KernelEntry> parse_kernel(std::string_view json, const std::string& file) {
  Parser parser;
  OCTILE_RETURN_IF_ERROR(parse(json, file, "; run kernelc again", parser));
  KernelEntry kernel;
  const std::string error = read_kernel(parser.root, "the kernel", Home::kernelc, kernel);
  if (!error.empty()) return Status(Code::corrupt, file + ": " + error + "; run kernelc again");
  return kernel;
}

}  // namespace octile::packs
