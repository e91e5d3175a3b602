// Elementwise calls; see elementwise.h.
// In:  planes.  Out: planes.  Not here: reductions.
#include "runtime/exec/elementwise.h"

#include <algorithm>
#include <atomic>

#include "runtime/dispatch/dispatch.h"
#include "runtime/exec/frame.h"

namespace octile::runtime {

// One call: what to run and its scalars; the planes may be cut along p.
struct Elementwise::Call {
  std::string_view family;
  Plane src, dst;
  TypeCode src_code, dst_code;
  int src_bytes, dst_bytes;
  const float* mult;  // requantize; null: none
  float scale, lo, hi;
  int32_t src_zp, zp;
  uint8_t flip;
  [[nodiscard]] std::string_view src_type() const { return src_code == kFloat ? "f32" : src_bytes == 4 ? "s32" : "u8"; }
};

namespace {

constexpr int64_t kGrain = 32 * 1024;  // elements worth handing to another thread

bool dense(const Plane& p) { return p.stride_c == 1 && (p.p == 1 || p.stride_p == p.c); }

int call(const Kernel& kernel, std::string_view family, octile_buffer* src, octile_buffer* mult, octile_buffer* dst,
         float scale, float lo, float hi, int32_t src_zp, int32_t zp, uint8_t flip) {
  if (family == "quantize") return reinterpret_cast<octile_quantize_fn>(kernel.fn)(src, scale, lo, hi, zp, dst);
  if (family == "dequantize") return reinterpret_cast<octile_dequantize_fn>(kernel.fn)(src, scale, zp, dst);
  if (family == "transpose") return reinterpret_cast<octile_transpose_fn>(kernel.fn)(src, flip, dst);
  return reinterpret_cast<octile_requantize_fn>(kernel.fn)(src, src_zp, mult, lo, hi, zp, dst);
}

}  // namespace

Elementwise::Elementwise(const KernelLibrary& library, Isa best) : best_(best) {
  for (const Kernel& k : library.kernels()) {
    const std::string& f = k.entry.family;
    if (f == "quantize" || f == "dequantize" || f == "requantize" || f == "transpose") table_.push_back(k);
  }
}

int Elementwise::pick(std::string_view family, std::string_view src, int64_t c, int64_t p, bool unit,
                      std::string* why) const {
  Ask ask;
  ask.family = family;
  ask.dst = family == "dequantize" ? "f32" : "u8";
  ask.best = unit ? best_ : Isa::portable;  // vector kernels take contiguous channels
  ask.channels = c;
  ask.x = p;
  Reason reason = Reason::portable;
  const int at = pick_elementwise(table_, ask, src, &reason);
  if (at >= 0 && why != nullptr) *why = reason_text(reason, best_, table_[static_cast<size_t>(at)].isa);
  return at;
}

Status Elementwise::spread(const Call& given, const Parallel& parallel) const {
  Call c = given;
  if (c.src.c != c.dst.c || c.src.p != c.dst.p) return {Code::invalid_argument, "planes of different size"};
  if (c.src.c <= 0 || c.src.p <= 0) return {};
  int64_t step = 0;  // of p per task
  const bool flat = dense(c.src) && dense(c.dst) && c.mult == nullptr;
  if (flat) {  // long rows: vectors do not end with the channels
    const int64_t total = c.src.c * c.src.p;
    const int64_t row = total >= kGrain ? kGrain : total;
    const int64_t whole = total / row * row;
    if (whole < total) {
      Call rest = c;
      rest.src = {static_cast<uint8_t*>(c.src.data) + whole * c.src_bytes, total - whole, 1, 1, total - whole};
      rest.dst = {static_cast<uint8_t*>(c.dst.data) + whole * c.dst_bytes, total - whole, 1, 1, total - whole};
      OCTILE_RETURN_IF_ERROR(spread(rest, {}));
    }
    c.src = {c.src.data, row, whole / row, 1, row};
    c.dst = {c.dst.data, row, whole / row, 1, row};
    step = 1;
  } else {
    step = std::clamp<int64_t>(kGrain / c.src.c, 1, c.src.p);
  }
  const bool unit = c.src.stride_c == 1 && c.dst.stride_c == 1;
  const int at = pick(c.family, c.src_type(), c.src.c, step, unit, nullptr);
  if (at < 0) return {Code::unsupported, "no kernel of family " + std::string(c.family)};
  struct Piece {
    const Kernel* kernel;
    const Call* call;
    int64_t step;
    std::atomic<int> rc{0};
  } job{&table_[static_cast<size_t>(at)], &c, step, {}};
  // The last task takes the rest, so that none is narrower than the kernel's tile.
  const auto tasks = static_cast<size_t>(c.src.p / step);
  parallel(
      tasks,
      [](void* arg, size_t i) {
        Piece& j = *static_cast<Piece*>(arg);
        const Call& k = *j.call;
        const int64_t from = static_cast<int64_t>(i) * j.step;
        const int64_t count = from + 2 * j.step > k.src.p ? k.src.p - from : j.step;
        Buffer<2> src(k.src_code, k.src_bytes * 8), dst(k.dst_code, k.dst_bytes * 8);
        Buffer<1> mult(kFloat, 32);
        src.set(0, k.src.c, k.src.stride_c);
        src.set(1, count, k.src.stride_p);
        dst.set(0, k.dst.c, k.dst.stride_c);
        dst.set(1, count, k.dst.stride_p);
        mult.set(0, k.src.c, 1);
        src.at(static_cast<const uint8_t*>(k.src.data) + from * k.src.stride_p * k.src_bytes);
        dst.at(static_cast<const uint8_t*>(k.dst.data) + from * k.dst.stride_p * k.dst_bytes);
        mult.at(k.mult);
        const int rc =
            call(*j.kernel, k.family, &src.raw, &mult.raw, &dst.raw, k.scale, k.lo, k.hi, k.src_zp, k.zp, k.flip);
        if (rc != 0) j.rc.store(rc, std::memory_order_relaxed);
      },
      &job);
  if (job.rc.load() != 0) return {Code::internal, job.kernel->entry.name + " returned an error"};
  return {};
}

Status Elementwise::quantize(const Plane& src, float scale, const Codes& codes, const Plane& dst,
                             const Parallel& parallel) const {
  return spread({"quantize", src, dst, kFloat, kUInt, 4, 1, nullptr, scale, static_cast<float>(codes.lo - codes.zp),
                 static_cast<float>(codes.hi - codes.zp), 0, codes.zp, 0},
                parallel);
}

Status Elementwise::dequantize(const Plane& src, float scale, int32_t zp, const Plane& dst,
                               const Parallel& parallel) const {
  return spread({"dequantize", src, dst, kUInt, kFloat, 1, 4, nullptr, scale, 0, 0, 0, zp, 0}, parallel);
}

Status Elementwise::requantize(const Plane& src, bool wide, int32_t src_zp, const float* mult, const Codes& codes,
                               const Plane& dst, const Parallel& parallel) const {
  return spread({"requantize", src, dst, wide ? kInt : kUInt, kUInt, wide ? 4 : 1, 1, mult, 1,
                 static_cast<float>(codes.lo - codes.zp), static_cast<float>(codes.hi - codes.zp), src_zp, codes.zp, 0},
                parallel);
}

Status Elementwise::transpose(const Plane& src, uint8_t flip, const Plane& dst, const Parallel& parallel) const {
  return spread({"transpose", src, dst, kUInt, kUInt, 1, 1, nullptr, 1, 0, 0, 0, 0, flip}, parallel);
}

Decision Elementwise::explain(std::string_view family, std::string_view src, int64_t c, int64_t p) const {
  Decision d;
  const int at = pick(family, src, c, p, true, &d.reason);
  if (at < 0) return {"none", "", "no kernel of this family", 0};
  d.kernel = table_[static_cast<size_t>(at)].entry.name;
  d.target = table_[static_cast<size_t>(at)].entry.target;
  return d;
}

}  // namespace octile::runtime
