// The part of ONNX Runtime's plugin ABI we use: table slots, struct layouts and enum values, declared by ourselves.
// In:  the OrtApiBase a host hands to CreateEpFactories.  Out: typed calls that return octile::Status.
// Not here: any decision.  Slots and layouts are those of API 23 (ONNX Runtime 1.23), which every later release keeps
// as a prefix; nothing newer is used, so one binary serves them all.  Rejected: vendoring the host's headers, which no
// package registry ships and whose newest version would refuse older hosts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "workload/base/status.h"

namespace octile::ort {

inline constexpr uint32_t kApiVersion = 23;

// Opaque host objects; only ever seen through pointers.
struct OrtStatus;
struct OrtLogger;
struct OrtKeyValuePairs;
struct OrtHardwareDevice;
struct OrtEpDevice;
struct OrtSessionOptions;
struct OrtGraph;
struct OrtNode;
struct OrtValueInfo;
struct OrtValue;
struct OrtTypeInfo;
struct OrtTensorInfo;
struct OrtOpAttr;
struct OrtSupportInfo;
struct OrtKernelContext;
struct OrtComputeContext;
struct OrtRunOptions;
struct OrtMemoryInfo;
struct OrtAllocator;
struct OrtDataTransfer;
struct OrtSyncStream;
struct OrtMemoryDevice;

enum ErrorCode : int { kFail = 1, kInvalidArgument = 2, kNotImplemented = 9, kEpFail = 11, kNotFound = 14 };
enum LogLevel : int { kVerbose = 0, kInfo = 1, kWarning = 2, kError = 3 };
enum ElementType : int { kFloat = 1, kUint8 = 2, kInt8 = 3, kInt32 = 6, kInt64 = 7 };
enum AttributeType : int { kAttrInt = 1, kAttrInts = 2, kAttrFloat = 3, kAttrFloats = 4, kAttrString = 5 };
inline constexpr int kTensorKind = 1;     // OnnxType of a tensor
inline constexpr int kCpuHardware = 0;    // HardwareDevice_Type
inline constexpr size_t kMaxDevices = 8;  // never more than this are offered

// What the host passes to CreateEpFactories.
struct OrtApiBase {
  const void* (*GetApi)(uint32_t version);
  const char* (*GetVersionString)();
};

// One entry of a function table: its index and its signature.
template <size_t Index, class R, class... P>
struct Slot {
  using Function = R (*)(P...);
  static constexpr size_t index = Index;
};
template <size_t Index, class... P>
using StatusSlot = Slot<Index, OrtStatus*, P...>;

// OrtApi.
inline constexpr Slot<0, OrtStatus*, int, const char*> CreateStatus;
inline constexpr Slot<1, int, const OrtStatus*> GetErrorCode;
inline constexpr Slot<2, const char*, const OrtStatus*> GetErrorMessage;
inline constexpr Slot<93, void, OrtStatus*> ReleaseStatus;

inline constexpr StatusSlot<51, OrtValue*, void**> GetTensorMutableData;
inline constexpr StatusSlot<55, const OrtTypeInfo*, const OrtTensorInfo**> CastTypeInfoToTensorInfo;
inline constexpr StatusSlot<56, const OrtTypeInfo*, int*> GetOnnxTypeFromTypeInfo;
inline constexpr StatusSlot<60, const OrtTensorInfo*, int*> GetTensorElementType;
inline constexpr StatusSlot<61, const OrtTensorInfo*, size_t*> GetDimensionsCount;
inline constexpr StatusSlot<62, const OrtTensorInfo*, int64_t*, size_t> GetDimensions;
inline constexpr StatusSlot<63, const OrtTensorInfo*, const char**, size_t> GetSymbolicDimensions;
inline constexpr StatusSlot<65, const OrtValue*, OrtTensorInfo**> GetTensorTypeAndShape;
inline constexpr Slot<99, void, OrtTensorInfo*> ReleaseTensorTypeAndShapeInfo;
inline constexpr StatusSlot<318, const OrtValue*, size_t*> GetTensorSizeInBytes;
inline constexpr StatusSlot<378, const OrtValue*, const void**> GetTensorData;

inline constexpr StatusSlot<90, const OrtKernelContext*, size_t, const OrtValue**> KernelContext_GetInput;
inline constexpr StatusSlot<91, OrtKernelContext*, size_t, const int64_t*, size_t, OrtValue**> KernelContext_GetOutput;
inline constexpr StatusSlot<274, const OrtKernelContext*, void (*)(void*, size_t), size_t, size_t, void*>
    KernelContext_ParallelFor;

inline constexpr StatusSlot<247, const OrtLogger*, int, const char*, const char*, int, const char*> Logger_LogMessage;
inline constexpr StatusSlot<248, const OrtLogger*, int*> Logger_GetLoggingSeverityLevel;

inline constexpr StatusSlot<379, const OrtSessionOptions*, OrtKeyValuePairs**> GetSessionOptionsConfigEntries;
inline constexpr Slot<298, void, const OrtKeyValuePairs*, const char* const**, const char* const**, size_t*>
    GetKeyValuePairs;
inline constexpr Slot<300, void, OrtKeyValuePairs*> ReleaseKeyValuePairs;
inline constexpr Slot<307, int, const OrtHardwareDevice*> HardwareDevice_Type;
inline constexpr Slot<291, const void*> GetModelEditorApi;
inline constexpr Slot<317, const void*> GetEpApi;

inline constexpr StatusSlot<289, const OrtValueInfo*, const char**> GetValueInfoName;
inline constexpr StatusSlot<290, const OrtValueInfo*, const OrtTypeInfo**> GetValueInfoTypeInfo;
inline constexpr StatusSlot<326, const OrtValueInfo*, const OrtValue**> ValueInfo_GetInitializerValue;
inline constexpr StatusSlot<331, const OrtValueInfo*, bool*> ValueInfo_IsConstantInitializer;
inline constexpr StatusSlot<332, const OrtValueInfo*, bool*> ValueInfo_IsFromOuterScope;

inline constexpr StatusSlot<333, const OrtGraph*, const char**> Graph_GetName;
inline constexpr StatusSlot<334, const OrtGraph*, const char**> Graph_GetModelPath;
inline constexpr StatusSlot<338, const OrtGraph*, size_t*> Graph_GetNumInputs;
inline constexpr StatusSlot<339, const OrtGraph*, const OrtValueInfo**, size_t> Graph_GetInputs;
inline constexpr StatusSlot<340, const OrtGraph*, size_t*> Graph_GetNumOutputs;
inline constexpr StatusSlot<341, const OrtGraph*, const OrtValueInfo**, size_t> Graph_GetOutputs;
inline constexpr StatusSlot<344, const OrtGraph*, size_t*> Graph_GetNumNodes;
inline constexpr StatusSlot<345, const OrtGraph*, const OrtNode**, size_t> Graph_GetNodes;
inline constexpr StatusSlot<346, const OrtGraph*, const OrtNode**> Graph_GetParentNode;

inline constexpr StatusSlot<349, const OrtNode*, const char**> Node_GetName;
inline constexpr StatusSlot<350, const OrtNode*, const char**> Node_GetOperatorType;
inline constexpr StatusSlot<351, const OrtNode*, const char**> Node_GetDomain;
inline constexpr StatusSlot<352, const OrtNode*, int*> Node_GetSinceVersion;
inline constexpr StatusSlot<353, const OrtNode*, size_t*> Node_GetNumInputs;
inline constexpr StatusSlot<354, const OrtNode*, const OrtValueInfo**, size_t> Node_GetInputs;
inline constexpr StatusSlot<355, const OrtNode*, size_t*> Node_GetNumOutputs;
inline constexpr StatusSlot<356, const OrtNode*, const OrtValueInfo**, size_t> Node_GetOutputs;
inline constexpr StatusSlot<357, const OrtNode*, size_t*> Node_GetNumImplicitInputs;
inline constexpr StatusSlot<358, const OrtNode*, const OrtValueInfo**, size_t> Node_GetImplicitInputs;
inline constexpr StatusSlot<359, const OrtNode*, size_t*> Node_GetNumAttributes;
inline constexpr StatusSlot<360, const OrtNode*, const OrtOpAttr**, size_t> Node_GetAttributes;
inline constexpr StatusSlot<361, const OrtNode*, const char*, const OrtOpAttr**> Node_GetAttributeByName;
inline constexpr StatusSlot<368, const OrtNode*, const char**> Node_GetEpName;
inline constexpr StatusSlot<211, const char*, const void*, int, int, OrtOpAttr**> CreateOpAttr;
inline constexpr Slot<212, void, OrtOpAttr*> ReleaseOpAttr;
inline constexpr StatusSlot<272, const OrtOpAttr*, int, void*, size_t, size_t*> ReadOpAttr;
inline constexpr StatusSlot<363, const OrtOpAttr*, int*> OpAttr_GetType;
inline constexpr StatusSlot<364, const OrtOpAttr*, const char**> OpAttr_GetName;

// The provider's fusion options are copied with the host's own size, so ours is larger than any host knows.
struct FusionOptions {
  uint32_t version = kApiVersion;
  bool drop_constant_initializers = false;
  uint8_t spare[56] = {};
};
static_assert(offsetof(FusionOptions, drop_constant_initializers) == 4 && sizeof(FusionOptions) >= 60);

// OrtEpApi, the sub-table GetEpApi returns.
struct OrtEpFactory;
inline constexpr StatusSlot<0, OrtEpFactory*, const OrtHardwareDevice*, const OrtKeyValuePairs*,
                            const OrtKeyValuePairs*, OrtEpDevice**>
    Ep_CreateEpDevice;
inline constexpr StatusSlot<2, OrtSupportInfo*, const OrtNode* const*, size_t, const FusionOptions*> Ep_AddNodesToFuse;

// OrtModelEditorApi, the sub-table GetModelEditorApi returns. On success the host copies and releases the attributes
// and nulls their entries; on failure what is left stays ours.
inline constexpr StatusSlot<6, const char*, const char*, const char*, const char* const*, size_t, const char* const*,
                            size_t, OrtOpAttr**, size_t, OrtNode**>
    Editor_CreateNode;

// The structs of callbacks a provider fills. Fields we leave null only keep their place: the host checks them for null.
struct OrtNodeComputeInfo {
  uint32_t version = kApiVersion;
  OrtStatus* (*CreateState)(OrtNodeComputeInfo*, OrtComputeContext*, void** state) = nullptr;
  OrtStatus* (*Compute)(OrtNodeComputeInfo*, void* state, OrtKernelContext*) = nullptr;
  void (*ReleaseState)(OrtNodeComputeInfo*, void* state) = nullptr;
};
static_assert(sizeof(OrtNodeComputeInfo) == 32 && offsetof(OrtNodeComputeInfo, CreateState) == 8 &&
              offsetof(OrtNodeComputeInfo, Compute) == 16 && offsetof(OrtNodeComputeInfo, ReleaseState) == 24);

struct OrtEp {
  uint32_t version = kApiVersion;
  const char* (*GetName)(const OrtEp*) noexcept = nullptr;
  OrtStatus* (*GetCapability)(OrtEp*, const OrtGraph*, OrtSupportInfo*) noexcept = nullptr;
  OrtStatus* (*Compile)(OrtEp*, const OrtGraph** graphs, const OrtNode** fused, size_t count,
                        OrtNodeComputeInfo** compute, OrtNode** context_nodes) noexcept = nullptr;
  void (*ReleaseNodeComputeInfos)(OrtEp*, OrtNodeComputeInfo**, size_t count) noexcept = nullptr;
  void* preferred_layout = nullptr;
  void* should_convert_layout = nullptr;
  void* set_dynamic_options = nullptr;
  void* on_run_start = nullptr;
  void* on_run_end = nullptr;
  void* create_allocator = nullptr;
  void* create_sync_stream = nullptr;
  const char* (*GetCompiledModelCompatibilityInfo)(OrtEp*, const OrtGraph*) noexcept = nullptr;
};
static_assert(sizeof(OrtEp) == 104 && offsetof(OrtEp, GetName) == 8 && offsetof(OrtEp, GetCapability) == 16 &&
              offsetof(OrtEp, Compile) == 24 && offsetof(OrtEp, ReleaseNodeComputeInfos) == 32 &&
              offsetof(OrtEp, GetCompiledModelCompatibilityInfo) == 96);

struct OrtEpFactory {
  uint32_t version = kApiVersion;
  const char* (*GetName)(const OrtEpFactory*) noexcept = nullptr;
  const char* (*GetVendor)(const OrtEpFactory*) noexcept = nullptr;
  OrtStatus* (*GetSupportedDevices)(OrtEpFactory*, const OrtHardwareDevice* const*, size_t count, OrtEpDevice**,
                                    size_t max, size_t* made) noexcept = nullptr;
  OrtStatus* (*CreateEp)(OrtEpFactory*, const OrtHardwareDevice* const*, const OrtKeyValuePairs* const*, size_t count,
                         const OrtSessionOptions*, const OrtLogger*, OrtEp**) noexcept = nullptr;
  void (*ReleaseEp)(OrtEpFactory*, OrtEp*) noexcept = nullptr;
  uint32_t (*GetVendorId)(const OrtEpFactory*) noexcept = nullptr;
  const char* (*GetVersion)(const OrtEpFactory*) noexcept = nullptr;
  OrtStatus* (*ValidateCompiledModelCompatibilityInfo)(OrtEpFactory*, const OrtHardwareDevice* const*, size_t count,
                                                       const char* info, int* answer) noexcept = nullptr;
  void* create_allocator = nullptr;
  void* release_allocator = nullptr;
  // Documented as optional, but called without a null check when the library is registered.
  OrtStatus* (*CreateDataTransfer)(OrtEpFactory*, OrtDataTransfer**) noexcept = nullptr;
  void* is_stream_aware = nullptr;
  void* create_sync_stream = nullptr;
};
static_assert(sizeof(OrtEpFactory) == 112 && offsetof(OrtEpFactory, GetName) == 8 &&
              offsetof(OrtEpFactory, GetVendor) == 16 && offsetof(OrtEpFactory, GetSupportedDevices) == 24 &&
              offsetof(OrtEpFactory, CreateEp) == 32 && offsetof(OrtEpFactory, ReleaseEp) == 40 &&
              offsetof(OrtEpFactory, GetVendorId) == 48 && offsetof(OrtEpFactory, GetVersion) == 56 &&
              offsetof(OrtEpFactory, ValidateCompiledModelCompatibilityInfo) == 64 &&
              offsetof(OrtEpFactory, CreateDataTransfer) == 88 && offsetof(OrtEpFactory, create_sync_stream) == 104);
static_assert(sizeof(void*) == 8, "the layouts above are those of 64-bit hosts");

// The host's tables, and calls through them. Copied freely; the tables live as long as the host library.
class Host {
 public:
  Host() = default;
  Host(const void* api, std::string_view version);

