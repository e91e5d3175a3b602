// mmap of a whole file.  In/out: see mapped_file.h.  Not here: writing (atomic_file.h).
#include "packs/format/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace octile::packs {

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string& path) {
  const auto failed = [&](const char* doing) {
    const Code code = errno == ENOENT || errno == ENOTDIR ? Code::not_found : Code::io_error;
    return Status(code, path + ": " + doing + ": " + std::strerror(errno));
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // non-blocking: a FIFO must not hang us
  if (fd < 0) return failed("cannot open");
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return Status(Code::invalid_argument, path + ": is no regular file");
  }
  const auto size = static_cast<size_t>(info.st_size);
  // All pages at once: they are in memory already, or will all be read.
  void* const data = size == 0 ? nullptr : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  const int error = errno;
  ::close(fd);
  errno = error;
  if (data == MAP_FAILED) return failed("cannot map");
  return std::shared_ptr<const MappedFile>(new MappedFile(data, size));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace octile::packs
