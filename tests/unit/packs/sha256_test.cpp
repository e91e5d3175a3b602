// SHA-256: the standard's examples, and both implementations against each other at every length around a block.
// In:  bytes.  Out: assertions.
// Not here: what is hashed.
#include "packs/format/sha256.h"

#include <gtest/gtest.h>
#include <sodium/crypto_hash_sha256.h>

#include <random>
#include <vector>

namespace octile::packs {
namespace {

TEST(Sha256, ExamplesOfTheStandard) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, EqualsThePortableOneAtEveryLength) {
  std::mt19937 random(5);
  std::vector<uint8_t> bytes(5000);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(random());
  for (size_t size = 0; size < 400; ++size) {
    const size_t from = random() % 64;  // any alignment
    const std::span<const uint8_t> part = std::span(bytes).subspan(from, size % 2 == 0 ? size : size * 11);
    std::array<uint8_t, 32> wanted{};
    crypto_hash_sha256(wanted.data(), part.data(), part.size());
    EXPECT_EQ(sha256(part), wanted) << size;
  }
}

}  // namespace
}  // namespace octile::packs
