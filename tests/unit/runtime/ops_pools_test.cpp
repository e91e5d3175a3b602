// Pools, means and resizes, every variant this machine runs against the interpreter's formulas, written out slowly.
// In:  seeds.  Out: GoogleTest's verdict.
// Not here: element by element (ops_codes_test.cpp), rows of floats (ops_rows_test.cpp).
#include <memory>
#include <numeric>

#include "tests/unit/runtime/ops_variants.h"
#include "workload/graph/resize.h"
#include "workload/numerics/sums.h"

namespace octile::runtime {
namespace {

using namespace test;  // NOLINT: the helpers of this folder

constexpr uint64_t kSeed = 83;

// A tensor with random gaps, multiples of `unit` bytes, whose last pixel ends at a guard page.
struct Picture {
  Picture(Rng& rng, int64_t n, int64_t h, int64_t w, int64_t c, int64_t unit = 1) {
    tensor.n = n;
    tensor.h = h;
    tensor.w = w;
    tensor.c = c;
    const bool dense = rng.chance(0.5);
    tensor.stride_x = dense ? c : c + unit * rng.below(5);
    tensor.stride_y = w * tensor.stride_x + (dense ? 0 : unit * rng.below(5));
    tensor.stride_n = h * tensor.stride_y + (dense ? 0 : unit * rng.below(5));
    const int64_t bytes = (n - 1) * tensor.stride_n + (h - 1) * tensor.stride_y + (w - 1) * tensor.stride_x + c;
    memory = std::make_unique<RowBytes>(rng, bytes, 1, bytes);
    tensor.data = memory->data();
  }
  [[nodiscard]] uint8_t at(int64_t n, int64_t y, int64_t x, int64_t c) const { return tensor.data[offset(n, y, x, c)]; }
  [[nodiscard]] int64_t offset(int64_t n, int64_t y, int64_t x, int64_t c) const {
    return n * tensor.stride_n + y * tensor.stride_y + x * tensor.stride_x + c;
  }
  Tensor tensor;
  std::unique_ptr<RowBytes> memory;
};

// Meanings: a scale and a zero point, or 256 floats.
struct Means {
  Means(Rng& rng, bool odd) : values(256) {
    m.scale = odd ? odd_scale(rng) : plain_scale(rng);
    m.zp = zero_point(rng);
    const bool cancel = rng.chance(0.5);
    for (float& v : values) v = cancel ? cancelling(rng) : static_cast<float>(rng.normal());
    if (rng.chance(0.1)) values[0] = NAN;
    if (rng.chance(0.3)) m.values = values.data();
  }
  [[nodiscard]] float of(uint8_t q) const { return m.values != nullptr ? values[q] : dequantize(q, m.scale, m.zp); }
  Meaning m;
  std::vector<float> values;
};

int64_t channels(Rng& rng) {
  return rng.chance(0.6) ? rng.range(1, 40) : rng.pick<int64_t>({8, 15, 16, 17, 24, 31, 32, 48, 63, 64, 65, 96, 130});
}

uint8_t mean_code(const std::vector<float>& v, int64_t count, const QuantizeForm& to) {
  const double sum = sum_in_order(std::ssize(v), [&](int64_t i) { return v[static_cast<size_t>(i)]; });
  return code(static_cast<float>(sum / static_cast<double>(count)), to);
}

// The codes a window sees, in row-major order, and how many elements lie inside the tensor and its pads.
struct Seen {
  std::vector<uint8_t> codes;
  int64_t padded = 0;
};
Seen seen(const PoolForm& f, const Picture& src, int64_t n, int64_t oy, int64_t ox, int64_t c) {
  Seen s;
  for (int64_t ky = 0; ky < f.kh; ++ky) {
    for (int64_t kx = 0; kx < f.kw; ++kx) {
      const int64_t y = oy * f.sh - f.ph + ky * f.dh, x = ox * f.sw - f.pw + kx * f.dw;
      const Tensor& t = src.tensor;
      if (y < t.h + f.ph_end && x < t.w + f.pw_end) ++s.padded;
      if (y >= 0 && y < t.h && x >= 0 && x < t.w) s.codes.push_back(src.at(n, y, x, c));
    }
  }
  return s;
}

struct Pool {
  PoolForm form;
  int64_t h, w, oh, ow;
};
// Windows of every kind, the plain 2x2 and 3x3 among them; each meets the tensor.
Pool draw_pool(Rng& rng) {
  for (;;) {
    Pool p{};
    PoolForm& f = p.form;
    p.h = rng.range(1, 9);
    p.w = rng.range(1, 9);
    f.kh = rng.range(1, 5);
    f.kw = rng.chance(0.6) ? f.kh : rng.range(1, 5);
    f.sh = rng.range(1, 3);
    f.sw = rng.range(1, 3);
    if (rng.chance(0.2)) f.dh = f.dw = 2;
    f.ph = rng.below(f.kh);
    f.pw = rng.below(f.kw);
    f.ph_end = rng.below(f.kh);
    f.pw_end = rng.below(f.kw);
    f.count_pads = rng.chance(0.5);
    f.lowest = rng.chance(0.3);
    const int64_t reach_h = (f.kh - 1) * f.dh + 1, reach_w = (f.kw - 1) * f.dw + 1;
    const int64_t room_h = p.h + f.ph + f.ph_end - reach_h, room_w = p.w + f.pw + f.pw_end - reach_w;
    if (room_h < 0 || room_w < 0) continue;
    const bool ceil = rng.chance(0.3);
    p.oh = (room_h + (ceil ? f.sh - 1 : 0)) / f.sh + 1;
    p.ow = (room_w + (ceil ? f.sw - 1 : 0)) / f.sw + 1;
    Rng any(1);
    const Picture src(any, 1, p.h, p.w, 1);
    bool meets = true;
    for (int64_t y = 0; y < p.oh; ++y) {
      for (int64_t x = 0; x < p.ow; ++x) meets = meets && !seen(f, src, 0, y, x, 0).codes.empty();
    }
    if (meets) return p;
  }
}

TEST(OpsPools, MaxAndAverage) {
  Rng rng(kSeed);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 400; ++i) {
      const Pool p = draw_pool(rng);
      const int64_t n = rng.range(1, 2), c = channels(rng);
      const Picture src(rng, n, p.h, p.w, c), dst(rng, n, p.oh, p.ow, c);
      const Means means(rng, true);
      QuantizeForm to = draw_form(rng, true);
      if (rng.chance(0.4)) to.scale = means.m.scale;  // ties
      const int64_t begin = rng.below(n * p.oh), end = rng.range(begin, n * p.oh);
      std::vector<uint8_t> most = dst.memory->bytes(), average = most;
      for (int64_t r = begin; r < end; ++r) {
        for (int64_t x = 0; x < p.ow; ++x) {
          for (int64_t k = 0; k < c; ++k) {
            const Seen s = seen(p.form, src, r / p.oh, r % p.oh, x, k);
            const auto [lo, hi] = std::minmax_element(s.codes.begin(), s.codes.end());
            const auto at = static_cast<size_t>(dst.offset(r / p.oh, r % p.oh, x, k));
            most[at] = p.form.lowest ? *lo : *hi;
            std::vector<float> values;
            for (uint8_t q : s.codes) values.push_back(means.of(q));
            average[at] = mean_code(values, p.form.count_pads ? s.padded : std::ssize(values), to);
          }
        }
      }
      v.ops->max_pool(p.form, src.tensor, dst.tensor, begin, end);
      ASSERT_EQ(dst.memory->bytes(), most) << v.name << " max, case " << i << " c " << c;
      v.ops->average_pool(p.form, means.m, to, src.tensor, dst.tensor, begin, end);
      ASSERT_EQ(dst.memory->bytes(), average) << v.name << " average, case " << i << " c " << c;
      EXPECT_TRUE(src.memory->intact() && dst.memory->intact());
    }
  }
}

