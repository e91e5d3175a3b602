// The kernels a session may use: the default pack beside the plugin, and the user's packs on top.
// In:  Options.  Out: a KernelLibrary shared by the sessions that ask for the same, or why nothing can be taken.
// Not here: choosing kernels (runtime/dispatch).
//
// A broken pack never fails a session. The user's packs only add kernels, so without one of them the default pack still
// serves; without any usable pack nothing is taken and the host runs the model itself, which beats portable C.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plugin/onnxruntime/options.h"
#include "runtime/loader/library.h"

namespace octile::ort {

struct Kernels {
  std::shared_ptr<const runtime::KernelLibrary> library;
  bool usable = false;              // false: take nothing
  std::vector<std::string> opened;  // pack files
  std::vector<std::string> warnings;
};

class KernelCache {
 public:
  [[nodiscard]] Kernels open(const Options& options);

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const runtime::KernelLibrary>> libraries_;  // by what was opened
};

// octile-default.octpack in the folder of this library; empty if the folder cannot be told.
[[nodiscard]] std::string default_pack_path();

}  // namespace octile::ort
