// Tables by evaluation of every byte, or pair of bytes.
// In/out: see functions.h.  Not here: vector code (runtime/exec/ops).
#include "runtime/region/functions.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/region/key.h"

namespace octile::runtime {

uint8_t QuantizeTo::operator()(float v) const {
  return static_cast<uint8_t>(quantize_onnx_rne(v, scale, zp, lo, hi) + (is_signed ? 128 : 0));
}

void QuantizeTo::row(const std::array<float, 256>& from, uint8_t* to) const {
  constexpr float kOnes =
      12582912.0F;  // 1.5 * 2^23: floats of its size are whole, so that adding it rounds half to even
  const QuantizeForm f = form();
  std::array<float, 256> v;
  for (size_t j = 0; j < v.size(); ++j) {
    float q = from[j] / f.scale;
    q = q > f.lo ? q : f.lo;  // NaN too
    q = q < f.hi ? q : f.hi;
    v[j] = (q + kOnes) - kOnes;
  }
  for (size_t j = 0; j < v.size(); ++j) to[j] = static_cast<uint8_t>(static_cast<int32_t>(v[j]) + f.zp);
}

QuantizeForm QuantizeTo::form() const {
  return {scale, static_cast<float>(lo - zp), static_cast<float>(hi - zp), zp + (is_signed ? 128 : 0)};
}

QuantizeTo quantize_to(const OpSpec& spec, const OpQuant& quant) {
  return {quant.dst_scale, quant.dst_zp, quant.clamp_lo, quant.clamp_hi, spec.dst == DType::s8};
}

FloatFn dequantize_table(DType type, float scale, int32_t zp) {
  auto out = std::make_shared<FloatTable>();
  const int32_t offset = type == DType::s8 ? 128 : 0;
  for (int b = 0; b < 256; ++b) out->at[static_cast<size_t>(b)] = dequantize(b - offset, scale, zp);
  out->affine = true;
  out->scale = scale;
  out->zp = zp + offset;
  return out;
}

void map_row(NodeKind kind, float number, bool number_first, const std::array<float, 256>& from,
             std::array<float, 256>& to) {
  const auto fill = [&](auto f) {
    if (number_first) {
      for (size_t b = 0; b < to.size(); ++b) to[b] = f(number, from[b]);
    } else {
      for (size_t b = 0; b < to.size(); ++b) to[b] = f(from[b], number);
    }
  };
  switch (kind) {  // what most networks have, by loops of their own
    case NodeKind::add: return fill([](float x, float y) { return x + y; });
    case NodeKind::sub: return fill([](float x, float y) { return x - y; });
    case NodeKind::mul: return fill([](float x, float y) { return x * y; });
    case NodeKind::div: return fill([](float x, float y) { return x / y; });
    default: return fill([kind](float x, float y) { return binary(kind, x, y); });
  }
}

FloatFn map_table(const FloatTable& of, NodeKind kind, float number, bool number_first) {
  auto out = std::make_shared<FloatTable>();
  map_row(kind, number, number_first, of.at, out->at);
  return out;
}

ByteFn byte_table(const ByteTable& bytes) {
  bool identity = true;
  for (size_t b = 0; b < bytes.size(); ++b) identity = identity && bytes[b] == b;
  return identity ? nullptr : std::make_shared<const ByteTable>(bytes);
}

ByteFn quantize_table(const FloatTable& of, const QuantizeTo& to) {
  ByteTable bytes;
  to.row(of.at, bytes.data());
  return byte_table(bytes);
}

bool same_floats(const FloatTable& a, const FloatTable& b) {
  return std::memcmp(a.at.data(), b.at.data(), sizeof a.at) == 0;
}

ByteFn compose(const ByteFn& f, const ByteFn& g) {
  if (f == nullptr) return g;
  if (g == nullptr) return f;
  ByteTable bytes;
  for (size_t b = 0; b < bytes.size(); ++b) bytes[b] = (*g)[(*f)[b]];
  return byte_table(bytes);
}

FloatFn through(const ByteFn& map, const FloatFn& of) {
  if (map == nullptr) return of;
  auto out = std::make_shared<FloatTable>();
  for (size_t b = 0; b < 256; ++b) out->at[b] = of->at[(*map)[b]];
  return out;
}

int direction(const FloatTable& of) {
  bool rises = true, falls = true;
  for (size_t b = 0; b + 1 < 256; ++b) {
    rises = rises && of.at[b] <= of.at[b + 1];
    falls = falls && of.at[b] >= of.at[b + 1];
  }
  return rises ? 1 : falls ? -1 : 0;
}

ByteFn ranks(const FloatTable& of) {
  std::vector<float> sorted;
  std::copy_if(of.at.begin(), of.at.end(), std::back_inserter(sorted), [](float v) { return v == v; });
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  ByteTable places;
  for (size_t b = 0; b < places.size(); ++b) {
    const float v = of.at[b];
    const auto place = v == v ? std::lower_bound(sorted.begin(), sorted.end(), v) : sorted.end();
    places[b] = static_cast<uint8_t>(place - sorted.begin());
  }
  return byte_table(places);
}

Meaning meaning_of(const FloatTable& of, std::shared_ptr<const std::vector<float>>& keeps) {
  if (!of.affine) keeps = std::make_shared<const std::vector<float>>(of.at.begin(), of.at.end());
  return {of.scale, of.zp, of.affine ? nullptr : keeps->data()};
}

std::array<float, 256> PairFunction::row(int a_byte) const {
  std::array<float, 256> out;
  map_row(kind, a->at[static_cast<size_t>(a_byte)], true, b->at, out);
  for (const Unary& f : then) {
    for (float& v : out) v = f(v);
  }
  return out;
}

namespace {

std::string key_of(const PairFunction& f, const QuantizeTo& to) {
  std::string key;
  append(key, f.kind);
  for (const FloatTable* t : {f.a.get(), f.b.get()}) {
    append(key, t->affine);
    if (t->affine) {
      append(key, t->scale);
      append(key, t->zp);
    } else {
      append(key, t->at);
    }
  }
  for (const Unary& u : f.then) {
    append(key, u.kind);
    append(key, u.a);
    append(key, u.b);
    append(key, u.tanh_form);
  }
  append(key, to.scale);
  append(key, to.zp);
  append(key, to.lo);
  append(key, to.hi);
  append(key, to.is_signed);
  return key;
}

BinaryHint hint_of(const PairFunction& f, const QuantizeTo& to) {
  BinaryHint hint;
  hint.product = f.kind == NodeKind::mul;
  hint.scale_a = f.a->scale;
  hint.scale_b = f.kind == NodeKind::sub ? -f.b->scale : f.b->scale;
  hint.scale = to.scale;
  hint.za = f.a->zp;
  hint.zb = f.b->zp;
  hint.zp = to.form().zp;
  return hint;
}

}  // namespace

FormCache::Entry FormCache::find(const PairFunction& f, const QuantizeTo& to) const {
  const std::string key = key_of(f, to);
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found != entries_.end()) return found->second;
  auto pairs = std::make_shared<std::vector<uint8_t>>(65536);
  for (int i = 0; i < 256; ++i) to.row(f.row(i), pairs->data() + i * 256);
  Entry entry;
  entry.form = prove_binary(pairs->data(), hint_of(f, to));
  if (entry.form.kind == BinaryKind::pairs) {
    entry.pairs = std::move(pairs);
    entry.form.pairs = entry.pairs->data();
  }
  return entries_.emplace(key, std::move(entry)).first->second;
}