TEST(OpsPools, LargestAndAverageFloats) {
  Rng rng(kSeed + 4);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 300; ++i) {
      const Pool p = draw_pool(rng);
      const int64_t n = rng.range(1, 2), c = channels(rng);
      const Picture src(rng, n, p.h, p.w, 4 * c, 4), dst(rng, n, p.oh, p.ow, 4 * c, 4);
      const auto float_at = [&](uint8_t* at) {
        float f = 0;
        std::memcpy(&f, at, sizeof f);
        return f;
      };
      for (int64_t e = 0; e < n * p.h * p.w * c; ++e) {  // equal ones, zeros of both signs, NaN
        const int64_t pixel = e / c, x = pixel % p.w, y = pixel / p.w % p.h;
        const float f = rng.chance(0.02)  ? NAN
                        : rng.chance(0.1) ? 1e9F * static_cast<float>(rng.code(-9, 9))
                                          : rng.pick({0.0F, -0.0F, static_cast<float>(rng.code(-3, 3))});
        std::memcpy(src.tensor.data + src.offset(pixel / p.w / p.h, y, x, 4 * (e % c)), &f, sizeof f);
      }
      const int64_t begin = rng.below(n * p.oh), end = rng.range(begin, n * p.oh);
      std::vector<uint8_t> want = dst.memory->bytes(), means = want;
      for (int64_t e = begin * p.ow * c; e < end * p.ow * c; ++e) {
        const int64_t r = e / c / p.ow, x = e / c % p.ow, k = 4 * (e % c);
        std::vector<Seen> bytes;
        for (int64_t j = 0; j < 4; ++j) bytes.push_back(seen(p.form, src, r / p.oh, r % p.oh, x, k + j));
        std::vector<float> values;
        float best = 0;
        for (size_t j = 0; j < bytes[0].codes.size(); ++j) {
          uint8_t four[4]{bytes[0].codes[j], bytes[1].codes[j], bytes[2].codes[j], bytes[3].codes[j]};
          const float f = float_at(four);
          if (j == 0 || f > best || f != f) best = f;
          values.push_back(f);
        }
        const double sum = sum_in_order(std::ssize(values), [&](int64_t j) { return values[static_cast<size_t>(j)]; });
        const int64_t count = p.form.count_pads ? bytes[0].padded : std::ssize(values);
        const auto mean = static_cast<float>(sum / static_cast<double>(count));
        std::memcpy(means.data() + dst.offset(r / p.oh, r % p.oh, x, k), &mean, sizeof mean);
        std::memcpy(want.data() + dst.offset(r / p.oh, r % p.oh, x, k), &best, sizeof best);
      }
      Tensor from = src.tensor, to = dst.tensor;
      from.c = to.c = c;
      v.ops->max_pool_floats(p.form, from, to, begin, end);
      ASSERT_EQ(dst.memory->bytes(), want) << v.name << " case " << i << " c " << c;
      v.ops->average_pool_floats(p.form, from, to, begin, end);
      ASSERT_EQ(dst.memory->bytes(), means) << v.name << " average, case " << i << " c " << c;
      EXPECT_TRUE(src.memory->intact() && dst.memory->intact());
    }
  }
}

