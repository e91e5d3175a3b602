// The transforms of Winograd, every variant this machine runs against the portable one.
// In:  seeds.  Out: GoogleTest's verdict.
// Not here: whether the portable one is right (winograd_test.cpp, through whole convolutions).
#include "tests/unit/runtime/ops_variants.h"

namespace octile::runtime {
namespace {

using namespace test;  // NOLINT: the helpers of this folder

constexpr uint64_t kSeed = 20261127;

TEST(OpsWinograd, VariantsAgree) {
  Rng rng(kSeed);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 200; ++i) {
      const int m = i % 2 == 0 ? 2 : 4, side = m + 2;
      const int64_t c = rng.range(1, 70), whole = (c + 15) / 16 * 16, step = whole + rng.range(0, 9);
      const RowBytes pixels(rng, c + 15, side * side, c);
      WinogradWindow window{};
      for (int k = 0; k < side; ++k) {
        window.rows[k] = pixels.data() + k * side * c;
        window.columns[k] = k * c;
      }
      std::vector<int16_t> want(static_cast<size_t>(side * side * step)), got(want.size());
      kOpsPortable.winograd_read(m, window, c, want.data(), step);
      v.ops->winograd_read(m, window, c, got.data(), step);
      for (int64_t p = 0; p < side * side; ++p) {
        ASSERT_EQ(std::memcmp(&want[p * step], &got[p * step], static_cast<size_t>(whole) * 2), 0)
            << v.name << " " << i;
      }
      const int elements = i % 4 < 2 ? 16 : 32;
      const int64_t words = rng.range(1, 9), apart = words * elements + rng.range(0, 9);
      const RowBytes taps(rng, 9 * elements, words, 9 * elements);
      std::vector<int16_t> zero(static_cast<size_t>(elements));
      for (int16_t& z : zero) z = static_cast<int16_t>(rng.range(-128, 127));
      want.assign(static_cast<size_t>(side * side * apart), 0);
      got.assign(want.size(), 0);
      const auto* raw = reinterpret_cast<const int8_t*>(taps.data());
      kOpsPortable.winograd_filter(m, raw, zero.data(), words, elements, want.data(), apart);
      v.ops->winograd_filter(m, raw, zero.data(), words, elements, got.data(), apart);
      ASSERT_EQ(got, want) << v.name << " " << i;
      std::vector<int32_t> sums(static_cast<size_t>(side * side * step + 16)), bias(static_cast<size_t>(c + 15));
      std::vector<float> mult(bias.size());
      for (int32_t& s : sums) s = static_cast<int32_t>(rng.next());
      for (int32_t& b : bias) b = static_cast<int32_t>(rng.next());
      for (float& f : mult) f = std::min(odd_scale(rng) * 1e-6F, 0.9F);
      WinogradPost post{bias.data(), i % 3 == 0 ? nullptr : mult.data(), 0, 0, zero_point(rng)};
      draw_clamp(rng, post.zp, post.lo, post.hi);
      const int64_t pixel = c * (post.mult == nullptr ? 4 : 1);
      const RowBytes to(rng, pixel, m * m, pixel);
      std::vector<uint8_t> answer = to.bytes();
      WinogradTile tile{to.data(), m * pixel, pixel, rng.code(1, m), rng.code(1, m)};
      v.ops->winograd_write(m, post, sums.data(), step, c, tile);
      tile.data = answer.data();
      kOpsPortable.winograd_write(m, post, sums.data(), step, c, tile);
      ASSERT_EQ(to.bytes(), answer) << v.name << " " << i;
      ASSERT_TRUE(to.intact());
    }
  }
}

}  // namespace
}  // namespace octile::runtime
