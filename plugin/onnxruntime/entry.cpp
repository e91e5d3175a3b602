// The two symbols ONNX Runtime looks for.
// In:  the host's OrtApiBase.  Out: one factory.  Not here: everything else.
#include <memory>

#include "plugin/onnxruntime/factory.h"

namespace {

using octile::ort::Factory;
using octile::ort::Host;
using octile::ort::OrtApiBase;
using octile::ort::OrtEpFactory;
using octile::ort::OrtLogger;
using octile::ort::OrtStatus;

constexpr char kTooOld[] =
    "octile: this ONNX Runtime is too old for plugin providers; install onnxruntime 1.23 or later";

}  // namespace

extern "C" {

__attribute__((visibility("default"))) OrtStatus* CreateEpFactories(const char* /*registered_name*/,
                                                                    const OrtApiBase* base, const OrtLogger* /*logger*/,
                                                                    OrtEpFactory** factories, size_t max,
                                                                    size_t* count) noexcept {
  const void* api = base->GetApi(octile::ort::kApiVersion);
  if (api == nullptr) {
    // Slot 0 makes a status in every version there ever was.
    using Create = OrtStatus* (*)(int, const char*);
    const void* oldest = base->GetApi(1);
    return oldest == nullptr ? nullptr : (*static_cast<const Create*>(oldest))(octile::ort::kFail, kTooOld);
  }
  const char* version = base->GetVersionString();
  const Host host(api, version == nullptr ? "" : version);
  return octile::ort::fence(host, [&]() -> octile::Status {
    *count = 0;
    if (max < 1) return {octile::Code::invalid_argument, "octile: no room for a factory"};
    factories[0] = std::make_unique<Factory>(host, version == nullptr ? "" : version).release();
    *count = 1;
    return {};
  });
}

__attribute__((visibility("default"))) OrtStatus* ReleaseEpFactory(OrtEpFactory* factory) noexcept {
  delete static_cast<Factory*>(factory);
  return nullptr;
}

}  // extern "C"
