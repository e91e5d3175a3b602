// Parses request lines and names kernels; see request.h.
// In: text.  Out: Request, KernelEntry JSON.  Not here: Halide.
#include "schedules/kernelc/request.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "targets/desc/layout.h"

namespace octile::kernelc {
namespace {

std::string_view trim(std::string_view s) {
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.front())) != 0) s.remove_prefix(1);
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.back())) != 0) s.remove_suffix(1);
  return s;
}

std::vector<std::string_view> split(std::string_view s, char separator) {
  std::vector<std::string_view> parts;
  for (size_t at = 0;;) {
    const size_t next = s.find(separator, at);
    parts.push_back(trim(s.substr(at, next - at)));
    if (next == std::string_view::npos) return parts;
    at = next + 1;
  }
}

// Text as a C identifier: every run of other characters becomes one underscore.
std::string identifier(std::string_view text) {
  std::string id;
  for (const char ch : text) {
    if (std::isalnum(static_cast<unsigned char>(ch)) != 0) {
      id += ch;
    } else if (!id.empty() && id.back() != '_') {
      id += '_';
    }
  }
  return id;
}

Status parse_any(std::string_view text, Request& r) {
  constexpr std::array<std::string_view, 7> families{"dot",        "dotz",       "depthwise", "quantize",
                                                     "dequantize", "requantize", "transpose"};
  std::istringstream in{std::string(text.substr(4))};
  in >> r.family;
  if (std::ranges::find(families, r.family) == families.end()) {
    return {Code::invalid_argument, "unknown kernel family '" + r.family + "'"};
  }
  if (r.family == "quantize") r.src = DType::f32;
  if (r.family == "requantize") r.src = DType::s32;
  if (r.family == "dequantize") r.dst = DType::f32;
  for (std::string token; in >> token;) {
    if (token == "dst=u8")
      r.dst = DType::u8;
    else if (token == "dst=s32")
      r.dst = DType::s32;
    else if (token == "src=s32")
      r.src = DType::s32;
    else if (token == "src=u8")
      r.src = DType::u8;
    else
      return {Code::invalid_argument, "unknown option '" + token + "' of family " + r.family};
  }
  return {};
}

Status parse_special(std::string_view text, Request& r) {
  OCTILE_ASSIGN_OR_RETURN(r.op, parse_op(text));
  switch (r.op->kind) {
    case OpKind::conv2d: r.family = r.cand.layout[0] == 't' ? "depthwise" : "dot"; break;
    case OpKind::dense: r.family = "dot"; break;
    default: return {Code::unsupported, "elementwise ops have any-shape kernels only"};
  }
  if (r.op->wei_zp || r.op->wei == DType::u8) r.family = "dotz";
  r.dst = r.op->dst == DType::s32 ? DType::s32 : DType::u8;
  return {};
}

}  // namespace

Result<Request> parse_request(std::string_view line) {
  const auto parts = split(line, '|');
  if (parts.size() != 3) return Status(Code::invalid_argument, "expected 'target | op | candidate'");
  Request r;
  OCTILE_ASSIGN_OR_RETURN(r.target, find_target(parts[0]));
  OCTILE_ASSIGN_OR_RETURN(r.cand, parse_candidate(parts[2]));
  OCTILE_RETURN_IF_ERROR(parts[1].starts_with("any:") ? parse_any(parts[1], r) : parse_special(parts[1], r));
  const std::string what =
      r.op ? identifier(to_key(*r.op))
           : "any_" + r.family + "_" + std::string(to_string(r.src)) + "_" + std::string(to_string(r.dst));
  std::string cand = to_line(r.cand);
  for (const std::string_view word : {"layout=", "tile="}) {
    if (const size_t at = cand.find(word); at != std::string::npos) cand.erase(at, word.size());
  }
  r.name = what + "__" + identifier(r.target->alias) + "__" + identifier(cand);
  return r;
}

std::string entry_json(const Request& r) {
  const LayoutDesc* const layout = find_layout(r.cand.layout);
  const nlohmann::ordered_json j{{"name", r.name},
                                 {"family", r.family},
                                 {"op", r.op ? to_key(*r.op) : "*"},
                                 {"target", r.target->name},
                                 {"layout", r.cand.layout == "none" ? "" : r.cand.layout},
                                 {"cand", to_line(r.cand)},
                                 {"src", layout != nullptr && layout->widens() ? "s16" : to_string(r.src)},
                                 {"dst", to_string(r.dst)},
                                 {"tile_x", r.cand.tx},
                                 {"tile_y", r.cand.ty},
                                 {"tile_n", r.cand.tn},
                                 {"tail_n", r.cand.tail},
                                 {"acc16_group", r.cand.group},
                                 {"kh", r.cand.ky},
                                 {"kw", r.cand.kx},
                                 {"sh", r.cand.st},
                                 {"sw", r.cand.st}};
  return j.dump();
}

}  // namespace octile::kernelc
