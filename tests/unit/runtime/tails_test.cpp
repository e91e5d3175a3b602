// Tails on crops against the same steps as passes over the finished tensor, and pitched tensors against dense ones.
// In:  seeded ops, tails, strides.  Out: equal bytes, nothing written between or around pixels.
// Not here: what the forms compute (ops), kernels of packs.
#include "runtime/exec/tails.h"

#include <gtest/gtest.h>

#include <array>

#include "runtime/exec/padded.h"
#include "runtime/exec/prepared_op.h"
#include "tests/unit/runtime/random_op.h"
#include "tests/unit/runtime/striped_host.h"

namespace octile::runtime {
namespace {

constexpr uint64_t kSeed = 20261127;
constexpr int kThreads = 3;

// A tensor with halo and gaps of its own, every byte of the memory `fill`.
struct Held {
  std::vector<uint8_t> bytes;
  Tensor t;
  Held(const Tensor& shape, int64_t halo, int64_t pitch, uint8_t fill) : t(shape) {
    t.stride_x = t.c + pitch;
    t.stride_y = (t.w + 2 * halo) * t.stride_x;
    t.stride_n = (t.h + 2 * halo) * t.stride_y;
    t.slack = 64;
    bytes.assign(static_cast<size_t>(t.n * t.stride_n + 64), fill);
    t.data = bytes.data() + halo * (t.stride_y + t.stride_x);
  }
  [[nodiscard]] uint8_t& at(int64_t n, int64_t y, int64_t x, int64_t c) const {
    return t.data[n * t.stride_n + y * t.stride_y + x * t.stride_x + c];
  }
};

struct Tables {
  std::array<uint8_t, 256> table{}, after{};
  std::vector<uint8_t> pairs = std::vector<uint8_t>(65536);
  explicit Tables(test::RandomOps& ops) {
    for (uint8_t& v : table) v = static_cast<uint8_t>(ops.pick(0, 255));
    for (uint8_t& v : after) v = static_cast<uint8_t>(ops.pick(0, 255));
    for (uint8_t& v : pairs) v = static_cast<uint8_t>(ops.pick(0, 255));
  }
};

// The same steps, each a pass over all elements.
void slow(const Tail& tail, const Held& dst) {
  const Tensor& t = dst.t;
  for (int64_t n = 0; n < t.n; ++n) {
    for (int64_t y = 0; y < t.h; ++y) {
      for (int64_t x = 0; x < t.w; ++x) {
        for (int64_t c = 0; c < t.c; ++c) {
          uint8_t& q = dst.at(n, y, x, c);
          const Tensor& o = tail.other;
          if (tail.kind == Tail::Kind::copy) {
            const uint8_t copied = tail.table == nullptr ? q : tail.table[q];
            const int64_t at = c - tail.channel;
            if (at >= 0 && at < o.c) o.data[n * o.stride_n + y * o.stride_y + x * o.stride_x + at] = copied;
            continue;
          }
          const bool gate = tail.kind != Tail::Kind::binary;
          uint8_t b = 0;
          if (o.data != nullptr) {
            b = o.data[(o.n == 1 ? 0 : n) * o.stride_n + (gate ? 0 : y * o.stride_y + x * o.stride_x) + c];
          }
          if (tail.kind == Tail::Kind::table) {
            q = tail.table[q];
          } else if (tail.kind == Tail::Kind::line) {
            const float product = static_cast<float>(q - tail.line.za) * tail.line.gain[c];
            const float v = tail.line.offset == nullptr ? product : product + tail.line.offset[c];
            q = static_cast<uint8_t>(requantize_f32_rne(1, v, tail.line.zp, 0, 255));
          } else {
            const int first = tail.other_first ? b : q, second = tail.other_first ? q : b;
            q = tail.form.pairs[first * 256 + second];
            if (tail.form.after != nullptr) q = tail.form.after[q];
          }
        }
      }
    }
  }
}

class Tails : public ::testing::Test {
 protected:
  // Runs c with random tails into tensors of random strides, on one thread and on three.
  void expect_equal(const test::OpCase& c) {
    const KernelLibrary library;
    const void* wei = c.spec.wei_var ? nullptr : c.wei.data();
    const auto op = PreparedOp::prepare(library, Isa::portable, c.spec, c.quant, wei);
    ASSERT_TRUE(op.ok()) << op.status().to_string();
    Tensor source;
    const AlignedBytes memory = padded_source(c.spec, c.quant, c.src.data(), &source);
    std::vector<uint8_t> raw(static_cast<size_t>(c.spec.dst_elements()));
    const Tensor shape = dense_destination(c.spec, raw.data());
    const int64_t halo = ops_.pick(0, 1), pitch = ops_.coin() ? ops_.pick(0, 40) : 0;
    const Held want(shape, halo, pitch, 0x5A);
    const bool gapless = contiguous(source) && contiguous(want.t), apart = pitched(want.t);
    SCOPED_TRACE(to_key(c.spec) + " halo " + std::to_string(halo) + " pitch " + std::to_string(pitch));

    const Tables tables(ops_);
    Held other(shape, ops_.pick(0, 1), ops_.coin() ? 5 : 0, 0);
    fill(other);
    Tensor pixel = shape;
    pixel.h = pixel.w = 1;
    if (ops_.coin()) pixel.n = 1;
    Held gate(pixel, 0, 0, 0);
    fill(gate);
    const int64_t copy_halo = ops_.pick(0, 1), copy_pitch = ops_.coin() ? 7 : 0;
    const int64_t copied = ops_.pick(0, shape.c - 1);
    Tensor part = shape;
    part.c = ops_.pick(1, shape.c - copied);
    const Held want_copy(part, copy_halo, copy_pitch, 0x3C);
    std::vector<float> gain(static_cast<size_t>(shape.c)), offset(static_cast<size_t>(shape.c));
    for (float& g : gain) g = static_cast<float>(ops_.pick(-100, 300)) * 0.01F;
    for (float& o : offset) o = static_cast<float>(ops_.pick(-1000, 1000)) * 0.1F;
    std::vector<Tail> tails(static_cast<size_t>(ops_.pick(1, 4)));
    for (Tail& t : tails) {
      t.kind = static_cast<Tail::Kind>(ops_.pick(0, 4));
      t.table = tables.table.data();
      t.form.pairs = tables.pairs.data();
      t.form.after = ops_.coin() ? tables.after.data() : nullptr;
      t.other_first = ops_.coin();
      if (t.kind == Tail::Kind::binary) t.other = other.t;
      if (t.kind == Tail::Kind::gate) t.other = gate.t;
      if (t.kind == Tail::Kind::copy) {
        t.other = want_copy.t;
        t.channel = copied;
        if (ops_.coin()) t.table = nullptr;
      }
      if (t.kind == Tail::Kind::line) {
        const auto za = static_cast<int32_t>(ops_.pick(0, 255)), zp = static_cast<int32_t>(ops_.pick(0, 255));
        t.line = {za,
                  gain.data(),
                  ops_.coin() ? offset.data() : nullptr,
                  static_cast<float>(-zp),
                  static_cast<float>(255 - zp),
                  zp};
      }
    }
    run(**op, c, source, want.t, 1, {}, gapless, apart);
    for (const Tail& t : tails) slow(t, want);
    for (const int threads : {1, kThreads}) {
      const Held got(shape, halo, pitch, 0x5A), got_copy(part, copy_halo, copy_pitch, 0x3C);
      for (Tail& t : tails) {
        if (t.kind == Tail::Kind::copy) t.other = got_copy.t;
      }
      run(**op, c, source, got.t, threads, tails, gapless, apart);
      EXPECT_EQ(got.bytes, want.bytes) << threads << " threads, " << tails.size() << " tails, seed " << kSeed;
      EXPECT_EQ(got_copy.bytes, want_copy.bytes) << threads << " threads, " << tails.size() << " tails";
    }
  }

