// Parse and print of candidate lines; grammar in candidate.h and docs/names.md.
// In: text.  Out: Candidate or a Status naming the token.  Not here: validity for a target.
#include "schedules/space/candidate.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "targets/desc/layout.h"

namespace octile {
namespace {

// Reads a positive integer at the front of `s` and drops it; 0 when there is none.
int take_int(std::string_view& s) {
  int v = 0;
  auto [p, ec] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (ec != std::errc{} || v <= 0 || v > 4096) return 0;
  s.remove_prefix(static_cast<size_t>(p - s.data()));
  return v;
}

bool take_char(std::string_view& s, char c) {
  if (s.empty() || s.front() != c) return false;
  s.remove_prefix(1);
  return true;
}

bool parse_tile(std::string_view v, Candidate& c) {
  if (!take_char(v, 'x') || (c.tx = take_int(v)) == 0) return false;
  if (!take_char(v, 'y') || (c.ty = take_int(v)) == 0) return false;
  return take_char(v, 'n') && (c.tn = take_int(v)) != 0 && v.empty();
}

bool parse_filter(std::string_view v, Candidate& c) {
  if ((c.kx = take_int(v)) == 0 || !take_char(v, 'x')) return false;
  return (c.ky = take_int(v)) != 0 && v.empty();
}

bool parse_number(std::string_view v, int& out) { return (out = take_int(v)) != 0 && v.empty(); }

bool is_order(std::string_view v) {
  std::string s(v);
  std::ranges::sort(s);
  return s == "nxy";
}

bool set_field(std::string_view key, std::string_view value, Candidate& c) {
  if (key == "layout") {
    c.layout = value;
    return value == "none" || find_layout(value) != nullptr;
  }
  if (key == "tile") return parse_tile(value, c);
  if (key == "group") return parse_number(value, c.group) && c.group <= 4;
  if (key == "uk") return parse_number(value, c.uk);
  if (key == "kxy") return parse_filter(value, c);
  if (key == "st") return parse_number(value, c.st);
  if (key == "unpack") {
    c.lane_unpack = value == "lane";
    return c.lane_unpack;
  }
  if (key == "order") {
    c.order = value;
    return is_order(value);
  }
  if (key == "tail") {
    c.tail = value == "y";
    return value == "y";
  }
  return false;
}

}  // namespace

std::string to_line(const Candidate& c) {
  std::ostringstream s;
  s << "layout=" << c.layout;
  if (c.group != 0) s << " group=" << c.group;
  s << " tile=x" << c.tx << "y" << c.ty << "n" << c.tn;
  if (c.uk != 1) s << " uk=" << c.uk;
  if (c.order != "xyn") s << " order=" << c.order;
  if (c.kx != 0) s << " kxy=" << c.kx << "x" << c.ky;
  if (c.st != 0) s << " st=" << c.st;
  if (c.lane_unpack) s << " unpack=lane";
  if (c.tail) s << " tail=y";
  return s.str();
}

Result<Candidate> parse_candidate(std::string_view line) {
  Candidate c;
  std::istringstream in{std::string(line)};
  for (std::string token; in >> token;) {
    const size_t eq = token.find('=');
    const bool ok = eq != std::string::npos &&
                    set_field(std::string_view(token).substr(0, eq), std::string_view(token).substr(eq + 1), c);
    if (!ok)
      return Status(Code::invalid_argument, "candidate: bad field '" + token + "' in '" + std::string(line) + "'");
  }
  return c;
}

}  // namespace octile
