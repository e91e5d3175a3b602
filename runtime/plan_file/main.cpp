// octile-plan: checks and describes plans.
// In:  a .octplan file, or an EPContext payload beside a model.  Out: text or JSON; exit status 0 good, 1 not, 2 usage.
// Not here: making plans (the provider does, in ONNX Runtime), running them (the C API).
#include <cstdio>
#include <cstring>
#include <string>

#include "packs/format/sha256.h"
#include "runtime/plan_file/inspect.h"

namespace octile::runtime {
namespace {

constexpr const char* kHelp =
    R"(usage: octile-plan inspect PLAN [--json]    check every byte and list what is inside

example:
  octile-plan inspect model.octplan
Exit status: 0 done, 1 failed, 2 bad usage.
)";

Status inspect(const std::string& path, bool json) {
  OCTILE_ASSIGN_OR_RETURN(const std::shared_ptr<const packs::MappedFile> mapped, read_plan_file(path));
  const std::span<const uint8_t> bytes = mapped->bytes();
  OCTILE_ASSIGN_OR_RETURN(const PlanFile plan, read_plan(bytes, path));
  const InspectedFile file{path, bytes.size(), packs::sha256_hex(bytes)};
  std::fputs((json ? inspect_json(file, plan) : inspect_text(file, plan)).c_str(), stdout);
  return {};
}

}  // namespace
}  // namespace octile::runtime

int main(int argc, char** argv) {
  const auto is = [&](int i, const char* text) { return i < argc && std::strcmp(argv[i], text) == 0; };
  if (is(1, "--help") || is(1, "-h")) {
    std::fputs(octile::runtime::kHelp, stdout);
    return 0;
  }
  const bool json = is(3, "--json");
  if (!is(1, "inspect") || argc != (json ? 4 : 3)) {
    std::fprintf(stderr, "octile-plan: wrong usage\n%s", octile::runtime::kHelp);
    return 2;
  }
  const octile::Status status = octile::runtime::inspect(argv[2], json);
  if (status.ok()) return 0;
  std::fprintf(stderr, "octile-plan: %s\n", status.to_string().c_str());
  return 1;
}
