// Opening and sharing of packs.  In/out: see kernels.h.  Not here: the pack format.
#include "plugin/kernels/kernels.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>

namespace octile::plugin {
namespace {

namespace fs = std::filesystem;

// A name for the file's present content: replaced files are opened anew.
std::string identity(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  const auto time = fs::last_write_time(path, error);
  return error ? path + "|?"
               : path + "|" + std::to_string(size) + "|" + std::to_string(time.time_since_epoch().count());
}

bool has_real_kernels(const runtime::KernelLibrary& library) {
  return std::any_of(library.kernels().begin(), library.kernels().end(),
                     [](const runtime::Kernel& k) { return generated(k.isa); });
}

}  // namespace

std::string default_pack_path() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&default_pack_path), &info) == 0 || info.dli_fname == nullptr) return {};
  return (fs::path(info.dli_fname).parent_path() / "octile-default.octpack").string();
}

Kernels KernelCache::open(const KernelRequest& request) {
  Kernels out;
  const std::string fallback = default_pack_path();
  std::vector<std::string> packs;
  std::error_code error;
  const bool has_default = !fallback.empty() && fs::exists(fallback, error);
  if (has_default) packs.push_back(fallback);
  packs.insert(packs.end(), request.packs.begin(), request.packs.end());

  auto library = std::make_shared<runtime::KernelLibrary>();
  std::string key(target(request.best).name);
  for (const std::string& pack : packs) key += "\n" + identity(pack);
  const std::lock_guard lock(mutex_);
  if (auto known = libraries_[key].lock()) {
    out.library = std::move(known);
    out.opened = packs;
  } else {
    for (const std::string& pack : packs) {
      if (const Status st = library->add_pack(pack, request.best, runtime::KernelLibrary::Members::needed); st.ok()) {
        out.opened.push_back(pack);
      } else {
        const bool ours = pack == fallback;
        out.warnings.push_back("pack " + pack + " is not used: " + st.to_string() +
                               (ours ? "; reinstall onnxruntime-ep-octile" : "; build it again with octile pack"));
      }
    }
    out.library = std::move(library);
    if (out.warnings.empty()) libraries_[key] = out.library;
  }
  out.usable = has_real_kernels(*out.library) || (request.target_given && request.best == Isa::portable);
  if (!out.usable) {
    out.warnings.push_back("no kernels for this CPU in any pack" +
                           (has_default ? std::string() : " and no " + fallback + ": reinstall onnxruntime-ep-octile") +
                           "; the model runs without Octile");
  }
  return out;
}

}  // namespace octile::plugin
