// Options: what a user sets on the session, as "ep.octileexecutionprovider.<key>".
// In:  the session's key-value entries.  Out: Options, and a sentence per value that was not understood.
// Not here: opening packs.  A wrong option never fails a session: it is named in a warning and its default is used.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "targets/desc/target.h"

namespace octile::ort {

inline constexpr std::string_view kOptionPrefix = "ep.octileexecutionprovider.";

struct Options {
  std::vector<std::string> packs;  // as given, ':' between them
  Isa best = Isa::portable;        // the host's best unless `target` says less
  bool target_given = false;
  int threads = 1;
  std::string log_workloads, explain;  // files; empty: off
  std::vector<std::string> warnings;
};

// Entries without our prefix are ignored.
[[nodiscard]] Options read_options(std::span<const std::pair<std::string, std::string>> entries);

}  // namespace octile::ort
