// Children, scratch directories and whole files; see tools.h.
// In:  names and paths.  Out: Status, text, bytes.
// Not here: atomic replacement of results (format/atomic_file.h).
#include "packs/builder/tools.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

namespace octile::packs {

namespace fs = std::filesystem;
namespace {

constexpr size_t kOutputLimit = 1 << 20;

std::string head_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(kOutputLimit, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  return text;
}

std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const size_t newline = text.rfind('\n');
  return newline == std::string::npos ? text : text.substr(newline + 1);
}

// Starts argv in a process group of its own, with nothing to read; 0 or an errno.
int start(const std::vector<std::string>& argv, const std::string& out, const std::string& err, pid_t& pid) {
  std::vector<char*> pointers;
  for (const std::string& a : argv) pointers.push_back(const_cast<char*>(a.c_str()));
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  const int error = ::posix_spawnp(&pid, pointers[0], &files, &attributes, pointers.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

}  // namespace

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
  ToolResult result;
  auto scratch = ScratchDir::make();
  if (!scratch.ok()) {
    result.how_it_ended = scratch.status().message();
    return result;
  }
  const std::string out = out_file.empty() ? *scratch / "out" : out_file, err = *scratch / "err";
  pid_t pid = 0;
  const int error = start(argv, out, err, pid);
  if (error != 0) {
    result.how_it_ended = std::string("cannot start: ") + std::strerror(error);
    return result;
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  const auto late = [&] { return std::chrono::steady_clock::now() > deadline; };
  int status = 0;
  bool timed_out = false;
  for (int pause_ms = 1; ::waitpid(pid, &status, WNOHANG) == 0; pause_ms = std::min(pause_ms * 2, 20)) {
    if (late() && !std::exchange(timed_out, true)) ::kill(-pid, SIGKILL);
    ::poll(nullptr, 0, pause_ms);
  }
  ::kill(-pid, SIGKILL);  // helpers it left behind
  if (out_file.empty()) result.out = head_of(out);
  result.err = head_of(err);
  result.ok = !timed_out && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  std::ostringstream end;
  if (timed_out) {
    end << "no end after " << seconds << " s";
  } else if (WIFSIGNALED(status)) {
    end << "signal " << WTERMSIG(status) << " (" << strsignal(WTERMSIG(status)) << ")";
  } else {
    end << "exit code " << WEXITSTATUS(status);
  }
  const std::string last = last_line(result.err);
  result.how_it_ended = end.str() + (last.empty() ? "" : ": " + last);
  return result;
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
