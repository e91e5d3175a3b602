// The kernels a session may use: the default pack beside the plugin, and the user's packs on top.
// In:  KernelRequest.  Out: a KernelLibrary shared by the sessions that ask for the same, or why nothing can be taken.
// Not here: choosing kernels (runtime/dispatch).
//
// A broken pack is no error here (the C API makes one of it): in ONNX Runtime it never fails a session. The user's
// packs only add kernels, so without one of them the default pack still serves; without any usable pack nothing is
// taken and the host runs the model itself, which beats portable C.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/loader/library.h"
#include "targets/desc/target.h"

namespace octile::plugin {

struct KernelRequest {
  std::vector<std::string> packs;  // as given
  Isa best = Isa::portable;
  bool target_given = false;  // somebody chose `best`: portable C is what they want
};

struct Kernels {
  std::shared_ptr<const runtime::KernelLibrary> library;
  bool usable = false;              // false: take nothing
  std::vector<std::string> opened;  // pack files
  std::vector<std::string> warnings;
};

class KernelCache {
 public:
  [[nodiscard]] Kernels open(const KernelRequest& request);

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const runtime::KernelLibrary>> libraries_;  // by what was opened
};

// octile-default.octpack in the folder of this library; empty if the folder cannot be told.
[[nodiscard]] std::string default_pack_path();

}  // namespace octile::plugin
