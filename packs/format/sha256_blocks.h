// SHA-256's inner loop with the CPU's own instructions, where it has them.
// In:  whole blocks of 64 bytes.  Out: the state after them.
// Not here: padding, the digest (sha256.cpp).
//
// A plan is mostly weights and every byte of it is hashed before it is believed, as are packs: at 0.3 GB/s, what
// portable code gives, that would be a noticeable share of a session's start.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octile::packs {

// Has this CPU the instructions (and is this a build for such CPUs)?
[[nodiscard]] bool has_sha256_blocks();
// Only where it has.
void sha256_blocks(uint32_t state[8], const uint8_t* data, size_t blocks);

}  // namespace octile::packs
