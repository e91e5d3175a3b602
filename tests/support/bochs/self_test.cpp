// The Bochs harness, tested with a member written by hand: right kernels pass, each planted fault is named.
// In:  guest.bin, self_test_member.so.  Out: GoogleTest's verdict.
// Not here: kernels that ship (tests/conformance/bochs).
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <random>

#include "tests/support/bochs/bochs.h"
#include "tests/support/bochs/recorder.h"

namespace octile::testing {
namespace {

octile_buffer buffer(void* host, uint8_t code, uint8_t bits, octile_dim* dims, int rank) {
  octile_buffer b{};
  b.host = static_cast<uint8_t*>(host);
  b.type = {code, bits, 1};
  b.dim = dims;
  b.dimensions = rank;
  return b;
}

// A 3x3 convolution of a few pixels through `fn`, on random bytes.
int random_call(void* fn, std::mt19937& random, int channels, int run) {
  constexpr int kWide = 5;
  constexpr int kHigh = 4;
  const int padded = (run + 3) / 4 * 4;
  const int panels = (channels + 15) / 16;
  const int words = padded / 4 * 9;
  const int row = run * (kWide + 2);
  std::vector<uint8_t> src(static_cast<size_t>(row * (kHigh + 2) + 16));
  for (uint8_t& v : src) v = static_cast<uint8_t>(random());
  std::vector<int8_t> wei_storage(static_cast<size_t>(panels * words * 64 + 64));
  auto* wei = wei_storage.data() + (64 - reinterpret_cast<uintptr_t>(wei_storage.data()) % 64) % 64;
  for (int i = 0; i < panels * words * 64; ++i) {
    const bool padding = i / 64 % (padded / 4) * 4 + i % 4 >= run;
    wei[i] = padding ? int8_t{0} : static_cast<int8_t>(random());
  }
  std::vector<int32_t> bias(static_cast<size_t>(panels * 16));
  std::vector<float> mult(static_cast<size_t>(panels * 16));
  for (int32_t& v : bias) v = static_cast<int32_t>(random() % 20000) - 10000;
  for (float& v : mult) v = static_cast<float>(random() % 1000 + 1) * 1e-6F;
  std::vector<uint8_t> dst(static_cast<size_t>((channels + 3) * kWide * kHigh), 0xEE);

  octile_dim src_dims[] = {{0, padded, 1, 0}, {0, 3, run, 0}, {0, 3, row, 0}, {0, kWide, run, 0}, {0, kHigh, row, 0}};
  octile_dim wei_dims[] = {{0, 4, 1, 0}, {0, 16, 4, 0}, {0, words, 64, 0}, {0, panels, 64 * words, 0}};
  octile_dim per_channel[] = {{0, channels, 1, 0}};
  octile_dim dst_dims[] = {{0, channels, 1, 0}, {0, kWide, channels + 3, 0}, {0, kHigh, (channels + 3) * kWide, 0}};
  octile_buffer s = buffer(src.data(), 1, 8, src_dims, 5);
  octile_buffer w = buffer(wei, 0, 8, wei_dims, 4);
  octile_buffer b = buffer(bias.data(), 0, 32, per_channel, 1);
  octile_buffer m = buffer(mult.data(), 2, 32, per_channel, 1);
  octile_buffer d = buffer(dst.data(), 1, 8, dst_dims, 3);
  const int rc = reinterpret_cast<octile_dot_fn>(fn)(&s, &w, &b, &m, -7.0F, 248.0F, 7, &d);
  EXPECT_EQ(dst[static_cast<size_t>(channels)], 0xEE) << "gaps of the destination stay as they are";
  return rc;
}

Result<ReplayResult> replay(const std::string& kernel, int calls) {
  std::mt19937 random(17);
  Recorder recorder;
  packs::KernelEntry entry;
  entry.name = kernel;
  entry.family = "dot";
  void* fn = recorder.function_for(entry);
  for (int i = 0; i < calls; ++i) {
    recorder.begin_operation(static_cast<uint32_t>(i));
    EXPECT_EQ(random_call(fn, random, 1 + static_cast<int>(random() % 40), 1 + static_cast<int>(random() % 20)), 0);
  }
  EXPECT_EQ(recorder.calls_of(0), calls);
  std::ifstream file(OCTILE_SELF_TEST_MEMBER, std::ios::binary);
  const std::vector<uint8_t> member(std::istreambuf_iterator<char>(file), {});
  return replay_on_bochs(OCTILE_BOCHS_GUEST, member, recorder.blob(), 120);
}

TEST(Bochs, ARightKernelPasses) {
  const auto result = replay("self_dot", 200);
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  EXPECT_EQ(result->bad, 0) << result->text;
  EXPECT_EQ(result->calls, 200);
}

TEST(Bochs, WrongBytesCanariesAndReturnCodesAreSeen) {
  for (const char* kernel : {"self_dot_wrong", "self_dot_beyond", "self_dot_code"}) {
    const auto result = replay(kernel, 3);
    ASSERT_TRUE(result.ok()) << result.status().to_string();
    EXPECT_EQ(result->bad, 3) << result->text;
    EXPECT_NE(result->text.find("first bad kernel=" + std::string(kernel) + " call=0"), std::string::npos)
        << result->text;
  }
}

TEST(Bochs, ExceptionsNameTheKernel) {
  for (const char* kernel : {"self_dot_zen4", "self_dot_unaligned"}) {
    const auto result = replay(kernel, 1);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), Code::crashed);
    EXPECT_NE(result.status().message().find(std::string("kernel=") + kernel), std::string::npos)
        << result.status().message();
  }
}

TEST(Bochs, AMissingKernelIsNamed) {
  const auto result = replay("self_dot_that_is_not_there", 1);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.status().message().find("no symbol self_dot_that_is_not_there"), std::string::npos);
}

}  // namespace
}  // namespace octile::testing
