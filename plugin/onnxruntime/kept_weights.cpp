// One anonymous mapping.  In/out: see kept_weights.h.  Not here: what weights mean.
#include "plugin/onnxruntime/kept_weights.h"

#include <sys/mman.h>

#include <cstring>
#include <utility>

#include "runtime/exec/aligned.h"

namespace octile::ort {
KeptWeights::KeptWeights(KeptWeights&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

KeptWeights& KeptWeights::operator=(KeptWeights&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

KeptWeights::~KeptWeights() {
  if (data_ != nullptr) munmap(data_, size_);
}

Result<KeptWeights> KeptWeights::keep(GraphDesc& graph) {
  KeptWeights kept;
  for (const NodeDesc& node : graph.nodes) kept.size_ += runtime::align_up(node.lent.size());
  if (kept.size_ == 0) return kept;
  void* const data =
      mmap(nullptr, kept.size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (data == MAP_FAILED) {
    return Status(Code::out_of_memory, "no memory for " + std::to_string(kept.size_) + " bytes of weights");
  }
  kept.data_ = data;
  auto* to = static_cast<uint8_t*>(data);
  for (NodeDesc& node : graph.nodes) {
    if (node.lent.empty()) continue;
    std::memcpy(to, node.lent.data(), node.lent.size());
    node.lent = {to, node.lent.size()};
    to += runtime::align_up(node.lent.size());
  }
  return kept;
}

}  // namespace octile::ort
