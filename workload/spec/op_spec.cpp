// OpSpec's text: one table of shape fields drives parsing, printing and checking.
// In:  a line, or an OpSpec.  Out: the other one, or a Status naming the offending token.
// Not here: files of lines (shapes/), meaning of the values.
#include "workload/spec/op_spec.h"

#include <array>
#include <charconv>
#include <span>
#include <vector>

namespace octile {
namespace {

constexpr int64_t kMaxExtent = INT32_MAX;
constexpr int64_t kMaxElements = int64_t{1} << 40;
constexpr int64_t kMaxK = 65793;  // 255 * 128 * K < 2^31

// One `key number` pair of the shape token. Fields with `always` are printed even when they hold their default.
struct Field {
  std::string_view key;
  int64_t OpSpec::*member;
  int64_t fallback;
  bool always;
};

constexpr std::array<Field, 16> kConvFields{{{"mb", &OpSpec::mb, 1, true},
                                             {"g", &OpSpec::g, 1, true},
                                             {"ic", &OpSpec::ic, 1, true},
                                             {"ih", &OpSpec::ih, 1, true},
                                             {"iw", &OpSpec::iw, 1, true},
                                             {"oc", &OpSpec::oc, 1, true},
                                             {"kh", &OpSpec::kh, 1, true},
                                             {"kw", &OpSpec::kw, 1, true},
                                             {"sh", &OpSpec::sh, 1, false},
                                             {"sw", &OpSpec::sw, 1, false},
                                             {"dh", &OpSpec::dh, 1, false},
                                             {"dw", &OpSpec::dw, 1, false},
                                             {"pt", &OpSpec::pt, 0, false},
                                             {"pl", &OpSpec::pl, 0, false},
                                             {"pb", &OpSpec::pb, 0, false},
                                             {"pr", &OpSpec::pr, 0, false}}};
constexpr std::array<Field, 4> kDenseFields{
    {{"mb", &OpSpec::mb, 1, true}, {"m", &OpSpec::m, 1, true}, {"k", &OpSpec::k, 1, true}, {"n", &OpSpec::n, 1, true}}};
constexpr std::array<Field, 3> kPointFields{
    {{"mb", &OpSpec::mb, 1, true}, {"m", &OpSpec::m, 1, true}, {"c", &OpSpec::c, 1, true}}};

std::span<const Field> fields_of(OpKind kind) {
  if (kind == OpKind::conv2d) return kConvFields;
  if (kind == OpKind::dense) return kDenseFields;
  return kPointFields;
}

bool weighted(OpKind kind) { return kind == OpKind::conv2d || kind == OpKind::dense; }
bool byte_type(DType t) { return t == DType::u8 || t == DType::s8; }

Status bad(std::string_view what) { return {Code::invalid_argument, "op line: " + std::string(what)}; }
std::string quoted(std::string_view s) { return "'" + std::string(s) + "'"; }

void print_shape(const OpSpec& spec, std::string& out) {
  for (const Field& f : fields_of(spec.kind)) {
    if (f.always || spec.*f.member != f.fallback) out.append(f.key).append(std::to_string(spec.*f.member));
  }
}

Status parse_shape(std::string_view token, OpSpec& spec) {
  const std::span<const Field> fields = fields_of(spec.kind);
  std::vector<bool> seen(fields.size());
  size_t pos = 0;
  while (pos < token.size()) {
    size_t end = pos;
    while (end < token.size() && token[end] >= 'a' && token[end] <= 'z') ++end;
    const std::string_view key = token.substr(pos, end - pos);
    size_t index = 0;
    while (index < fields.size() && fields[index].key != key) ++index;
    if (index == fields.size()) return bad("unknown size " + quoted(key) + " in " + quoted(token));
    if (seen[index]) return bad("size " + quoted(key) + " given twice in " + quoted(token));
    seen[index] = true;
    const auto [ptr, ec] = std::from_chars(token.data() + end, token.data() + token.size(), spec.*fields[index].member);
    if (ec != std::errc()) return bad("no number after " + quoted(key) + " in " + quoted(token));
    pos = static_cast<size_t>(ptr - token.data());
  }
  return {};
}

Result<DType> parse_dtype(std::string_view s) {
  for (DType t : {DType::u8, DType::s8, DType::s32, DType::f32}) {
    if (s == to_string(t)) return t;
  }
  return bad("unknown type " + quoted(s));
}

// Splits off everything before the next `sep`.
std::string_view next_part(std::string_view& rest, char sep) {
  const size_t pos = rest.find(sep);
  const std::string_view part = rest.substr(0, pos);
  rest = pos == std::string_view::npos ? std::string_view() : rest.substr(pos + 1);
  return part;
}

struct Flag {
  std::string_view name;
  bool* value;
};

// `u8:zp:per_oc` -> a type and flags of `flags`.
Status parse_typed(std::string_view value, DType& type, std::span<const Flag> flags) {
  std::string_view rest = value;
  OCTILE_ASSIGN_OR_RETURN(type, parse_dtype(next_part(rest, ':')));
  while (!rest.empty()) {
    const std::string_view name = next_part(rest, ':');
    const Flag* found = nullptr;
    for (const Flag& f : flags) {
      if (f.name == name) found = &f;
    }
    if (found == nullptr) return bad("unknown attribute " + quoted(name) + " in " + quoted(value));
    *found->value = true;
  }
  return {};
}

Status parse_pair(std::string_view key, std::string_view value, OpSpec& spec) {
  if (key == "src") return parse_typed(value, spec.src, std::array<Flag, 1>{{{"zp", &spec.src_zp}}});
  if (key == "dst") return parse_typed(value, spec.dst, std::array<Flag, 1>{{{"zp", &spec.dst_zp}}});
  if (key == "wei") {
    if (!weighted(spec.kind)) return bad("'wei' does not belong to " + std::string(to_string(spec.kind)));
    return parse_typed(
        value, spec.wei,
        std::array<Flag, 3>{{{"zp", &spec.wei_zp}, {"per_oc", &spec.wei_per_oc}, {"var", &spec.wei_var}}});
  }
  if (key == "bia") {
    if (value != "s32") return bad("bias must be s32, not " + quoted(value));
    spec.bias = true;
    return {};
  }
  if (key == "mult") {
    if (value != "per_c") return bad("mult must be per_c, not " + quoted(value));
    spec.mult_per_c = true;
    return {};
  }
  if (key == "post") {
    for (Post p : {Post::none, Post::relu, Post::relu6, Post::clip}) {
      if (value == to_string(p)) {
        spec.post = p;
        return {};
      }
    }
    return bad("unknown post " + quoted(value));
  }
  return bad("unknown token " + quoted(key));
}

// `net:layer*3` without the quotes.
Status parse_name(std::string_view text, OpSpec& spec) {
  const size_t star = text.rfind('*');
  spec.name = text.substr(0, star);
  if (star == std::string_view::npos) return {};
  const std::string_view digits = text.substr(star + 1);
  const auto [ptr, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), spec.count);
  if (ec != std::errc() || ptr != digits.data() + digits.size() || spec.count < 1) {
    return bad("no count after '*' in the name " + quoted(text));
  }
  return {};
}

Status check_sizes(const OpSpec& s) {
  for (const Field& f : fields_of(s.kind)) {
    const int64_t v = s.*f.member;
    if (v < (f.fallback == 0 ? 0 : 1) || v > kMaxExtent) {
      return bad("size " + quoted(f.key) + " is " + std::to_string(v));
    }
  }
  return {};
}

Status check_conv(const OpSpec& s) {
  if (s.ic % s.g != 0 || s.oc % s.g != 0) return bad("groups divide neither or only one of ic and oc");
  // Window sizes in 64 bits: every extent is at most 2^31, so the products fit.
  if (s.ih + s.pt + s.pb < s.dh * (s.kh - 1) + 1 || s.iw + s.pl + s.pr < s.dw * (s.kw - 1) + 1) {
    return bad("the output is empty: kernel larger than the padded input");
  }
  return {};
}

// Product of sizes already known to be in [1, 2^31], saturating.
int64_t product(std::initializer_list<int64_t> sizes) {
  int64_t p = 1;
  for (int64_t v : sizes) {
    if (__builtin_mul_overflow(p, v, &p)) return INT64_MAX;
  }
  return p;
}

Status check_volume(const OpSpec& s) {
  if (s.src_elements() > kMaxElements || s.wei_elements() > kMaxElements || s.dst_elements() > kMaxElements ||
      s.macs() == INT64_MAX) {
    return bad("the op is too large: more than 2^40 elements in one tensor");
  }
  const int64_t depth = s.kind == OpKind::conv2d ? product({s.ic / s.g, s.kh, s.kw}) : s.k;
  if (weighted(s.kind) && depth > kMaxK) {
    return bad("K is " + std::to_string(depth) + ", an int32 accumulator is exact up to " + std::to_string(kMaxK));
  }
  return {};
}

Status check_types(const OpSpec& s) {
  const std::string kind(to_string(s.kind));
  bool src_ok = byte_type(s.src), dst_ok = byte_type(s.dst);
  if (weighted(s.kind)) dst_ok = dst_ok || s.dst == DType::s32;
  if (s.kind == OpKind::requantize) src_ok = src_ok || s.src == DType::s32;
  if (s.kind == OpKind::quantize) src_ok = s.src == DType::f32;
  if (s.kind == OpKind::dequantize) dst_ok = s.dst == DType::f32;
  if (!src_ok) return bad(kind + " takes no src of type " + std::string(to_string(s.src)));
  if (!dst_ok) return bad(kind + " makes no dst of type " + std::string(to_string(s.dst)));
  if (weighted(s.kind) && !byte_type(s.wei)) return bad(kind + " takes u8 or s8 weights");
  if (s.src == DType::f32 && s.src_zp) return bad("a float src has no zero point");
  if (!byte_type(s.dst) && (s.dst_zp || s.post != Post::none)) {
    return bad("zero point and post need a dst of 8 bits");
  }
  if (s.wei_var && s.kind != OpKind::dense) return bad("only a dense takes variable weights");
  if (!weighted(s.kind) && (s.bias || s.wei_zp || s.wei_per_oc)) return bad(kind + " has neither bias nor weights");
  if (s.mult_per_c && s.kind != OpKind::requantize) return bad("'mult' belongs to requantize alone");
  return {};
}

void print_typed(std::string& out, std::string_view key, DType type, std::initializer_list<Flag> flags) {
  out.append(" ").append(key).append("=").append(to_string(type));
  for (const Flag& f : flags) {
    if (*f.value) out.append(":").append(f.name);
  }
}

}  // namespace

