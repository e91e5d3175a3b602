// Log: the append-only tuning log, JSON lines, one write() per record.
// In:  a path.  Out: the records and the unreadable lines of a log; appends that survive kill -9.
// Not here: field names (record.cpp), what to try next (strategy/).
//
// Promise: a record is on file when append() returns; a process killed inside append() leaves at most one torn line,
// which the next reader reports as file:line and skips and the next append leaves behind by starting a fresh line.
// Every append is followed by fdatasync: a search makes a few records a second, so safety costs nothing here.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tuner/log/record.h"
#include "workload/base/status.h"

namespace octile::tuner {

struct LogContents {
  std::vector<Record> records;
  std::vector<std::string> issues;  // "tuning.jsonl:17: not a JSON object": lines that were skipped
};

// Reads without locking, so a log can be looked at while it grows. A missing file is not_found.
[[nodiscard]] Result<LogContents> read_log(const std::string& path);

class LogWriter {
 public:
  // Opens or creates, takes an advisory lock (a second tuner on the same file is refused) and reads what is there.
  [[nodiscard]] static Result<LogWriter> open(const std::string& path);
  LogWriter(LogWriter&& other) noexcept;
  LogWriter& operator=(LogWriter&&) = delete;
  ~LogWriter();

  // What the file held when it was opened.
  [[nodiscard]] const LogContents& contents() const { return contents_; }
  [[nodiscard]] Status append(const Record& record);
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  LogWriter(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_ = -1;
  std::string path_;
  LogContents contents_;
  bool torn_ = false;  // the file does not end at a line end
};

// The record to ship for (op, target, layout half): the newest final one, or a later trial that beats it beyond noise;
// without a final one the best trial that beats its default beyond noise, else the default's own record, else null.
// A candidate that ever failed is never picked. `cpu` restricts to one CPU model; empty means any.
[[nodiscard]] const Record* best_record(std::span<const Record> records, std::string_view op, std::string_view target,
                                        std::string_view layout, std::string_view cpu = {});
// The same for every (op, target, layout half) of the log, in order of first appearance. Pointers into `records`.
[[nodiscard]] std::vector<const Record*> best_records(std::span<const Record> records, std::string_view cpu = {});

}  // namespace octile::tuner
