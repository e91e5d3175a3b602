// The table behind shared_op: keys are content, values do not keep ops alive.
// In/out: see op_cache.h.  Not here: packing.
// Weights enter the key as two independent 64-bit hashes and their length; everything else enters as it is.
#include "runtime/region/op_cache.h"

#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "runtime/region/key.h"

namespace octile::runtime {
namespace {

// Two independent hashes in one pass: multiply-and-shift over four interleaved streams of 8-byte words each, so that
// the latency of one multiplication hides behind the others.
std::array<uint64_t, 2> hash_bytes(const uint8_t* data, size_t size) {
  constexpr size_t kStreams = 4, kStep = kStreams * sizeof(uint64_t);
  constexpr std::array<uint64_t, 2> kFactors{0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53};
  std::array<std::array<uint64_t, kStreams>, 2> h{};
  for (size_t k = 0; k < kStreams; ++k) {
    h[0][k] = 0x9E3779B97F4A7C15 * (k + 1) ^ size;
    h[1][k] = 0xC2B2AE3D27D4EB4F * (k + 1) ^ size;
  }
  const auto mix = [&](const std::array<uint64_t, kStreams>& words) {
    for (size_t which = 0; which < 2; ++which) {
      for (size_t k = 0; k < kStreams; ++k) {
        uint64_t v = (h[which][k] ^ words[k]) * kFactors[which];
        h[which][k] = v ^ (v >> 29);
      }
    }
  };
  std::array<uint64_t, kStreams> words{};
  size_t at = 0;
  for (; at + kStep <= size; at += kStep) {
    std::memcpy(words.data(), data + at, kStep);
    mix(words);
  }
  words.fill(0);
  if (at < size) std::memcpy(words.data(), data + at, size - at);
  mix(words);
  std::array<uint64_t, 2> out{};
  for (size_t which = 0; which < 2; ++which) {
    for (size_t k = 0; k < kStreams; ++k) {
      out[which] = (out[which] ^ h[which][k]) * kFactors[1 - which];
      out[which] ^= out[which] >> 32;
    }
  }
  return out;
}

std::string content_key(const KernelLibrary& library, Isa best, const OpSpec& spec, const OpQuant& quant,
                        const uint8_t* wei, size_t wei_bytes) {
  std::string key = to_key(spec);
  append(key, &library);
  append(key, library.kernels().size());
  append(key, best);
  append(key, quant.src_scale);
  append(key, quant.src_zp);
  append(key, quant.wei_scale);
  append(key, quant.wei_zp);
  append(key, quant.dst_scale);
  append(key, quant.dst_zp);
  append(key, quant.clamp_lo);
  append(key, quant.clamp_hi);
  append(key, quant.bias);
  append(key, wei_bytes);
  append(key, hash_bytes(wei, wei_bytes));
  return key;
}

struct Table {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<const PreparedOp>> ops;
};

}  // namespace

Result<std::shared_ptr<const PreparedOp>> shared_op(const KernelLibrary& library, Isa best, const OpSpec& spec,
                                                    const OpQuant& quant, const uint8_t* wei, size_t wei_bytes) {
  static Table table;
  const std::string key = content_key(library, best, spec, quant, wei, wei_bytes);
  {
    const std::lock_guard lock(table.mutex);
    const auto found = table.ops.find(key);
    if (found != table.ops.end()) {
      if (std::shared_ptr<const PreparedOp> op = found->second.lock(); op != nullptr) return op;
    }
  }
  OCTILE_ASSIGN_OR_RETURN(std::unique_ptr<PreparedOp> made, PreparedOp::prepare(library, best, spec, quant, wei));
  std::shared_ptr<const PreparedOp> op = std::move(made);
  const std::lock_guard lock(table.mutex);
  std::erase_if(table.ops, [](const auto& entry) { return entry.second.expired(); });
  table.ops[key] = op;
  return op;
}

}  // namespace octile::runtime