namespace {

float beside(float v, int where) { return std::nextafter(v, where < 0 ? -INFINITY : INFINITY); }

// Finds the lines of one channel.
class LineFinder {
 public:
  explicit LineFinder(const GateForm& form) : ops_(ops_for(Isa::avx512vnni)), form_(form) {
    for (size_t b = 0; b < bytes_.size(); ++b) bytes_[b] = static_cast<uint8_t>(b);
    form_.gain = gains_.data();
    form_.below = below_.data();
    form_.offset = offsets_.data();
  }

  // Factors are rounded once more than the function itself, so their neighbours are tried as well.
  bool find(const FloatTable& of, const uint8_t* codes, float scale, float& gain, float& offset) {
    const auto [first, last] = inner(codes);
    const double at_first = static_cast<double>(of.at[first]) / scale,
                 at_last = static_cast<double>(of.at[last]) / scale;
    const double slope = first == last ? 0.0 : (at_last - at_first) / static_cast<double>(last - first);
    const auto g = static_cast<float>(slope);
    const auto o = static_cast<float>(at_first - slope * (static_cast<double>(first) - form_.za));
    for (const float try_offset : {o, beside(o, 1), beside(o, -1)}) {
      for (const float try_gain : {g, beside(g, 1), beside(g, -1)}) {
        if (!holds(codes, try_gain, try_gain, try_offset)) continue;
        gain = try_gain;
        offset = try_offset;
        return true;
      }
    }
    return false;
  }

  // Two lines through 0 at byte za.
  bool find_two(const FloatTable& of, const uint8_t* codes, float scale, float& gain, float& below) {
    const float over = slope_to(of, outermost(codes, 255), scale), under = slope_to(of, outermost(codes, 0), scale);
    for (const float try_below : {under, beside(under, 1), beside(under, -1)}) {
      for (const float try_gain : {over, beside(over, 1), beside(over, -1)}) {
        if (!holds(codes, try_gain, try_below, 0)) continue;
        gain = try_gain;
        below = try_below;
        return true;
      }
    }
    return false;
  }

