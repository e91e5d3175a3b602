// Log: lines in the host's log, prefixed with our name.
// In:  a logger of the host (may be null: silent).  Out: messages at the host's levels.
// Not here: any other output; nothing is ever printed.  A message that cannot be logged is lost, never an error.
#pragma once

#include <string>

#include "plugin/onnxruntime/ort_abi.h"

namespace octile::ort {

class Log {
 public:
  Log(const Host& host, const OrtLogger* logger);
  // Is it worth building an INFO line?
  [[nodiscard]] bool informs() const { return level_ <= kInfo; }
  void info(const std::string& message) const noexcept { write(kInfo, message); }
  void warning(const std::string& message) const noexcept { write(kWarning, message); }

 private:
  void write(LogLevel level, const std::string& message) const noexcept;

  Host host_;
  const OrtLogger* logger_;
  int level_ = kWarning;
};

}  // namespace octile::ort
