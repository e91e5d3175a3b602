// Options: what a user sets on the session, as "ep.octileexecutionprovider.<key>", and ORT's own "ep.context_*".
// In:  the session's key-value entries.  Out: Options, and a sentence per value that was not understood.
// Not here: opening packs.  A wrong option never fails a session: it is named in a warning and its default is used.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugin/kernels/kernels.h"

namespace octile::ort {

inline constexpr std::string_view kOptionPrefix = "ep.octileexecutionprovider.";

// What a session says about compiled models; keys and meaning are ONNX Runtime's.
struct ContextOptions {
  bool enable = false;    // ep.context_enable: write EPContext nodes
  bool embed = false;     // ep.context_embed_mode: the payload inside the node, else in a file beside the model
  std::string file_path;  // ep.context_file_path: the model to write; also where a model read from memory lies
};

// Shapes of inputs by name.
using NamedShapes = std::map<std::string, std::vector<int64_t>>;

// What to do with a region that the model of costs says is slower here than in the host.
enum class WhenSlower : uint8_t {
  keep_exact,  // leave it only where the host's answers are as exact: on CPUs with VNNI
  leave,
  keep,
};

struct Options : plugin::KernelRequest {  // packs with ':' between them; the host's best unless `target` says less
  int threads = 1;
  std::string log_workloads, explain, profile;  // files; empty: off
  std::string weights_cache;                    // folder; empty: none
  std::vector<NamedShapes> ready;               // sets of shapes to plan for before the first run
  WhenSlower when_slower = WhenSlower::keep_exact;
  double measure_ms = 0;         // for each region, to time it before it is judged; 0: predict
  std::optional<Isa> judge_for;  // costs as on a CPU of this instruction set; none: this one
  ContextOptions context;
  std::vector<std::string> warnings;
};

// Other entries are ignored.
[[nodiscard]] Options read_options(std::span<const std::pair<std::string, std::string>> entries);

}  // namespace octile::ort