 private:
  // Which bytes have codes between the smallest and the largest.
  static std::array<bool, 256> free_bytes(const uint8_t* codes) {
    const auto ends = std::minmax_element(codes, codes + 256);
    std::array<bool, 256> free;
    for (size_t b = 0; b < free.size(); ++b) free[b] = codes[b] != *ends.first && codes[b] != *ends.second;
    return free;
  }

  // The outermost bytes whose codes are not clamped; the middle where all are.
  static std::pair<size_t, size_t> inner(const uint8_t* codes) {
    const std::array<bool, 256> free = free_bytes(codes);
    size_t first = 0, last = 255;
    while (first < 255 && !free[first]) ++first;
    while (last > 0 && !free[last]) --last;
    if (first > last) return {0, std::all_of(codes, codes + 256, [&](uint8_t c) { return c == codes[0]; }) ? 0 : 255};
    return {first, last};
  }

  // The byte nearest to `end` whose code is not clamped, or the one beside za.
  [[nodiscard]] int outermost(const uint8_t* codes, int end) const {
    const std::array<bool, 256> free = free_bytes(codes);
    const int step = end > form_.za ? -1 : 1;
    int b = end;
    while (b != form_.za && b + step != form_.za && !free[static_cast<size_t>(b)]) b += step;
    return b;
  }

  [[nodiscard]] float slope_to(const FloatTable& of, int b, float scale) const {
    const double value = of.at[static_cast<size_t>(b)];
    return b == form_.za ? 0.0F : static_cast<float>(value / scale / (b - form_.za));
  }

  bool holds(const uint8_t* codes, float gain, float below, float offset) {
    gains_.fill(gain);
    below_.fill(below);
    offsets_.fill(offset);
    std::array<uint8_t, 256> got;
    ops_.gate(form_, {bytes_.data(), 0}, {got.data(), 0}, 256, 1);
    return std::equal(got.begin(), got.end(), codes);
  }

  const Ops& ops_;
  GateForm form_;
  std::array<uint8_t, 256> bytes_;
  std::array<float, 256> gains_, below_, offsets_;
};

bool find_lines(const std::vector<FloatTable>& of, const std::vector<uint8_t>& codes, float scale,
                ChannelLines& lines) {
  LineFinder finder(lines.form);
  lines.gain.resize(of.size());
  lines.offset.resize(of.size());
  for (size_t c = 0; c < of.size(); ++c) {
    if (!finder.find(of[c], &codes[c * 256], scale, lines.gain[c], lines.offset[c])) return false;
  }
  lines.form.gain = lines.gain.data();
  lines.form.offset = lines.offset.data();
  return true;
}

bool find_two_lines(const std::vector<FloatTable>& of, const std::vector<uint8_t>& codes, float scale,
                    ChannelLines& lines) {
  const auto all_zero = [&](size_t b) {
    return std::all_of(of.begin(), of.end(), [&](const FloatTable& f) { return f.at[b] == 0.0F; });
  };
  size_t za = 0;
  while (za < 256 && !all_zero(za)) ++za;
  if (za == 256) return false;
  lines.form.za = static_cast<int32_t>(za);
  LineFinder finder(lines.form);
  lines.gain.resize(of.size());
  lines.below.resize(of.size());
  for (size_t c = 0; c < of.size(); ++c) {
    if (!finder.find_two(of[c], &codes[c * 256], scale, lines.gain[c], lines.below[c])) return false;
  }
  lines.form.gain = lines.gain.data();
  lines.form.below = lines.below.data();
  return true;
}

}  // namespace

std::shared_ptr<const ChannelLines> lines_of(const std::vector<FloatTable>& of, const std::vector<uint8_t>& codes,
                                             const QuantizeTo& to) {
  auto lines = std::make_shared<ChannelLines>();
  const QuantizeForm clamps = to.form();
  const auto [least, most] = std::minmax_element(codes.begin(), codes.end());
  lines->form.zp = clamps.zp;
  lines->form.lo = static_cast<float>(*least - clamps.zp);
  lines->form.hi = static_cast<float>(*most - clamps.zp);
  const bool found = find_lines(of, codes, to.scale, *lines) || find_two_lines(of, codes, to.scale, *lines);
  return found ? lines : nullptr;
}

std::shared_ptr<const std::vector<float>> FormCache::exps(const Ops& ops, const FloatTable& of) const {
  std::string key;
  append(key, of.at);
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const std::vector<float>>& known = exps_[key];
  if (known == nullptr) {
    auto made = std::make_shared<std::vector<float>>(65536);
    make_softmax_exps(ops, of.at.data(), made->data());
    known = std::move(made);
  }
  return known;
}

}  // namespace octile::runtime
