// Ops over codes element by element, every variant this machine runs against plain loops over workload/numerics.
// In:  seeds.  Out: GoogleTest's verdict.
// Not here: pools, resizes (ops_pools_test.cpp), rows of floats (ops_rows_test.cpp).
#include "tests/unit/runtime/ops_variants.h"

namespace octile::runtime {
namespace {

using namespace test;  // NOLINT: the helpers of this folder

constexpr uint64_t kSeed = 71;

std::vector<uint8_t> random_table(Rng& rng) {
  std::vector<uint8_t> t(256);
  const int kind = static_cast<int>(rng.below(4));
  const auto from = static_cast<int>(rng.below(256));
  for (int q = 0; q < 256; ++q) {
    const int v = kind == 0 ? rng.code(0, 255) : kind == 1 ? std::max(q - from, 0) : kind == 2 ? std::min(q, from) : 7;
    t[static_cast<size_t>(q)] = static_cast<uint8_t>(v);
  }
  return t;
}

TEST(OpsCodes, AllCodesThroughTables) {
  Rng rng(kSeed);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 50; ++i) {
      const std::vector<uint8_t> t = random_table(rng);
      std::vector<uint8_t> src(256), got(256);
      for (int q = 0; q < 256; ++q) src[static_cast<size_t>(q)] = static_cast<uint8_t>(q);
      v.ops->table(t.data(), src.data(), got.data(), 256);
      EXPECT_EQ(got, t) << v.name << " table " << i;
    }
  }
}

TEST(OpsCodes, TablesOfAnyLength) {
  Rng rng(kSeed + 1);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 300; ++i) {
      const std::vector<uint8_t> t = random_table(rng);
      const int64_t c = draw_length(rng), rows = i % 30 == 0 ? 300 : rng.range(1, 5);
      const int64_t gap = rng.chance(0.5) ? 0 : rng.below(40);
      RowBytes src(rng, c, rows, c + gap), dst(rng, c, rows, c + gap);
      std::vector<uint8_t> want = dst.bytes();
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t k = 0; k < c; ++k) want[static_cast<size_t>(r * (c + gap) + k)] = t[src.at(r, k)];
      }
      v.ops->table_rows(t.data(), src.rows(), dst.out(), c, rows);
      EXPECT_EQ(dst.bytes(), want) << v.name << " case " << i;
      v.ops->table(t.data(), src.data(), src.data(), c);  // in place
      for (int64_t k = 0; k < c; ++k) EXPECT_EQ(src.at(0, k), want[static_cast<size_t>(k)]) << v.name << " case " << i;
      EXPECT_TRUE(src.intact() && dst.intact()) << v.name << " case " << i;
    }
  }
}

TEST(OpsCodes, TablesOfFloats) {
  Rng rng(kSeed + 2);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 50; ++i) {
      std::vector<float> t(256);
      for (float& f : t) f = static_cast<float>(rng.normal());
      const int64_t c = draw_length(rng);
      const RowBytes src(rng, c, 1, c);
      const Floats dst(std::vector<float>(static_cast<size_t>(c)));
      v.ops->table_f32(t.data(), src.data(), dst.data(), c);
      for (int64_t k = 0; k < c; ++k) EXPECT_EQ(dst.data()[k], t[src.at(0, k)]) << v.name;
    }
  }
}

// The number a form rounds, one operation per line.
float value_of(const BinaryForm& f, uint8_t a, uint8_t b) {
  const auto da = static_cast<float>(a - f.za), db = static_cast<float>(b - f.zb);
  const float xa = da * f.ka, xb = db * f.kb, sum = xa + xb, product = xa * xb;
  switch (f.kind) {
    case BinaryKind::affine: return std::fma(static_cast<float>(a), f.ka, std::fma(static_cast<float>(b), f.kb, f.k0));
    case BinaryKind::sum: return std::fma(da, f.ka, xb);
    case BinaryKind::sum_div: return sum / f.k;
    case BinaryKind::product: return static_cast<float>((a - f.za) * (b - f.zb)) * f.k;
    case BinaryKind::product_div: return product / f.k;
    case BinaryKind::pairs: break;
  }
  return 0.0F;
}

uint8_t one(const BinaryForm& f, uint8_t a, uint8_t b) {
  const uint8_t q = f.kind == BinaryKind::pairs ? f.pairs[a * 256 + b] : code(value_of(f, a, b), f.lo, f.hi, f.zp);
  return f.after != nullptr ? f.after[q] : q;
}

// Forms are linear in each code, so their corners are the extremes; quotients that overflow are no numbers.
bool small(const BinaryForm& f) {
  constexpr float kMost = 2147483648.0F;
  return value_of(f, 0, 0) < kMost && value_of(f, 0, 255) < kMost && value_of(f, 255, 0) < kMost &&
         value_of(f, 255, 255) < kMost;
}

