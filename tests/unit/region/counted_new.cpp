// Counts allocations of the test program, where no sanitizer owns operator new.
// In:  every new.  Out: allocations().  Not here: tests.  A file of its own, so that no pair of new and delete is
// inlined.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace octile::runtime::test {
namespace {
std::atomic<int64_t> made{0};
}
int64_t allocations() { return made.load(); }
}  // namespace octile::runtime::test

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void* operator new(size_t size) {
  octile::runtime::test::made.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
#endif

// Sanitizers stop the program where malloc would answer null; here null is what is tested.
#if defined(__SANITIZE_ADDRESS__)
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "allocator_may_return_null=1";
}
#endif
#if defined(__SANITIZE_THREAD__)
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_options() {
  return "allocator_may_return_null=1";
}
#endif
