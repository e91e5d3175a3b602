// The table behind shared_op: keys are content, values do not keep ops alive.
// In/out: see op_cache.h.  Not here: packing.
// Weights enter the key as a hash of 128 bits and their length; everything else enters as it is.
#include "runtime/region/op_cache.h"

#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "packs/format/quick_hash.h"
#include "packs/format/sha256.h"
#include "runtime/region/key.h"
#include "runtime/region/weights_cache.h"

namespace octile::runtime {
namespace {

// All that the packed weights depend on but the library.
std::string content_key(Isa best, const OpSpec& spec, const OpQuant& quant, const uint8_t* wei, size_t wei_bytes) {
  std::string key = to_key(spec);
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
  append(key, packs::quick_hash({wei, wei_bytes}));
  return key;
}

struct Table {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<const PreparedOp>> ops;
};

}  // namespace

Result<std::shared_ptr<const PreparedOp>> shared_op(const KernelLibrary& library, Isa best, const OpSpec& spec,
                                                    const OpQuant& quant, const uint8_t* wei, size_t wei_bytes,
                                                    WeightsCache* files) {
  static Table table;
  const std::string content = content_key(best, spec, quant, wei, wei_bytes);
  std::string key = content;
  append(key, &library);
  append(key, library.kernels().size());
  if (library.identity().empty()) files = nullptr;
  const std::string name = files == nullptr ? "" : packs::sha256_hex(library.identity() + content);
  std::shared_ptr<const PreparedOp> held;
  {
    const std::lock_guard lock(table.mutex);
    if (const auto found = table.ops.find(key); found != table.ops.end()) held = found->second.lock();
  }
  if (held != nullptr) {
    if (files != nullptr && !files->has(name)) files->keep(name, *held);
    return held;
  }
  std::unique_ptr<PreparedOp> made = files == nullptr ? nullptr : files->find(name, library, best, spec, quant);
  if (made == nullptr) {
    OCTILE_ASSIGN_OR_RETURN(made, PreparedOp::prepare(library, best, spec, quant, wei));
    if (files != nullptr) files->keep(name, *made);
  }
  std::shared_ptr<const PreparedOp> op = std::move(made);
  const std::lock_guard lock(table.mutex);
  std::erase_if(table.ops, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<const PreparedOp>& known = table.ops[key];
  // Another thread may have packed the same meanwhile.
  if (std::shared_ptr<const PreparedOp> other = known.lock(); other != nullptr) return other;
  known = op;
  return op;
}

}  // namespace octile::runtime
