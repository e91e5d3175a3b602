// Functions: what codes mean, as tables over the 256 stored bytes; and functions of two codes.
// In:  scales, zero points, float functions.  Out: tables; the cheapest exact form of a function of two.
// Not here: tensors, which functions meet in a graph (lower.h).
//
// A byte b of a signed value is the code b - 128, of an unsigned one b.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/exec/ops/ops.h"
#include "workload/numerics/requantize.h"
#include "workload/numerics/unary.h"

namespace octile::runtime {

using ByteTable = std::array<uint8_t, 256>;

// The float each byte stands for. `affine`: float(b - zp) * scale for every b.
struct FloatTable {
  std::array<float, 256> at{};
  bool affine = false;
  float scale = 1.0F;
  int32_t zp = 0;
};
using FloatFn = std::shared_ptr<const FloatTable>;
using ByteFn = std::shared_ptr<const ByteTable>;  // null: identity

// A quantize node: clamp and zero point in codes of the type.
struct QuantizeTo {
  float scale = 1.0F;
  int32_t zp = 0, lo = 0, hi = 255;
  bool is_signed = false;
  [[nodiscard]] uint8_t operator()(float v) const;  // the stored byte
  // The same of each, by loops that compilers vectorize.
  void row(const std::array<float, 256>& from, uint8_t* to) const;
  [[nodiscard]] QuantizeForm form() const;
};
[[nodiscard]] QuantizeTo quantize_to(const OpSpec& spec, const OpQuant& quant);

// f(v, number) of each, or f(number, v) where the number comes first.
void map_row(NodeKind kind, float number, bool number_first, const std::array<float, 256>& from,
             std::array<float, 256>& to);

[[nodiscard]] FloatFn dequantize_table(DType type, float scale, int32_t zp);
template <class F>
[[nodiscard]] FloatFn map_table(const FloatTable& of, const F& f) {
  auto out = std::make_shared<FloatTable>();
  for (size_t b = 0; b < 256; ++b) out->at[b] = f(of.at[b]);
  return out;
}
[[nodiscard]] FloatFn map_table(const FloatTable& of, NodeKind kind, float number, bool number_first);
// The bytes, null where each is itself.
[[nodiscard]] ByteFn byte_table(const ByteTable& bytes);
// The codes of each byte's float.
[[nodiscard]] ByteFn quantize_table(const FloatTable& of, const QuantizeTo& to);
// Bit by bit: zeros of either sign are two.
[[nodiscard]] bool same_floats(const FloatTable& a, const FloatTable& b);
// g after f.
[[nodiscard]] ByteFn compose(const ByteFn& f, const ByteFn& g);
// Floats of g(b): of.at[map[b]].
[[nodiscard]] FloatFn through(const ByteFn& map, const FloatFn& of);
// 1: never falls as bytes rise, -1: never rises, 0: neither, or NaN among them.
[[nodiscard]] int direction(const FloatTable& of);
// The place of each byte's float among those there are: 0 for the least, equal ones together, NaN the greatest. Null
// where that is as bytes rise.
[[nodiscard]] ByteFn ranks(const FloatTable& of);
// How ops read what codes mean; `keeps`: the 256 floats, where they are needed, for as long as it is read.
[[nodiscard]] Meaning meaning_of(const FloatTable& of, std::shared_ptr<const std::vector<float>>& keeps);

// A float function of two bytes: f(fa[a], fb[b]), then functions of one.
struct PairFunction {
  NodeKind kind = NodeKind::add;
  FloatFn a, b;
  std::vector<Unary> then;
  [[nodiscard]] std::array<float, 256> row(int a_byte) const;  // of every byte of b
};

// A function per channel that is a line between two clamps, or two lines that meet where all channels are 0 (PRelu), as
// arithmetic.
struct ChannelLines {
  std::vector<float> gain, below, offset;
  GateForm form;  // points to the lists
};
// Lines that give `codes` (256 for each channel: to(of[channel][byte])) for every byte, proven by trying them all; null
// where a channel has none.
[[nodiscard]] std::shared_ptr<const ChannelLines> lines_of(const std::vector<FloatTable>& of,
                                                           const std::vector<uint8_t>& codes, const QuantizeTo& to);

// The proven forms of a region: the same question is asked again for every new shape.
class FormCache {
 public:
  struct Entry {
    BinaryForm form;
    std::shared_ptr<const std::vector<uint8_t>> pairs;  // 65,536 bytes; null unless form.kind is pairs
  };
  [[nodiscard]] Entry find(const PairFunction& f, const QuantizeTo& to) const;
  // make_softmax_exps() of what codes mean.
  [[nodiscard]] std::shared_ptr<const std::vector<float>> exps(const Ops& ops, const FloatTable& of) const;

 private:
  mutable std::mutex mutex_;
  mutable std::map<std::string, Entry> entries_;
  mutable std::map<std::string, std::shared_ptr<const std::vector<float>>> exps_;
};

}  // namespace octile::runtime
