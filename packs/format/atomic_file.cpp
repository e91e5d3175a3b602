// Temporary neighbour, fsync, rename: what leaves either the old file or the new one, also on a full disk or a crash.
// In:  path, bytes.  Out: Status.
// Not here: what the bytes mean.
#include "packs/format/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace octile::packs {
namespace {

Status failed(const std::string& path, const std::string& doing) {
  return {Code::io_error, path + ": " + doing + ": " + std::strerror(errno)};
}

Status write_all(int fd, std::span<const uint8_t> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(path, "cannot write");
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

// The rename itself becomes durable with its directory; not every file system can do this, so it is only tried.
void sync_directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string dir = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)::fsync(fd);
  ::close(fd);
}

}  // namespace

Status write_file_atomically(const std::string& path, std::span<const std::span<const uint8_t>> pieces) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    return {Code::invalid_argument, path + ": is not a regular file; name a file to write"};
  }
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return failed(path, "cannot create a file beside it");
  Status status;
  for (size_t i = 0; i < pieces.size() && status.ok(); ++i) status = write_all(fd, pieces[i], path);
  if (status.ok() && ::fchmod(fd, 0644) != 0) status = failed(path, "cannot set its mode");
  if (status.ok() && ::fsync(fd) != 0) status = failed(path, "cannot flush to disk");
  if (::close(fd) != 0 && status.ok()) status = failed(path, "cannot close");
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) status = failed(path, "cannot replace");
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  sync_directory_of(path);
  return {};
}

}  // namespace octile::packs