TEST(OpsPools, WholeImages) {
  Rng rng(kSeed + 1);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 400; ++i) {
      const int64_t n = rng.range(1, 2), c = channels(rng), image = rng.below(n);
      const int64_t h = i % 40 == 0 ? 23 : rng.range(1, 6), w = i % 40 == 0 ? 37 : rng.range(1, 6);
      const Picture src(rng, n, h, w, c);
      if (i % 40 == 0) std::memset(src.tensor.data, 255, src.memory->bytes().size());  // sums that fill 16 bits
      const Means means(rng, rng.chance(0.3));
      QuantizeForm to = draw_form(rng, rng.chance(0.3));
      if (rng.chance(0.5)) to.scale = means.m.scale;  // ties
      const RowBytes dst(rng, c, 1, c);
      const int64_t begin = rng.chance(0.5) ? 0 : rng.below(c), end = rng.chance(0.5) ? c : rng.range(begin, c);
      std::vector<uint8_t> average = dst.bytes(), most = average, least = average;
      for (int64_t k = begin; k < end; ++k) {
        std::vector<float> values;
        std::vector<uint8_t> codes;
        for (int64_t y = 0; y < h; ++y) {
          for (int64_t x = 0; x < w; ++x) codes.push_back(src.at(image, y, x, k));
        }
        for (uint8_t q : codes) values.push_back(means.of(q));
        const auto at = static_cast<size_t>(k);
        average[at] = mean_code(values, h * w, to);
        most[at] = *std::max_element(codes.begin(), codes.end());
        least[at] = *std::min_element(codes.begin(), codes.end());
      }
      v.ops->global_average(means.m, to, src.tensor, image, dst.data(), begin, end);
      ASSERT_EQ(dst.bytes(), average) << v.name << " case " << i << " c " << c << " [" << begin << ", " << end << ")";
      if (n == 1) {  // in bands of rows, the second into sums that are there already
        const int64_t middle = rng.below(h + 1);
        std::vector<uint32_t> sums(static_cast<size_t>(2 * c), 0);
        Tensor band = src.tensor;
        band.h = middle;
        v.ops->add_pixels(band, sums.data());
        band.data += middle * band.stride_y;
        band.h = h - middle;
        v.ops->add_pixels(band, sums.data() + (i % 2 == 0 ? 0 : c));
        std::vector<uint8_t> whole(static_cast<size_t>(c));
        v.ops->average_of_sums(means.m, to, sums.data(), 2, src.tensor, whole.data());
        ASSERT_EQ(std::vector(whole.begin() + begin, whole.begin() + end),
                  std::vector(average.begin() + begin, average.begin() + end))
            << v.name << " case " << i << " c " << c;
      }
      v.ops->global_max(false, src.tensor, image, dst.data(), begin, end);
      ASSERT_EQ(dst.bytes(), most) << v.name << " case " << i;
      v.ops->global_max(true, src.tensor, image, dst.data(), begin, end);
      ASSERT_EQ(dst.bytes(), least) << v.name << " case " << i;
      EXPECT_TRUE(src.memory->intact() && dst.intact());
    }
  }
}

