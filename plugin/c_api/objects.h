// The objects behind the C API's handles, and the fence around its functions.
// In:  nothing.  Out: octile_runtime, octile_plan; failures as codes and texts.
// Not here: the functions themselves (runtime.cpp, plan.cpp).
#pragma once

#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "plugin/c_api/octile.h"
#include "plugin/kernels/kernels.h"
#include "runtime/plan_file/plan_file.h"
#include "runtime/region/arena.h"
#include "runtime/region/region.h"
#include "runtime/region/weights_cache.h"

namespace octile::c_api {

struct Shared {
  octile_options options{};
  std::shared_ptr<const runtime::KernelLibrary> library;
  Isa best = Isa::portable;
  std::shared_ptr<runtime::WeightsCache> files;  // null: none
  std::shared_ptr<runtime::ArenaPool> pool;      // of the caller's memory; null: the process's

  void log(int32_t level, const std::string& text) const {
    if (options.logger.log != nullptr) options.logger.log(options.logger.context, level, text.c_str());
  }
  [[nodiscard]] runtime::Parallel parallel() const {
    const octile_threads& t = options.threads;
    return {t.context, t.parallel_for, t.parallel_for == nullptr ? 1 : std::max(t.threads, 1)};
  }
};

// Remembers the text for this thread; returns the code.
int32_t fail(int32_t code, const char* text) noexcept;
[[nodiscard]] int32_t code_of(Code code);

// Runs `body`, which returns Status; nothing it throws gets out.
template <class Body>
int32_t fence(Body&& body) noexcept {
  try {
    const Status status = body();
    return status.ok() ? OCTILE_OK : fail(code_of(status.code()), status.message().c_str());
  } catch (const std::bad_alloc&) {
    return fail(OCTILE_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& e) {
    return fail(OCTILE_INTERNAL, e.what());
  } catch (...) {
    return fail(OCTILE_INTERNAL, "unknown exception");
  }
}

[[nodiscard]] inline Status bad_argument(const std::string& what) { return {Code::invalid_argument, what}; }

// A struct of the caller's version as one of ours: fields it lacks are zero, fields we lack must be.
template <class T>
[[nodiscard]] Status read_struct(const T* from, T& to) {
  std::memset(&to, 0, sizeof to);
  uint32_t size = 0;
  std::memcpy(&size, from, sizeof size);
  if (size < sizeof size || size > 4096) return bad_argument("struct_size is not set to sizeof of the struct");
  const auto* bytes = reinterpret_cast<const unsigned char*>(from);
  for (size_t i = sizeof to; i < size; ++i) {
    if (bytes[i] != 0) return {Code::unsupported, "the options have fields that this version of the library lacks"};
  }
  std::memcpy(&to, from, std::min<size_t>(size, sizeof to));
  return {};
}

}  // namespace octile::c_api

struct octile_runtime {
  std::shared_ptr<const octile::c_api::Shared> shared;
};

struct octile_plan {
  std::shared_ptr<const octile::c_api::Shared> shared;
  octile::GraphDesc graph;  // without weights: for names, types and shapes
  std::vector<octile::runtime::DeclaredShape> inputs, outputs;
  std::unique_ptr<octile::runtime::Region> region;
};
