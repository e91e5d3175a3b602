// KeptWeights: a region's weights between Compile, when the host lends its own, and CreateState, when those are gone.
// In:  a graph whose weights are lent.  Out: the same graph, lent ours.
// Not here: packing.
// Weights are packed once the host has dropped its own, so that packed ones fill what it gave back to the allocator.
// The copy meanwhile is a mapping of its own, which leaves nothing behind.
#pragma once

#include <cstddef>

#include "workload/graph/graph.h"

namespace octile::ort {

class KeptWeights {
 public:
  KeptWeights() = default;
  KeptWeights(KeptWeights&& other) noexcept;
  KeptWeights& operator=(KeptWeights&& other) noexcept;
  ~KeptWeights();
  // Copies what is lent to the nodes; it lives as long as the result.
  [[nodiscard]] static Result<KeptWeights> keep(GraphDesc& graph);

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace octile::ort
