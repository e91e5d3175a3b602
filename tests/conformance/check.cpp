// Compares an implementation with the oracle and counts what was covered.
// In:  ops with operands.  Out: differences, histograms as text.
// Not here: which implementation it is.
#include "tests/conformance/check.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "tests/support/guarded.h"
#include "workload/reference/reference.h"

namespace octile::testing {
namespace {

std::string element(const OpSpec& spec, const uint8_t* data, size_t index) {
  if (spec.dst == DType::u8) return std::to_string(data[index]);
  if (spec.dst == DType::s8) return std::to_string(static_cast<int8_t>(data[index]));
  char text[32];
  if (spec.dst == DType::s32) {
    int32_t v = 0;
    std::memcpy(&v, data + 4 * index, 4);
    return std::to_string(v);
  }
  float v = 0;
  std::memcpy(&v, data + 4 * index, 4);
  std::snprintf(text, sizeof text, "%a", static_cast<double>(v));
  return text;
}

std::string first_difference(const OpSpec& spec, const std::vector<uint8_t>& want, const uint8_t* got) {
  const auto size = static_cast<size_t>(size_of(spec.dst));
  size_t count = 0, first = 0;
  for (size_t i = want.size() / size; i-- > 0;) {
    if (std::memcmp(&want[i * size], got + i * size, size) != 0) {
      first = i;
      ++count;
    }
  }
  if (count == 0) return "";
  const auto channels = static_cast<size_t>(spec.channels());
  return std::to_string(count) + " of " + std::to_string(want.size() / size) + " outputs differ; first: point " +
         std::to_string(first / channels) + " channel " + std::to_string(first % channels) + " is " +
         element(spec, got, first) + ", oracle " + element(spec, want.data(), first);
}

std::string depth_bucket(int64_t k) {
  if (k < 10) return "   1-9";
  if (k < 64) return "  10-63";
  if (k < 256) return "  64-255";
  return k < 1024 ? " 256-1023" : "1024-";
}

}  // namespace

std::vector<uint8_t> expected(const OpSpec& spec, const Operands& operands) {
  std::vector<uint8_t> dst(operands.dst_bytes);
  const Status status = reference::run(spec, operands.quant, operands.src.data(), operands.wei.data(), dst.data());
  if (!status.ok()) std::fprintf(stderr, "%s: %s\n", to_key(spec).c_str(), status.to_string().c_str());
  OCTILE_CHECK(status.ok());  // operands are drawn valid
  return dst;
}

std::string difference(const OpSpec& spec, const Operands& operands, const std::vector<uint8_t>& want,
                       const Implementation& run) {
  Guarded src(operands.src), wei(operands.wei);
  src.freeze();
  wei.freeze();
  const Guarded dst(want.size());
  for (size_t i = 0; i < want.size(); ++i) dst.data()[i] = static_cast<uint8_t>(~want[i]);  // nothing is right yet
  const Status status = run(spec, operands.quant, src.data(), wei.data(), dst.data());
  if (!status.ok()) return status.to_string();
  if (!dst.canary_intact()) return "bytes before the destination were written";
  return first_difference(spec, want, dst.data());
}

OpSpec scaled_down(OpSpec s, int64_t macs) {
  const int64_t min_h = std::max<int64_t>(s.dh * (s.kh - 1) + 1 - s.pt - s.pb, 1);
  const int64_t min_w = std::max<int64_t>(s.dw * (s.kw - 1) + 1 - s.pl - s.pr, 1);
  const auto halve = [](int64_t& v, int64_t least) {
    const int64_t half = std::max((v + 1) / 2, least);
    const bool smaller = half < v;
    v = std::min(v, half);
    return smaller;
  };
  while (s.macs() > macs) {
    const bool smaller = s.kind == OpKind::conv2d
                             ? halve(s.mb, 1) || (s.ih > s.iw ? halve(s.ih, min_h) : halve(s.iw, min_w)) ||
                                   halve(s.ih, min_h) || halve(s.iw, min_w)
                             : (s.m > 3 && halve(s.m, 3)) || halve(s.mb, 1) || halve(s.m, 1);
    if (!smaller) break;
  }
  return s;
}

void Tally::add(const OpSpec& spec, uint64_t seed, const OpQuant& quant, const std::vector<uint8_t>& want) {
  std::string kind(octile::to_string(spec.kind));
  if (spec.kind == OpKind::conv2d) kind += spec.depthwise() ? " depthwise" : spec.g > 1 ? " grouped" : "";
  if (spec.wei_var) kind += " variable";
  ++histograms_["op"][kind];
  ++histograms_["trap"][std::string(to_string(trap_of(seed)))];
  std::string types = std::string(octile::to_string(spec.src)) + "->" + std::string(octile::to_string(spec.dst));
  ++histograms_["types"][types];
  ++histograms_["post"][std::string(octile::to_string(spec.post))];
  if (spec.macs() > 0) {
    const int64_t k = spec.kind == OpKind::conv2d ? spec.ic / spec.g * spec.kh * spec.kw : spec.k;
    ++histograms_["K"][depth_bucket(k)];
    std::string wei(octile::to_string(spec.wei));
    ++histograms_["weights"][wei + (spec.wei_zp ? " zp" : "") + (spec.wei_per_oc ? " per_oc" : "")];
  }
  if (size_of(spec.dst) != 1) return;
  for (uint8_t v : want) {
    const int32_t code = spec.dst == DType::s8 ? static_cast<int8_t>(v) : v;
    saturated_ += code <= quant.clamp_lo || code >= quant.clamp_hi;
  }
  outputs_ += static_cast<int64_t>(want.size());
}

void Tally::add_kernel(const std::string& target, const std::string& kernel) {
  ++kernels_[target + "  " + kernel];
  ++targets_[target];
}

double Tally::saturated_share() const {
  return outputs_ == 0 ? 0 : static_cast<double>(saturated_) / static_cast<double>(outputs_);
}

std::string Tally::text() const {
  std::string out;
  char line[256];
  for (const auto& [title, histogram] : histograms_) {
    int64_t total = 0;
    for (const auto& [name, count] : histogram) total += count;
    out += title + "\n";
    for (const auto& [name, count] : histogram) {
      const double share = 100.0 * static_cast<double>(count) / static_cast<double>(total);
      std::snprintf(line, sizeof line, "  %-22s %7lld  %5.1f%%\n", name.c_str(), static_cast<long long>(count), share);
      out += line;
    }
  }
  std::snprintf(line, sizeof line, "8-bit outputs at a clamp: %.1f%% of %lld\n", 100.0 * saturated_share(),
                static_cast<long long>(outputs_));
  out += line;
  if (!kernels_.empty()) out += "kernels (times chosen)\n";
  for (const auto& [name, count] : kernels_) {
    std::snprintf(line, sizeof line, "  %7lld  %s\n", static_cast<long long>(count), name.c_str());
    out += line;
  }
  return out;
}

}  // namespace octile::testing
