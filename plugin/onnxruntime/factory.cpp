// Factory.  In/out: see factory.h.  Not here: claiming.
#include "plugin/onnxruntime/factory.h"

#include "plugin/onnxruntime/ep.h"
#include "plugin/onnxruntime/ep_context.h"

namespace octile::ort {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

Result<Entries> read_entries(const Host& host, const OrtSessionOptions* options) {
  Entries out;
  OrtKeyValuePairs* pairs = nullptr;
  OCTILE_RETURN_IF_ERROR(host(GetSessionOptionsConfigEntries, options, &pairs));
  const char* const* keys = nullptr;
  const char* const* values = nullptr;
  size_t count = 0;
  host.raw(GetKeyValuePairs, static_cast<const OrtKeyValuePairs*>(pairs), &keys, &values, &count);
  for (size_t i = 0; i < count; ++i) out.emplace_back(keys[i], values[i]);
  host.raw(ReleaseKeyValuePairs, pairs);
  return out;
}

}  // namespace

Factory::Factory(const Host& host, std::string host_version) : host_(host), host_version_(std::move(host_version)) {
  GetName = [](const OrtEpFactory*) noexcept { return kProviderName; };
  GetVendor = [](const OrtEpFactory*) noexcept { return "Octile"; };
  GetVendorId = [](const OrtEpFactory*) noexcept { return uint32_t{0}; };
  GetVersion = [](const OrtEpFactory*) noexcept { return OCTILE_VERSION; };
  GetSupportedDevices = [](OrtEpFactory* self, const OrtHardwareDevice* const* devices, size_t count, OrtEpDevice** out,
                           size_t max, size_t* made) noexcept -> OrtStatus* {
    auto& factory = *static_cast<Factory*>(self);
    return fence(factory.host_, [&] { return factory.offer_devices(devices, count, out, max, *made); });
  };
  CreateEp = [](OrtEpFactory* self, const OrtHardwareDevice* const*, const OrtKeyValuePairs* const*, size_t,
                const OrtSessionOptions* options, const OrtLogger* logger, OrtEp** out) noexcept -> OrtStatus* {
    auto& factory = *static_cast<Factory*>(self);
    return fence(factory.host_, [&] { return factory.make_ep(options, logger, *out); });
  };
  ReleaseEp = [](OrtEpFactory*, OrtEp* ep) noexcept { delete static_cast<Ep*>(ep); };
  ValidateCompiledModelCompatibilityInfo = [](OrtEpFactory*, const OrtHardwareDevice* const*, size_t, const char* info,
                                              int* answer) noexcept -> OrtStatus* {
    *answer = judge(info == nullptr ? "" : info);
    return nullptr;
  };
  CreateDataTransfer = [](OrtEpFactory*, OrtDataTransfer** out) noexcept -> OrtStatus* {
    *out = nullptr;  // host memory is all we use
    return nullptr;
  };
}

Status Factory::offer_devices(const OrtHardwareDevice* const* devices, size_t count, OrtEpDevice** out, size_t max,
                              size_t& made) {
  made = 0;
  for (size_t i = 0; i < count && made < max; ++i) {
    if (host_.raw(HardwareDevice_Type, devices[i]) != kCpuHardware) continue;
    OCTILE_RETURN_IF_ERROR(host_.ep(Ep_CreateEpDevice, static_cast<OrtEpFactory*>(this), devices[i],
                                    static_cast<const OrtKeyValuePairs*>(nullptr),
                                    static_cast<const OrtKeyValuePairs*>(nullptr), &out[made]));
    ++made;
  }
  return {};
}

Status Factory::make_ep(const OrtSessionOptions* options, const OrtLogger* logger, OrtEp*& out) {
  out = nullptr;
  const Log log(host_, logger);
  OCTILE_ASSIGN_OR_RETURN(const Entries entries, read_entries(host_, options));
  Options read = read_options(entries);
  plugin::Kernels kernels = kernels_.open(read);
  std::vector<std::string> warnings = read.warnings;
  warnings.insert(warnings.end(), kernels.warnings.begin(), kernels.warnings.end());
  for (const std::string& w : warnings) log.warning(w);
  std::shared_ptr<Reports> reports;
  if (!read.explain.empty() || !read.log_workloads.empty() || !read.profile.empty()) {
    reports = std::make_shared<Reports>(Reports::Paths{read.explain, read.log_workloads, read.profile},
                                        SessionFacts{host_version_, std::string(target(read.best).name), read.threads,
                                                     kernels.opened, std::move(warnings)});
    if (const Status st = reports->begin_profile(); !st.ok()) log.warning(st.message());
  }
  out = new Ep(host_, log, std::move(read), std::move(kernels), std::move(reports));
  return {};
}

}  // namespace octile::ort
