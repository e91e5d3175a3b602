// WeightsCache: packed weights as files in a folder, so that the next process maps what this one packed.
// In:  a folder that somebody named, content keys (op_cache.cpp), prepared ops.  Out: the same ops, from files.
// Not here: packing, when to look (op_cache.h).
//
// A file per op, named after its key, which tells everything its bytes depend on: packs, instruction set, op,
// quantization, weights. So files never go stale; those nobody asks for any more may be deleted at any time, as may the
// folder. Nothing that goes wrong here fails: what cannot be read or written is packed as ever, and complaint() says
// why.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "runtime/exec/prepared_op.h"

namespace octile::runtime {

class WeightsCache {
 public:
  // Makes the folder if need be, at the first file.
  explicit WeightsCache(std::string folder) : folder_(std::move(folder)) {}

  // `name`: SHA-256 of the key, in hex. Null where there is no good file.
  [[nodiscard]] std::unique_ptr<PreparedOp> find(const std::string& name, const KernelLibrary& library, Isa best,
                                                 const OpSpec& spec, const OpQuant& quant);
  [[nodiscard]] bool has(const std::string& name) const;
  void keep(const std::string& name, const PreparedOp& op);
  // What went wrong since the last call, the first of it; empty: nothing.
  [[nodiscard]] std::string complaint();

 private:
  [[nodiscard]] std::string path_of(const std::string& name) const;
  void complain(const Status& status);

  std::string folder_;
  std::mutex mutex_;
  std::string complaint_;
};

}  // namespace octile::runtime