BinaryForm draw_binary(Rng& rng, const std::vector<uint8_t>& pairs, const std::vector<uint8_t>& after) {
  BinaryForm f;
  f.kind = static_cast<BinaryKind>(rng.below(6));
  do {
    f.ka = odd_scale(rng);
    f.kb = rng.chance(0.2) ? -odd_scale(rng) : odd_scale(rng);
    f.k = odd_scale(rng);
    f.k0 = static_cast<float>(rng.uniform(-300, 300));
    f.za = zero_point(rng);
    f.zb = zero_point(rng);
  } while (!small(f));
  f.zp = zero_point(rng);
  draw_clamp(rng, f.zp, f.lo, f.hi);
  f.pairs = pairs.data();
  if (rng.chance(0.4)) f.after = after.data();
  return f;
}

std::vector<uint8_t> random_pairs(Rng& rng) {
  std::vector<uint8_t> pairs(65536);
  for (uint8_t& p : pairs) p = static_cast<uint8_t>(rng.next());
  return pairs;
}

TEST(OpsCodes, FunctionsOfTwoCodes) {
  Rng rng(kSeed + 3);
  const std::vector<uint8_t> pairs = random_pairs(rng);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 1500; ++i) {
      const std::vector<uint8_t> after = random_table(rng);
      const BinaryForm f = draw_binary(rng, pairs, after);
      const int64_t c = draw_length(rng), rows = i % 50 == 0 ? 400 : rng.range(1, 6);
      const auto stride = [&] { return rng.chance(0.4) ? c : c + rng.below(20); };
      const int64_t sa = rng.chance(0.1) ? 0 : stride(), sb = rng.chance(0.3) ? 0 : stride();
      RowBytes a(rng, c, rows, sa), b(rng, c, rows, sb);
      const int where = static_cast<int>(rng.below(4));  // 2: onto a, 3: onto b
      RowBytes apart(rng, c, rows, stride());
      RowBytes& dst = where == 2 && sa > 0 ? a : where == 3 && sb > 0 ? b : apart;
      std::vector<uint8_t> want = dst.bytes();
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t k = 0; k < c; ++k) {
          want[static_cast<size_t>(r * dst.out().stride + k)] = one(f, a.at(r, k), b.at(r, k));
        }
      }
      v.ops->binary(f, a.rows(), b.rows(), dst.out(), c, rows);
      ASSERT_EQ(dst.bytes(), want) << v.name << " case " << i << " kind " << static_cast<int>(f.kind) << " c " << c;
      EXPECT_TRUE(a.intact() && b.intact() && apart.intact());
    }
  }
}

TEST(OpsCodes, LongRowsThroughFormAndTable) {
  Rng rng(kSeed + 4);
  const std::vector<uint8_t> pairs = random_pairs(rng), after = random_table(rng);
  for (const Variant& v : variants()) {
    BinaryForm f = draw_binary(rng, pairs, after);
    f.kind = BinaryKind::affine;
    f.after = after.data();
    const int64_t c = 40'001;
    RowBytes a(rng, c, 2, c + 1), b(rng, c, 2, c);
    std::vector<uint8_t> want = a.bytes();
    for (int64_t r = 0; r < 2; ++r) {
      for (int64_t k = 0; k < c; ++k) want[static_cast<size_t>(r * (c + 1) + k)] = one(f, a.at(r, k), b.at(r, k));
    }
    v.ops->binary(f, a.rows(), b.rows(), a.out(), c, 2);
    EXPECT_EQ(a.bytes(), want) << v.name;
  }
}

TEST(OpsCodes, Gates) {
  Rng rng(kSeed + 5);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 400; ++i) {
      const int64_t c = draw_length(rng), rows = i % 50 == 0 ? 400 : rng.range(1, 6);
      const int32_t za = zero_point(rng), zp = zero_point(rng);
      float lo = 0, hi = 0;
      draw_clamp(rng, zp, lo, hi);
      std::vector<float> gain(static_cast<size_t>(c));
      for (float& g : gain) g = rng.chance(0.5) ? static_cast<float>(rng.normal()) : odd_scale(rng);
      std::vector<float> offset(gain.size());
      for (float& o : offset) o = rng.chance(0.2) ? 0.5F : static_cast<float>(rng.normal() * 40);
      std::vector<float> below(gain.rbegin(), gain.rend());
      const bool shifted = rng.chance(0.5), bent = rng.chance(0.4);
      const Floats factors(gain), under(below), shifts(offset);
      const RowBytes a(rng, c, rows, c + rng.below(9));
      const bool onto = rng.chance(0.5);
      const RowBytes apart(rng, c, rows, c + rng.below(9));
      const RowBytes& dst = onto ? a : apart;
      std::vector<uint8_t> want = dst.bytes();
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t k = 0; k < c; ++k) {
          const int32_t x = a.at(r, k) - za;
          const float slope = bent && x < 0 ? below[static_cast<size_t>(k)] : gain[static_cast<size_t>(k)];
          const float product = static_cast<float>(x) * slope;
          const float y = shifted ? product + offset[static_cast<size_t>(k)] : product;
          want[static_cast<size_t>(r * dst.out().stride + k)] = code(y, lo, hi, zp);
        }
      }
      const GateForm form{
          za, factors.data(), shifted ? shifts.data() : nullptr, lo, hi, zp, bent ? under.data() : nullptr};
      v.ops->gate(form, a.rows(), dst.out(), c, rows);
      ASSERT_EQ(dst.bytes(), want) << v.name << " case " << i;
      EXPECT_TRUE(a.intact() && apart.intact());
    }
  }
}

