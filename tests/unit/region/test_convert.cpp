// Conversions against one-line loops: every kind, every layout, every instruction set, odd extents, borders.
// In:  drawn tensors.  Out: verdicts, bytes outside the destination included.
// Not here: regions.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "region_kit.h"
#include "runtime/region/convert.h"

namespace octile::runtime {
namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::x86_64_v2, Isa::avx2, Isa::avx512vnni};

// A tensor in memory with room around it.
struct Memory {
  std::vector<uint8_t> bytes;
  View view;
  [[nodiscard]] size_t at(int64_t n, int64_t y, int64_t x, int64_t c) const {
    const int64_t e = n * view.stride_n + y * view.stride_y + x * view.stride_x + c * view.stride_c;
    return static_cast<size_t>(static_cast<const uint8_t*>(view.data) - bytes.data()) +
           static_cast<size_t>(e * size_of(view.type));
  }
};

Memory allocate(View view, int64_t elements, int64_t origin) {
  Memory m;
  m.bytes.assign(static_cast<size_t>((elements + 64) * size_of(view.type)), 0x5A);
  m.view = view;
  m.view.data = m.bytes.data() + origin * size_of(view.type);
  return m;
}

Memory planar(int64_t n, int64_t c, int64_t h, int64_t w, DType type) {
  return allocate(planar_view(n, c, h, w, type), n * c * h * w, 0);
}

Memory pixels(int64_t n, int64_t c, int64_t h, int64_t w, DType type, int64_t pad) {
  const int64_t line = (w + 2 * pad) * c, image = (h + 2 * pad) * line;
  return allocate({nullptr, n, h, w, c, image, line, c, 1, type}, n * image, pad * line + pad * c);
}

void draw(Memory& m, std::mt19937& random) {
  std::normal_distribution<float> normal(0.0F, 3.0F);
  for (size_t i = 0; i < m.bytes.size(); i += static_cast<size_t>(size_of(m.view.type))) {
    if (m.view.type == DType::f32) {
      const auto kind = static_cast<uint32_t>(random() % 16);
      const float f = kind == 0   ? std::nanf("")
                      : kind == 1 ? INFINITY
                      : kind == 2 ? -1e30F
                      : kind < 6  ? 0.01F * static_cast<float>(random() % 600) - 3.0F
                                  : normal(random);
      std::memcpy(&m.bytes[i], &f, sizeof f);
    } else if (m.view.type == DType::s32) {
      const auto q = static_cast<uint32_t>(random() % 8 == 0 ? random() : random() % 4000 - 2000);
      std::memcpy(&m.bytes[i], &q, sizeof q);
    } else {
      m.bytes[i] = static_cast<uint8_t>(random());
    }
  }
}

// One element by the normative formulas.
void element(const ConvertOp& op, const uint8_t* from, DType src, int64_t c, uint8_t* to, DType dst) {
  const auto code = [&] {
    int32_t v = 0;
    if (src == DType::s32) {
      std::memcpy(&v, from, sizeof v);
      return v;
    }
    const bool stored = op.src == DType::s8 && src == DType::u8;
    v = src == DType::s8 ? static_cast<int8_t>(*from) : *from;
    return stored ? v - 128 : v;
  };
  const auto put = [&](int32_t q) {
    *to = static_cast<uint8_t>(op.dst == DType::s8 && dst == DType::u8 ? q + 128 : q);
  };
  if (op.copy) {
    std::memcpy(to, from, static_cast<size_t>(size_of(src)));
    if ((src == DType::s8) != (dst == DType::s8)) *to ^= 0x80;
  } else if (op.kind == OpKind::quantize) {
    float f = 0;
    std::memcpy(&f, from, sizeof f);
    put(quantize_onnx_rne(f, op.scale, op.dst_zp, op.lo, op.hi));
  } else if (op.kind == OpKind::dequantize) {
    const float f = dequantize(code(), op.scale, op.src_zp);
    std::memcpy(to, &f, sizeof f);
  } else {
    const float mult = op.mult.size() == 1 ? op.mult[0] : op.mult[static_cast<size_t>(c)];
    const auto acc = static_cast<int32_t>(static_cast<uint32_t>(code()) - static_cast<uint32_t>(op.src_zp));
    put(requantize_f32_rne(acc, mult, op.dst_zp, op.lo, op.hi));
  }
}