  // The ONNX Runtime minor version: 23 for "1.23.2".
  [[nodiscard]] int minor_version() const { return minor_; }

  // A call that can fail: the host's status becomes ours.
  template <size_t I, class... P, class... A>
  [[nodiscard]] Status operator()(Slot<I, OrtStatus*, P...>, A... args) const {
    return take(reinterpret_cast<OrtStatus* (*)(P...)>(api_[I])(args...));
  }
  // A call that returns its answer.
  template <size_t I, class R, class... P, class... A>
  R raw(Slot<I, R, P...>, A... args) const {
    return reinterpret_cast<R (*)(P...)>(api_[I])(args...);
  }
  // The same for the provider sub-table.
  template <size_t I, class... P, class... A>
  [[nodiscard]] Status ep(Slot<I, OrtStatus*, P...>, A... args) const {
    return take(reinterpret_cast<OrtStatus* (*)(P...)>(ep_[I])(args...));
  }
  // The same for the sub-table that makes nodes.
  template <size_t I, class... P, class... A>
  [[nodiscard]] Status editor(Slot<I, OrtStatus*, P...>, A... args) const {
    const auto* table = static_cast<const Entry*>(raw(GetModelEditorApi));
    if (table == nullptr) return {Code::unsupported, "octile: this ONNX Runtime cannot make EPContext nodes"};
    return take(reinterpret_cast<OrtStatus* (*)(P...)>(table[I])(args...));
  }
  // Our status as the host's; null when ok. The host owns the result.
  [[nodiscard]] OrtStatus* give(const Status& status) const noexcept;
  [[nodiscard]] OrtStatus* give(ErrorCode code, const char* message) const noexcept;

 private:
  using Entry = void (*)();
  [[nodiscard]] Status take(OrtStatus* status) const;

  const Entry* api_ = nullptr;
  const Entry* ep_ = nullptr;
  int minor_ = 0;
};

// Runs `body` (which returns Status) and turns whatever leaves it, exceptions included, into a host status.
template <class Body>
[[nodiscard]] OrtStatus* fence(const Host& host, Body&& body) noexcept {
  try {
    return host.give(body());
  } catch (const std::exception& e) {
    return host.give(kEpFail, e.what());
  } catch (...) {
    return host.give(kEpFail, "octile: unknown exception");
  }
}

}  // namespace octile::ort