std::string_view to_string(OpKind kind) {
  switch (kind) {
    case OpKind::conv2d: return "conv2d";
    case OpKind::dense: return "dense";
    case OpKind::requantize: return "requantize";
    case OpKind::quantize: return "quantize";
    case OpKind::dequantize: return "dequantize";
  }
  return "?";
}

std::string_view to_string(DType type) {
  switch (type) {
    case DType::u8: return "u8";
    case DType::s8: return "s8";
    case DType::s32: return "s32";
    case DType::f32: return "f32";
    case DType::s64: return "s64";
  }
  return "?";
}

std::string_view to_string(Post post) {
  switch (post) {
    case Post::none: return "none";
    case Post::relu: return "relu";
    case Post::relu6: return "relu6";
    case Post::clip: return "clip";
  }
  return "?";
}

int64_t OpSpec::macs() const {
  if (kind == OpKind::conv2d) return product({mb, oc, oh(), ow(), ic / g, kh, kw});
  if (kind == OpKind::dense) return product({mb, m, k, n});
  return 0;
}

int64_t OpSpec::src_elements() const {
  if (kind == OpKind::conv2d) return product({mb, ih, iw, ic});
  return kind == OpKind::dense ? product({mb, m, k}) : product({mb, m, c});
}

int64_t OpSpec::wei_elements() const {
  if (kind == OpKind::conv2d) return product({oc, ic / g, kh, kw});
  return kind == OpKind::dense ? product({wei_var ? mb : 1, k, n}) : 0;
}