// Bytes of the destination must be right; bytes past it (not its border, which is filled later) untouched.
void compare(const ConvertOp& op, const Memory& src, Memory dst, Isa isa, const Parallel& parallel, bool border) {
  Memory want = dst;
  const View& v = want.view;
  const auto origin = static_cast<size_t>(static_cast<const uint8_t*>(dst.view.data) - dst.bytes.data());
  for (int64_t n = 0; n < v.n; ++n)
    for (int64_t y = 0; y < v.h; ++y)
      for (int64_t x = 0; x < v.w; ++x)
        for (int64_t c = 0; c < v.c; ++c) {
          const int64_t e = n * v.stride_n + y * v.stride_y + x * v.stride_x + c * v.stride_c;
          element(op, &src.bytes[src.at(n, y, x, c)], src.view.type, c,
                  &want.bytes[origin + static_cast<size_t>(e * size_of(v.type))], v.type);
        }
  convert(op, src.view, dst.view, isa, parallel);
  if (!border) {
    ASSERT_EQ(dst.bytes, want.bytes);
    return;
  }
  for (int64_t n = 0; n < v.n; ++n)
    for (int64_t y = 0; y < v.h; ++y) {
      const size_t at = origin + static_cast<size_t>((n * v.stride_n + y * v.stride_y) * size_of(v.type));
      const auto bytes = static_cast<size_t>(v.w * v.c * size_of(v.type));
      ASSERT_EQ(std::memcmp(&dst.bytes[at], &want.bytes[at], bytes), 0) << "image " << n << " row " << y;
    }
  ASSERT_TRUE(
      std::equal(dst.bytes.end() - 64 * size_of(v.type), dst.bytes.end(), want.bytes.end() - 64 * size_of(v.type)));
}

ConvertOp make_op(int kind, DType src, DType dst, int64_t c, std::mt19937& random) {
  ConvertOp op;
  op.copy = kind == 0;
  op.src = src;
  op.dst = dst;
  op.kind = kind == 1 ? OpKind::quantize : kind == 2 ? OpKind::dequantize : OpKind::requantize;
  op.scale = 0.02F;
  const auto zp_of = [&](DType t) { return static_cast<int32_t>(random() % 256) + qmin_of(t); };
  op.src_zp = src == DType::s32 ? static_cast<int32_t>(random() % 3) : zp_of(src);
  op.dst_zp = dst == DType::f32 ? 0 : zp_of(dst);
  op.lo = qmin_of(dst) + static_cast<int32_t>(random() % 3);
  op.hi = qmax_of(dst) - static_cast<int32_t>(random() % 3);
  const auto factors = static_cast<size_t>(random() % 2 == 0 ? 1 : c);
  for (size_t i = 0; i < factors; ++i) op.mult.push_back(0.05F + 0.01F * static_cast<float>(random() % 200));
  return op;
}

