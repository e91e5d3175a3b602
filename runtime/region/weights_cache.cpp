// Files of packed weights, mapped.
// In/out: see weights_cache.h.  Not here: what an op saves (exec/), the frame of the file (packs/format/fields.h).
#include "runtime/region/weights_cache.h"

#include <cstring>
#include <filesystem>

#include "packs/format/atomic_file.h"
#include "packs/format/mapped_file.h"
#include "packs/format/quick_hash.h"

namespace octile::runtime {
namespace {

std::array<uint8_t, 32> hash(std::span<const uint8_t> bytes) {
  std::array<uint8_t, 32> out{};
  const std::array<uint64_t, 2> words = packs::quick_hash(bytes);
  std::memcpy(out.data(), words.data(), sizeof words);
  return out;
}

constexpr packs::FileFormat kFormat{
    .magic = "OCTWEIG1",
    .version = 2,
    .hash = hash,
    .hash_name = "hash",
    .noun = "file of packed weights",
    .cure = "the weights are packed again",
    .version_cure = "the weights are packed again",
};

}  // namespace

std::string WeightsCache::path_of(const std::string& name) const {
  return (std::filesystem::path(folder_) / (name.substr(0, 32) + ".octwei")).string();
}

void WeightsCache::complain(const Status& status) {
  const std::lock_guard lock(mutex_);
  if (complaint_.empty()) complaint_ = status.message();
}

std::string WeightsCache::complaint() {
  const std::lock_guard lock(mutex_);
  return std::exchange(complaint_, {});
}

std::unique_ptr<PreparedOp> WeightsCache::find(const std::string& name, const KernelLibrary& library, Isa best,
                                               const OpSpec& spec, const OpQuant& quant) {
  const std::string path = path_of(name);
  const auto load = [&]() -> Result<std::unique_ptr<PreparedOp>> {
    OCTILE_ASSIGN_OR_RETURN(const std::shared_ptr<const packs::MappedFile> file, packs::MappedFile::open(path));
    OCTILE_ASSIGN_OR_RETURN(packs::FieldReader reader, packs::FieldReader::open(file->bytes(), kFormat, path));
    std::string whose;
    reader.text(whose);
    if (whose != name) reader.fail("holds the weights of another op");
    return PreparedOp::restore(library, best, spec, quant, reader, file);
  };
  Result<std::unique_ptr<PreparedOp>> op = load();
  if (op.ok()) return std::move(*op);
  if (op.status().code() != Code::not_found) complain(op.status());
  return nullptr;
}

bool WeightsCache::has(const std::string& name) const {
  std::error_code error;
  return std::filesystem::exists(path_of(name), error);
}

void WeightsCache::keep(const std::string& name, const PreparedOp& op) {
  packs::FieldWriter writer;
  writer.text(name);
  if (!op.save(writer)) return;
  std::error_code error;
  std::filesystem::create_directories(folder_, error);  // what is wrong with it the file will say
  const std::vector<uint8_t> bytes = writer.finish(kFormat);
  const std::span<const uint8_t> all(bytes);
  if (const Status st = packs::write_file_atomically(path_of(name), std::span(&all, 1)); !st.ok()) complain(st);
}

}  // namespace octile::runtime
