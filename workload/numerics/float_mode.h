// FloatMode: the floating-point mode our arithmetic is defined in, for as long as the object lives.
// In:  whatever the host left the thread in (flush-to-zero, another rounding).  Out: that again, afterwards.
// Not here: exceptions a host may have unmasked; they are masked as well.
#pragma once

#include <cfenv>

namespace octile {

class FloatMode {
 public:
  FloatMode() {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);  // nearest even, gradual underflow
  }
  ~FloatMode() { std::fesetenv(&before_); }
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 private:
  std::fenv_t before_{};
};

}  // namespace octile
