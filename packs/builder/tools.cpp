// Children, scratch directories and whole files; see tools.h.
// In:  names and paths.  Out: Status, text, bytes.
// Not here: atomic replacement of results (format/atomic_file.h).
#include "packs/builder/tools.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "tuner/process/child.h"

namespace octile::packs {

namespace fs = std::filesystem;
Result<ScratchDir> ScratchDir::make(const std::string& parent) {
  std::error_code error;
  const fs::path base = parent.empty() ? fs::temp_directory_path(error) : fs::path(parent);
  if (!parent.empty()) fs::create_directories(base, error);
  std::string path = (base / "octile-pack-XXXXXX").string();
  if (error || ::mkdtemp(path.data()) == nullptr) {
    return Status(Code::io_error, base.string() + ": cannot make a directory in it: " +
                                      (error ? error.message() : std::string(std::strerror(errno))));
  }
  return ScratchDir(std::move(path));
}

ScratchDir::ScratchDir(ScratchDir&& other) noexcept : path_(std::exchange(other.path_, "")) {}

ScratchDir::~ScratchDir() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

Result<std::string> find_tool(const std::vector<std::string>& names, const std::string& package) {
  const char* variable = std::getenv("PATH");
  const std::string path = variable == nullptr ? "/usr/bin:/bin" : variable;
  for (const std::string& name : names) {
    std::istringstream folders(path);
    for (std::string folder; std::getline(folders, folder, ':');) {
      const std::string file = (folder.empty() ? "." : folder) + "/" + name;
      if (::access(file.c_str(), X_OK) == 0 && !fs::is_directory(file)) return file;
    }
  }
  return Status(Code::not_found, names.front() + ": not found on the PATH; install the package " + package);
}

ToolResult run_tool(const std::vector<std::string>& argv, double seconds, const std::string& out_file) {
  std::vector<std::string> command = argv;
  if (!out_file.empty()) {
    const std::vector<std::string> redirect{"/bin/sh", "-c", "exec \"$@\" > \"$0\"", out_file};
    command.insert(command.begin(), redirect.begin(), redirect.end());
  }
  const tuner::ChildLimits limits{.seconds = seconds, .memory_bytes = 0};
  tuner::ChildResult result = tuner::run_child(command, "", limits);
  return {result.ok(), std::move(result.out), std::move(result.err), result.describe(limits)};
}

Result<std::vector<uint8_t>> read_file(const std::string& path) {
  std::error_code error;
  const bool folder = fs::is_directory(path, error);  // a stream opens one, and throws later
  std::ifstream in;
  if (!folder) in.open(path, std::ios::binary);
  if (!in.is_open()) {
    const Code code = fs::exists(path, error) ? Code::io_error : Code::not_found;
    return Status(code, path + ": cannot read" + (folder ? ", it is a directory" : ""));
  }
  std::vector<uint8_t> bytes;
  for (char block[1 << 16]; in.read(block, sizeof block) || in.gcount() > 0;) {
    bytes.insert(bytes.end(), block, block + in.gcount());
  }
  if (in.bad()) return Status(Code::io_error, path + ": cannot read to its end");
  return bytes;
}

Result<std::string> read_text_file(const std::string& path) {
  OCTILE_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, read_file(path));
  return std::string(bytes.begin(), bytes.end());
}

Status write_file(const std::string& path, std::span<const uint8_t> bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) return {Code::io_error, path + ": cannot write: " + std::strerror(errno)};
  return {};
}

Status write_text_file(const std::string& path, const std::string& text) {
  return write_file(path, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace octile::packs