int64_t OpSpec::dst_elements() const {
  if (kind == OpKind::conv2d) return product({mb, oh(), ow(), oc});
  return kind == OpKind::dense ? product({mb, m, n}) : product({mb, m, c});
}

Status validate(const OpSpec& spec) {
  OCTILE_RETURN_IF_ERROR(check_sizes(spec));
  if (spec.kind == OpKind::conv2d) OCTILE_RETURN_IF_ERROR(check_conv(spec));
  OCTILE_RETURN_IF_ERROR(check_types(spec));
  return check_volume(spec);
}

std::string to_key(const OpSpec& spec) {
  OpSpec s = spec;  // Flag holds pointers to non-const
  std::string out(to_string(s.kind));
  out += ' ';
  print_shape(s, out);
  print_typed(out, "src", s.src, {{"zp", &s.src_zp}});
  if (weighted(s.kind)) {
    print_typed(out, "wei", s.wei, {{"zp", &s.wei_zp}, {"per_oc", &s.wei_per_oc}, {"var", &s.wei_var}});
  }
  if (s.bias) out += " bia=s32";
  if (s.mult_per_c) out += " mult=per_c";
  print_typed(out, "dst", s.dst, {{"zp", &s.dst_zp}});
  if (s.post != Post::none) out.append(" post=").append(to_string(s.post));
  return out;
}

