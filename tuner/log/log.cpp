// Log: see log.h.  In: a path.  Out: records, appended lines.  Not here: the meaning of fields.
#include "tuner/log/log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <tuple>
#include <utility>

#include "tuner/log/statistics.h"

namespace octile::tuner {
namespace {

Status io_error(const std::string& path, const std::string& what, int error) {
  return {Code::io_error, path + ": " + what + ": " + std::strerror(error)};
}

Result<std::string> read_all(int fd, const std::string& path) {
  struct stat st {};
  if (fstat(fd, &st) != 0) return io_error(path, "cannot stat the log", errno);
  std::string text;
  if (!S_ISREG(st.st_mode)) return text;  // a device has no past
  char buffer[1 << 16];
  off_t offset = 0;
  for (;;) {
    const ssize_t got = pread(fd, buffer, sizeof buffer, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error(path, "cannot read the log", errno);
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
    offset += got;
  }
}

LogContents parse(const std::string& text, const std::string& path) {
  LogContents contents;
  size_t line_number = 0;
  for (size_t begin = 0; begin < text.size();) {
    ++line_number;
    size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    const std::string_view line(text.data() + begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    Result<Record> record = parse_record(line);
    if (record.ok()) {
      contents.records.push_back(std::move(*record));
    } else {
      contents.issues.push_back(path + ":" + std::to_string(line_number) + ": " + record.status().message() +
                                ", line skipped");
    }
  }
  return contents;
}

}  // namespace

Result<LogContents> read_log(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return Status(Code::not_found, path + ": no such log");
    return io_error(path, "cannot open the log", errno);
  }
  Result<std::string> text = read_all(fd, path);
  ::close(fd);
  if (!text.ok()) return text.status();
  return parse(*text, path);
}

Result<LogWriter> LogWriter::open(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return io_error(path, "cannot open the log for appending", errno);
  LogWriter writer(fd, path);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return Status(Code::io_error, path + ": another tuner is writing this log; wait for it or choose another --log");
    }
    return io_error(path, "cannot lock the log", errno);
  }
  OCTILE_ASSIGN_OR_RETURN(const std::string text, read_all(fd, path));
  writer.torn_ = !text.empty() && text.back() != '\n';
  writer.contents_ = parse(text, path);
  return writer;
}

LogWriter::LogWriter(LogWriter&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      contents_(std::move(other.contents_)),
      torn_(other.torn_) {}

LogWriter::~LogWriter() {
  if (fd_ >= 0) ::close(fd_);
}

Status LogWriter::append(const Record& record) {
  const std::string line = (torn_ ? "\n" : "") + to_json_line(record) + "\n";
  ssize_t written = 0;
  do {
    written = ::write(fd_, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written < 0) return io_error(path_, "cannot append to the log", errno);
  torn_ = static_cast<size_t>(written) != line.size();
  if (torn_) return {Code::io_error, path_ + ": only part of a record was written; is the disk full?"};
  if (fdatasync(fd_) != 0 && errno != EINVAL && errno != EROFS) {  // EINVAL: a pipe or a device, nothing to sync
    return io_error(path_, "cannot sync the log", errno);
  }
  return {};
}

const Record* best_record(std::span<const Record> records, std::string_view op, std::string_view target,
                          std::string_view layout, std::string_view cpu) {
  const auto concerns = [&](const Record& r) {
    return r.op == op && r.target == target && r.layout() == layout && (cpu.empty() || r.cpu == cpu);
  };
  std::string_view generation;  // ratios to different defaults are not comparable: the newest default counts
  std::set<std::string_view> broken;
  for (const Record& r : records) {
    if (!concerns(r)) continue;
    generation = r.default_cand;
    if (r.verdict != Verdict::ok) broken.insert(r.cand);
  }
  const Record* pick = nullptr;
  const Record* fallback = nullptr;
  for (const Record& r : records) {
    if (!concerns(r) || r.default_cand != generation || r.verdict != Verdict::ok || broken.contains(r.cand)) continue;
    if (r.phase == Phase::final) {
      pick = &r;
    } else if (r.is_default()) {
      fallback = &r;
    } else if (beats(r.ratio() / (pick != nullptr ? pick->ratio() : 1.0), r.noise)) {
      pick = &r;
    }
  }
  return pick != nullptr ? pick : fallback;
}

std::vector<const Record*> best_records(std::span<const Record> records, std::string_view cpu) {
  std::vector<const Record*> best;
  std::set<std::tuple<std::string_view, std::string_view, std::string_view>> seen;
  for (const Record& r : records) {
    if (!cpu.empty() && r.cpu != cpu) continue;
    if (!seen.emplace(r.op, r.target, r.layout()).second) continue;
    const Record* pick = best_record(records, r.op, r.target, r.layout(), cpu);
    if (pick != nullptr) best.push_back(pick);
  }
  return best;
}

}  // namespace octile::tuner