TEST(OpsCodes, CopiesAndFills) {
  Rng rng(kSeed + 6);
  for (const Variant& v : variants()) {
    for (int i = 0; i < 300; ++i) {
      const int64_t c = draw_length(rng), rows = rng.range(1, 6);
      const RowBytes src(rng, c, rows, rng.chance(0.2) ? 0 : c + rng.below(3));
      RowBytes dst(rng, c, rows, rng.chance(0.4) ? c : c + rng.below(9));
      std::vector<uint8_t> want = dst.bytes();
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t k = 0; k < c; ++k) want[static_cast<size_t>(r * dst.out().stride + k)] = src.at(r, k);
      }
      v.ops->copy(src.rows(), dst.out(), c, rows);
      EXPECT_EQ(dst.bytes(), want) << v.name << " case " << i;
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t k = 0; k < c; ++k) want[static_cast<size_t>(r * dst.out().stride + k)] = 77;
      }
      v.ops->fill(dst.out(), 77, c, rows);
      EXPECT_EQ(dst.bytes(), want) << v.name << " case " << i;
      EXPECT_TRUE(src.intact() && dst.intact());
    }
  }
}

// Finds a prover's mistakes: whatever form comes back must give the table, and tables made of arithmetic must not end
// as tables of pairs.
TEST(OpsCodes, FormsAreProven) {
  Rng rng(kSeed + 7);
  int kinds[6] = {};
  for (int i = 0; i < 60; ++i) {
    BinaryHint h;
    h.product = i % 2 == 1;
    h.scale_a = plain_scale(rng);
    h.scale_b = rng.chance(0.3) && !h.product ? -plain_scale(rng) : plain_scale(rng);
    h.scale = plain_scale(rng);
    h.za = zero_point(rng);
    h.zb = zero_point(rng);
    h.zp = zero_point(rng);
    const bool relu = rng.chance(0.3), sound = !rng.chance(0.2);
    std::vector<uint8_t> pairs(65536);
    for (int a = 0; a < 256; ++a) {
      for (int b = 0; b < 256; ++b) {
        const float x = dequantize(a, h.scale_a, h.za), y = dequantize(b, h.scale_b, h.zb);
        const float z = h.product ? x * y : x + y;
        const int32_t q = quantize_onnx_rne(z, h.scale, h.zp, relu ? h.zp : 0, 255);
        pairs[static_cast<size_t>(a) * 256 + static_cast<size_t>(b)] = static_cast<uint8_t>(q);
      }
    }
    const auto spoilt = static_cast<size_t>(rng.below(65536));
    if (!sound) pairs[spoilt] = static_cast<uint8_t>(pairs[spoilt] ^ 0x55);
    const BinaryForm f = prove_binary(pairs.data(), h);
    ++kinds[static_cast<int>(f.kind)];
    EXPECT_EQ(f.kind == BinaryKind::pairs, !sound) << "case " << i;
    for (int a = 0; a < 256; ++a) {
      for (int b = 0; b < 256; ++b) {
        const uint8_t got = one(f, static_cast<uint8_t>(a), static_cast<uint8_t>(b));
        ASSERT_EQ(got, pairs[static_cast<size_t>(a * 256 + b)]) << "case " << i << " a " << a << " b " << b;
      }
    }
  }
  EXPECT_GT(kinds[static_cast<int>(BinaryKind::affine)] + kinds[static_cast<int>(BinaryKind::sum)], 10);
  EXPECT_GT(kinds[static_cast<int>(BinaryKind::product)], 10);
}

TEST(OpsCodes, TheBestVariantIsChosen) {
  EXPECT_EQ(&ops_for(Isa::portable), &kOpsPortable);
  EXPECT_EQ(&ops_for(Isa::avx512vnni), variants().back().ops);
}

}  // namespace
}  // namespace octile::runtime
