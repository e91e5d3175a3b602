// The factory: what the host meets first; names devices, makes providers.
// In:  the host's tables.  Out: an OrtEpFactory.  Not here: claiming (ep.cpp).
#pragma once

#include <string>

#include "plugin/kernels/kernels.h"
#include "plugin/onnxruntime/ort_abi.h"

namespace octile::ort {

class Factory : public OrtEpFactory {
 public:
  Factory(const Host& host, std::string host_version);

 private:
  [[nodiscard]] Status offer_devices(const OrtHardwareDevice* const* devices, size_t count, OrtEpDevice** out,
                                     size_t max, size_t& made);
  [[nodiscard]] Status make_ep(const OrtSessionOptions* options, const OrtLogger* logger, OrtEp*& out);

  Host host_;
  std::string host_version_;
  plugin::KernelCache kernels_;
};

}  // namespace octile::ort
