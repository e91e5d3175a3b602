// Tables by evaluation of every byte, or pair of bytes.
// In/out: see functions.h.  Not here: vector code (runtime/exec/ops).
#include "runtime/region/functions.h"

#include "runtime/region/key.h"

namespace octile::runtime {

uint8_t QuantizeTo::operator()(float v) const {
  return static_cast<uint8_t>(quantize_onnx_rne(v, scale, zp, lo, hi) + (is_signed ? 128 : 0));
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

FloatFn map_table(const FloatTable& of, const std::function<float(float)>& f) {
  auto out = std::make_shared<FloatTable>();
  for (size_t b = 0; b < 256; ++b) out->at[b] = f(of.at[b]);
  return out;
}

ByteFn byte_table(const std::function<uint8_t(int)>& f) {
  auto out = std::make_shared<ByteTable>();
  bool identity = true;
  for (int b = 0; b < 256; ++b) {
    (*out)[static_cast<size_t>(b)] = f(b);
    identity = identity && (*out)[static_cast<size_t>(b)] == b;
  }
  return identity ? nullptr : ByteFn(std::move(out));
}

ByteFn compose(const ByteFn& f, const ByteFn& g) {
  if (f == nullptr) return g;
  if (g == nullptr) return f;
  return byte_table([&](int b) { return (*g)[(*f)[static_cast<size_t>(b)]]; });
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

std::shared_ptr<const std::vector<float>> list_of(const FloatTable& of) {
  return std::make_shared<const std::vector<float>>(of.at.begin(), of.at.end());
}

Meaning meaning_of(const FloatTable& of) { return {of.scale, of.zp, of.affine ? nullptr : of.at.data()}; }

float PairFunction::operator()(int i, int j) const {
  float v = binary(kind, a->at[static_cast<size_t>(i)], b->at[static_cast<size_t>(j)]);
  for (const Unary& f : then) v = f(v);
  return v;
}

namespace {

std::string key_of(const PairFunction& f, const QuantizeTo& to) {
  std::string key;
  append(key, f.kind);
  append(key, f.a->at);
  append(key, f.b->at);
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
  for (size_t k = 0; k < pairs->size(); ++k) (*pairs)[k] = to(f(static_cast<int>(k / 256), static_cast<int>(k % 256)));
  Entry entry;
  entry.form = prove_binary(pairs->data(), hint_of(f, to));
  if (entry.form.kind == BinaryKind::pairs) {
    entry.pairs = std::move(pairs);
    entry.form.pairs = entry.pairs->data();
  }
  return entries_.emplace(key, std::move(entry)).first->second;
}

std::shared_ptr<const std::vector<float>> FormCache::exps(const FloatTable& of) const {
  std::string key;
  append(key, of.at);
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const std::vector<float>>& known = exps_[key];
  if (known == nullptr) {
    auto made = std::make_shared<std::vector<float>>(65536);
    make_softmax_exps(of.at.data(), made->data());
    known = std::move(made);
  }
  return known;
}

}  // namespace octile::runtime
