// The library itself: versions, messages, runtimes.
// In/out: see octile.h.  Not here: plans (plan.cpp).
#include <algorithm>
#include <cstdio>

#include "plugin/c_api/objects.h"
#include "targets/probe/probe.h"

namespace octile::c_api {
namespace {

// No destructor and no allocation: the text of a failure must not fail, nor outlive the library.
thread_local char last_message[1024] = "";

Status choose_target(const char* name, plugin::KernelRequest& request) {
  request.best = host_isa();
  if (name == nullptr) return {};
  OCTILE_ASSIGN_OR_RETURN(const TargetDesc* const found, find_target(name));
  if (!can_run(found->isa)) return {Code::unsupported, std::string("this CPU cannot run ") + name};
  request.best = found->isa;
  request.target_given = true;
  return {};
}

Status create(const octile_options* options, octile_runtime** out) {
  if (out == nullptr) return bad_argument("runtime is null");
  *out = nullptr;
  auto shared = std::make_shared<Shared>();
  if (options != nullptr) OCTILE_RETURN_IF_ERROR(read_struct(options, shared->options));
  const octile_options& o = shared->options;
  if ((o.allocator.allocate == nullptr) != (o.allocator.release == nullptr)) {
    return bad_argument("an allocator needs both allocate and release");
  }
  plugin::KernelRequest request;
  if (o.pack_count > 0 && o.packs == nullptr) return bad_argument("packs is null");
  for (uint32_t i = 0; i < o.pack_count; ++i) {
    if (o.packs[i] == nullptr) return bad_argument("a pack's path is null");
    request.packs.emplace_back(o.packs[i]);
  }
  OCTILE_RETURN_IF_ERROR(choose_target(o.target, request));
  plugin::Kernels kernels = plugin::KernelCache().open(request);
  for (const std::string& pack : request.packs) {
    if (std::find(kernels.opened.begin(), kernels.opened.end(), pack) != kernels.opened.end()) continue;
    const auto text = std::find_if(kernels.warnings.begin(), kernels.warnings.end(),
                                   [&](const std::string& w) { return w.find(pack) != std::string::npos; });
    return {Code::corrupt, text == kernels.warnings.end() ? pack + ": cannot be opened" : *text};
  }
  for (const std::string& w : kernels.warnings) shared->log(OCTILE_LOG_WARNING, w);
  if (!kernels.usable) shared->log(OCTILE_LOG_WARNING, "plans run on portable C, which is slow");
  if (o.weights_cache != nullptr) shared->files = std::make_shared<runtime::WeightsCache>(o.weights_cache);
  // The strings are the caller's; the callbacks stay.
  shared->options.weights_cache = nullptr;
  shared->options.packs = nullptr;
  shared->options.pack_count = 0;
  shared->options.target = nullptr;
  if (o.allocator.allocate != nullptr) {
    shared->pool = std::make_shared<runtime::ArenaPool>(
        runtime::Memory{o.allocator.context, o.allocator.allocate, o.allocator.release});
  }
  shared->library = std::move(kernels.library);
  shared->best = request.best;
  *out = new octile_runtime{std::move(shared)};
  return {};
}

}  // namespace

int32_t fail(int32_t code, const char* text) noexcept {
  std::snprintf(last_message, sizeof last_message, "%s", text);
  return code;
}

int32_t code_of(Code code) {
  switch (code) {
    case Code::ok: return OCTILE_OK;
    case Code::invalid_argument: return OCTILE_INVALID_ARGUMENT;
    case Code::not_found: return OCTILE_NOT_FOUND;
    case Code::unsupported: return OCTILE_UNSUPPORTED;
    case Code::corrupt: return OCTILE_CORRUPT;
    case Code::io_error: return OCTILE_IO_ERROR;
    case Code::out_of_memory: return OCTILE_OUT_OF_MEMORY;
    default: return OCTILE_INTERNAL;
  }
}

}  // namespace octile::c_api

using namespace octile::c_api;  // NOLINT(google-build-using-namespace): the functions below are C

extern "C" {

const char* octile_version(void) { return OCTILE_VERSION; }

uint32_t octile_api_version(void) { return OCTILE_API_VERSION; }

const char* octile_message(void) { return last_message; }

int32_t octile_runtime_create(const octile_options* options, octile_runtime** runtime) {
  return fence([&] { return create(options, runtime); });
}

void octile_runtime_release(octile_runtime* runtime) { delete runtime; }

}  // extern "C"
