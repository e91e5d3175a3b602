// Started and joined.  In/out: see own_threads.h.  Not here: what they do.
#include "plugin/onnxruntime/own_threads.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace octile::ort {
namespace {

constexpr size_t kMost = 8;  // packing is bound by memory soon

}  // namespace

void OwnThreads::run(void* self, runtime::Parallel::Task task, void* arg, size_t count) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = 0; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) task(arg, i);
  };
  const auto threads = static_cast<size_t>(static_cast<OwnThreads*>(self)->threads_);
  const size_t helpers = std::min({threads, count, kMost}) - 1;
  std::vector<std::jthread> team;
  team.reserve(helpers);
  try {
    while (team.size() < helpers) team.emplace_back(work);
  } catch (const std::system_error&) {
    // The machine has no more threads; those there are do all.
  }
  work();
}

}  // namespace octile::ort
