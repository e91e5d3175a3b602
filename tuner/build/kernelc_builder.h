// KernelcBuilder: runs kernelc as a child and links what it makes to a member.
// In:  requests.  Out: <name>.so and its KernelEntry in the work folder.  Not here: Halide, which candidates.
#pragma once

#include <string>
#include <vector>

#include "tuner/build/builder.h"
#include "workload/base/status.h"

namespace octile::tuner {

struct KernelcOptions {
  std::string kernelc;  // path of the program
  std::string linker = "ld.lld-19";
  std::string work_dir;                     // exists, writable
  int jobs = 1;                             // builds at a time
  double seconds = 60;                      // limit for one build
  int64_t memory_bytes = int64_t{8} << 30;  // address space, which clang reserves generously
};

// Links objects to one shared object that exports only `symbols`: no imports, no relocations, nothing writable.
[[nodiscard]] Status link_member(const std::string& linker, const std::vector<std::string>& objects,
                                 const std::vector<std::string>& symbols, const std::string& out);

class KernelcBuilder final : public Builder {
 public:
  explicit KernelcBuilder(KernelcOptions options) : options_(std::move(options)) {}
  // What `kernelc --version` prints, or why it cannot run.
  [[nodiscard]] Result<std::string> version() const;
  [[nodiscard]] std::vector<BuildResult> build(std::span<const BuildRequest> requests,
                                               const std::atomic<bool>& stop) override;
  void discard(const Artifact& artifact) override;

 private:
  [[nodiscard]] BuildResult build_one(const BuildRequest& request, const std::atomic<bool>& stop) const;
  KernelcOptions options_;
};

}  // namespace octile::tuner
