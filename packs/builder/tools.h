// The programs a pack is made with: linker, disassembler, assembler, kernelc, all run as children with time limits.
// In:  names, arguments.  Out: what they printed, or a Status that names the program and how to get it.
// Not here: what they are asked to do (link, gate, compile).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "workload/base/status.h"

namespace octile::packs {

// A fresh directory, removed with everything in it at the end of this object's life.
class ScratchDir {
 public:
  // Inside `parent`; empty: where temporary files go ($TMPDIR or /tmp).
  [[nodiscard]] static Result<ScratchDir> make(const std::string& parent = "");
  ScratchDir(ScratchDir&& other) noexcept;
  ScratchDir& operator=(ScratchDir&&) = delete;
  ~ScratchDir();
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit ScratchDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

struct ToolResult {
  bool ok = false;           // ended by itself with status 0
  std::string out, err;      // the first MiB of what it printed
  std::string how_it_ended;  // "exit code 1: last line of stderr", "no end after 60 s"
};

// The first of `names` on the PATH, or a Status that says which Debian package has it.
[[nodiscard]] Result<std::string> find_tool(const std::vector<std::string>& names, const std::string& package);
// Runs argv[0] to its end; past `seconds` it and its own children are killed. With `out_file` stdout goes there.
[[nodiscard]] ToolResult run_tool(const std::vector<std::string>& argv, double seconds,
                                  const std::string& out_file = "");

[[nodiscard]] Result<std::vector<uint8_t>> read_file(const std::string& path);
[[nodiscard]] Result<std::string> read_text_file(const std::string& path);
[[nodiscard]] Status write_file(const std::string& path, std::span<const uint8_t> bytes);
[[nodiscard]] Status write_text_file(const std::string& path, const std::string& text);

}  // namespace octile::packs
