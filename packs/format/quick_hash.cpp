// XXH3, compiled in; see quick_hash.h.
// In:  bytes.  Out: the halves of a hash.  Not here: SHA-256.
#include "packs/format/quick_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace octile::packs {

std::array<uint64_t, 2> quick_hash(std::span<const uint8_t> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

}  // namespace octile::packs
