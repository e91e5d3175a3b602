// Host: status values in both directions.
// In: table pointers.  Out: see ort_abi.h.  Not here: anything the host does not ask.
#include "plugin/onnxruntime/ort_abi.h"

#include <cstdlib>

namespace octile::ort {
namespace {

ErrorCode host_code(Code code) {
  switch (code) {
    case Code::invalid_argument: return kInvalidArgument;
    case Code::not_found: return kNotFound;
    case Code::unsupported: return kNotImplemented;
    default: return kEpFail;
  }
}

}  // namespace

Host::Host(const void* api, std::string_view version) : api_(static_cast<const Entry*>(api)) {
  ep_ = static_cast<const Entry*>(raw(GetEpApi));
  if (const size_t dot = version.find('.'); dot != std::string_view::npos) {
    minor_ = std::atoi(std::string(version.substr(dot + 1)).c_str());
  }
}

OrtStatus* Host::give(const Status& status) const noexcept {
  if (status.ok()) return nullptr;
  return give(host_code(status.code()), status.message().c_str());
}

OrtStatus* Host::give(ErrorCode code, const char* message) const noexcept {
  return raw(CreateStatus, static_cast<int>(code), message);
}

Status Host::take(OrtStatus* status) const {
  if (status == nullptr) return {};
  std::string message = raw(GetErrorMessage, static_cast<const OrtStatus*>(status));
  raw(ReleaseStatus, status);
  return {Code::internal, "ONNX Runtime: " + message};
}

}  // namespace octile::ort
