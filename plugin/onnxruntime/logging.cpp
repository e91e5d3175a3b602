// Log.  In/out: see logging.h.  Not here: what is said.
#include "plugin/onnxruntime/logging.h"

namespace octile::ort {

Log::Log(const Host& host, const OrtLogger* logger) : host_(host), logger_(logger) {
  int level = kWarning;
  if (logger_ != nullptr && host_(Logger_GetLoggingSeverityLevel, logger_, &level).ok()) level_ = level;
}

void Log::write(LogLevel level, const std::string& message) const noexcept {
  if (logger_ == nullptr || level < level_) return;
  try {
    const std::string line = "octile: " + message;
    static_cast<void>(host_(Logger_LogMessage, logger_, static_cast<int>(level), line.c_str(), "plugin", 0, "octile"));
  } catch (...) {  // out of memory: the line is lost
  }
}

}  // namespace octile::ort
