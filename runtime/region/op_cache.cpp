// The table behind shared_op: keys are content, values do not keep ops alive.
// In/out: see op_cache.h.  Not here: packing.
// Weights enter the key as two independent 64-bit hashes and their length; everything else enters as it is.
#include "runtime/region/op_cache.h"

#include <cstring>
#include <map>
#include <mutex>
#include <string>

namespace octile::runtime {
namespace {

// Multiply-and-rotate over 8-byte words; the seeds make the two hashes independent.
uint64_t hash_bytes(const uint8_t* data, size_t size, uint64_t seed, uint64_t factor) {
  uint64_t h = seed ^ (size * factor);
  for (size_t i = 0; i < size; i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, data + i, size - i < 8 ? size - i : 8);
    h = (h ^ word) * factor;
    h ^= h >> 29;
  }
  return h ^ (h >> 32);
}

template <class T>
void append(std::string& key, const T& value) {
  key.append(reinterpret_cast<const char*>(&value), sizeof value);  // NOLINT(bugprone-sizeof-expression)
}

template <class T>
void append(std::string& key, const std::vector<T>& values) {
  append(key, values.size());
  if (!values.empty()) key.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
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
  append(key, hash_bytes(wei, wei_bytes, 0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD));
  append(key, hash_bytes(wei, wei_bytes, 0xC2B2AE3D27D4EB4F, 0xC4CEB9FE1A85EC53));
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