TEST(OpsPools, MeansOfRows) {
  Rng rng(kSeed + 2);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 400; ++i) {
      const int64_t c = i % 40 == 0 ? 20'000 : draw_length(rng) + 1, rows = rng.range(1, 4);
      const RowBytes src(rng, c, rows, c + rng.below(4)), dst(rng, rows, 1, rows);
      const Means means(rng, rng.chance(0.3));
      QuantizeForm to = draw_form(rng, rng.chance(0.3));
      if (rng.chance(0.5)) to.scale = means.m.scale;
      std::vector<uint8_t> want(static_cast<size_t>(rows));
      for (int64_t r = 0; r < rows; ++r) {
        std::vector<float> values;
        for (int64_t k = 0; k < c; ++k) values.push_back(means.of(src.at(r, k)));
        want[static_cast<size_t>(r)] = mean_code(values, c, to);
      }
      v.ops->mean_rows(means.m, to, src.rows(), dst.data(), c, rows);
      ASSERT_EQ(dst.bytes(), want) << v.name << " case " << i << " c " << c;
      EXPECT_TRUE(src.intact() && dst.intact());
    }
  }
}

// An axis as the plan hands it over: taps of a real resize, or of one that changes nothing.
ResizeAxis draw_axis(Rng& rng, bool linear, int64_t in) {
  NodeDesc node;
  node.kind = NodeKind::resize;
  node.ints = {linear ? 1 : 0, rng.below(6), rng.below(4), rng.chance(0.3) ? in : rng.range(1, 20)};
  return resize_of(node, {in})->axes[0];
}

TEST(OpsPools, ResizesByCopies) {
  Rng rng(kSeed + 3);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 300; ++i) {
      const int64_t n = rng.range(1, 2), h = rng.range(1, 8), w = rng.range(1, 8), c = channels(rng);
      const ResizeAxis y = draw_axis(rng, false, h), x = draw_axis(rng, false, w);
      const Picture src(rng, n, h, w, c), dst(rng, n, y.out, x.out, c);
      const int64_t begin = rng.below(n * y.out), end = rng.range(begin, n * y.out);
      std::vector<uint8_t> want = dst.memory->bytes();
      for (int64_t r = begin; r < end; ++r) {
        for (int64_t ox = 0; ox < x.out; ++ox) {
          for (int64_t k = 0; k < c; ++k) {
            want[static_cast<size_t>(dst.offset(r / y.out, r % y.out, ox, k))] =
                src.at(r / y.out, y.lo[static_cast<size_t>(r % y.out)], x.lo[static_cast<size_t>(ox)], k);
          }
        }
      }
      v.ops->resize_nearest(y.lo.data(), x.lo.data(), src.tensor, dst.tensor, begin, end);
      ASSERT_EQ(dst.memory->bytes(), want) << v.name << " case " << i << " c " << c;
      EXPECT_TRUE(src.memory->intact() && dst.memory->intact());
    }
  }
}

