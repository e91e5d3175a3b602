// Compiling: request lines to objects, through kernelc children and a cache of what they made before.
// In:  lines "target | op | candidate" with their origin.  Out: objects with their kernel entries, in the lines' order.
// Not here: Halide (kernelc), linking, what is worth compiling.
//
// The cache is keyed by the line and by kernelc itself (its bytes and the versions it prints), so it never has to be
// told that something changed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "packs/builder/tools.h"
#include "packs/format/manifest.h"
#include "workload/base/status.h"

namespace octile::packs {

enum class Source : uint8_t { list, log };

struct Request {
  std::string line;    // what kernelc is asked
  std::string origin;  // "default.list:12": what errors name
  Source source = Source::list;
  double us = 0;  // measured time, if the line comes from a log
};

// Three fields, a target that can be packed; the rest is for kernelc to judge.
[[nodiscard]] Status check_line(const std::string& line);

// The kernels of a list file: one request a line, # starts a comment line. Errors name file and line.
[[nodiscard]] Result<std::vector<Request>> read_list(const std::string& path);

struct CompileOptions {
  std::string kernelc;                                                               // the program
  std::string cache_dir;                                                             // kept between runs; empty: none
  int jobs = 2;                                                                      // children at a time
  double seconds = 300;                                                              // limit for one kernel
  std::function<void(size_t done, size_t total, const std::string& line)> progress;  // from any thread, one at a time
};

struct Compiled {
  Status status;       // why there is no object
  std::string object;  // path
  KernelEntry entry;
};

class Compiler {
 public:
  // Asks kernelc for its version, which proves that it runs.
  [[nodiscard]] static Result<Compiler> make(CompileOptions options);
  // One result per request; objects live as long as this object. A kernel that fails has its Status; the others are
  // still compiled.
  [[nodiscard]] Result<std::vector<Compiled>> compile(const std::vector<Request>& requests);
  [[nodiscard]] const std::string& version() const { return version_; }

 private:
  explicit Compiler(CompileOptions options) : options_(std::move(options)) {}
  [[nodiscard]] Compiled compile_one(const Request& request, const std::string& scratch_dir) const;
  [[nodiscard]] Status run_kernelc(const Request& request, const std::string& kept,
                                   const std::string& scratch_dir) const;

  CompileOptions options_;
  std::string version_, identity_;
  std::vector<ScratchDir> uncached_;  // holds the objects when there is no cache
};

}  // namespace octile::packs