std::string to_line(const OpSpec& spec) {
  std::string out = to_key(spec);
  if (spec.name.empty()) return out;
  out += " n\"";
  for (char ch : spec.name) out += static_cast<unsigned char>(ch) < 0x20 || ch == 0x7f ? '_' : ch;  // one line
  return out + '*' + std::to_string(spec.count) + '"';
}

Result<OpSpec> parse_op(std::string_view line) {
  OpSpec spec;
  while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  // The name comes last and may hold anything, quotes and spaces too.
  if (const size_t pos = line.find(" n\""); pos != std::string_view::npos) {
    const std::string_view name = line.substr(pos + 3);
    if (name.empty() || name.back() != '"') return bad("the name has no closing quote");
    OCTILE_RETURN_IF_ERROR(parse_name(name.substr(0, name.size() - 1), spec));
    line = line.substr(0, pos);
  }
  const std::string_view kind = next_part(line, ' ');
  bool known = false;
  for (OpKind k : {OpKind::conv2d, OpKind::dense, OpKind::requantize, OpKind::quantize, OpKind::dequantize}) {
    if (kind == to_string(k)) {
      spec.kind = k;
      known = true;
    }
  }
  if (!known) return bad("unknown op " + quoted(kind));
  if (spec.kind == OpKind::requantize) spec.src = DType::s32;
  if (spec.kind == OpKind::quantize) spec.src = DType::f32;
  if (spec.kind == OpKind::dequantize) spec.dst = DType::f32;
  std::vector<std::string_view> seen;
  while (!line.empty()) {
    std::string_view token = next_part(line, ' ');
    if (token.empty()) continue;
    const bool pair = token.find('=') != std::string_view::npos;
    const std::string_view key = pair ? next_part(token, '=') : "shape";
    for (std::string_view s : seen) {
      if (s == key) return bad("token " + quoted(key) + " given twice");
    }
    seen.push_back(key);
    OCTILE_RETURN_IF_ERROR(pair ? parse_pair(key, token, spec) : parse_shape(token, spec));
  }
  OCTILE_RETURN_IF_ERROR(validate(spec));
  return spec;
}

}  // namespace octile