// Rows may overlap, as what the windows of a convolution read of a row of the source does.
TEST(OpsPools, SumsOfRows) {
  Rng rng(kSeed + 5);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 400; ++i) {
      const int64_t c = i % 40 == 0 ? 20'000 : draw_length(rng) + 1, rows = rng.below(12);
      const RowBytes src(rng, c, rows, rng.chance(0.5) ? c + rng.below(4) : rng.range(1, c));
      if (rng.chance(0.2)) std::fill_n(src.data(), std::ssize(src.bytes()), uint8_t{255});
      std::vector<uint32_t> sums(static_cast<size_t>(rows)), want;
      for (int64_t r = 0; r < rows; ++r) {
        const auto before = static_cast<uint32_t>(rng.next());
        sums[static_cast<size_t>(r)] = before;
        const uint8_t* const row = src.data() + r * src.rows().stride;
        want.push_back(std::accumulate(row, row + c, before));
      }
      v.ops->add_codes(src.rows(), c, rows, sums.data());
      ASSERT_EQ(sums, want) << v.name << " case " << i << " c " << c << " rows " << rows;
    }
  }
}

float mixed(float lo, float hi, float f) {
  const float g = 1.0F - f;
  const float a = lo * g, b = hi * f;
  return a + b;
}

TEST(OpsPools, ResizesByMixing) {
  Rng rng(kSeed + 4);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 300; ++i) {
      const int64_t n = rng.range(1, 2), h = rng.range(1, 8), w = rng.range(1, 8);
      const int64_t c = i % 50 == 0 ? rng.range(1000, 2500) : channels(rng);
      const ResizeAxis y = draw_axis(rng, true, h), x = draw_axis(rng, true, w);
      const bool over_y = y.changes(), over_x = x.changes();
      const Picture src(rng, n, h, w, c), dst(rng, n, y.out, x.out, c);
      const Picture floats(rng, n, h, w, 4 * c, 4), mixtures(rng, n, y.out, x.out, 4 * c, 4);
      const Means means(rng, rng.chance(0.2));
      const QuantizeForm to = draw_form(rng, rng.chance(0.2));
      for (int64_t e = 0; e < n * h * w * c; ++e) {
        const int64_t image = e / c / w / h, row = e / c / w % h, column = e / c % w, k = e % c;
        const float f = means.of(src.at(image, row, column, k));
        std::memcpy(floats.tensor.data + floats.offset(image, row, column, 4 * k), &f, sizeof f);
      }
      const int64_t begin = rng.below(n * y.out), end = rng.range(begin, n * y.out);
      std::vector<uint8_t> want = dst.memory->bytes(), want_floats = mixtures.memory->bytes();
      for (int64_t r = begin; r < end; ++r) {
        const auto iy = static_cast<size_t>(r % y.out);
        for (int64_t ox = 0; ox < x.out; ++ox) {
          const auto ix = static_cast<size_t>(ox);
          for (int64_t k = 0; k < c; ++k) {
            const auto row = [&](int64_t from) {
              const float lo = means.of(src.at(r / y.out, from, x.lo[ix], k));
              return over_x ? mixed(lo, means.of(src.at(r / y.out, from, x.hi[ix], k)), x.f[ix]) : lo;
            };
            const float value = over_y ? mixed(row(y.lo[iy]), row(y.hi[iy]), y.f[iy]) : row(y.lo[iy]);
            want[static_cast<size_t>(dst.offset(r / y.out, r % y.out, ox, k))] = code(value, to);
            std::memcpy(want_floats.data() + mixtures.offset(r / y.out, r % y.out, ox, 4 * k), &value, sizeof value);
          }
        }
      }
      const ResizeTaps ty{y.lo.data(), over_y ? y.hi.data() : nullptr, over_y ? y.f.data() : nullptr};
      const ResizeTaps tx{x.lo.data(), over_x ? x.hi.data() : nullptr, over_x ? x.f.data() : nullptr};
      v.ops->resize_linear(means.m, ty, tx, to, src.tensor, dst.tensor, begin, end);
      ASSERT_EQ(dst.memory->bytes(), want) << v.name << " case " << i << " c " << c;
      Tensor from = floats.tensor, into = mixtures.tensor;
      from.c = into.c = c;
      v.ops->resize_linear_floats(ty, tx, from, into, begin, end);
      ASSERT_EQ(mixtures.memory->bytes(), want_floats) << v.name << " floats, case " << i << " c " << c;
      EXPECT_TRUE(src.memory->intact() && dst.memory->intact());
    }
  }
}

}  // namespace
}  // namespace octile::runtime
