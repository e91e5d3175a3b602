// FloatMode: the floating-point mode our arithmetic is defined in, for as long as the object lives.
// In:  whatever the host left the thread in (flush-to-zero, another rounding).  Out: that again, afterwards.
// Not here: exceptions a host may have unmasked; they are masked as well. Long double, which nothing of ours uses.
#pragma once

#if !defined(__x86_64__)
#include <cfenv>
#endif

namespace octile {

class FloatMode {
 public:
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

#if defined(__x86_64__)
  // The control register of vectors and floats alone: <cfenv> also saves the x87's and takes ten times as long, and
  // tasks of a microsecond begin with this.
  FloatMode() : before_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(kDefault); }
  ~FloatMode() { __builtin_ia32_ldmxcsr(before_); }

 private:
  static constexpr unsigned kDefault = 0x1F80;  // nearest even, gradual underflow, exceptions masked
  unsigned before_;
#else
  FloatMode() {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);  // nearest even, gradual underflow
  }
  ~FloatMode() { std::fesetenv(&before_); }

 private:
  std::fenv_t before_{};
#endif
};

}  // namespace octile
