// Request: one kernel to build, from one line "target | op | candidate".
// In:  text.  Out: Request with the kernel's name, family and what dispatch must know about it.
// Not here: Halide.
//   avx512vnni | any:dot dst=u8 | layout=k4n16 tile=x7y1n64 uk=2        an any-shape kernel of a family
//   avx512vnni | conv2d mb1g1ic64... | layout=k4n16 tile=x7y1n64 uk=2   a kernel specialised to one workload
// Families and their options: dot, dotz, depthwise (dst=u8|s32), quantize, dequantize, requantize (src=s32|u8),
// transpose.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "schedules/space/candidate.h"
#include "targets/desc/target.h"
#include "workload/spec/op_spec.h"

namespace octile::kernelc {

struct Request {
  const TargetDesc* target = nullptr;
  std::string family;
  std::optional<OpSpec> op;  // absent: any shape
  DType src = DType::u8;     // element the kernel reads; s16 sources are a matter of the layout
  DType dst = DType::u8;
  Candidate cand;
  std::string name;  // kernel line and symbol
};

[[nodiscard]] Result<Request> parse_request(std::string_view line);
// The KernelEntry of this kernel as JSON (fields of packs/format/manifest.h, without the member).
[[nodiscard]] std::string entry_json(const Request& request);

}  // namespace octile::kernelc