// `kind`: 0 copy, 1 quantize, 2 dequantize, 3 requantize.
void try_all_layouts(int kind, DType src, DType dst, uint32_t seed) {
  std::mt19937 random(seed);
  constexpr int64_t kChannels[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  12,  15,  16,
                                   17, 20, 24, 31, 32, 33, 40, 48, 64, 100, 112, 130};
  for (int trial = 0; trial < 40; ++trial) {
    const int64_t n = 1 + static_cast<int64_t>(random() % 2);
    const int64_t c = kChannels[random() % std::size(kChannels)];
    const int64_t h = random() % 3 == 0 ? 1 : 1 + static_cast<int64_t>(random() % 13);
    const int64_t w = random() % 5 == 0 ? 1 : 1 + static_cast<int64_t>(random() % 41);
    const int64_t pad = static_cast<int64_t>(random() % 3);
    const ConvertOp op = make_op(kind, src, dst, c, random);
    const Isa isa = kIsas[random() % 4];
    const Parallel parallel = random() % 4 == 0 ? test::test_threads(2) : Parallel{};
    const auto inside = [](DType t) { return t == DType::s8 ? DType::u8 : t; };
    SCOPED_TRACE("seed " + std::to_string(seed) + " trial " + std::to_string(trial) + " n" + std::to_string(n) + " c" +
                 std::to_string(c) + " h" + std::to_string(h) + " w" + std::to_string(w) + " pad" +
                 std::to_string(pad) + " isa" + std::to_string(static_cast<int>(isa)));
    Memory host = planar(n, c, h, w, src), tensor = pixels(n, c, h, w, inside(src), pad);
    draw(host, random);
    draw(tensor, random);
    compare(op, host, pixels(n, c, h, w, inside(dst), pad), isa, parallel, true);
    compare(op, tensor, planar(n, c, h, w, dst), isa, parallel, false);
    compare(op, tensor, pixels(n, c, h, w, inside(dst), pad), isa, parallel, true);
    compare(op, host, planar(n, c, h, w, dst), isa, parallel, false);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(Convert, Copies) {
  try_all_layouts(0, DType::u8, DType::u8, 1);
  try_all_layouts(0, DType::s8, DType::s8, 2);
  try_all_layouts(0, DType::s32, DType::s32, 3);
  try_all_layouts(0, DType::f32, DType::f32, 4);
}
TEST(Convert, Quantizes) {
  try_all_layouts(1, DType::f32, DType::u8, 5);
  try_all_layouts(1, DType::f32, DType::s8, 6);
}
TEST(Convert, Dequantizes) {
  try_all_layouts(2, DType::u8, DType::f32, 7);
  try_all_layouts(2, DType::s8, DType::f32, 8);
}
TEST(Convert, Requantizes) {
  uint32_t seed = 9;
  for (DType src : {DType::u8, DType::s8, DType::s32}) {
    for (DType dst : {DType::u8, DType::s8}) try_all_layouts(3, src, dst, seed++);
  }
}

TEST(Convert, LargeTensorsOnThreads) {
  std::mt19937 random(77);
  for (const auto& [c, h, w] : {std::tuple{300, 7, 7},
                                {200, 32, 32},
                                {17, 90, 91},
                                {3, 200, 301},
                                {3, 5, 1100},
                                {4, 9, 530},
                                {130, 40, 41},
                                {1, 400, 400}}) {
    SCOPED_TRACE("c" + std::to_string(c) + " w" + std::to_string(w));
    Memory host = planar(2, c, h, w, DType::s8), real = planar(1, c, h, w, DType::f32);
    Memory tensor = pixels(2, c, h, w, DType::u8, 1);
    draw(host, random);
    draw(real, random);
    draw(tensor, random);
    for (Isa isa : {Isa::portable, Isa::avx2, Isa::avx512vnni}) {
      const Parallel threads = test::test_threads(2);
      const ConvertOp copy = make_op(0, DType::s8, DType::s8, c, random);
      compare(copy, host, pixels(2, c, h, w, DType::u8, 1), isa, threads, true);
      compare(copy, tensor, planar(2, c, h, w, DType::s8), isa, threads, false);
      compare(make_op(1, DType::f32, DType::s8, c, random), real, pixels(1, c, h, w, DType::u8, 2), isa, threads, true);
      compare(make_op(2, DType::s8, DType::f32, c, random), tensor, planar(2, c, h, w, DType::f32), isa, threads,
              false);
    }
  }
}

TEST(Convert, BorderIsFilledAndNothingElse) {
  for (int pads = 0; pads < 16; ++pads) {
    Tensor t;
    t.n = 2;
    t.h = 3;
    t.w = 4;
    t.c = 5;
    t.pad_t = pads & 1;
    t.pad_l = pads >> 1 & 1;
    t.pad_b = pads >> 2 & 1 ? 2 : 0;
    t.pad_r = pads >> 3 & 1 ? 3 : 0;
    t.stride_x = 5;
    t.stride_y = (t.w + t.pad_l + t.pad_r) * 5;
    t.stride_n = (t.h + t.pad_t + t.pad_b) * t.stride_y;
    const auto size = static_cast<size_t>(2 * t.stride_n);
    std::vector<uint8_t> bytes(size + 2, 1);
    t.data = bytes.data() + 1 + t.pad_t * t.stride_y + t.pad_l * 5;
    fill_border(t, 9);
    size_t filled = 0;
    for (int64_t n = 0; n < t.n; ++n)
      for (int64_t y = 0; y < t.h; ++y)
        for (int64_t i = 0; i < t.w * 5; ++i) EXPECT_EQ(t.data[n * t.stride_n + y * t.stride_y + i], 1);
    for (uint8_t b : bytes) filled += b == 9 ? 1 : 0;
    EXPECT_EQ(filled, size - 2 * 3 * 4 * 5);
    EXPECT_EQ(bytes.front(), 1);
    EXPECT_EQ(bytes.back(), 1);
  }
}

}  // namespace
}  // namespace octile::runtime