  static void run(const PreparedOp& op, const test::OpCase& c, const Tensor& src, const Tensor& dst, int threads,
                  std::span<const Tail> tails, bool gapless, bool apart) {
    const auto choice = op.choose(c.spec, threads, gapless, apart);
    ASSERT_TRUE(choice.ok()) << choice.status().to_string();
    const AlignedBytes scratch(op.scratch_bytes(**choice));
    const Parallel parallel{nullptr, threads > 1 ? test::run_striped<kThreads> : nullptr, threads};
    const void* wei = c.spec.wei_var ? c.wei.data() : nullptr;
    const Status s = op.run(**choice, src, dst, scratch.data(), parallel, wei, 0, tails);
    ASSERT_TRUE(s.ok()) << s.to_string();
  }

  void fill(Held& h) {
    for (uint8_t& v : h.bytes) v = static_cast<uint8_t>(ops_.pick(0, 255));
  }

  test::RandomOps ops_{kSeed};
};

TEST_F(Tails, OnCropsEqualPasses) {
  for (int i = 0; i < 200; ++i) {
    OpSpec s = i % 3 == 0 ? ops_.dense() : ops_.conv();
    if (s.dst == DType::s32) s.dst = DType::u8;
    expect_equal(ops_.fill(s));
  }
}

TEST_F(Tails, OnLargeCropsEqualPasses) {
  for (const char* line :
       {"conv2d mb2g1ic16ih20iw30oc130kh1kw1 src=u8:zp wei=s8 dst=u8:zp",
        "conv2d mb2g1ic9ih30iw30oc70kh3kw3pt1pl1pb1pr1 src=u8:zp wei=s8 dst=s8:zp",
        "conv2d mb1g96ic96ih40iw40oc96kh3kw3pt1pl1pb1pr1 src=u8:zp wei=s8 dst=u8:zp",
        "dense mb2m130k40n300 src=u8:zp wei=s8 dst=u8:zp", "dense mb1m1k64n2000 src=u8 wei=s8 dst=u8"}) {
    for (int i = 0; i < 6; ++i) expect_equal(ops_.fill(*parse_op(line)));
  }
}

TEST_F(Tails, ReadASourceWhosePixelsArePitched) {
  for (int i = 0; i < 60; ++i) {
    OpSpec s = i % 3 == 0 ? ops_.dense() : ops_.conv();
    s.wei_var = false;
    const bool joined = s.kind == OpKind::conv2d && s.g == 1 && s.dw == 1 && s.kw > 1;
    const test::OpCase c = ops_.fill(s);
    const KernelLibrary library;
    const auto op = PreparedOp::prepare(library, Isa::portable, c.spec, c.quant, c.wei.data());
    ASSERT_TRUE(op.ok());
    Tensor source;
    const AlignedBytes memory = padded_source(c.spec, c.quant, c.src.data(), &source);
    const int64_t pixel = source.c, wide = pixel + 11, row = source.stride_y / pixel;
    std::vector<uint8_t> apart(memory.size() / static_cast<size_t>(pixel) * static_cast<size_t>(wide) + 64, 0xEE);
    for (size_t at = 0; at < memory.size() - 63; ++at) {
      const auto p = static_cast<int64_t>(at) / pixel, k = static_cast<int64_t>(at) % pixel;
      apart[static_cast<size_t>(p * wide + k)] = memory.data()[at];
    }
    Tensor thin = source;
    thin.data = apart.data() + (source.data - memory.data()) / pixel * wide;
    thin.stride_x = wide;
    thin.stride_y = row * wide;
    thin.stride_n = source.stride_n / pixel * wide;
    const size_t bytes = static_cast<size_t>(s.dst_elements() * size_of(s.dst));
    std::vector<uint8_t> want(bytes), got(bytes);
    run(**op, c, source, dense_destination(s, want.data()), 1, {}, contiguous(source), false);
    const auto choice = (*op)->choose(c.spec, 1, contiguous(thin), true);
    ASSERT_TRUE(choice.ok());
    const AlignedBytes scratch((*op)->scratch_bytes(**choice));
    const Status st = (*op)->run(**choice, thin, dense_destination(s, got.data()), scratch.data(), {});
    EXPECT_EQ(st.ok(), !joined) << st.to_string() << " " << to_key(s);
    if (!joined) {
      EXPECT_EQ(got, want) << to_key(s) << " seed " << kSeed;
    }
  }
}

TEST_F(Tails, WhatDoesNotFitIsRefused) {
  const test::OpCase c = ops_.fill(*parse_op("conv2d mb2g1ic4ih5iw5oc8kh1kw1 src=u8:zp wei=s8 dst=u8:zp"));
  const KernelLibrary library;
  const auto op = PreparedOp::prepare(library, Isa::portable, c.spec, c.quant, c.wei.data());
  Tensor src;
  const AlignedBytes memory = padded_source(c.spec, c.quant, c.src.data(), &src);
  std::vector<uint8_t> out(static_cast<size_t>(c.spec.dst_elements()));
  const Tensor dst = dense_destination(c.spec, out.data());
  const auto choice = (*op)->choose(c.spec, 1);
  const auto code = [&](const Tail& t) {
    return (*op)->run(**choice, src, dst, nullptr, {}, nullptr, 0, std::span(&t, 1)).code();
  };
  Tail t;
  EXPECT_EQ(code(t), Code::invalid_argument);
  t.kind = Tail::Kind::line;
  EXPECT_EQ(code(t), Code::invalid_argument);
  t.kind = Tail::Kind::binary;
  t.other = dst;
  t.other.w = 4;
  EXPECT_EQ(code(t), Code::invalid_argument);
  t.kind = Tail::Kind::copy;
  EXPECT_EQ(code(t), Code::invalid_argument);
  t.kind = Tail::Kind::gate;
  t.other = dst;
  EXPECT_EQ(code(t), Code::invalid_argument);
  const FloatFunction function{{{{NodeKind::relu}}}};
  t.kind = Tail::Kind::floats;  // of codes
  t.function = &function;
  EXPECT_EQ(code(t), Code::invalid_argument);
}

// Crops of all rows, columns and channels, in pieces of any size: together they fill the halo and nothing else.
TEST(Halo, IsFilledBesideEveryCrop) {
  test::RandomOps ops(kSeed + 9);
  for (int i = 0; i < 200; ++i) {
    Tensor shape;
    shape.n = ops.pick(1, 2);
    shape.h = ops.pick(1, 6);
    shape.w = ops.pick(1, 6);
    shape.c = ops.pick(1, 9);
    constexpr int64_t kHalo = 3;
    const Held held(shape, kHalo, 0, 7);
    Tensor t = held.t;
    for (int* pad : {&t.pad_t, &t.pad_l, &t.pad_b, &t.pad_r}) *pad = static_cast<int>(ops.pick(0, kHalo));
    t.border = 200;
    const auto pieces = [&](int64_t extent) {
      std::vector<int64_t> at{0};
      while (at.back() < extent) at.push_back(std::min(extent, at.back() + ops.pick(1, extent)));
      return at;
    };
    for (int64_t n = 0; n < t.n; ++n) {
      const std::vector<int64_t> ys = pieces(t.h), xs = pieces(t.w), cs = pieces(t.c);
      for (size_t y = 1; y < ys.size(); ++y) {
        for (size_t x = 1; x < xs.size(); ++x) {
          for (size_t c = 1; c < cs.size(); ++c) {
            fill_halo(t, {n, ys[y - 1], xs[x - 1], ys[y] - ys[y - 1], xs[x] - xs[x - 1], cs[c - 1], cs[c] - cs[c - 1]});
          }
        }
      }
    }
    for (int64_t n = 0; n < t.n; ++n) {
      for (int64_t y = -kHalo; y < t.h + kHalo; ++y) {
        for (int64_t x = -kHalo; x < t.w + kHalo; ++x) {
          const bool inside = y >= 0 && y < t.h && x >= 0 && x < t.w;
          const bool reached = y >= -t.pad_t && y < t.h + t.pad_b && x >= -t.pad_l && x < t.w + t.pad_r;
          for (int64_t c = 0; c < t.c; ++c) {
            ASSERT_EQ(held.at(n, y, x, c), reached && !inside ? 200 : 7) << n << " " << y << " " << x << " " << c;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace octile::runtime
