// Elementwise: quantize, dequantize, requantize and transpose through the library's kernels.
// In:  planes [c, p] with any strides, scales, the host's threads.  Out: dst planes; which kernel ran and why.
// Not here: halos, tensors, layouts by name.  Signed data is passed as q ^ 0x80 with zero points + 128, or flipped.
#pragma once

#include <vector>

#include "runtime/exec/parallel.h"
#include "runtime/exec/prepared_op.h"
#include "runtime/loader/library.h"

namespace octile::runtime {

// c x p elements; strides in elements.
struct Plane {
  void* data = nullptr;
  int64_t c = 1, p = 1;
  int64_t stride_c = 1, stride_p = 0;
};

// Clamp in dst codes as stored (u8), zero point as stored.
struct Codes {
  int32_t lo = 0, hi = 255, zp = 0;
};

class Elementwise {
 public:
  Elementwise(const KernelLibrary& library, Isa best);

  // Both planes have the same c and p.
  [[nodiscard]] Status quantize(const Plane& src_f32, float scale, const Codes& codes, const Plane& dst,
                                const Parallel& parallel = {}) const;
  [[nodiscard]] Status dequantize(const Plane& src, float scale, int32_t zp, const Plane& dst_f32,
                                  const Parallel& parallel = {}) const;
  // src holds int32 (wide) or u8; mult has c entries.
  [[nodiscard]] Status requantize(const Plane& src, bool wide, int32_t src_zp, const float* mult, const Codes& codes,
                                  const Plane& dst, const Parallel& parallel = {}) const;
  // dst = src ^ flip.
  [[nodiscard]] Status transpose(const Plane& src, uint8_t flip, const Plane& dst, const Parallel& parallel = {}) const;

  // What a call of this family with this many channels and positions uses.
  [[nodiscard]] Decision explain(std::string_view family, std::string_view src, int64_t c, int64_t p) const;

 private:
  struct Call;
  [[nodiscard]] Status spread(const Call& call, const Parallel& parallel) const;
  // `unit`: channels are contiguous in both planes.
  [[nodiscard]] int pick(std::string_view family, std::string_view src, int64_t c, int64_t p, bool unit,
                         std::string* why) const;

  Isa best_;
  std::vector<Kernel> table_;
};

}  // namespace octile::runtime
